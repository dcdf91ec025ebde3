package control

import (
	"context"
	"math"
	"slices"
	"strings"
	"time"

	"holdfast/authz"
	"holdfast/internal/sqldb"
	"holdfast/quorum/audit"
	quorumsql "holdfast/quorum/sqlstore"
	"holdfast/server/wire"
)

// LogQuery selects entries of the log; what is empty selects everything.
type LogQuery struct {
	// Kind is what happened, Tenant whose it is, Person who is mentioned, About any other id or text that is.
	Kind, Tenant, Person, About string
	Since, Until                time.Time
}

// Empty says that it selects everything.
func (q LogQuery) Empty() bool { return q == LogQuery{} }

// FindLog finds entries that the caller may read, newest first, those with an index
// less than before, or from the newest when it is negative. It looks at a bounded
// number: next is where to go on, also after a page with little or nothing on it,
// and negative at the end.
func (c *Control) FindLog(ctx context.Context, who Caller, q LogQuery, before int64) (out []wire.LogEntry, next int64, err error) {
	if err := c.decideAudit(who); err != nil {
		return nil, -1, err
	}
	if own := who.tenantID(); own != "" {
		if q.Tenant != "" && q.Tenant != own {
			return nil, -1, wrap(authz.ErrNotFound)
		}
		q.Tenant = own
	}
	kind := audit.Kind(q.Kind)
	if q.Kind != "" && !kind.Known() {
		return nil, -1, newError(wire.TypeInvalid, nil, "The log knows no such kind of entry. Choose one of the list.")
	}
	f := quorumsql.LogFilter{Kind: kind, Tenant: q.Tenant, Since: q.Since, Until: q.Until}
	for _, m := range []string{q.Person, q.About} {
		if m = strings.TrimSpace(m); m == "" {
			continue
		}
		if len(m) > maxLogMention {
			return nil, -1, newError(wire.TypeInvalid, nil, "What is looked for has at most %d bytes.", maxLogMention)
		}
		f.Mentions = append(f.Mentions, m)
	}
	if before < 0 {
		before = math.MaxInt64
	}
	err = c.read(ctx, func(tx *sqldb.Tx) error {
		out = []wire.LogEntry{}
		var found []quorumsql.LogEntry
		if found, next, err = quorumsql.FindLog(ctx, tx, f, before, activityPage); err != nil {
			return err
		}
		for _, e := range found {
			out = append(out, logEntry(e, true))
		}
		return nil
	})
	return out, next, err
}

// maxLogMention bounds a text that is looked for in the log, in bytes.
const maxLogMention = 200

// LogKinds are what can happen, in alphabetical order.
func LogKinds() (out []string) {
	for _, k := range audit.Kinds() {
		out = append(out, string(k))
	}
	slices.Sort(out)
	return out
}
