package main

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
)

// restic runs over rest-server, or over rclone's server of the same protocol, or
// on the directory itself.
type restic struct {
	local  bool
	server string // rest-server or rclone
}

func findRestic(ctx context.Context, local bool) (*restic, peer) {
	r := &restic{local: local}
	var about peer
	about.Version, about.Missing = version(ctx, "restic", "version")
	about.Local = local
	if local || about.Missing != "" {
		about.Form = "on the local directory, without a server"
		return r, about
	}
	for _, s := range []struct{ name, arg, form string }{
		{"rest-server", "--version", "client and rest-server over loopback HTTP"},
		{"rclone", "version", "client and rclone serve restic over loopback HTTP (which does not fsync)"},
	} {
		v, missing := version(ctx, s.name, s.arg)
		if missing == "" {
			r.server, about.Form = s.name, s.form
			about.Version += ", " + v
			return r, about
		}
	}
	about.Missing = "neither rest-server nor rclone is on PATH, so it has no server"
	return r, about
}

func (r *restic) name() string {
	if r.local {
		return "restic-local"
	}
	return "restic"
}

type resticRepo struct {
	dir       string
	kind      kind
	env       []string
	server    *server
	snapshots []string
}

// freePort asks the kernel for a port. Somebody else might take it before its
// user does; then the server says so and the run ends.
func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

func listens(address string) func() bool {
	return func() bool {
		c, err := net.Dial("tcp", address)
		if err != nil {
			return false
		}
		_ = c.Close() // it was only to see whether somebody is there
		return true
	}
}

func (r *restic) open(ctx context.Context, dir string, k kind) (repository, error) {
	repo := &resticRepo{dir: dir, kind: k}
	data := filepath.Join(dir, "repository")
	url := data
	if !r.local {
		address, err := freePort()
		if err != nil {
			return nil, err
		}
		args := []string{"rest-server", "--no-auth", "--listen", address, "--path", data}
		if r.server == "rclone" {
			args = []string{"rclone", "serve", "restic", "--addr", address, data}
		}
		if err := os.MkdirAll(data, 0o700); err != nil {
			return nil, err
		}
		if repo.server, err = startServer(args, environ(dir), nil); err != nil {
			return nil, err
		}
		if err := repo.server.await(ctx, listens(address)); err != nil {
			repo.close()
			return nil, err
		}
		url = "rest:http://" + address + "/"
	}
	repo.env = environ(dir, "RESTIC_REPOSITORY="+url, "RESTIC_PASSWORD=bench")
	if _, err := run(ctx, command{args: []string{"restic", "init"}, env: repo.env}); err != nil {
		repo.close()
		return nil, err
	}
	return repo, nil
}

func (r *resticRepo) step(ctx context.Context, c command) (usage, error) {
	c.args, c.env = append([]string{"restic", "--quiet"}, c.args...), r.env
	return r.server.during(func() (usage, error) { return run(ctx, c) })
}

func (r *resticRepo) put(ctx context.Context, path string) (u usage, err error) {
	if r.kind == kindTree {
		u, err = r.step(ctx, command{args: []string{"backup", "."}, dir: path})
	} else {
		in, oerr := openInput(path)
		if oerr != nil {
			return u, oerr
		}
		u, err = r.step(ctx, command{args: []string{"backup", "--stdin", "--stdin-filename", "stream"}, stdin: in})
		err = errors.Join(err, in.Close())
	}
	if err != nil {
		return u, err
	}
	all, err := output(ctx, command{args: []string{"restic", "--quiet", "list", "snapshots"}, env: r.env})
	if err != nil {
		return u, err
	}
	for id := range strings.FieldsSeq(all) {
		if !contains(r.snapshots, id) {
			r.snapshots = append(r.snapshots, id)
		}
	}
	return u, nil
}

func contains(all []string, one string) bool {
	for _, a := range all {
		if a == one {
			return true
		}
	}
	return false
}

func (r *resticRepo) get(ctx context.Context, to string, out *os.File) (usage, error) {
	newest := r.snapshots[len(r.snapshots)-1]
	if r.kind == kindTree {
		return r.step(ctx, command{args: []string{"restore", newest, "--target", to}})
	}
	return r.step(ctx, command{args: []string{"dump", newest, "stream"}, stdout: writer(out)})
}

// writer keeps a nil file from becoming a writer that is not nil.
func writer(f *os.File) (w interface{ Write([]byte) (int, error) }) {
	if f != nil {
		w = f
	}
	return w
}

func (r *resticRepo) erase(ctx context.Context, n int) (usage, error) {
	u, err := r.step(ctx, command{args: append([]string{"forget", "--prune"}, r.snapshots[:n]...)})
	if err == nil {
		r.snapshots = r.snapshots[n:]
	}
	return u, err
}

func (r *resticRepo) idle(ctx context.Context) (usage, error) {
	return r.step(ctx, command{args: []string{"cat", "config"}})
}

func (r *resticRepo) settle(context.Context) error { return nil }

func (r *resticRepo) stored() (int64, error) { return bytesBelow(filepath.Join(r.dir, "repository")) }

func (r *resticRepo) close() { r.server.stop() }
