package sqlstore

import (
	"context"
	"slices"
	"time"

	"holdfast/authz"
	"holdfast/internal/sqldb"
)

const factorColumns = `id, person, mechanism, label, enrolled_at, usable_from, removed_at, first, leaf_index,
	totp_sealed, totp_state, credential, public_key, sign_count, device_bound, record`

func scanFactor(r row) (authz.Factor, error) {
	var f authz.Factor
	var mechanism string
	var enrolled, usable, removed, count int64
	var t authz.TOTPRecord
	var p authz.PasskeyRecord
	if err := r.Scan(&f.ID, &f.Person, &mechanism, &f.Label, &enrolled, &usable, &removed, &f.First, &f.LeafIndex,
		&t.Sealed, &t.State, &p.Credential, &p.PublicKey, &count, &p.DeviceBound, &p.Record); err != nil {
		return authz.Factor{}, found(err)
	}
	f.EnrolledAt, f.UsableFrom, f.RemovedAt = sqldb.FromMicros(enrolled), sqldb.FromMicros(usable), sqldb.FromMicros(removed)
	var err error
	if f.Mechanism, err = authz.ParseMechanism(mechanism); err != nil {
		return authz.Factor{}, err
	}
	switch f.Mechanism {
	case authz.MechanismTOTP:
		f.TOTP = &t
	case authz.MechanismPasskey:
		p.SignCount = uint32(count)
		f.Passkey = &p
	}
	return f, nil
}

// Factors lists a person's live factors, oldest first.
func (Store) Factors(ctx context.Context, tx *sqldb.Tx, person authz.PersonID) ([]authz.Factor, error) {
	var list []authz.Factor
	err := each(ctx, tx, func(r row) error {
		f, err := scanFactor(r)
		list = append(list, f)
		return err
	}, `SELECT `+factorColumns+` FROM factors WHERE person = $1 AND removed_at = 0 ORDER BY enrolled_at, id`, person)
	return list, err
}

// PasskeyByCredential finds a live passkey by its WebAuthn credential id, or ErrNotFound.
func (Store) PasskeyByCredential(ctx context.Context, tx *sqldb.Tx, credential []byte) (authz.Factor, error) {
	if len(credential) == 0 {
		return authz.Factor{}, authz.ErrNotFound
	}
	return scanFactor(tx.QueryRow(ctx, `SELECT `+factorColumns+` FROM factors WHERE credential = $1 AND removed_at = 0`, credential))
}

// EnrolFactor adds a factor to an active account that has one. proof is the
// step-up just made: by a live factor of the same person that is out of
// quarantine or the account's first, or by a recovery code. The new factor is in
// quarantine for that long, and everyone concerned is told (T13). A credential
// or key that ever belonged to anyone is ErrCredentialTaken (T15).
func (s Store) EnrolFactor(ctx context.Context, tx *sqldb.Tx, f authz.Factor, quarantine time.Duration, proof authz.StepUp, by string, at time.Time) error {
	p, err := s.LockPerson(ctx, tx, f.Person)
	if err != nil {
		return err
	}
	live, err := s.Factors(ctx, tx, f.Person)
	if err != nil {
		return err
	}
	if p.Status != authz.PersonActive || len(live) == 0 && proof.Method != authz.MethodRecovery {
		return authz.ErrDenied
	}
	if age := at.Sub(proof.At); proof.Method == 0 || age < -authz.MaxClockSkew || age > authz.MaxStepUpAge {
		return authz.ErrDenied
	}
	if proof.Method != authz.MethodRecovery {
		i := slices.IndexFunc(live, func(l authz.Factor) bool { return l.ID == proof.Factor })
		if i < 0 {
			return authz.ErrDenied
		}
		if live[i].Quarantined(at) && !live[i].First {
			return authz.ErrQuarantined
		}
	}
	if len(live) >= authz.MaxFactors {
		return authz.ErrInvalid
	}
	f.First = false
	if err := s.insertFactor(ctx, tx, f, quarantine, at); err != nil {
		return err
	}
	return s.tell(ctx, tx, p, "factor-enrolled", f.Mechanism.String()+" "+f.Label+" was added", by, at)
}

// insertFactor checks and inserts. On a clash nothing is written.
func (Store) insertFactor(ctx context.Context, tx *sqldb.Tx, f authz.Factor, quarantine time.Duration, at time.Time) error {
	if f.ID.IsZero() || quarantine < 0 || authz.CheckName(f.Label) != nil {
		return authz.ErrInvalid
	}
	var sealed, state, credential, key, digest, record []byte
	var count int64
	var bound bool
	switch {
	case f.Mechanism == authz.MechanismTOTP && f.TOTP != nil && f.Passkey == nil:
		sealed, state = f.TOTP.Sealed, f.TOTP.State
		if len(sealed) == 0 || len(state) == 0 {
			return authz.ErrInvalid
		}
	case f.Mechanism == authz.MechanismPasskey && f.Passkey != nil && f.TOTP == nil:
		k := f.Passkey
		if len(k.Credential) == 0 || len(k.Credential) > authz.MaxCredentialLength {
			return authz.ErrInvalid
		}
		sum, err := authz.PublicKeyDigest(k.PublicKey)
		if err != nil {
			return err
		}
		credential, key, digest, record, count, bound = k.Credential, k.PublicKey, sum[:], k.Record, int64(k.SignCount), k.DeviceBound
	default:
		return authz.ErrInvalid
	}
	n, err := tx.Exec(ctx, `INSERT INTO factors (id, person, mechanism, label, enrolled_at, usable_from, first,
			totp_sealed, totp_state, credential, public_key, key_digest, sign_count, device_bound, record)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) ON CONFLICT DO NOTHING`,
		f.ID, f.Person, f.Mechanism.String(), f.Label, sqldb.Micros(at), sqldb.Micros(at.Add(quarantine)), f.First,
		sealed, state, credential, key, digest, count, bound, record)
	if err == nil && n == 0 {
		return authz.ErrCredentialTaken
	}
	return err
}

