package sqldb

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"regexp"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

var setName = regexp.MustCompile(`^[a-z][a-z0-9]{0,31}$`)

// migrate brings every set to its newest version.
func (db *DB) migrate(ctx context.Context, sets []MigrationSet) error {
	if err := db.writer.PingContext(ctx); err != nil {
		return fmt.Errorf("sqldb: open: %w", err)
	}
	seen := map[string]bool{}
	for _, set := range sets {
		if !setName.MatchString(set.Name) || seen[set.Name] {
			return fmt.Errorf("sqldb: migration set %q: bad or repeated name", set.Name)
		}
		seen[set.Name] = true
		if err := db.migrateSet(ctx, set); err != nil {
			return fmt.Errorf("sqldb: migrate %s: %w", set.Name, err)
		}
	}
	return nil
}

func (db *DB) migrateSet(ctx context.Context, set MigrationSet) error {
	files := set.FS
	if info, err := fs.Stat(files, "migrations"); err == nil && info.IsDir() {
		if files, err = fs.Sub(files, "migrations"); err != nil {
			return err
		}
	}
	options := []goose.ProviderOption{
		goose.WithTableName("schema_" + set.Name),
		goose.WithDisableGlobalRegistry(true),
		goose.WithSlog(slog.New(slog.DiscardHandler)),
	}
	speaks := goose.DialectSQLite3
	if db.engine == Postgres {
		speaks = goose.DialectPostgres
		locker, err := lock.NewPostgresTableLocker(
			lock.WithTableName("schema_lock"),
			lock.WithTableLockTimeout(migrationPoll, migrationPolls),
			lock.WithTableLogger(slog.New(slog.DiscardHandler)),
		)
		if err != nil {
			return err
		}
		options = append(options, goose.WithLocker(locker))
	}
	p, err := goose.NewProvider(speaks, db.writer, dialect{files, db.engine}, options...)
	if err != nil {
		return err
	}
	for attempt := 1; ; attempt++ {
		_, err = p.Up(ctx)
		// Two starters on an empty PostgreSQL database may both make the lock
		// table; IF NOT EXISTS does not help the loser, another try does.
		if err == nil || !IsUnique(err) || attempt == maxAttempts {
			break
		}
		if err := sleep(ctx, migrationPoll); err != nil {
			return err
		}
	}
	if err != nil {
		return err
	}
	newest := int64(0)
	for _, s := range p.ListSources() {
		newest = max(newest, s.Version)
	}
	have, err := p.GetDBVersion(ctx)
	if err != nil {
		return err
	}
	if have > newest {
		return fmt.Errorf("%w: it has version %d, this program knows %d", ErrNewer, have, newest)
	}
	return nil
}

// ErrNewer means that a newer program has migrated the database. An older one
// does not touch it, for it would not know what the newer one promised.
var ErrNewer = errors.New("sqldb: the database is newer than this program")
