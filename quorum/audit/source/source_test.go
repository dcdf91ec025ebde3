package source_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"holdfast/quorum/audit"
	"holdfast/quorum/audit/source"
)

var at = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// log is a log of n leaves in memory.
type log struct {
	leaves [][]byte
	hashes []audit.Hash
	signed []byte
}

func (l *log) ReadHashes(_ context.Context, ix []int64) (out []audit.Hash, _ error) {
	for _, i := range ix {
		out = append(out, l.hashes[i])
	}
	return out, nil
}

func (l *log) ReadLeaves(_ context.Context, from int64, n int) ([][]byte, error) {
	return l.leaves[from : from+int64(n)], nil
}

func (l *log) Checkpoint(context.Context) ([]byte, error) { return l.signed, nil }

func (l *log) Tile(ctx context.Context, path string) ([]byte, error) {
	return audit.ReadTile(ctx, int64(len(l.leaves)), l, l, path)
}

func newLog(t *testing.T, n int, salt string) (*log, *audit.Keys) {
	t.Helper()
	ctx := context.Background()
	s, err := audit.NewSigner("log.example", ed25519.NewKeyFromSeed(bytes.Repeat([]byte{5}, 32)))
	if err != nil {
		t.Fatal(err)
	}
	l := &log{}
	for i := range n {
		e, err := audit.Draft{Kind: audit.KindStop, At: at, Body: fmt.Appendf(nil, "%s %d", salt, i)}.Enter(int64(i), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		_, hs, err := audit.NewHashes(ctx, int64(i), e.Leaf, l)
		if err != nil {
			t.Fatal(err)
		}
		l.leaves, l.hashes = append(l.leaves, e.Leaf), append(l.hashes, hs...)
	}
	root, err := audit.Root(ctx, int64(n), l)
	if err != nil {
		t.Fatal(err)
	}
	if l.signed, err = s.SignCheckpoint(audit.Checkpoint{Origin: s.Name(), Size: int64(n), Root: root}, at); err != nil {
		t.Fatal(err)
	}
	k, err := audit.NewKeys(s.LogKey().String())
	if err != nil {
		t.Fatal(err)
	}
	return l, k
}

func TestVerifyAllOverHTTPAndFromDirectory(t *testing.T) {
	ctx := context.Background()
	l, keys := newLog(t, 530, "a")
	dir := t.TempDir()
	if _, err := source.Export(ctx, l, keys, dir); err != nil {
		t.Fatal(err)
	}
	if _, err := source.Export(ctx, l, keys, dir); err != nil {
		t.Fatalf("a second export: %v", err)
	}
	d, err := source.OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	srv := httptest.NewServer(http.StripPrefix("/log/", http.FileServerFS(os.DirFS(dir))))
	defer srv.Close()
	h, err := source.NewHTTP(srv.Client(), srv.URL+"/log/")
	if err != nil {
		t.Fatal(err)
	}
	for name, src := range map[string]audit.Source{"dir": d, "http": h} {
		r, err := audit.VerifyAll(ctx, src, keys, nil)
		if err != nil || r.Leaves != 530 || r.Kinds[audit.KindStop] != 530 {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
		if _, err := src.Tile(ctx, "tile/0/009"); !errors.Is(err, audit.ErrNoTile) {
			t.Errorf("%s: %v", name, err)
		}
		for _, path := range []string{"../secret", "checkpoint", "tile/entries/../../checkpoint", "/etc/passwd"} {
			if _, err := src.Tile(ctx, path); !errors.Is(err, audit.ErrTile) {
				t.Errorf("%s: %s: %v", name, path, err)
			}
		}
	}
	// One bit of rot in a bundle.
	name := filepath.Join(dir, "tile/entries/001")
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	i := bytes.Index(data, []byte("commitment ")) + 11
	if data[i] == '0' {
		data[i] = '1'
	} else {
		data[i] = '0'
	}
	if err := os.WriteFile(name, data, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := audit.VerifyAll(ctx, d, keys, nil); !errors.Is(err, audit.ErrContent) {
		t.Errorf("rot: %v", err)
	}
}

// T45: an export never paints one history over another.
func TestT45_ExportRefusesAnotherHistory(t *testing.T) {
	ctx := context.Background()
	a, keys := newLog(t, 300, "a")
	b, _ := newLog(t, 300, "b")
	dir := t.TempDir()
	if _, err := source.Export(ctx, a, keys, dir); err != nil {
		t.Fatal(err)
	}
	if _, err := source.Export(ctx, b, keys, dir); !errors.Is(err, source.ErrExists) {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(dir, "checkpoint"))
	if err != nil || !bytes.Equal(got, a.signed) {
		t.Fatalf("%q, %v", got, err)
	}
}

func TestHTTPIsBounded(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasPrefix(r.URL.Path, "/fail"):
			w.WriteHeader(http.StatusInternalServerError)
		default:
			for range 64 {
				w.Write(make([]byte, 64<<10))
			}
		}
	}))
	defer srv.Close()
	h, err := source.NewHTTP(srv.Client(), srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Checkpoint(context.Background()); !errors.Is(err, source.ErrTooLarge) {
		t.Error(err)
	}
	if _, err := h.Tile(context.Background(), "tile/0/000"); !errors.Is(err, source.ErrTooLarge) {
		t.Error(err)
	}
	f, err := source.NewHTTP(srv.Client(), srv.URL+"/fail")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Checkpoint(context.Background()); err == nil || errors.Is(err, audit.ErrNoTile) {
		t.Error(err)
	}
	for _, bad := range []string{"", "ftp://x", "file:///etc", "https://", "https://user:pw@x/", "https://x/?q"} {
		if _, err := source.NewHTTP(srv.Client(), bad); err == nil {
			t.Errorf("%q accepted", bad)
		}
	}
}
