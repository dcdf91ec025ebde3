package control

import (
	"context"

	"holdfast/authz"
	"holdfast/internal/sqldb"
	quorumsql "holdfast/quorum/sqlstore"
)

// News says that the log has grown.
type News struct {
	Size int64 // of the log now
	// Tenants are whose entries are new; the empty name stands for the service's
	// own business, which concerns everybody.
	Tenants []string
	// All says that too many are concerned to name them.
	All bool
}

// Concerns says whether somebody of a tenant should look again; staff, who have
// none, should always.
func (n News) Concerns(tenant string) bool {
	if n.All || tenant == "" {
		return len(n.Tenants) > 0 || n.All
	}
	for _, t := range n.Tenants {
		if t == "" || t == tenant {
			return true
		}
	}
	return false
}

// Pulse says what is new in the log since it had a size; a negative one asks for
// the size alone. The service itself asks, for the pages that wait for news: it
// gives nobody anything to read.
func (c *Control) Pulse(ctx context.Context, since int64) (n News, err error) {
	err = c.read(ctx, func(tx *sqldb.Tx) error {
		n = News{}
		if n.Size, err = quorumsql.LogSize(ctx, tx); err != nil || since < 0 || since >= n.Size {
			return err
		}
		n.Tenants, err = quorumsql.LogTenants(ctx, tx, since, pulseTenants+1)
		n.All = len(n.Tenants) > pulseTenants
		return err
	})
	return n, err
}

// Watch decides whether the caller may wait for news: who has signed in with both factors.
func (c *Control) Watch(who Caller) error {
	return c.decide(who, authz.SessionView, own(who), "")
}
