package fs_test

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"holdfast/snapshots/blob"
	"holdfast/snapshots/blob/blobtest"
	"holdfast/snapshots/blob/fs"
)

func open(t *testing.T, dir string) *fs.Store {
	t.Helper()
	s, err := fs.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestSuite(t *testing.T) {
	blobtest.Run(t, func(t *testing.T) blob.Store { return open(t, t.TempDir()) })
}

func TestMissingDirectoryIsNotAnEmptyStore(t *testing.T) {
	if _, err := fs.Open(filepath.Join(t.TempDir(), "unmounted")); err == nil {
		t.Error("opened")
	}
}

func TestReopenedStoreHasEverything(t *testing.T) {
	dir := t.TempDir()
	blobtest.Put(t, open(t, dir), "packs/ten_1/pck_1", "content")
	s := open(t, dir)
	if got := blobtest.Get(t, s, "packs/ten_1/pck_1"); got != "content" {
		t.Errorf("%q", got)
	}
	if _, err := s.Create(t.Context(), "packs/ten_1/pck_1"); !errors.Is(err, blob.ErrExists) {
		t.Errorf("create: %v", err)
	}
	blobtest.Put(t, s, "packs/ten_1/pck_2", "more")
}

// TestForeignFilesAreLeftAlone puts links, a pipe and odd names into the directory.
func TestForeignFilesAreLeftAlone(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(outside, "secret"), []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{
		os.Symlink(outside, filepath.Join(dir, "packs")),
		os.Symlink(filepath.Join(outside, "secret"), filepath.Join(dir, "link")),
		syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600),
		os.WriteFile(filepath.Join(dir, "lost+found"), nil, 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	s := open(t, dir)
	for _, name := range []string{"packs/secret", "link", "pipe"} {
		if b, err := s.OpenReader(t.Context(), name, 0, -1); err == nil {
			_ = b.Close()
			t.Errorf("%s can be read", name)
		}
	}
	if _, err := s.Create(t.Context(), "packs/new"); err == nil {
		t.Error("wrote through a link")
	}
	if _, err := s.Create(t.Context(), "link"); err == nil {
		t.Error("wrote over a link")
	}
	if err := s.List(t.Context(), "", func(i blob.Info) error { t.Errorf("lists %s", i.Name); return nil }); err != nil {
		t.Error(err)
	}
	if entries, err := os.ReadDir(outside); err != nil || len(entries) != 1 {
		t.Errorf("outside: %v, %v", entries, err)
	}
}

// TestT37_FullDiskIsSaid lets the file-size limit of the process stand for a full disk: the kernel refuses the write at
// the same place.
func TestT37_FullDiskIsSaid(t *testing.T) {
	s := open(t, t.TempDir())
	blobtest.Put(t, s, "good", "content")
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 1 << 20, Max: old.Max}); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
			t.Error(err)
		}
	}()
	w, err := s.Create(t.Context(), "big")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(make([]byte, 2<<20)); !errors.Is(err, blob.ErrFull) {
		t.Errorf("write: %v", err)
	}
	if err := w.Sync(); !errors.Is(err, blob.ErrFailed) {
		t.Errorf("sync: %v", err)
	}
	if err := w.Commit(); !errors.Is(err, blob.ErrFailed) {
		t.Errorf("commit: %v", err)
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	if got := blobtest.Get(t, s, "good"); got != "content" {
		t.Errorf("the good one: %q", got)
	}
}

func BenchmarkCommit(b *testing.B) {
	s, err := fs.Open(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	w, err := s.Create(b.Context(), "x")
	if err != nil {
		b.Fatal(err)
	}
	part := make([]byte, 1<<20)
	b.SetBytes(int64(len(part)))
	for b.Loop() {
		if _, err := w.Write(part); err != nil {
			b.Fatal(err)
		}
		if err := w.Sync(); err != nil {
			b.Fatal(err)
		}
	}
	if err := w.Commit(); err != nil {
		b.Fatal(err)
	}
}
