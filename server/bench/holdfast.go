package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"holdfast/server/client"
	"holdfast/server/wire"
)

// holdfast is this tree's program, built once, as client and server.
type holdfast struct {
	binary string
	// compression is what its volumes are made with; empty: the default.
	compression string
	label       string
}

// buildHoldfast builds the program, unless one is given.
func buildHoldfast(ctx context.Context, s *scratch, given string) (*holdfast, error) {
	if given != "" {
		path, err := filepath.Abs(given)
		if err == nil {
			_, err = os.Stat(path)
		}
		return &holdfast{binary: path, label: "holdfast"}, err
	}
	h := &holdfast{binary: s.path("holdfast"), label: "holdfast"}
	env := append(os.Environ(), "CGO_ENABLED=0")
	// Without the state of the repository in it, its digest says whether two runs measured the same program.
	_, err := run(ctx, command{args: []string{"go", "build", "-trimpath", "-buildvcs=false", "-o", h.binary, "holdfast"}, env: env})
	return h, err
}

// subject says which program it is.
func (h *holdfast) subject(ctx context.Context) (s subject, err error) {
	if s.Digest, err = sumOf(h.binary); err != nil {
		return s, err
	}
	// Without git, or outside of a repository, the digest says it alone.
	if text, err := output(ctx, command{args: []string{"git", "describe", "--always", "--dirty", "--exclude", "*"}, env: os.Environ()}); err == nil {
		s.Revision = text
	}
	return s, nil
}

func (h *holdfast) name() string { return h.label }

// holdfastRepo is an installation of its own with one tenant and one volume.
type holdfastRepo struct {
	h       *holdfast
	dir     string
	kind    kind
	server  *server
	portal  string
	console string
	house   *house
	env     []string
	owner   *client.Client
	agent   *client.Client
	volume  string

	snapshots []string
}

// The origins that passkeys and the charter name. The listeners have other ports.
const (
	portalOrigin  = "http://localhost:18080"
	consoleOrigin = "http://localhost:18081"
)

func (h *holdfast) open(ctx context.Context, dir string, k kind) (repository, error) {
	r, err := h.serve(ctx, dir)
	if err != nil {
		return nil, err
	}
	r.kind, r.volume = k, "bench"
	// As holdfast volume create --kind --profile --compression.
	in := wire.CreateVolume{Name: r.volume, Kind: "stream", Profile: "files", Compression: h.compression}
	switch k {
	case kindTree:
		in.Kind = "files"
	case kindImage:
		in.Profile = "disk"
	}
	if _, err := r.owner.CreateVolume(ctx, in); err != nil {
		r.close()
		return nil, fmt.Errorf("make a volume: %w", err)
	}
	return r, nil
}

// serve starts a service on a new directory and founds an installation in it.
func (h *holdfast) serve(ctx context.Context, dir string) (_ *holdfastRepo, err error) {
	r := &holdfastRepo{h: h, dir: dir}
	out, in := io.Pipe()
	r.server, err = startServer([]string{h.binary, "--json", "serve", "--dir", filepath.Join(dir, "service"), "--listen", "127.0.0.1:0",
		"--listen-console", "127.0.0.1:0", "--portal-url", portalOrigin, "--console-url", consoleOrigin, "--log-level", "warn"}, environ(dir), in)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			r.close()
		}
	}()
	ready := make(chan struct{})
	go func() {
		lines := bufio.NewScanner(out)
		var text []byte
		for lines.Scan() {
			text = append(text, lines.Bytes()...)
			var a struct{ PortalAddr, ConsoleAddr string }
			if json.Unmarshal(text, &a) == nil && a.PortalAddr != "" {
				r.portal, r.console = "http://"+a.PortalAddr, "http://"+a.ConsoleAddr
				close(ready)
				break
			}
		}
		_, _ = io.Copy(io.Discard, out) // the service is not to wait for a reader
	}()
	if err := r.server.await(ctx, func() bool {
		select {
		case <-ready:
			return true
		default:
			return false
		}
	}); err != nil {
		return nil, err
	}
	r.house, err = found(ctx, filepath.Join(dir, "service"), r.portal, r.console)
	if err != nil {
		return nil, fmt.Errorf("found an installation: %w\n%s", err, r.server.said)
	}
	r.owner, r.agent = r.house.owner.c, client.New(r.portal, client.WithToken(r.house.token))
	r.env = environ(dir, "HOLDFAST_SERVER="+r.portal, "HOLDFAST_TOKEN="+r.house.token)
	return r, nil
}

func (r *holdfastRepo) step(ctx context.Context, c command) (usage, error) {
	c.args, c.env = append([]string{r.h.binary}, c.args...), r.env
	return r.server.during(func() (usage, error) { return run(ctx, c) })
}

// put pushes and takes a snapshot; both are durable when they return.
func (r *holdfastRepo) put(ctx context.Context, path string) (u usage, err error) {
	args := []string{"push", "--delete", path, r.volume}
	var in *os.File
	if r.kind != kindTree {
		args = []string{"push", "-", r.volume}
		if in, err = openInput(path); err != nil {
			return u, err
		}
	}
	u, err = r.step(ctx, command{args: args, stdin: reader(in)})
	if in != nil {
		err = errors.Join(err, in.Close())
	}
	if err != nil {
		return u, err
	}
	start := time.Now()
	s, err := r.agent.TakeSnapshot(ctx, r.volume, "")
	u.Wall += time.Since(start)
	r.snapshots = append(r.snapshots, s.ID)
	return u, err
}

// reader keeps a nil file from becoming a reader that is not nil.
func reader(f *os.File) (r io.Reader) {
	if f != nil {
		r = f
	}
	return r
}

func (r *holdfastRepo) get(ctx context.Context, to string, out *os.File) (usage, error) {
	newest := r.snapshots[len(r.snapshots)-1]
	if r.kind == kindTree {
		return r.step(ctx, command{args: []string{"restore", newest, to}})
	}
	return r.step(ctx, command{args: []string{"cat", newest}, stdout: writer(out)})
}

// settle waits until the newest snapshot is sealed and proven: the service reads
// all of it back by itself, which is not to lie under the next step.
func (r *holdfastRepo) settle(ctx context.Context) error {
	newest := r.snapshots[len(r.snapshots)-1]
	return r.until(ctx, maxSettle, "is sealed and proven", func() (bool, error) {
		s, err := r.agent.Snapshot(ctx, newest)
		return err == nil && s.State == "sealed" && len(s.Copies) == 1 && s.Copies[0].Proven != nil, err
	})
}

func (r *holdfastRepo) until(ctx context.Context, most time.Duration, what string, done func() (bool, error)) error {
	deadline := time.Now().Add(most)
	for {
		ok, err := done()
		if ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-r.server.ended:
			return fmt.Errorf("the service ended by itself: %s\n%s", r.server.cmd.ProcessState, r.server.said)
		case <-time.After(50 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("after %s nothing %s\n%s", most, what, r.server.said)
		}
	}
}

// stored is the packs and the site's index; what SQLite keeps in its write-ahead
// log is in the index soon.
func (r *holdfastRepo) stored() (int64, error) {
	return bytesBelow(r.blobs(), filepath.Join(r.dir, "service", "site.db"))
}

func (r *holdfastRepo) blobs() string { return filepath.Join(r.dir, "service", "blobs") }

func (r *holdfastRepo) idle(ctx context.Context) (usage, error) {
	return r.step(ctx, command{args: []string{"volume", "list"}})
}

func (r *holdfastRepo) close() { r.server.stop() }
