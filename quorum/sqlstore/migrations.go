package sqlstore

import (
	"embed"
	"io/fs"

	"holdfast/internal/sqldb"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrations is the schema of this package, for sqldb.Open.
func Migrations() sqldb.MigrationSet {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil { // only a malformed constant could fail
		panic(err)
	}
	return sqldb.MigrationSet{Name: "quorum", FS: sub}
}
