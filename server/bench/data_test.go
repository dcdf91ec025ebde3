package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"
)

func TestScratchRemovesOnlyItsOwn(t *testing.T) {
	outside := t.TempDir()
	s, err := newScratch(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{outside, filepath.Dir(s.dir), s.path("..", "x")} {
		if err := s.drop(path); err == nil {
			t.Errorf("%s was removed", path)
		}
	}
	locked := s.path("locked")
	if err := os.MkdirAll(filepath.Join(locked, "in"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Chmod(locked, 0o500), s.drop(s.dir)); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(s.dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
}

func TestGeneratedStreamsRepeatTheirCoreUnderOtherHeaders(t *testing.T) {
	const core = 256 * kib
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.Int64Range(0, 3*core).Draw(t, "size")
		a := newGenerated(1, size, core)
		whole, err := io.ReadAll(a)
		if err != nil || int64(len(whole)) != size {
			t.Fatalf("%d bytes, %v", len(whole), err)
		}
		b := newGenerated(1, size, core)
		small, err := io.ReadAll(iotest.HalfReader(b))
		if err != nil || !bytes.Equal(whole, small) || !bytes.Equal(a.sum.Sum(nil), b.sum.Sum(nil)) {
			t.Fatalf("other reads, other bytes: %v", err)
		}
		if n := headerSize + core; size >= 2*n {
			if bytes.Equal(whole[:headerSize], whole[n:n+headerSize]) || !bytes.Equal(whole[headerSize:n], whole[n+headerSize:2*n]) {
				t.Fatal("headers repeat, or the core does not")
			}
		}
	})
}

func TestTreeGoesThroughItsStates(t *testing.T) {
	c, err := newCorpus(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	archive := func(t *testing.T, tr *tree) []byte {
		var b bytes.Buffer
		if err := tr.writeTar(&b); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	var trees [2]*tree
	for i := range trees {
		if trees[i], err = newTree(c, &scratch{t.TempDir()}, minSize); err != nil {
			t.Fatal(err)
		}
	}
	a, b := trees[0], trees[1]
	if a.bytes < minSize || a.bytes > minSize+minSize/8 || len(a.files) < 200 || a.links == 0 {
		t.Errorf("%d files of %d bytes, %d links", len(a.files), a.bytes, a.links)
	}
	first := archive(t, a)
	if !bytes.Equal(first, archive(t, b)) {
		t.Error("two trees differ")
	}
	if err := sameTree(a.dir, b.dir); err != nil {
		t.Error(err)
	}
	if err := a.change(); err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(first, archive(t, a)) || sameTree(a.dir, b.dir) == nil {
		t.Error("nothing changed")
	}
	if err := b.change(); err != nil {
		t.Fatal(err)
	}
	if err := sameTree(a.dir, b.dir); err != nil {
		t.Errorf("the next states differ: %v", err)
	}
	at := filepath.Join(b.dir, b.files[3])
	info, err := os.Stat(at)
	if err != nil {
		t.Fatal(err)
	}
	if err := edit(at, "x", info.ModTime()); err != nil {
		t.Fatal(err)
	}
	if sameTree(a.dir, b.dir) == nil {
		t.Error("another content is not seen")
	}
}

func TestImageChangesAHundredthOfItsPages(t *testing.T) {
	c, err := newCorpus(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "image")
	if err := newImage(c, path, minSize); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := rewritePages(path, 1); err != nil {
		t.Fatal(err)
	}
	after, err := os.ReadFile(path)
	if err != nil || len(after) != len(before) || int64(len(after)) != minSize {
		t.Fatalf("%d and %d bytes, %v", len(before), len(after), err)
	}
	changed := 0
	for at := 0; at < len(after); at += int(pageSize) {
		if !bytes.Equal(before[at:at+int(pageSize)], after[at:at+int(pageSize)]) {
			changed++
		}
	}
	if pages := int(minSize / pageSize); changed < pages/200 || changed > pages/100 {
		t.Errorf("%d of %d pages changed", changed, pages)
	}
}
