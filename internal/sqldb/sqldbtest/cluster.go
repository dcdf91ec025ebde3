package sqldbtest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"sort"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

// adminDSN is where databases are made: the server that the environment names,
// or else a cluster that this test binary starts once.
func adminDSN(t testing.TB) string {
	t.Helper()
	if dsn := os.Getenv(EnvPostgres); dsn != "" {
		return dsn
	}
	dsn, err := startCluster()
	if err != nil {
		t.Fatalf("no PostgreSQL to test with (apt-get install postgresql, or set %s): %v", EnvPostgres, err)
	}
	return dsn
}

var startCluster = sync.OnceValues(start)

// supervisor makes and runs a cluster that listens on a socket in its own
// directory, and stops and clears everything when its standard input ends, which
// it does however the test binary comes to die. PostgreSQL refuses to run as
// root, hence the user. Nothing here survives a crash, and needs to.
const supervisor = `
"$BIN/initdb" -D "$DIR/data" -U postgres -A trust -E UTF8 --locale=C -N >"$DIR/log" 2>&1 || { touch "$DIR/failed"; cat >/dev/null; exit 1; }
"$BIN/postgres" -D "$DIR/data" -k "$DIR" -c listen_addresses= -c fsync=off -c full_page_writes=off \
  -c synchronous_commit=off -c max_connections=300 -c shared_buffers=32MB -c autovacuum=off </dev/null >>"$DIR/log" 2>&1 &
pid=$!
cat >/dev/null
kill -QUIT $pid
wait $pid
rm -rf "$DIR/data"
rm -rf "$DIR"
`

func start() (string, error) {
	bin, err := binDir()
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", "holdfast-pg-")
	if err != nil {
		return "", err
	}
	cmd := exec.Command("/bin/sh", "-c", supervisor)
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), "BIN="+bin, "DIR="+dir, "LC_ALL=C")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // an interrupt at the keyboard is not for it
	if os.Geteuid() == 0 {
		uid, gid, err := unprivileged()
		if err != nil {
			return "", err
		}
		if err := os.Chown(dir, uid, gid); err != nil {
			return "", err
		}
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	}
	// The writing end is a plain descriptor, which no garbage collection closes:
	// nobody writes to it, and the kernel closes it when this process ends.
	var ends [2]int
	if err := syscall.Pipe2(ends[:], syscall.O_CLOEXEC); err != nil {
		return "", err
	}
	stdin := os.NewFile(uintptr(ends[0]), "stdin")
	defer stdin.Close()
	cmd.Stdin = stdin
	if err := cmd.Start(); err != nil {
		return "", err
	}
	q := url.Values{"host": {dir}, "user": {"postgres"}, "sslmode": {"disable"}}
	dsn := "postgres:///postgres?" + q.Encode()
	if err := await(dsn, dir); err != nil {
		log, _ := os.ReadFile(filepath.Join(dir, "log"))
		syscall.Close(ends[1])
		return "", fmt.Errorf("%w\n%s", err, log)
	}
	return dsn, nil
}

// await asks until the server answers. There is no event to wait for, so this
// is the one place that polls.
func await(dsn, dir string) error {
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		return err
	}
	defer db.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	for {
		err := db.PingContext(ctx)
		if err == nil {
			return nil
		}
		if _, e := os.Stat(filepath.Join(dir, "failed")); e == nil {
			return errors.New("initdb failed")
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("PostgreSQL does not answer: %w", err)
		case <-time.After(25 * time.Millisecond):
		}
	}
}

// binDir finds the server's programs: Debian keeps them out of PATH.
func binDir() (string, error) {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if len(found) > 0 {
		sort.Slice(found, func(i, j int) bool { return version(found[i]) < version(found[j]) })
		return filepath.Dir(found[len(found)-1]), nil
	}
	p, err := exec.LookPath("initdb")
	if err != nil {
		return "", err
	}
	return filepath.Dir(p), nil
}

func version(initdb string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(initdb))))
	return n
}

func unprivileged() (uid, gid int, err error) {
	for _, name := range []string{"postgres", "nobody"} {
		u, e := user.Lookup(name)
		if e != nil {
			err = e
			continue
		}
		uid, e1 := strconv.Atoi(u.Uid)
		gid, e2 := strconv.Atoi(u.Gid)
		return uid, gid, errors.Join(e1, e2)
	}
	return 0, 0, err
}
