package app

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/redis/go-redis/v9"

	"holdfast/authz"
	"holdfast/authz/passkey"
	"holdfast/authz/password"
	"holdfast/authz/redisstore"
	"holdfast/authz/session"
	authzsql "holdfast/authz/sqlstore"
	"holdfast/authz/throttle"
	"holdfast/authz/ticket"
	"holdfast/authz/totp"
	"holdfast/internal/durable"
	"holdfast/internal/sqldb"
	"holdfast/quorum/audit"
	"holdfast/quorum/clock"
	quorumsql "holdfast/quorum/sqlstore"
	"holdfast/server/api"
	"holdfast/server/config"
	"holdfast/server/control"
	"holdfast/server/jobs"
	"holdfast/server/transfer"
	"holdfast/server/wire"
	"holdfast/snapshots"
	blobfs "holdfast/snapshots/blob/fs"
	"holdfast/snapshots/site"
	snapshotssql "holdfast/snapshots/sqlstore"
	"holdfast/snapshots/sweep"
	"holdfast/web/console"
	"holdfast/web/page"
	"holdfast/web/portal"
)

// service is everything that is open.
type service struct {
	cfg     config.Config
	log     *slog.Logger
	keys    Keys
	control *control.Control
	engine  *snapshots.Engine
	site    *site.Primary
	redis   redis.UniversalClient
	probes  *probes
	metrics *metrics
	portal  *echo.Echo
	console *echo.Echo
	live    *page.Live
	guide   func() (wire.Guide, bool)
	workers int
	jobs    *jobs.Runner

	closers []func() error
}

// opened remembers how to close what was opened last.
func (s *service) opened(closing func() error) { s.closers = append(s.closers, closing) }

// close ends everything in the reverse order of its opening.
func (s *service) close() error {
	var errs []error
	for len(s.closers) > 0 {
		last := len(s.closers) - 1
		errs = append(errs, s.closers[last]())
		s.closers = s.closers[:last]
	}
	return errors.Join(errs...)
}

// open opens the stores below cfg.Dir and wires the domains. What it opened is
// closed again when it fails.
func open(ctx context.Context, cfg config.Config, log *slog.Logger, options ...Option) (*service, error) {
	s := &service{cfg: cfg, log: log, metrics: newMetrics()}
	for _, o := range options {
		o(s)
	}
	if err := s.open(ctx); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *service) open(ctx context.Context) error {
	cfg := s.cfg
	release, err := openDir(cfg.Dir)
	if err != nil {
		return err
	}
	s.opened(release)
	if s.keys, err = loadKeys(cfg.Dir); err != nil {
		return err
	}
	controlDB, siteDB, err := s.openDatabases(ctx)
	if err != nil {
		return err
	}
	rdb, closeRedis, err := openRedis(cfg.RedisURL)
	if err != nil {
		return err
	}
	s.opened(closeRedis)
	s.redis = rdb
	s.probes = &probes{control: controlDB, site: siteDB, redis: rdb}
	clocks, err := clock.NewSystem(outsideClocks(map[string]*sqldb.DB{cfg.ControlDSN: controlDB, cfg.SiteDSN: siteDB})...)
	if err != nil {
		return fmt.Errorf("clock: %w", err)
	}
	deps, err := s.accounts(rdb, clocks)
	if err != nil {
		return err
	}
	deps.DB = controlDB
	if err := s.wire(ctx, deps, siteDB, clocks); err != nil {
		return err
	}
	if err := s.mount(); err != nil {
		return err
	}
	s.jobs, err = jobs.New(s.log, s.metrics.job, s.duties().list(rdb)...)
	return err
}

func (s *service) openDatabases(ctx context.Context) (controlDB, siteDB *sqldb.DB, err error) {
	controlDB, err = sqldb.Open(ctx, s.cfg.ControlDSN, authzsql.Migrations, quorumsql.Migrations(), control.Migrations)
	if err != nil {
		return nil, nil, fmt.Errorf("control database: %w", err)
	}
	s.opened(controlDB.Close)
	siteDB, err = sqldb.Open(ctx, s.cfg.SiteDSN, snapshotssql.Migrations())
	if err != nil {
		return nil, nil, fmt.Errorf("site database: %w", err)
	}
	s.opened(siteDB.Close)
	return controlDB, siteDB, nil
}

