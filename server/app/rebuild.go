package app

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"runtime"
	"strings"
	"time"

	"filippo.io/age"

	"holdfast/internal/sqldb"
	"holdfast/quorum/charter"
	"holdfast/server/config"
	"holdfast/server/control"
	blobfs "holdfast/snapshots/blob/fs"
	"holdfast/snapshots/rebuild"
	snapshotssql "holdfast/snapshots/sqlstore"
)

// RebuildFrom names what a site's database is made from.
type RebuildFrom struct {
	// Key is a file with age identities: a recovery key, or the site's own.
	Key string
	// Charter is the file of the charter in force; empty only where none was ever sealed.
	Charter string
}

// ErrRebuild means that a rebuild was not begun.
var ErrRebuild = errors.New("nothing was rebuilt")

// Rebuild makes the site's database of cfg (a new one: none is ever written over) from the packs in cfg.BlobDir. The
// service must not run. Notes say what an operator has to know besides the report. progress may be nil.
func Rebuild(ctx context.Context, cfg config.Config, from RebuildFrom, progress func(rebuild.Progress)) (report rebuild.Report, notes []string, err error) {
	cfg = cfg.WithDefaults()
	if _, err := os.Stat(cfg.BlobDir); err != nil {
		return report, nil, fmt.Errorf("%w: blobs: %w", ErrRebuild, err)
	}
	identities, err := readIdentities(from.Key)
	if err != nil {
		return report, nil, err
	}
	c := rebuild.Config{Store: snapshotssql.New(), Site: cfg.Site, Identities: identities, Quota: control.DefaultQuota, Now: time.Now,
		Workers: runtime.GOMAXPROCS(0), Progress: progress, Log: slog.Default()}
	var law *charter.Charter
	if from.Charter != "" {
		if law, err = readCharter(from.Charter, cfg.Site); err != nil {
			return report, nil, err
		}
		c.Undo = law.Undo
	} else {
		notes = append(notes, "No charter was given: key sets are wrapped for this site alone, and the undo window is the default.")
	}
	release, err := openDir(cfg.Dir)
	if err != nil {
		return report, nil, err
	}
	defer func() { err = errors.Join(err, release()) }()
	keys, err := loadKeys(cfg.Dir) // makes what is missing: the site then has new keys
	if err != nil {
		return report, nil, err
	}
	c.Identities = append(c.Identities, keys.Primary)
	c.Recipients = []string{keys.Primary.Recipient().String()}
	if law != nil {
		for _, r := range law.Recipients {
			c.Recipients = append(c.Recipients, r.Age)
		}
		if line, _ := law.Site(cfg.Site); line.Key != [32]byte(keys.Site.Public().(ed25519.PublicKey)) {
			notes = append(notes, "The site's signing key is not the one that the charter names: put keys/site.ed25519 back, or nothing gated is done here until a quorum has changed the charter.")
		}
	}
	db, err := sqldb.Open(ctx, cfg.SiteDSN, snapshotssql.Migrations())
	if err != nil {
		return report, notes, fmt.Errorf("site database: %w", err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	blobs, err := blobfs.Open(cfg.BlobDir)
	if err != nil {
		return report, notes, fmt.Errorf("blobs: %w", err)
	}
	defer func() { err = errors.Join(err, blobs.Close()) }()
	c.DB, c.Blobs = db, blobs
	report, err = rebuild.Run(ctx, c)
	if errors.Is(err, rebuild.ErrNotEmpty) {
		err = fmt.Errorf("%w: %w: move site.db (and -wal, -shm) out of %s, or name a new database, and begin again", ErrRebuild, err, cfg.Dir)
	}
	return report, notes, err
}

func readIdentities(path string) ([]age.Identity, error) {
	text, err := readPrivate(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: there is no key file %s", ErrRebuild, path)
	}
	if err != nil {
		return nil, err
	}
	list, err := age.ParseIdentities(strings.NewReader(text))
	if err != nil { // age's error may repeat what it read
		return nil, fmt.Errorf("%w: %s holds no age identities", ErrRebuild, path)
	}
	return list, nil
}

func readCharter(path, site string) (*charter.Charter, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("%w: charter: %w", ErrRebuild, err)
	}
	c, err := charter.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrRebuild, path, err)
	}
	if _, ok := c.Site(site); !ok {
		return nil, fmt.Errorf("%w: %s names no site %q", ErrRebuild, path, site)
	}
	return c, nil
}

// RebuildReport and RebuildProgress are what a rebuild says, for the command line.
type (
	RebuildReport   = rebuild.Report
	RebuildProgress = rebuild.Progress
)
