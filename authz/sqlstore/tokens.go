package sqlstore

import (
	"context"
	"time"

	"holdfast/authz"
	"holdfast/authz/apitoken"
	"holdfast/internal/sqldb"
)

const tokenColumns = `id, tenant, site, name, hash, scopes, all_volumes, minted_by, minted_at, expires_at, last_used_at, revoked_at`

func scanToken(r row) (authz.Token, error) {
	var t authz.Token
	var hash []byte
	var scopes string
	var minted, expires, used, revoked int64
	if err := r.Scan(&t.ID, &t.Tenant, &t.Site, &t.Name, &hash, &scopes, &t.AllVolumes, &t.MintedBy, &minted, &expires, &used, &revoked); err != nil {
		return authz.Token{}, found(err)
	}
	if len(hash) != len(t.Hash) {
		return authz.Token{}, authz.ErrInvalid
	}
	copy(t.Hash[:], hash)
	t.MintedAt, t.ExpiresAt = sqldb.FromMicros(minted), sqldb.FromMicros(expires)
	t.LastUsedAt, t.RevokedAt = sqldb.FromMicros(used), sqldb.FromMicros(revoked)
	if scopes != "" {
		set, err := apitoken.ParseScopes(scopes)
		if err != nil {
			return authz.Token{}, err
		}
		t.Scopes = set.List()
	}
	return t, nil
}

// MintToken keeps a new token of a tenant (with scopes and volumes) or of a
// site (with neither). It is on record for whoever minted it.
func (s Store) MintToken(ctx context.Context, tx *sqldb.Tx, t authz.Token) error {
	if t.ID.IsZero() || t.MintedBy.IsZero() || t.Hash == [32]byte{} || authz.CheckName(t.Name) != nil {
		return authz.ErrInvalid
	}
	scopes := ""
	if t.Site == "" {
		set, err := apitoken.ScopesOf(t.Scopes...)
		if err != nil || t.Tenant.IsZero() {
			return authz.ErrInvalid
		}
		grant := apitoken.Grant{Scopes: set, AllVolumes: t.AllVolumes, Volumes: t.Volumes, Expires: t.ExpiresAt}
		if grant.Validate(t.MintedAt) != nil {
			return authz.ErrInvalid
		}
		scopes = set.String()
		tenant, err := s.LockTenant(ctx, tx, t.Tenant)
		if err != nil {
			return err
		}
		if tenant.Status != authz.TenantActive {
			return authz.ErrDenied
		}
	} else if !t.Tenant.IsZero() || len(t.Scopes) != 0 || len(t.Volumes) != 0 || t.AllVolumes ||
		!t.ExpiresAt.After(t.MintedAt) || t.ExpiresAt.Sub(t.MintedAt) > apitoken.MaxLifetime || authz.CheckName(t.Site) != nil {
		return authz.ErrInvalid
	}
	n, err := tx.Exec(ctx, `INSERT INTO tokens (id, tenant, site, name, hash, scopes, all_volumes, minted_by, minted_at, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING`,
		t.ID, t.Tenant, t.Site, t.Name, t.Hash[:], scopes, t.AllVolumes, t.MintedBy, sqldb.Micros(t.MintedAt), sqldb.Micros(t.ExpiresAt))
	if err != nil {
		return err
	}
	if n == 0 {
		return authz.ErrExists
	}
	for _, v := range t.Volumes {
		if err := one(tx.Exec(ctx, `INSERT INTO token_volumes (token, volume) VALUES ($1, $2)`, t.ID, v)); err != nil {
			return err
		}
	}
	p, err := s.Person(ctx, tx, t.MintedBy)
	if err != nil {
		return err
	}
	return s.tell(ctx, tx, p, "token-minted", "token "+t.Name+" was minted", t.MintedBy.String(), t.MintedAt)
}