// accounts wires who people are: everything of control.Deps that is authz's or
// a key of the service.
func (s *service) accounts(rdb redis.UniversalClient, c clock.Clock) (d control.Deps, err error) {
	cfg, now := s.cfg, c.Now
	store := redisstore.New(rdb)
	sessionKey, err := s.keys.derive("sessions")
	if err != nil {
		return d, err
	}
	stateKey, err := s.keys.derive("passkey ceremonies")
	if err != nil {
		return d, err
	}
	d = control.Deps{
		Accounts: authzsql.New(), Clock: c, Log: s.log,
		Origin: cfg.LogOrigin, RPID: cfg.RPID, PortalURL: canonical(cfg.PortalURL), ConsoleURL: canonical(cfg.ConsoleURL), Site: cfg.Site,
		Attestation: s.keys.Attestation, AttestationKey: "attestation", Recipient: s.keys.Primary.Recipient().String(),
		LogKey: s.keys.Log, SiteKey: s.keys.Site,
		Operator: sha256.Sum256([]byte(s.keys.Operator)),
		Passkeys: map[authz.Face]*passkey.Party{},
	}
	if d.Sessions, err = session.New(store, sessionKey, now); err != nil {
		return d, err
	}
	if d.Throttle, err = throttle.New(store); err != nil {
		return d, err
	}
	if d.Decider, err = authz.NewDecider(now); err != nil {
		return d, err
	}
	if d.Passwords, err = password.New(passwordHashes); err != nil {
		return d, err
	}
	if d.Secrets, err = totp.NewSealer(totp.Key{ID: "1", Bytes: s.keys.Secrets}); err != nil {
		return d, err
	}
	for face, origin := range map[authz.Face]string{authz.FacePortal: d.PortalURL, authz.FaceConsole: d.ConsoleURL} {
		d.Passkeys[face], err = passkey.New(passkey.Relying{RPID: cfg.RPID, DisplayName: "Holdfast", Origins: []string{origin}, StateKey: stateKey}, now)
		if err != nil {
			return d, fmt.Errorf("passkeys at %s: %w", origin, err)
		}
	}
	if d.Tickets, err = ticket.NewIssuer(cfg.LogOrigin, s.keys.Ticket, now); err != nil {
		return d, fmt.Errorf("tickets: %w", err)
	}
	ticketKeys, err := ticket.NewKeySet(d.Tickets.Public())
	if err != nil {
		return d, fmt.Errorf("tickets: %w", err)
	}
	if d.TicketCheck, err = ticket.NewVerifier(cfg.LogOrigin, cfg.Site, ticketKeys, now); err != nil {
		return d, fmt.Errorf("tickets: %w", err)
	}
	if d.LogSigner, err = audit.NewSigner(cfg.LogOrigin, s.keys.Log); err != nil {
		return d, fmt.Errorf("log: %w", err)
	}
	if d.LogKeys, err = audit.NewKeys(d.LogSigner.LogKey().String()); err != nil {
		return d, fmt.Errorf("log: %w", err)
	}
	return d, nil
}

// wire opens the primary site and joins it with the control plane.
func (s *service) wire(ctx context.Context, d control.Deps, siteDB *sqldb.DB, c clock.Clock) error {
	if err := durable.MkdirAll(s.cfg.BlobDir, 0o700); err != nil {
		return fmt.Errorf("blobs: %w", err)
	}
	blobs, err := blobfs.Open(s.cfg.BlobDir)
	if err != nil {
		return fmt.Errorf("blobs: %w", err)
	}
	s.opened(blobs.Close)
	owner, proven := life(ctx, c, s.cfg.Dir)
	s.engine, err = snapshots.New(ctx, snapshots.Config{
		DB: siteDB, Store: snapshotssql.New(), Blobs: blobs, Site: s.cfg.Site,
		Owner:    owner,
		Identity: s.keys.Primary, Recipients: []string{d.Recipient},
		Undo: s.undo, Still: site.Still, Now: c.Now, Log: s.log, Workers: s.workers,
	})
	if err != nil {
		return fmt.Errorf("site %s: %w", s.cfg.Site, err)
	}
	s.opened(s.engine.Close)
	if proven {
		n, err := s.engine.EndFormerLives(ctx)
		if err != nil {
			return fmt.Errorf("site %s: %w", s.cfg.Site, err)
		}
		if n > 0 {
			s.log.InfoContext(ctx, "leases of a process that died here were ended", "leases", n)
		}
	}
	sweeper, err := sweep.New(sweep.Config{
		DB: siteDB, Store: snapshotssql.New(), Blobs: blobs, Writers: s.engine, Storage: sweep.Storage{Dir: s.cfg.BlobDir},
		Site: s.cfg.Site, Now: c.Now, Logger: s.log,
	})
	if err != nil {
		return fmt.Errorf("site %s: %w", s.cfg.Site, err)
	}
	pins := filepath.Join(s.cfg.Dir, "pins")
	if err := durable.MkdirAll(pins, 0o700); err != nil {
		return fmt.Errorf("pins: %w", err)
	}
	s.site, err = site.NewPrimary(ctx, site.Config{
		DB: siteDB, Name: s.cfg.Site, Pins: pins, Key: s.keys.Site, Log: control.NewFeed(d.DB), Sweep: sweeper, Clock: c, Logger: s.log,
	})
	if err != nil {
		return fmt.Errorf("site %s: %w", s.cfg.Site, err)
	}
	d.Data, d.Gate = s.engine, s.site
	if d.Scrubber, err = s.scrubber(siteDB, blobs, c.Now); err != nil {
		return err
	}
	s.control, err = control.New(d)
	return err
}

