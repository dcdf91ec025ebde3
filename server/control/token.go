package control

import (
	"context"
	"fmt"
	"strings"
	"time"

	"holdfast/authz"
	"holdfast/authz/apitoken"
	"holdfast/internal/id"
	"holdfast/internal/sqldb"
	"holdfast/quorum/audit"
	"holdfast/server/wire"
)

var _ = register(
	translation{apitoken.ErrScope, wire.TypeInvalid, "There is no such scope. The scopes are listed in the documentation of tokens; none of them destroys a copy."},
	translation{apitoken.ErrGrant, wire.TypeInvalid, "A token needs scopes, known volumes and an end within a year."},
)

// Tokens lists the tenant's API tokens, never their secrets.
func (c *Control) Tokens(ctx context.Context, who Caller) ([]wire.Token, error) {
	if err := c.decide(who, authz.TokenView, tenantResource(who.Principal.Tenant), ""); err != nil {
		return nil, err
	}
	out := []wire.Token{}
	err := c.read(ctx, func(tx *sqldb.Tx) error {
		out = out[:0]
		tokens, err := c.Accounts.Tokens(ctx, tx, who.Principal.Tenant)
		for _, t := range tokens {
			out = append(out, token(t))
		}
		return err
	})
	return out, err
}

// MintToken makes an API token. Its secret is in this answer and nowhere else.
func (c *Control) MintToken(ctx context.Context, who Caller, in wire.MintToken) (wire.Token, error) {
	var scopes []authz.Scope
	for _, name := range in.Scopes {
		s, err := apitoken.ParseScope(name)
		if err != nil {
			return wire.Token{}, newError(wire.TypeInvalid, err, "There is no scope %q. There are %s.", name, scopeNames())
		}
		scopes = append(scopes, s)
	}
	r := tenantResource(who.Principal.Tenant)
	// What every volume means stands there in a word: an empty list reads like none.
	where := strings.Join(in.Volumes, " ")
	if len(in.Volumes) == 0 {
		where = "all"
	}
	r.Detail = fmt.Sprintf("token %q scopes %s volumes %s until %s", in.Name, strings.Join(in.Scopes, " "), where, in.ExpiresAt.UTC().Format(time.RFC3339))
	if _, err := c.decideOnce(ctx, who, authz.TokenMint, r, ""); err != nil {
		return wire.Token{}, err
	}
	at := c.now()
	t := authz.Token{
		ID: id.New[authz.TokenKind](at), Tenant: who.Principal.Tenant, Name: in.Name, Scopes: scopes,
		AllVolumes: len(in.Volumes) == 0, Volumes: in.Volumes, MintedBy: who.Person.ID, MintedAt: at, ExpiresAt: in.ExpiresAt.UTC().Truncate(time.Microsecond),
	}
	minted, err := apitoken.Mint(t.ID.String())
	if err != nil {
		return wire.Token{}, wrap(err)
	}
	t.Hash = minted.Hash()
	err = c.write(ctx, func(tx *sqldb.Tx) error {
		if err := c.Accounts.MintToken(ctx, tx, t); err != nil {
			return err
		}
		_, err := c.record(ctx, tx, at, c.tokenEntry(who, audit.KindTokenCreated, t))
		return err
	})
	if err != nil {
		return wire.Token{}, err
	}
	out := token(t)
	out.Secret = minted.Reveal()
	return out, nil
}

// RevokeToken ends an API token of the caller's tenant.
func (c *Control) RevokeToken(ctx context.Context, who Caller, tokenID string) error {
	if err := c.decide(who, authz.TokenRevoke, tenantResource(who.Principal.Tenant), ""); err != nil {
		return err
	}
	parsed, err := id.Parse[authz.TokenKind](tokenID)
	if err != nil {
		return wrap(authz.ErrNotFound)
	}
	at := c.now()
	return c.write(ctx, func(tx *sqldb.Tx) error {
		t, err := c.Accounts.Token(ctx, tx, parsed)
		if err != nil {
			return err
		}
		if t.Tenant != who.Principal.Tenant {
			return authz.ErrNotFound
		}
		if err := c.Accounts.RevokeToken(ctx, tx, parsed, who.ID(), at); err != nil {
			return err
		}
		_, err = c.record(ctx, tx, at, c.tokenEntry(who, audit.KindTokenRevoked, t))
		return err
	})
}

func (c *Control) tokenEntry(who Caller, kind audit.Kind, t authz.Token) entry {
	var scopes []string
	for _, s := range t.Scopes {
		scopes = append(scopes, s.String())
	}
	return entry{kind: kind, tenant: t.Tenant.String(), subject: t.ID.String(), body: map[string]string{
		"tenant": t.Tenant.String(), "token": t.ID.String(), "by": who.ID(), "scopes": strings.Join(scopes, " "), "expires": t.ExpiresAt.Format(time.RFC3339),
	}}
}

func token(t authz.Token) wire.Token {
	out := wire.Token{
		ID: t.ID.String(), Name: t.Name, Scopes: []string{}, Volumes: t.Volumes, CreatedBy: t.MintedBy.String(),
		CreatedAt: t.MintedAt, ExpiresAt: t.ExpiresAt,
	}
	for _, s := range t.Scopes {
		out.Scopes = append(out.Scopes, s.String())
	}
	if !t.LastUsedAt.IsZero() {
		out.LastUsedAt = &t.LastUsedAt
	}
	if !t.RevokedAt.IsZero() {
		out.RevokedAt = &t.RevokedAt
	}
	return out
}

func scopeNames() string { return strings.Join(TokenScopes(), ", ") }

// TokenScopes are the names of all that a token can be let do.
func TokenScopes() []string {
	var names []string
	for _, s := range apitoken.AllScopes() {
		names = append(names, s.String())
	}
	return names
}
