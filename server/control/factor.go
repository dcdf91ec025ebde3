package control

import (
	"context"

	"holdfast/authz"
	"holdfast/authz/passkey"
	"holdfast/authz/totp"
	"holdfast/internal/id"
	"holdfast/internal/sqldb"
	"holdfast/quorum/audit"
	"holdfast/server/wire"
)

const (
	issuer   = "Holdfast"
	qrPixels = 240
)

// Factors lists the caller's own second factors; an approver's with what the charter makes of them.
func (c *Control) Factors(ctx context.Context, who Caller) ([]wire.Factor, error) {
	if err := c.decide(who, authz.FactorView, own(who), ""); err != nil {
		return nil, err
	}
	out := []wire.Factor{}
	err := c.read(ctx, func(tx *sqldb.Tx) error {
		factors, err := c.Accounts.Factors(ctx, tx, who.Person.ID)
		out = out[:0]
		for _, f := range factors {
			out = append(out, factor(f))
		}
		if err != nil || who.Principal.Staff != authz.StaffApprover {
			return err
		}
		return c.factorVotes(ctx, tx, who.ID(), factors, out)
	})
	return out, err
}

func factor(f authz.Factor) wire.Factor {
	out := wire.Factor{ID: f.ID.String(), Kind: f.Mechanism.String(), Name: f.Label, EnrolledAt: f.EnrolledAt, UsableFrom: f.UsableFrom}
	if f.Passkey != nil {
		out.Hardware = f.Passkey.DeviceBound
	}
	return out
}

// BeginTOTP makes a TOTP secret; ConfirmTOTP with a code of it makes it a factor.
func (c *Control) BeginTOTP(ctx context.Context, who Caller) (wire.TOTPEnrolment, error) {
	if err := c.decide(who, authz.FactorView, own(who), ""); err != nil {
		return wire.TOTPEnrolment{}, err
	}
	return c.beginTOTP(ctx, who.Person, who.Session.Handle)
}

// ConfirmTOTP enrols the new secret. It needs a step-up with a factor that is
// out of quarantine, and the new factor begins in quarantine (T13).
func (c *Control) ConfirmTOTP(ctx context.Context, who Caller, in wire.Code) (wire.Factor, error) {
	return c.enrol(ctx, who, "totp "+in.Name, func() (authz.Factor, error) {
		return c.finishTOTP(ctx, who.Person, who.Session.Handle, in)
	})
}

// BeginPasskeyEnrolment returns the options for making a passkey.
func (c *Control) BeginPasskeyEnrolment(ctx context.Context, who Caller) (wire.PasskeyOptions, error) {
	if err := c.decide(who, authz.FactorView, own(who), ""); err != nil {
		return wire.PasskeyOptions{}, err
	}
	return c.beginRegistration(ctx, who, who.Session.Handle)
}

// FinishPasskeyEnrolment enrols the new passkey, on the same terms as ConfirmTOTP.
func (c *Control) FinishPasskeyEnrolment(ctx context.Context, who Caller, in wire.PasskeyAnswer) (wire.Factor, error) {
	return c.enrol(ctx, who, "passkey "+in.Name, func() (authz.Factor, error) {
		return c.finishRegistration(ctx, who, who.Session.Handle, in)
	})
}

func (c *Control) enrol(ctx context.Context, who Caller, detail string, finish func() (authz.Factor, error)) (wire.Factor, error) {
	r := own(who)
	r.Detail = detail
	step, err := c.decideOnce(ctx, who, authz.FactorEnrol, r, "")
	if err != nil {
		return wire.Factor{}, err
	}
	f, err := finish()
	if err != nil {
		return wire.Factor{}, err
	}
	at := c.now()
	f.EnrolledAt = at
	err = c.write(ctx, func(tx *sqldb.Tx) error {
		quarantine, err := c.quarantine(ctx, tx)
		if err != nil {
			return err
		}
		if err := c.Accounts.EnrolFactor(ctx, tx, f, quarantine, step, who.ID(), at); err != nil {
			return err
		}
		f.UsableFrom = at.Add(quarantine)
		return c.recordFactor(ctx, tx, who.Person, f, at)
	})
	return factor(f), err
}

// RemoveFactor takes one of the caller's own factors away; another one that is
// out of quarantine must remain.
func (c *Control) RemoveFactor(ctx context.Context, who Caller, factorID string) error {
	f, err := id.Parse[authz.FactorKind](factorID)
	if err != nil {
		return wrap(authz.ErrNotFound)
	}
	r := own(who)
	r.Detail = factorID
	if _, err := c.decideOnce(ctx, who, authz.FactorRemove, r, ""); err != nil {
		return err
	}
	at := c.now()
	return c.write(ctx, func(tx *sqldb.Tx) error {
		if err := c.Accounts.RemoveFactor(ctx, tx, who.Person.ID, f, who.ID(), at); err != nil {
			return err
		}
		_, err := c.record(ctx, tx, at, c.accountEntry(who, audit.KindFactorRemoved, who.Person, map[string]string{"factor": factorID}))
		return err
	})
}

