package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// kopia runs over its repository server.
type kopia struct{}

func findKopia(ctx context.Context) (kopia, peer) {
	about := peer{Form: "client and kopia server over loopback TLS; zstd-fastest"}
	about.Version, about.Missing = version(ctx, "kopia", "--version")
	return kopia{}, about
}

func (kopia) name() string { return "kopia" }

type kopiaRepo struct {
	dir       string
	kind      kind
	env       []string
	direct    []string // the command on the repository itself
	remote    []string // the command over the server
	server    *server
	snapshots []kopiaSnapshot
	made      int
}

type kopiaSnapshot struct {
	ID   string `json:"id"`
	Root struct {
		Object string `json:"obj"`
	} `json:"rootEntry"`
}

const kopiaUser, kopiaHost = "bench", "localhost"

func (kopia) open(ctx context.Context, dir string, k kind) (_ repository, err error) {
	r := &kopiaRepo{dir: dir, kind: k}
	r.env = environ(dir, "KOPIA_PASSWORD=bench", "KOPIA_CHECK_FOR_UPDATES=false", "KOPIA_USE_KEYRING=false")
	call := func(config string) []string {
		return []string{"kopia", "--config-file", filepath.Join(dir, config), "--log-dir", filepath.Join(dir, "logs"), "--no-progress"}
	}
	r.direct, r.remote = call("direct.config"), call("remote.config")
	defer func() {
		if err != nil {
			r.close()
		}
	}()
	user := kopiaUser + "@" + kopiaHost
	for _, args := range [][]string{
		{"repository", "create", "filesystem", "--path", filepath.Join(dir, "repository"), "--cache-directory", filepath.Join(dir, "cache-server")},
		{"policy", "set", "--global", "--compression=zstd-fastest"},
		{"server", "user", "add", user, "--user-password=bench"},
	} {
		if _, err := run(ctx, command{args: r.on(r.direct, args...), env: r.env}); err != nil {
			return nil, err
		}
	}
	address, err := freePort()
	if err != nil {
		return nil, err
	}
	certificate := filepath.Join(dir, "server.cert")
	r.server, err = startServer(r.on(r.direct, "server", "start", "--address=https://"+address, "--tls-generate-cert",
		"--tls-cert-file="+certificate, "--tls-key-file="+filepath.Join(dir, "server.key")), r.env, nil)
	if err != nil {
		return nil, err
	}
	if err := r.server.await(ctx, listens(address)); err != nil {
		return nil, err
	}
	block, _ := pem.Decode([]byte(readText(certificate)))
	if block == nil {
		return nil, fmt.Errorf("kopia left no certificate in %s", certificate)
	}
	_, err = run(ctx, command{args: r.on(r.remote, "repository", "connect", "server", "--url=https://"+address,
		fmt.Sprintf("--server-cert-fingerprint=%x", sha256.Sum256(block.Bytes)),
		"--override-username="+kopiaUser, "--override-hostname="+kopiaHost, "--cache-directory", filepath.Join(dir, "cache-client")), env: r.env})
	return r, err
}

func (r *kopiaRepo) on(base []string, args ...string) []string {
	return append(append([]string{}, base...), args...)
}

func (r *kopiaRepo) step(ctx context.Context, c command) (usage, error) {
	c.args, c.env = r.on(r.remote, c.args...), r.env
	return r.server.during(func() (usage, error) { return run(ctx, c) })
}

func (r *kopiaRepo) put(ctx context.Context, path string) (u usage, err error) {
	r.made++
	said, err := create(filepath.Join(r.dir, fmt.Sprintf("snapshot-%d.json", r.made)))
	if err != nil {
		return u, err
	}
	if r.kind == kindTree {
		u, err = r.step(ctx, command{args: []string{"snapshot", "create", "--json", path}, stdout: said})
	} else {
		in, oerr := openInput(path)
		if oerr != nil {
			return u, oerr
		}
		u, err = r.step(ctx, command{args: []string{"snapshot", "create", "--json", "--stdin-file=stream", filepath.Join(r.dir, "stdin")}, stdin: in, stdout: said})
		err = errors.Join(err, in.Close())
	}
	if err := errors.Join(err, said.Close()); err != nil {
		return u, err
	}
	var s kopiaSnapshot
	if err := json.Unmarshal([]byte(readText(said.Name())), &s); err != nil || s.ID == "" {
		return u, fmt.Errorf("kopia does not name its snapshot: %w", err)
	}
	r.snapshots = append(r.snapshots, s)
	return u, nil
}

func (r *kopiaRepo) get(ctx context.Context, to string, out *os.File) (usage, error) {
	newest := r.snapshots[len(r.snapshots)-1].Root.Object
	if r.kind == kindTree {
		return r.step(ctx, command{args: []string{"snapshot", "restore", newest, to}})
	}
	return r.step(ctx, command{args: []string{"show", newest + "/stream"}, stdout: writer(out)})
}

func (r *kopiaRepo) erase(ctx context.Context, n int) (u usage, err error) {
	args := []string{"snapshot", "delete", "--delete"}
	for _, s := range r.snapshots[:n] {
		args = append(args, s.ID)
	}
	if u, err = r.step(ctx, command{args: args}); err != nil {
		return u, err
	}
	r.snapshots = r.snapshots[n:]
	// The server's own maintenance waits for a day; by hand it runs on the repository.
	v, err := run(ctx, command{args: r.on(r.direct, "maintenance", "run", "--full", "--safety=none"), env: r.env})
	return u.add(v), err
}

func (r *kopiaRepo) idle(ctx context.Context) (usage, error) {
	return r.step(ctx, command{args: []string{"repository", "status"}})
}

func (r *kopiaRepo) settle(context.Context) error { return nil }

func (r *kopiaRepo) stored() (int64, error) { return bytesBelow(filepath.Join(r.dir, "repository")) }

func (r *kopiaRepo) close() { r.server.stop() }
