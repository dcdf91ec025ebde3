package control

import (
	"context"
	"strconv"
	"strings"
	"time"

	"holdfast/authz"
	"holdfast/internal/sqldb"
	"holdfast/quorum/audit"
	"holdfast/quorum/charter"
	quorumsql "holdfast/quorum/sqlstore"
	"holdfast/quorum/statement"
	"holdfast/server/wire"
	"holdfast/snapshots/site"
	"holdfast/snapshots/sweep"
)

// composeDestroyKey names a key set of a closed tenant. Copies that are still here
// would be destroyed with it without being named, so they have to go first, by
// requests that name them (T35). The site checks the same again, twice.
func (c *Control) composeDestroyKey(ctx context.Context, tx *sqldb.Tx, s *statement.Statement, subject string) error {
	t, err := c.Accounts.Tenant(ctx, tx, mustTenant(s.Tenant.ID))
	if err != nil {
		return err
	}
	if t.Status != authz.TenantClosed {
		return newError(wire.TypeConflict, nil, "The keys of a tenant go only after a quorum has closed it. Everything that it keeps needs them.")
	}
	left := 0
	if err := c.eachCopy(ctx, s.Tenant.ID, func(k site.CopyFacts) {
		if k.State != "erased" {
			left++
		}
	}); err != nil {
		return err
	}
	if left > 0 {
		return newError(wire.TypeConflict, nil, "%d copies need the tenant's keys. Ask for their deletion first: each is named there.", left)
	}
	sets, err := c.Data.KeySets(ctx, s.Tenant.ID)
	if err != nil {
		return err
	}
	number := strings.TrimPrefix(subject, s.Tenant.ID+":")
	for _, k := range sets {
		if strconv.Itoa(int(k.Number)) != number {
			continue
		}
		id := sweep.KeyID(s.Tenant.ID, int64(k.Number))
		s.Subjects = []statement.Subject{{Kind: "key", ID: id, Name: "key " + number + " of " + s.Tenant.Name}}
		s.Facts = []statement.Fact{statement.DigestFact("commitment", k.Commitment), statement.NumberFact("copies", 0)}
		return nil
	}
	return newError(wire.TypeNotFound, nil, "The tenant has no key set %q here that could be destroyed.", subject)
}

// eachCopy visits the copies of a tenant at the primary site.
func (c *Control) eachCopy(ctx context.Context, tenant string, visit func(site.CopyFacts)) error {
	for after := ""; ; {
		page, err := c.Gate.Inventory(ctx, tenant, after, site.MaxPage)
		if err != nil {
			return err
		}
		for _, k := range page {
			visit(k)
			after = k.Snapshot
		}
		if len(page) < site.MaxPage {
			return nil
		}
	}
}

// composeDetachSite names another site, whose copies are to count for nothing here
// any more. The primary is never detached, so that with one site there is nothing
// to ask for.
func (c *Control) composeDetachSite(ctx context.Context, tx *sqldb.Tx, s *statement.Statement, name string) error {
	_, ch, err := inForce(ctx, tx)
	if err != nil {
		return err
	}
	line, ok := ch.Site(name)
	switch {
	case !ok:
		return newError(wire.TypeNotFound, nil, "The charter in force names no site %q.", name)
	case line.Role == charter.Primary || name == c.Gate.Name():
		return newError(wire.TypeConflict, nil, "%s is the primary site, which is the control plane's own and cannot be detached. Its copies go one by one, by requests that name them.", name)
	}
	copies, bytes, err := c.Gate.Elsewhere(ctx, name)
	if err != nil {
		return err
	}
	s.Subjects = []statement.Subject{{Kind: "site", ID: name, Name: name}}
	s.Facts = []statement.Fact{statement.NumberFact("copies", copies), statement.NumberFact("bytes", bytes)}
	return nil
}

func (c *Control) applyDetachSite(ctx context.Context, tx *sqldb.Tx, r quorumsql.Request, s statement.Statement, at time.Time) error {
	name := s.Subjects[0].ID
	_, err := c.record(ctx, tx, at, entry{kind: audit.KindSiteDetached, subject: r.ID(), facts: audit.SiteFacts(name), body: map[string]string{
		"request": r.ID(), "site": name, "statement": digestText(r.State.Digest),
	}})
	return err
}
