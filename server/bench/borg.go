package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// borg runs over borg serve, which the client starts by a remote shell; here the
// shell starts it on this machine, so that there are two processes and a pipe.
type borg struct{}

func findBorg(ctx context.Context) (borg, peer) {
	about := peer{Form: "client and borg serve over a pipe; repokey, lz4"}
	about.Version, about.Missing = version(ctx, "borg", "--version")
	return borg{}, about
}

func (borg) name() string { return "borg" }

type borgRepo struct {
	dir      string
	kind     kind
	env      []string
	archives []string
	made     int
}

// remoteShell notes who it becomes, so that the server's memory can be read.
const remoteShell = `#!/bin/sh
echo $$ > "$HOLDFAST_BENCH_PID"
exec borg serve
`

func (borg) open(ctx context.Context, dir string, k kind) (repository, error) {
	r := &borgRepo{dir: dir, kind: k}
	shell := filepath.Join(dir, "shell")
	if err := createWith(shell, func(w io.Writer) error { _, err := io.WriteString(w, remoteShell); return err }); err != nil {
		return nil, err
	}
	if err := os.Chmod(shell, 0o700); err != nil {
		return nil, err
	}
	r.env = environ(dir, "BORG_RSH="+shell, "BORG_REPO=ssh://bench@localhost"+filepath.Join(dir, "repository"), "BORG_PASSPHRASE=bench",
		"BORG_BASE_DIR="+filepath.Join(dir, "home"), "BORG_RELOCATED_REPO_ACCESS_IS_OK=yes", "HOLDFAST_BENCH_PID="+r.pidFile())
	if _, err := run(ctx, command{args: []string{"borg", "init", "--encryption", "repokey"}, env: r.env}); err != nil {
		return nil, err
	}
	return r, nil
}

func (r *borgRepo) pidFile() string { return filepath.Join(r.dir, "serve.pid") }

func (r *borgRepo) step(ctx context.Context, c command) (usage, error) {
	c.args, c.env = append([]string{"borg"}, c.args...), r.env
	c.serverPID = func() int {
		pid, err := strconv.Atoi(strings.TrimSpace(readText(r.pidFile())))
		if err != nil || !strings.Contains(readText(proc(pid, "cmdline")), "serve") {
			return 0 // not started yet, or the one of the step before
		}
		return pid
	}
	return run(ctx, c) // the server is the client's child, and its processor time part of the client's
}

func (r *borgRepo) put(ctx context.Context, path string) (u usage, err error) {
	r.made++
	name := fmt.Sprintf("state-%d", r.made)
	if r.kind == kindTree {
		u, err = r.step(ctx, command{args: []string{"create", "::" + name, "."}, dir: path})
	} else {
		in, oerr := openInput(path)
		if oerr != nil {
			return u, oerr
		}
		u, err = r.step(ctx, command{args: []string{"create", "::" + name, "-"}, stdin: in})
		err = errors.Join(err, in.Close())
	}
	if err == nil {
		r.archives = append(r.archives, name)
	}
	return u, err
}

func (r *borgRepo) get(ctx context.Context, to string, out *os.File) (usage, error) {
	newest := "::" + r.archives[len(r.archives)-1]
	if r.kind == kindTree {
		if err := os.Mkdir(to, 0o700); err != nil {
			return usage{}, err
		}
		return r.step(ctx, command{args: []string{"extract", newest}, dir: to})
	}
	return r.step(ctx, command{args: []string{"extract", "--stdout", newest, "stdin"}, dir: r.dir, stdout: writer(out)})
}

func (r *borgRepo) erase(ctx context.Context, n int) (usage, error) {
	args := append([]string{"delete", "::" + r.archives[0]}, r.archives[1:n]...)
	u, err := r.step(ctx, command{args: args})
	if err != nil {
		return u, err
	}
	r.archives = r.archives[n:]
	v, err := r.step(ctx, command{args: []string{"compact"}})
	return u.add(v), err
}

func (r *borgRepo) idle(ctx context.Context) (usage, error) {
	return r.step(ctx, command{args: []string{"list"}})
}

func (r *borgRepo) settle(context.Context) error { return nil }

func (r *borgRepo) stored() (int64, error) { return bytesBelow(filepath.Join(r.dir, "repository")) }

func (r *borgRepo) close() {}
