package app

import (
	"context"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"holdfast/internal/sqldb"
	"holdfast/quorum/clock"
)

// databaseClock is a database server's clock, an outside one for the gate's
// timers (T43).
type databaseClock struct {
	name string
	db   *sqldb.DB
}

var _ clock.Source = databaseClock{}

// Name implements clock.Source.
func (d databaseClock) Name() string { return d.name }

// Now implements clock.Source.
func (d databaseClock) Now(ctx context.Context) (now time.Time, err error) {
	var us int64
	err = d.db.Read(ctx, func(tx *sqldb.Tx) error {
		return tx.QueryRow(ctx, `SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)`).Scan(&us)
	})
	return sqldb.FromMicros(us), err
}

// outsideClocks returns the clocks of the database servers that are machines of
// their own. A server on this host, and a file, share this host's clock and so
// vouch for nothing.
func outsideClocks(servers map[string]*sqldb.DB) []clock.Source {
	var out []clock.Source
	seen := map[string]bool{}
	for dsn, db := range servers {
		host, ok := foreignHost(dsn)
		if db.Engine() != sqldb.Postgres || !ok || seen[host] {
			continue
		}
		seen[host] = true
		out = append(out, databaseClock{name: "database@" + host, db: db})
	}
	return out
}

// foreignHost is the host of a database URL if it is not this one.
func foreignHost(dsn string) (string, bool) {
	u, err := url.Parse(dsn)
	if err != nil {
		return "", false
	}
	host := strings.ToLower(u.Hostname())
	if q := u.Query().Get("host"); q != "" {
		host = strings.ToLower(q)
	}
	if host == "" || host == "localhost" || strings.HasSuffix(host, ".localhost") || strings.HasPrefix(host, "/") || strings.Contains(host, ",") {
		return "", false
	}
	if ip, err := netip.ParseAddr(host); err == nil && (ip.IsLoopback() || ip.IsUnspecified()) {
		return "", false
	}
	return host, true
}
