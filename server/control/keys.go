package control

import (
	"context"
	"errors"
	"fmt"

	"holdfast/quorum/audit"
	"holdfast/snapshots"
)

// keysBody is the private body of a leaf about a tenant's keys.
type keysBody struct {
	Tenant     string   `json:"tenant"`
	Recipients []string `json:"recipients"`
}

// rewrap wraps every key set of a tenant for the charter's recovery recipients as
// well, where that is not so yet. Wraps are only ever added.
func (c *Control) rewrap(ctx context.Context, tenant string) error {
	recovery, err := c.recoveryRecipients(ctx)
	if err != nil {
		return wrap(err)
	}
	at, err := c.Data.Rewrap(ctx, tenant, recovery)
	if err != nil || at.IsZero() {
		return wrap(err)
	}
	return c.enter(ctx, deedAt(tenant, at), entry{kind: audit.KindKeyWrapped, tenant: tenant, subject: tenant, body: keysBody{tenant, recovery}})
}

// RewrapKeys is rewrap for every tenant that has keys, so that a charter that
// names other recovery recipients reaches the keys that were made before it. A
// tenant whose keys fail keeps no other from its turn.
func (c *Control) RewrapKeys(ctx context.Context) error {
	var failed []error
	err := c.eachTenant(ctx, func(tenant string) error {
		if err := c.rewrap(ctx, tenant); err != nil && !errors.Is(err, snapshots.ErrNotFound) { // not found: no keys yet
			failed = append(failed, fmt.Errorf("%s: %w", tenant, err))
		}
		return ctx.Err()
	})
	return errors.Join(append(failed, err)...)
}
