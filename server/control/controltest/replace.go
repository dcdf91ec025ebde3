package controltest

import (
	"testing"

	"filippo.io/age"

	"holdfast/internal/sqldb"
	"holdfast/internal/sqldb/sqldbtest"
	"holdfast/snapshots/rebuild"
	"holdfast/snapshots/scrub"
	snapshotssql "holdfast/snapshots/sqlstore"
)

// Rebuild loses the site's database, makes it again from the packs with the given key, and opens everything over it.
func (e *Env) Rebuild(t testing.TB, key age.Identity) rebuild.Report {
	t.Helper()
	must(t, e.Engine.Close())
	db := sqldbtest.Open(t, sqldbtest.SQLiteDSN(t), snapshotssql.Migrations())
	r, err := rebuild.Run(t.Context(), rebuild.Config{DB: db, Store: snapshotssql.New(), Blobs: e.Blobs, Site: Site, Identities: []age.Identity{key},
		Recipients: []string{e.Identity.Recipient().String()}, Quota: 1 << 40, Now: e.Clock.Now})
	must(t, err)
	e.replace(t, db)
	return r
}

func (e *Env) replace(t testing.TB, db *sqldb.DB) {
	t.Helper()
	e.SiteDB, e.config.DB = db, db
	e.open(t)
}

// Scrub gives the Env a scrubber that reads as fast as it can, and has it read everything.
func (e *Env) Scrub(t testing.TB) {
	t.Helper()
	s, err := scrub.New(scrub.Config{DB: e.SiteDB, Store: snapshotssql.New(), Blobs: e.Blobs, Site: Site, Keys: e.Engine.OpenKeys, Rate: scrub.MaxRate, Now: e.Clock.Now})
	must(t, err)
	e.Scrubber = s
	_, err = s.Run(t.Context(), nil)
	must(t, err)
}
