package sqlstore

import (
	"context"
	"time"

	"holdfast/authz"
	"holdfast/internal/sqldb"
)

// RenewRecoveryCodes voids a person's codes and keeps the hashes of new ones
// (authz.HashRecoveryCode).
func (s Store) RenewRecoveryCodes(ctx context.Context, tx *sqldb.Tx, person authz.PersonID, hashes [][32]byte, by string, at time.Time) error {
	p, err := s.LockPerson(ctx, tx, person)
	if err != nil {
		return err
	}
	if len(hashes) != authz.RecoveryCodes || p.Status != authz.PersonActive {
		return authz.ErrInvalid
	}
	if _, err := tx.Exec(ctx, `UPDATE recovery_codes SET used_at = $2 WHERE person = $1 AND used_at = 0`, person, sqldb.Micros(at)); err != nil {
		return err
	}
	for _, h := range hashes {
		if err := one(tx.Exec(ctx, `INSERT INTO recovery_codes (person, hash, created_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`,
			person, h[:], sqldb.Micros(at))); err != nil {
			return err
		}
	}
	return s.tell(ctx, tx, p, "recovery-renewed", "recovery codes were renewed", by, at)
}

// SpendRecoveryCode uses up one code: of many uses, on whatever nodes, one
// succeeds; the rest, and unknown codes, are ErrSpent (T12). The owner is told.
func (s Store) SpendRecoveryCode(ctx context.Context, tx *sqldb.Tx, person authz.PersonID, hash [32]byte, at time.Time) error {
	n, err := tx.Exec(ctx, `UPDATE recovery_codes SET used_at = $3 WHERE person = $1 AND hash = $2 AND used_at = 0`,
		person, hash[:], sqldb.Micros(at))
	if err != nil {
		return err
	}
	if n != 1 {
		return authz.ErrSpent
	}
	p, err := s.Person(ctx, tx, person)
	if err != nil {
		return err
	}
	if p.Status != authz.PersonActive {
		return authz.ErrSpent
	}
	return s.tell(ctx, tx, p, "recovery-used", "a recovery code was used", person.String(), at)
}

// RecoveryCodesLeft counts a person's unused codes.
func (Store) RecoveryCodesLeft(ctx context.Context, tx *sqldb.Tx, person authz.PersonID) (int, error) {
	var n int
	err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM recovery_codes WHERE person = $1 AND used_at = 0`, person).Scan(&n)
	return n, err
}