// RenewRecoveryCodes makes new recovery codes, shown once; the old ones are void.
func (c *Control) RenewRecoveryCodes(ctx context.Context, who Caller) (wire.RecoveryCodes, error) {
	if _, err := c.decideOnce(ctx, who, authz.RecoveryRenew, own(who), ""); err != nil {
		return wire.RecoveryCodes{}, err
	}
	codes := authz.NewRecoveryCodes()
	hashes := make([][32]byte, len(codes))
	for i, code := range codes {
		h, err := authz.HashRecoveryCode(who.Person.ID, code)
		if err != nil {
			return wire.RecoveryCodes{}, wrap(err)
		}
		hashes[i] = h
	}
	at := c.now()
	err := c.write(ctx, func(tx *sqldb.Tx) error {
		return c.Accounts.RenewRecoveryCodes(ctx, tx, who.Person.ID, hashes, who.ID(), at)
	})
	return wire.RecoveryCodes{Codes: codes}, err
}

// beginTOTP keeps a fresh secret, sealed for the person, until it is confirmed.
func (c *Control) beginTOTP(ctx context.Context, p authz.Person, bind string) (wire.TOTPEnrolment, error) {
	secret, err := totp.NewSecret()
	if err != nil {
		return wire.TOTPEnrolment{}, wrap(err)
	}
	url, err := totp.URL(secret, issuer, p.Email)
	if err != nil {
		return wire.TOTPEnrolment{}, wrap(err)
	}
	qr, err := totp.QR(secret, issuer, p.Email, qrPixels)
	if err != nil {
		return wire.TOTPEnrolment{}, wrap(err)
	}
	factorID := id.New[authz.FactorKind](c.now())
	sealed, err := c.Secrets.Seal(secret, p.ID.String(), factorID.String())
	if err != nil {
		return wire.TOTPEnrolment{}, wrap(err)
	}
	name, err := c.Sessions.Begin(ctx, ceremonyTOTP, bind, append([]byte(factorID.String()+"\n"), sealed...), passkey.CeremonyLifetime)
	if err != nil {
		return wire.TOTPEnrolment{}, wrap(err)
	}
	return wire.TOTPEnrolment{Ceremony: name, Secret: secret.Reveal(), URL: url, QR: qr}, nil
}

// finishTOTP checks a code of the new secret, which is burned with it.
func (c *Control) finishTOTP(ctx context.Context, p authz.Person, bind string, in wire.Code) (authz.Factor, error) {
	kept, err := c.Sessions.Finish(ctx, ceremonyTOTP, bind, in.Ceremony)
	if err != nil {
		return authz.Factor{}, wrap(err)
	}
	text, sealed, ok := cutLine(kept)
	factorID, err := id.Parse[authz.FactorKind](text)
	if !ok || err != nil {
		return authz.Factor{}, wrap(authz.ErrInvalid)
	}
	secret, _, err := c.Secrets.Open(sealed, p.ID.String(), factorID.String())
	if err != nil {
		return authz.Factor{}, wrap(err)
	}
	state, err := totp.Verify(secret, in.Code, c.now(), totp.State{})
	if err != nil {
		return authz.Factor{}, wrap(err)
	}
	burned, err := state.MarshalBinary()
	if err != nil {
		return authz.Factor{}, wrap(err)
	}
	return authz.Factor{
		ID: factorID, Person: p.ID, Mechanism: authz.MechanismTOTP, Label: labelled(in.Name, "Authenticator app"),
		LeafIndex: -1, TOTP: &authz.TOTPRecord{Sealed: sealed, State: burned},
	}, nil
}

func (c *Control) beginRegistration(ctx context.Context, who Caller, bind string) (wire.PasskeyOptions, error) {
	party, user, _, err := c.passkeyParty(ctx, who)
	if err != nil {
		return wire.PasskeyOptions{}, err
	}
	options, state, err := party.BeginRegistration(user)
	if err != nil {
		return wire.PasskeyOptions{}, wrap(err)
	}
	return c.begun(ctx, ceremonyPasskey, bind, state, options)
}

func (c *Control) finishRegistration(ctx context.Context, who Caller, bind string, in wire.PasskeyAnswer) (authz.Factor, error) {
	state, response, err := c.finished(ctx, ceremonyPasskey, bind, in)
	if err != nil {
		return authz.Factor{}, err
	}
	party, user, _, err := c.passkeyParty(ctx, who)
	if err != nil {
		return authz.Factor{}, err
	}
	credential, err := party.FinishRegistration(user, state, response)
	if err != nil {
		return authz.Factor{}, wrap(err)
	}
	record, err := recordOf(credential)
	if err != nil {
		return authz.Factor{}, wrap(err)
	}
	return authz.Factor{
		ID: id.New[authz.FactorKind](c.now()), Person: who.Person.ID, Mechanism: authz.MechanismPasskey,
		Label: labelled(in.Name, "Passkey"), LeafIndex: -1,
		Passkey: &authz.PasskeyRecord{
			Credential: credential.ID, PublicKey: credential.PublicKey, SignCount: credential.SignCount,
			DeviceBound: credential.DeviceBound(), Record: record,
		},
	}, nil
}

func labelled(name, otherwise string) string {
	if name == "" {
		return otherwise
	}
	return name
}

func cutLine(b []byte) (string, []byte, bool) {
	for i, ch := range b {
		if ch == '\n' {
			return string(b[:i]), b[i+1:], true
		}
	}
	return "", nil, false
}