// RemoveFactor removes one of a person's factors. Another that is out of
// quarantine must remain: ErrLastFactor. A factor of someone else is ErrNotFound.
func (s Store) RemoveFactor(ctx context.Context, tx *sqldb.Tx, person authz.PersonID, factor authz.FactorID, by string, at time.Time) error {
	p, err := s.LockPerson(ctx, tx, person)
	if err != nil {
		return err
	}
	live, err := s.Factors(ctx, tx, person)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(live, func(f authz.Factor) bool { return f.ID == factor })
	if i < 0 {
		return authz.ErrNotFound
	}
	if !slices.ContainsFunc(live, func(f authz.Factor) bool { return f.ID != factor && !f.Quarantined(at) }) {
		return authz.ErrLastFactor
	}
	if err := one(tx.Exec(ctx, `UPDATE factors SET removed_at = $2 WHERE id = $1 AND removed_at = 0`, factor, sqldb.Micros(at))); err != nil {
		return err
	}
	return s.tell(ctx, tx, p, "factor-removed", live[i].Mechanism.String()+" "+live[i].Label+" was removed", by, at)
}

// ResetFactors removes every proof of a person's presence: factors, recovery
// codes, tickets, sessions. It is gated (I4, T12): request is the id of the
// decided request that it executes, and there is no other caller.
func (s Store) ResetFactors(ctx context.Context, tx *sqldb.Tx, person authz.PersonID, request string, at time.Time) error {
	if request == "" {
		return authz.ErrDenied
	}
	p, err := s.LockPerson(ctx, tx, person)
	if err != nil {
		return err
	}
	if err := s.voidProofs(ctx, tx, person, at); err != nil {
		return err
	}
	return s.tell(ctx, tx, p, "factors-reset", "all factors were reset by decision of a quorum", request, at)
}

// NoteLeaf keeps the index of a factor's enrolment in the transparency log. It
// is set once.
func (Store) NoteLeaf(ctx context.Context, tx *sqldb.Tx, factor authz.FactorID, leaf int64) error {
	if leaf < 0 {
		return authz.ErrInvalid
	}
	return one(tx.Exec(ctx, `UPDATE factors SET leaf_index = $2 WHERE id = $1 AND leaf_index = -1`, factor, leaf))
}

// BurnTOTP verifies a code and makes its use durable in one: it locks the
// factor's row, hands the sealed secret and the burn state to verify, and stores
// the state that verify returns. Of two uses of one code, on whatever nodes,
// the second sees the first's state (T04). An error of verify is returned and
// nothing is written. ErrNotFound if the factor is not a live TOTP factor.
func (Store) BurnTOTP(ctx context.Context, tx *sqldb.Tx, factor authz.FactorID, verify func(f authz.Factor) (state []byte, err error)) error {
	f, err := scanFactor(tx.Lock(ctx, `SELECT `+factorColumns+` FROM factors WHERE id = $1 AND removed_at = 0`, factor))
	if err != nil {
		return err
	}
	if f.Mechanism != authz.MechanismTOTP {
		return authz.ErrNotFound
	}
	state, err := verify(f)
	if err != nil {
		return err
	}
	if len(state) == 0 || string(state) == string(f.TOTP.State) {
		return authz.ErrReplayed // a success that burns nothing could be had again
	}
	return one(tx.Exec(ctx, `UPDATE factors SET totp_state = $2 WHERE id = $1`, factor, state))
}

// AdvancePasskey stores what an accepted assertion leaves behind: the counter
// and the mechanism's record. A counter that does not advance, where there is
// one, is ErrReplayed and nothing is written (T06, WebAuthn §6.1.1).
func (Store) AdvancePasskey(ctx context.Context, tx *sqldb.Tx, factor authz.FactorID, count uint32, record []byte) error {
	f, err := scanFactor(tx.Lock(ctx, `SELECT `+factorColumns+` FROM factors WHERE id = $1 AND removed_at = 0`, factor))
	if err != nil {
		return err
	}
	if f.Mechanism != authz.MechanismPasskey {
		return authz.ErrNotFound
	}
	if old := f.Passkey.SignCount; (old != 0 || count != 0) && count <= old {
		return authz.ErrReplayed
	}
	return one(tx.Exec(ctx, `UPDATE factors SET sign_count = $2, record = $3 WHERE id = $1`, factor, int64(count), record))
}
