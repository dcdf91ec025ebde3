package kill

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"holdfast/internal/sqldb/sqldbtest"
	"holdfast/server/client"
)

// described is what is to come back of a tree: kind, mode, time and content of each entry. Those of a restore that is not
// finished are left out if unfinished, and so are the times of directories, which come last.
func described(t *testing.T, dir string, unfinished bool) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil || rel == "." {
			return err
		}
		if unfinished && (d.IsDir() || strings.HasPrefix(d.Name(), ".holdfast-")) {
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		text := fmt.Sprint(info.Mode(), " ", info.ModTime().UnixNano())
		switch {
		case info.Mode().IsRegular():
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			text += fmt.Sprintf(" %x", sha256.Sum256(b))
		case info.Mode()&fs.ModeSymlink != 0:
			to, err := os.Readlink(path)
			if err != nil {
				return err
			}
			text += " " + to
		}
		out[rel] = text
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// tree makes small files in directories, two large ones, links and modes: about 90 MiB.
func tree(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	noise := rand.NewChaCha8([32]byte{9})
	at := time.Date(2026, 1, 31, 12, 0, 0, 123456000, time.UTC)
	add := func(name string, size int, mode fs.FileMode) {
		body := make([]byte, size)
		noise.Read(body) // never fails
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, body, mode), os.Chmod(path, mode), os.Chtimes(path, at, at)); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 600 {
		add(fmt.Sprintf("d%02d/e%d/f%03d", i%7, i%3, i), 1+i*97, []fs.FileMode{0o644, 0o600, 0o755, 0o440}[i%4])
	}
	add("big", 32<<20, 0o600)
	add("d03/big", 40<<20, 0o644)
	add("empty", 0, 0o644)
	if err := errors.Join(os.Symlink("d03/big", filepath.Join(dir, "link")), os.Link(filepath.Join(dir, "big"), filepath.Join(dir, "same")),
		os.Chmod(filepath.Join(dir, "d05"), 0o700), os.Chtimes(filepath.Join(dir, "d05"), at, at)); err != nil {
		t.Fatal(err)
	}
	return dir
}

// T47: the service is killed twice while one holdfast restore runs, which waits for it and goes on; and a restore that is
// killed itself is run again. What stands under a good name is whole at any moment, and in the end all of it is there.
func TestT47_ARestoreOutlivesTheService(t *testing.T) {
	ctx := t.Context()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	control, site := sqldbtest.SQLiteDSN(t), sqldbtest.SQLiteDSN(t)
	h := &house{dir: dir, env: []string{"HOLDFAST_CONTROL_DSN=" + control, "HOLDFAST_SITE_DSN=" + site}}
	var p *process
	start := func() {
		t.Helper()
		var err error
		if p, err = launch(dir, h.env, nil); err == nil {
			err = p.await()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	start()
	t.Cleanup(func() { _ = p.kill() })
	if err := found(ctx, h, p); err != nil {
		t.Fatalf("%v\n%s", err, p.log)
	}
	front := newAddress(t)
	front.move(p.portal)
	home := t.TempDir()
	said := &tail{}
	holdfast := func(ctx context.Context, args ...string) error {
		cmd := exec.CommandContext(ctx, binary, args...)
		cmd.Env = append(os.Environ(), "HOLDFAST_SERVER=http://"+front.Addr().String(), "HOLDFAST_TOKEN="+h.token, "HOME="+home, "XDG_CACHE_HOME="+filepath.Join(home, "cache"))
		cmd.Stderr = said
		return cmd.Run()
	}
	from := tree(t)
	want := described(t, from, false)
	if err := holdfast(ctx, "push", from, "alpha"); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	snap, err := client.New("http://"+front.Addr().String(), client.WithToken(h.token)).TakeSnapshot(ctx, "alpha", "")
	if err != nil {
		t.Fatal(err)
	}
	whole := func(to string) {
		t.Helper()
		there := described(t, to, true)
		for name, text := range there {
			// A hard link's mode and time are its file's.
			if want[name] != text {
				t.Errorf("%s stands there as %q, not %q", name, text, want[name])
			}
		}
	}
	stood := func(ended <-chan error) {
		t.Helper()
		select {
		case <-front.stood:
		case err := <-ended:
			t.Fatalf("the restore was over too soon: %v\n%s", err, said)
		case <-time.After(2 * time.Minute):
			t.Fatal("the restore does not get on")
		}
	}
	// Three lives of the service, one of the client.
	to := filepath.Join(t.TempDir(), "back")
	front.stop(20 << 20)
	ended := make(chan error, 1)
	go func() { ended <- holdfast(ctx, "restore", snap.ID, to) }()
	for range 2 {
		stood(ended)
		if err := p.kill(); err != nil {
			t.Fatal(err)
		}
		whole(to)
		front.move("")
		start()
		front.stop(25 << 20)
		base := p.portal
		front.to.Store(new(strings.TrimPrefix(base, "http://")))
	}
	stood(ended)
	front.move(p.portal)
	if err := <-ended; err != nil {
		t.Fatalf("%v\n%s\n%s", err, said, p.log)
	}
	if got := described(t, to, false); !maps.Equal(got, want) {
		t.Errorf("what was restored differs: %d and %d entries", len(got), len(want))
		whole(to)
	}

	// The client dies, twice, and is run again.
	to = filepath.Join(t.TempDir(), "again")
	before := front.total()
	for range 2 {
		front.stop(30 << 20)
		dying, kill := context.WithCancel(ctx)
		go func() { ended <- holdfast(dying, "restore", snap.ID, to) }()
		stood(ended)
		kill()
		if err := <-ended; err == nil {
			t.Fatal("it was not killed")
		}
		front.move(p.portal)
		whole(to)
	}
	if err := holdfast(ctx, "restore", snap.ID, to); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	if got := described(t, to, false); !maps.Equal(got, want) {
		t.Errorf("what was restored differs: %d and %d entries", len(got), len(want))
		whole(to)
	}
	// Each death costs what was on its way, and no more.
	if sent := front.total() - before; sent > 90<<20+2*(32<<20+3*16<<20) {
		t.Errorf("%d MiB were sent", sent>>20)
	}
}