// mount makes both faces with their routes.
func (s *service) mount() (err error) {
	for face, to := range map[authz.Face]**echo.Echo{authz.FacePortal: &s.portal, authz.FaceConsole: &s.console} {
		e, err := newFace(s.cfg, face, s.log, s.metrics)
		if err != nil {
			return err
		}
		s.probes.mount(e)
		api.Mount(e, s.control, face, Version)
		*to = e
	}
	if err := transfer.Mount(s.portal, s.control, transfer.Options{Now: time.Now, Log: s.log}); err != nil {
		return err
	}
	s.live = page.NewLive(s.control)
	pages := page.Options{Live: s.live, Guide: s.guide}
	portal.Mount(s.portal, s.control, pages)
	console.Mount(s.console, s.control, pages)
	s.metrics.mount(s.console)
	return nil
}

// undo is the undo window of the charter in force. Where it cannot be read, the
// default, which is the longer one: what may be reclaimed is the site's question,
// and it asks its own charter.
func (s *service) undo() time.Duration {
	if s.control == nil {
		return snapshots.DefaultUndo
	}
	ctx, cancel := context.WithTimeout(context.Background(), probeTimeout)
	defer cancel()
	window, ok, err := s.control.UndoWindow(ctx)
	if err != nil || !ok {
		return snapshots.DefaultUndo
	}
	return window
}

// reclaim goes through all tenants, closed ones too. The site asks its own
// charter, holds and clocks before it takes anything.
func (s *service) reclaim(ctx context.Context) error {
	var errs []error
	var after authz.TenantID
	for {
		var page []authz.Tenant
		err := s.control.DB.Read(ctx, func(tx *sqldb.Tx) (err error) {
			page, err = s.control.Accounts.Tenants(ctx, tx, after)
			return err
		})
		if err != nil || len(page) == 0 {
			return errors.Join(append(errs, err)...)
		}
		for _, tenant := range page {
			_, err := s.site.Reclaim(ctx, tenant.ID.String())
			// Suspended, or a tenant that never kept anything here: nothing to do.
			idle := errors.Is(err, site.ErrSuspended) || errors.Is(err, sweep.ErrSuspended) || errors.Is(err, sql.ErrNoRows)
			if err != nil && !idle {
				errs = append(errs, fmt.Errorf("reclaim of %s: %w", tenant.ID, err))
			}
			after = tenant.ID
		}
	}
}

// duties names the use cases that the jobs call.
func (s *service) duties() duties {
	return duties{
		Tick:    s.control.Tick,
		Deliver: s.control.Deliver,
		Execute: s.control.Execute,

		SignCheckpoint: s.control.SignCheckpoint,
		RewrapKeys:     s.control.RewrapKeys,
		Reclaim:        s.reclaim,
		SealSnapshots: func(ctx context.Context) error {
			_, err := s.control.SealSnapshots(ctx, batch)
			return err
		},
		ProveSnapshots: func(ctx context.Context) error {
			_, err := s.control.ProveSnapshots(ctx, proofAge, batch)
			return err
		},
		RepairLog: func(ctx context.Context) error {
			_, err := s.control.RepairLog(ctx)
			return err
		},
		Scrub: s.scrub,
		EndOrphanPacks: func(ctx context.Context) error {
			_, err := s.engine.EndOrphanPacks(ctx)
			return err
		},
	}
}
