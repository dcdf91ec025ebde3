package durable_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"holdfast/internal/durable"
)

var errFault = errors.New("injected")

// look says what stands in a directory, temporary files included.
func look(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		found[e.Name()] = string(b)
	}
	return found
}

// TestEveryFaultLeavesOldOrNew breaks each step, before and after it is done, and
// looks at the whole directory.
func TestEveryFaultLeavesOldOrNew(t *testing.T) {
	for op := durable.OpCreate; op <= durable.OpSyncDir; op++ {
		for _, done := range []bool{false, true} {
			dir := t.TempDir()
			path := filepath.Join(dir, "key")
			if err := durable.WriteFile(path, []byte("old"), 0o600); err != nil {
				t.Fatal(err)
			}
			fault := func(at durable.Op, _ string) error {
				if at == op {
					return errFault
				}
				return nil
			}
			d := durable.Disk{Before: fault}
			if done {
				d = durable.Disk{After: fault}
			}
			if err := d.WriteFile(path, []byte("new"), 0o600); !errors.Is(err, errFault) {
				t.Errorf("op %d, done %v: answered %v", op, done, err)
			}
			want := "old"
			if op == durable.OpSyncDir || op == durable.OpPublish && done {
				want = "new" // written but reported as failed
			}
			if got := look(t, dir); len(got) != 1 || got["key"] != want {
				t.Errorf("op %d, done %v: found %q, want %q alone", op, done, got, want)
			}
			if err := durable.WriteFile(path, []byte("new"), 0o600); err != nil || look(t, dir)["key"] != "new" {
				t.Errorf("op %d, done %v: cannot be written again: %v", op, done, err)
			}
		}
	}
}

func TestWriteFileSyncsInOrder(t *testing.T) {
	dir := t.TempDir()
	var steps []durable.Op
	d := durable.Disk{After: func(op durable.Op, _ string) error { steps = append(steps, op); return nil }}
	path := filepath.Join(dir, "f")
	if err := d.WriteFile(path, []byte("x"), 0o640); err != nil {
		t.Fatal(err)
	}
	want := []durable.Op{durable.OpCreate, durable.OpWrite, durable.OpSync, durable.OpPublish, durable.OpSyncDir}
	if !slices.Equal(steps, want) {
		t.Errorf("steps %v, want %v", steps, want)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestCreateFileHasOneWinner(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	var wg sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		wg.Go(func() { errs[i] = durable.CreateFile(path, []byte{byte('a' + i)}, 0o600) })
	}
	wg.Wait()
	won := ""
	for i, err := range errs {
		switch {
		case err == nil:
			won += string(byte('a' + i))
		case !errors.Is(err, fs.ErrExist):
			t.Errorf("loser %d: %v", i, err)
		}
	}
	if got := look(t, dir); len(won) != 1 || len(got) != 1 || got["f"] != won {
		t.Errorf("winners %q, found %q", won, got)
	}
}

func TestMkdirAllSyncsEveryParent(t *testing.T) {
	top := t.TempDir()
	var synced []string
	d := durable.Disk{After: func(op durable.Op, path string) error {
		if op == durable.OpSyncDir {
			synced = append(synced, strings.TrimPrefix(path, top))
		}
		return nil
	}}
	deep := filepath.Join(top, "a", "b", "c")
	if err := d.MkdirAll(deep, 0o700); err != nil {
		t.Fatal(err)
	}
	if want := []string{"", "/a", "/a/b"}; !slices.Equal(synced, want) {
		t.Errorf("synced %q, want %q", synced, want)
	}
	synced = nil
	if err := d.MkdirAll(deep, 0o700); err != nil || synced != nil {
		t.Errorf("again: %v, synced %q", err, synced)
	}
	if err := os.WriteFile(filepath.Join(top, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{"file", "file/under"} {
		if err := d.MkdirAll(filepath.Join(top, p), 0o700); err == nil {
			t.Errorf("%s became a directory", p)
		}
	}
	bad := durable.Disk{Before: func(op durable.Op, _ string) error {
		if op == durable.OpSyncDir {
			return errFault
		}
		return nil
	}}
	if err := bad.MkdirAll(filepath.Join(top, "x"), 0o700); !errors.Is(err, errFault) {
		t.Errorf("a failed sync of the parent was answered with %v", err)
	}
}