// Token returns a token by its id, revoked and expired ones too, or ErrNotFound.
// The caller compares the hash of what was presented in constant time
// (apitoken.Token.Matches) and asks LiveToken for anything but listings.
func (s Store) Token(ctx context.Context, tx *sqldb.Tx, t authz.TokenID) (authz.Token, error) {
	tok, err := scanToken(tx.QueryRow(ctx, `SELECT `+tokenColumns+` FROM tokens WHERE id = $1`, t))
	if err != nil {
		return authz.Token{}, err
	}
	tok.Volumes, err = tokenVolumes(ctx, tx, t)
	return tok, err
}

// LiveToken returns a token that is neither revoked nor expired, and whose
// tenant is active; anything else is ErrNotFound.
func (s Store) LiveToken(ctx context.Context, tx *sqldb.Tx, t authz.TokenID, at time.Time) (authz.Token, error) {
	tok, err := s.Token(ctx, tx, t)
	if err != nil {
		return authz.Token{}, err
	}
	if !tok.Live(at) {
		return authz.Token{}, authz.ErrNotFound
	}
	if !tok.Tenant.IsZero() {
		tenant, err := s.Tenant(ctx, tx, tok.Tenant)
		if err != nil {
			return authz.Token{}, err
		}
		if tenant.Status != authz.TenantActive {
			return authz.Token{}, authz.ErrNotFound
		}
	}
	return tok, nil
}

func tokenVolumes(ctx context.Context, tx *sqldb.Tx, t authz.TokenID) ([]string, error) {
	var list []string
	err := each(ctx, tx, func(r row) error {
		var v string
		err := r.Scan(&v)
		list = append(list, v)
		return err
	}, `SELECT volume FROM token_volumes WHERE token = $1 ORDER BY volume`, t)
	return list, err
}

// Tokens lists a tenant's tokens, newest first, at most authz.MaxListed.
func (Store) Tokens(ctx context.Context, tx *sqldb.Tx, tenant authz.TenantID) ([]authz.Token, error) {
	return tokens(ctx, tx, `tenant = $1 ORDER BY minted_at DESC, id DESC LIMIT $2`, tenant, authz.MaxListed)
}

func tokens(ctx context.Context, tx *sqldb.Tx, where string, args ...any) ([]authz.Token, error) {
	var list []authz.Token
	if err := each(ctx, tx, func(r row) error {
		t, err := scanToken(r)
		list = append(list, t)
		return err
	}, `SELECT `+tokenColumns+` FROM tokens WHERE `+where, args...); err != nil {
		return nil, err
	}
	for i := range list {
		var err error
		if list[i].Volumes, err = tokenVolumes(ctx, tx, list[i].ID); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// RevokeToken ends a token; ending one again is no error.
func (s Store) RevokeToken(ctx context.Context, tx *sqldb.Tx, t authz.TokenID, by string, at time.Time) error {
	tok, err := scanToken(tx.Lock(ctx, `SELECT `+tokenColumns+` FROM tokens WHERE id = $1`, t))
	if err != nil || !tok.RevokedAt.IsZero() {
		return err
	}
	if err := one(tx.Exec(ctx, `UPDATE tokens SET revoked_at = $2 WHERE id = $1`, t, sqldb.Micros(at))); err != nil {
		return err
	}
	p, err := s.Person(ctx, tx, tok.MintedBy)
	if err != nil {
		return err
	}
	return s.tell(ctx, tx, p, "token-revoked", "token "+tok.Name+" was revoked", by, at)
}

// TouchToken notes that a token was used, to within authz.TokenTouch.
func (Store) TouchToken(ctx context.Context, tx *sqldb.Tx, t authz.TokenID, at time.Time) error {
	_, err := tx.Exec(ctx, `UPDATE tokens SET last_used_at = $2 WHERE id = $1 AND last_used_at < $3`,
		t, sqldb.Micros(at), sqldb.Micros(at.Add(-authz.TokenTouch)))
	return err
}
