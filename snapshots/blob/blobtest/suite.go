// Package blobtest holds every adapter of package blob to the same behaviour.
//
// It owns the suite, and must never be imported by anything but tests.
package blobtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"holdfast/snapshots/blob"
)

// Run runs the suite. open answers an empty store.
func Run(t *testing.T, open func(t *testing.T) blob.Store) {
	for _, c := range []struct {
		name string
		run  func(*testing.T, blob.Store)
	}{
		{"WritesAndReads", writesAndReads},
		{"TestT33_NamesAreNeverReused", namesAreNeverReused},
		{"OneOfManyCreates", oneOfManyCreates},
		{"SyncedBytesStayAfterClose", syncedBytesStay},
		{"ReadsRanges", readsRanges},
		{"Lists", lists},
		{"RefusesNames", refusesNames},
		{"WritersEnd", writersEnd},
		{"ObeysContext", obeysContext},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, open(t)) })
	}
}

// Put writes a blob.
func Put(t testing.TB, s blob.Store, name string, parts ...string) {
	t.Helper()
	w, err := s.Create(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range parts {
		if n, err := io.WriteString(w, p); err != nil || n != len(p) {
			t.Fatalf("write: %d, %v", n, err)
		}
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
}

// Get reads a whole blob.
func Get(t testing.TB, s blob.Store, name string) string {
	t.Helper()
	r, err := s.OpenReader(t.Context(), name, 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r)
	if err := errors.Join(err, r.Close()); err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func writesAndReads(t *testing.T, s blob.Store) {
	long := strings.Repeat("0123456789abcdef", 1<<16)
	Put(t, s, "packs/ten_1/pck_1", "hello ", "world", long)
	if got := Get(t, s, "packs/ten_1/pck_1"); got != "hello world"+long {
		t.Errorf("%d bytes came back", len(got))
	}
	if i, err := s.Stat(t.Context(), "packs/ten_1/pck_1"); err != nil || i.Size != int64(11+len(long)) || i.Name != "packs/ten_1/pck_1" {
		t.Errorf("stat: %v, %v", i, err)
	}
	Put(t, s, "empty")
	if got := Get(t, s, "empty"); got != "" {
		t.Errorf("empty blob: %q", got)
	}
	for _, name := range []string{"none", "packs/none", "packs/ten_1", "empty/below"} {
		if _, err := s.Stat(t.Context(), name); !errors.Is(err, blob.ErrNotFound) {
			t.Errorf("stat of %s: %v", name, err)
		}
		if _, err := s.ReadAt(t.Context(), name, make([]byte, 1), 0); !errors.Is(err, blob.ErrNotFound) {
			t.Errorf("read of %s: %v", name, err)
		}
	}
}

func namesAreNeverReused(t *testing.T, s blob.Store) {
	Put(t, s, "a/b", "first")
	if _, err := s.Create(t.Context(), "a/b"); !errors.Is(err, blob.ErrExists) {
		t.Errorf("second create: %v", err)
	}
	if got := Get(t, s, "a/b"); got != "first" {
		t.Errorf("content is %q", got)
	}
	// A blob that a crash left torn keeps its name too.
	w, err := s.Create(t.Context(), "a/torn")
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Create(t.Context(), "a/torn"); !errors.Is(err, blob.ErrExists) {
		t.Errorf("create over a torn blob: %v", err)
	}
}

func oneOfManyCreates(t *testing.T, s blob.Store) {
	var won atomic.Int32
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			w, err := s.Create(t.Context(), "packs/raced")
			if err != nil {
				if !errors.Is(err, blob.ErrExists) {
					t.Errorf("create: %v", err)
				}
				return
			}
			won.Add(1)
			if _, err := fmt.Fprintf(w, "writer %02d", i); err != nil {
				t.Error(err)
			}
			if err := w.Commit(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Errorf("%d creates won", won.Load())
	}
	if got := Get(t, s, "packs/raced"); len(got) != len("writer 00") {
		t.Errorf("content is %q", got)
	}
}

func syncedBytesStay(t *testing.T, s blob.Store) {
	w, err := s.Create(t.Context(), "p")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, "synced"); err != nil {
		t.Fatal(err)
	}
	if err := w.Sync(); err != nil {
		t.Fatal(err)
	}
	if got := Get(t, s, "p"); got != "synced" {
		t.Errorf("while it is written: %q", got)
	}
	if _, err := io.WriteString(w, " and not"); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if got := Get(t, s, "p"); !strings.HasPrefix("synced and not", got) || len(got) < len("synced") {
		t.Errorf("after Close: %q", got)
	}
}

func readsRanges(t *testing.T, s blob.Store) {
	ctx := t.Context()
	Put(t, s, "r", "0123456789")
	p := make([]byte, 4)
	if n, err := s.ReadAt(ctx, "r", p, 3); n != 4 || err != nil || string(p) != "3456" {
		t.Errorf("inside: %d, %v, %q", n, err, p)
	}
	if n, err := s.ReadAt(ctx, "r", p, 8); n != 2 || err != io.EOF || string(p[:n]) != "89" {
		t.Errorf("over the end: %d, %v", n, err)
	}
	if n, err := s.ReadAt(ctx, "r", p, 10); n != 0 || err != io.EOF {
		t.Errorf("at the end: %d, %v", n, err)
	}
	for _, off := range []int64{-1, 11, 1 << 62} {
		if _, err := s.ReadAt(ctx, "r", p, off); !errors.Is(err, blob.ErrRange) {
			t.Errorf("at %d: %v", off, err)
		}
		if _, err := s.OpenReader(ctx, "r", off, 1); !errors.Is(err, blob.ErrRange) {
			t.Errorf("stream from %d: %v", off, err)
		}
	}
	if _, err := s.OpenReader(ctx, "r", 0, -2); !errors.Is(err, blob.ErrRange) {
		t.Errorf("length -2: %v", err)
	}
	for _, c := range []struct {
		off, n int64
		want   string
	}{{0, -1, "0123456789"}, {4, 3, "456"}, {4, 0, ""}, {8, 100, "89"}, {10, -1, ""}} {
		r, err := s.OpenReader(ctx, "r", c.off, c.n)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(r)
		if err := errors.Join(err, r.Close()); err != nil || string(got) != c.want {
			t.Errorf("%d+%d: %q, %v", c.off, c.n, got, err)
		}
	}
	b, err := io.ReadAll(io.NewSectionReader(blob.At(ctx, s, "r"), 2, 3))
	if err != nil || string(b) != "234" {
		t.Errorf("through At: %q, %v", b, err)
	}
}

func lists(t *testing.T, s blob.Store) {
	for _, n := range []string{"packs/a/1", "packs/a/2", "packs/ab/3", "meta", "packs/b/1"} {
		Put(t, s, n, n)
	}
	for prefix, want := range map[string][]string{
		"":          {"meta", "packs/a/1", "packs/a/2", "packs/ab/3", "packs/b/1"},
		"packs/a":   {"packs/a/1", "packs/a/2", "packs/ab/3"},
		"packs/a/":  {"packs/a/1", "packs/a/2"},
		"packs/a/2": {"packs/a/2"},
		"none":      nil,
		"meta/":     nil,
	} {
		var got []string
		if err := s.List(t.Context(), prefix, func(i blob.Info) error {
			got = append(got, i.Name)
			if i.Size != int64(len(i.Name)) {
				t.Errorf("%s: size %d", i.Name, i.Size)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%q: %v", prefix, got)
		}
	}
	stop := errors.New("stop")
	calls := 0
	if err := s.List(t.Context(), "", func(blob.Info) error { calls++; return stop }); !errors.Is(err, stop) || calls != 1 {
		t.Errorf("after an error: %v, %d calls", err, calls)
	}
}

func refusesNames(t *testing.T, s blob.Store) {
	for _, name := range []string{"", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/../b", ".a", "a/.b", "a.", "A", "a b", "a\x00", "a\\b",
		"a/b/c/d/e", "é", strings.Repeat("a", blob.MaxName+1)} {
		if _, err := s.Create(t.Context(), name); !errors.Is(err, blob.ErrName) {
			t.Errorf("create %q: %v", name, err)
		}
		if _, err := s.Stat(t.Context(), name); !errors.Is(err, blob.ErrName) {
			t.Errorf("stat %q: %v", name, err)
		}
		if _, err := s.OpenReader(t.Context(), name, 0, -1); !errors.Is(err, blob.ErrName) {
			t.Errorf("open %q: %v", name, err)
		}
	}
}

func writersEnd(t *testing.T, s blob.Store) {
	w, err := s.Create(t.Context(), "w")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(bytes.Repeat([]byte{1}, 10)); err != nil {
		t.Fatal(err)
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte{2}); !errors.Is(err, blob.ErrClosed) {
		t.Errorf("write after commit: %v", err)
	}
	if err := w.Sync(); !errors.Is(err, blob.ErrClosed) {
		t.Errorf("sync after commit: %v", err)
	}
	if err := w.Commit(); !errors.Is(err, blob.ErrClosed) {
		t.Errorf("second commit: %v", err)
	}
	if err := w.Close(); err != nil {
		t.Errorf("close after commit: %v", err)
	}
	if i, err := s.Stat(t.Context(), "w"); err != nil || i.Size != 10 {
		t.Errorf("stat: %v, %v", i, err)
	}
}

func obeysContext(t *testing.T, s blob.Store) {
	Put(t, s, "a", "a")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Create(ctx, "c"); !errors.Is(err, context.Canceled) {
		t.Errorf("create: %v", err)
	}
	if _, err := s.Stat(t.Context(), "c"); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("a cancelled create left something: %v", err)
	}
	if _, err := s.ReadAt(ctx, "a", make([]byte, 1), 0); !errors.Is(err, context.Canceled) {
		t.Errorf("read: %v", err)
	}
	if err := s.List(ctx, "", func(blob.Info) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("list: %v", err)
	}
}
