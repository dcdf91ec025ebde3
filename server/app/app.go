// Package app composes a service: it opens the stores, wires the domains
// together, starts the two listeners and the jobs, and ends all of it in order.
//
// It decides nothing. Whatever may be destroyed is decided by the charter and
// checked by the site; no setting that this package reads can weaken that (T24).
// It must never hold a rule of a domain, and nothing else opens a store.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"

	"holdfast/server/config"
	"holdfast/server/wire"
)

// Addresses is where a service can be reached once it is ready.
type Addresses struct {
	// Portal and Console are origins, such as http://localhost:8080.
	Portal, Console string
	// PortalAddr and ConsoleAddr are the bound addresses, host:port.
	PortalAddr, ConsoleAddr string
}

// ErrTaken means that a port is used by another program.
var ErrTaken = errors.New("port is taken")

// Version names the build in the API's description.
var Version = "1.0.0"

// Option is what only a program can set, and no configuration.
type Option func(*service)

// WithGuide gives the service a demonstration's start page: who signs in there is
// handed every secret. It shows only while the charter's purpose is demo.
func WithGuide(guide func() (wire.Guide, bool)) Option {
	return func(s *service) { s.guide = guide }
}

// WithWorkers bounds the goroutines that compress and encrypt at the same time;
// without it there is one a processor of the program.
func WithWorkers(n int) Option { return func(s *service) { s.workers = n } }

// Run runs a service until ctx ends, and returns after running transfers have
// ended or drainTimeout has passed. ready is called once both faces answer; it
// may be nil. The log goes to slog.Default().
func Run(ctx context.Context, cfg config.Config, ready func(Addresses), options ...Option) (err error) {
	log := slog.Default()
	cfg = cfg.WithDefaults()
	// The ports come first: the origins follow from them, and a port that is
	// taken should leave nothing behind.
	portal, err := listen(ctx, cfg.Listen, "--listen")
	if err != nil {
		return err
	}
	defer portal.Close() // again after Shutdown: harmless
	console, err := listen(ctx, cfg.ListenConsole, "--listen-console")
	if err != nil {
		return err
	}
	defer console.Close()
	cfg = cfg.Bound(portal.Addr(), console.Addr())
	if err := cfg.Validate(); err != nil {
		return err
	}
	s, err := open(ctx, cfg, log, options...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	return s.serve(ctx, portal, console, ready)
}

func listen(ctx context.Context, address, flag string) (net.Listener, error) {
	var c net.ListenConfig
	l, err := c.Listen(ctx, "tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		_, port, _ := net.SplitHostPort(address) // it was a valid address to Listen
		return nil, fmt.Errorf("%w: port %s is taken: choose another with %s", ErrTaken, port, flag)
	}
	if err != nil {
		return nil, fmt.Errorf("listen on %s (%s): %w", address, flag, err)
	}
	return l, nil
}

// serve runs both faces and the jobs until ctx ends or a listener fails.
func (s *service) serve(ctx context.Context, portal, console net.Listener, ready func(Addresses)) error {
	// Requests outlive ctx by the time of draining; jobs do not.
	requests, endRequests := context.WithCancel(context.WithoutCancel(ctx))
	defer endRequests()
	work, endWork := context.WithCancel(ctx)
	defer endWork()

	failed := make(chan error, 2)
	servers := map[*http.Server]net.Listener{
		newServer(s.portal, s.log):  portal,
		newServer(s.console, s.log): console,
	}
	for server, listener := range servers {
		server.RegisterOnShutdown(s.live.Close) // or pages that wait for news would hold the service up
		server.BaseContext = func(net.Listener) context.Context { return requests }
		go func() {
			if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
				failed <- fmt.Errorf("serve %s: %w", listener.Addr(), err)
			}
		}()
	}
	var jobs sync.WaitGroup
	jobs.Go(func() { s.jobs.Run(work) })
	a := Addresses{
		Portal: strings.TrimRight(s.cfg.PortalURL, "/"), Console: strings.TrimRight(s.cfg.ConsoleURL, "/"),
		PortalAddr: portal.Addr().String(), ConsoleAddr: console.Addr().String(),
	}
	s.log.Info("service ready", "portal", a.Portal, "console", a.Console, "listen", a.PortalAddr, "listen_console", a.ConsoleAddr, "version", Version)
	if ready != nil {
		ready(a)
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	s.probes.draining.Store(true)
	endWork()
	err = errors.Join(err, drain(requests, servers))
	jobs.Wait()
	s.log.Info("service stopped")
	return err
}

// drain lets running requests end, and tears those that take too long: what was
// not acknowledged did not happen, and transfers resume.
func drain(ctx context.Context, servers map[*http.Server]net.Listener) error {
	ctx, cancel := context.WithTimeout(ctx, drainTimeout)
	defer cancel()
	var wg sync.WaitGroup
	errs := make(chan error, len(servers))
	for server := range servers {
		wg.Go(func() {
			err := server.Shutdown(ctx)
			if errors.Is(err, context.DeadlineExceeded) {
				err = server.Close()
			}
			errs <- err
		})
	}
	wg.Wait()
	close(errs)
	var err error
	for e := range errs {
		err = errors.Join(err, e)
	}
	return err
}
