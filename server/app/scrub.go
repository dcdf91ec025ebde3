package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"holdfast/internal/sqldb"
	"holdfast/server/config"
	"holdfast/server/control"
	"holdfast/server/wire"
	"holdfast/snapshots"
	"holdfast/snapshots/blob"
	blobfs "holdfast/snapshots/blob/fs"
	"holdfast/snapshots/key"
	"holdfast/snapshots/scrub"
	snapshotssql "holdfast/snapshots/sqlstore"
)

// scrubber makes the service's own, with its metrics.
func (s *service) scrubber(db *sqldb.DB, blobs blob.Store, now func() time.Time) (*scrub.Scrubber, error) {
	rate, err := config.ParseRate(s.cfg.ScrubRate)
	if err != nil {
		return nil, err
	}
	sc, err := scrub.New(scrub.Config{DB: db, Store: snapshotssql.New(), Blobs: blobs, Site: s.cfg.Site, Keys: s.engine.OpenKeys, Rate: rate,
		Busy: func() bool { return s.metrics.transfers.Load() > 0 }, Undo: s.undo, Now: now, Log: s.log})
	if err != nil {
		return nil, err
	}
	s.metrics.registry.MustRegister(
		prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "holdfast_scrub_bytes_total", Help: "Bytes that were read again to find rot."},
			func() float64 { n, _ := sc.Counters(); return float64(n) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "holdfast_scrub_bad_frames_total", Help: "Frames that were found not as they were written."},
			func() float64 { _, n := sc.Counters(); return float64(n) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "holdfast_data_transfers", Help: "Requests of the data path that are under way."},
			func() float64 { return float64(s.metrics.transfers.Load()) }),
	)
	return sc, nil
}

// scrub is one run of the job: a slice of a pass, if one is due, and the alarms for what was found.
func (s *service) scrub(ctx context.Context) error {
	slice, cancel := context.WithTimeout(ctx, scrubSlice)
	defer cancel()
	_, err := s.control.Scrubber.Due(slice)
	if err != nil && ctx.Err() == nil && errors.Is(slice.Err(), context.DeadlineExceeded) {
		err = nil // the next run goes on
	}
	return errors.Join(err, s.control.EnterRot(ctx))
}

// ErrNoService means that a directory is not the data directory of a service.
var ErrNoService = errors.New("no service has run on this directory")

// claim opens the data directory of a service that does not run, for work on its site. It makes nothing.
func claim(cfg config.Config) (keys Keys, release func() error, err error) {
	if _, err := os.Stat(filepath.Join(cfg.Dir, "keys", primaryKeyFile)); err != nil {
		return keys, nil, fmt.Errorf("%w: %s", ErrNoService, cfg.Dir)
	}
	if release, err = openDir(cfg.Dir); err != nil {
		return keys, nil, err
	}
	if keys, err = loadKeys(cfg.Dir); err != nil {
		err = errors.Join(err, release())
	}
	return keys, release, err
}

// Scrub reads everything that the site of a stopped service keeps. ErrDirInUse when the service runs: ask it instead.
// rate 0 is the configured one; all begins anew where a pass is under way. progress, which may be nil, is told of every
// pack. What it finds is entered into the log when the service runs again.
func Scrub(ctx context.Context, cfg config.Config, rate int64, all bool, progress func(wire.Scrub)) (out wire.Scrub, err error) {
	cfg = cfg.WithDefaults()
	keys, release, err := claim(cfg)
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, release()) }()
	if rate == 0 {
		if rate, err = config.ParseRate(cfg.ScrubRate); err != nil {
			return out, err
		}
	}
	db, err := sqldb.Open(ctx, cfg.SiteDSN, snapshotssql.Migrations())
	if err != nil {
		return out, fmt.Errorf("site database: %w", err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	blobs, err := blobfs.Open(cfg.BlobDir)
	if err != nil {
		return out, fmt.Errorf("blobs: %w", err)
	}
	defer func() { err = errors.Join(err, blobs.Close()) }()
	store := snapshotssql.New()
	sc, err := scrub.New(scrub.Config{DB: db, Store: store, Blobs: blobs, Site: cfg.Site, Rate: rate, Now: time.Now, Log: slog.Default(),
		Keys: func(ctx context.Context, tenant string) (*key.Ring, error) {
			return snapshots.OpenKeys(ctx, db, store, keys.Primary, tenant)
		}})
	if err != nil {
		return out, err
	}
	if _, err := sc.Begin(ctx, all); err != nil {
		return out, err
	}
	status := func() (wire.Scrub, error) {
		s, err := sc.Status(ctx)
		return control.ShowScrub(s), err
	}
	last := time.Time{}
	if _, err := sc.Run(ctx, func(scrub.PackResult) {
		if progress == nil || time.Since(last) < time.Second {
			return
		}
		last = time.Now()
		if s, err := status(); err == nil {
			progress(s)
		}
	}); err != nil {
		return out, err
	}
	return status()
}
