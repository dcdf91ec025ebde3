package untar_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"holdfast/snapshots/stream/untar"
)

func archive(t *testing.T, members ...tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range members {
		h.Format = tar.FormatPAX
		if h.Mode == 0 {
			h.Mode = 0o644
		}
		if h.Typeflag == tar.TypeReg {
			h.Size = 4
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			if _, err := w.Write([]byte("evil")); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestT38_ExtractionNeverLeavesTheTarget(t *testing.T) {
	reg, sym, hard, dir := byte(tar.TypeReg), byte(tar.TypeSymlink), byte(tar.TypeLink), byte(tar.TypeDir)
	for name, members := range map[string][]tar.Header{
		"dot-dot":              {{Name: "../victim", Typeflag: reg}},
		"dot-dot inside":       {{Name: "a/../../victim", Typeflag: reg}},
		"absolute":             {{Name: "/victim", Typeflag: reg}},
		"symlink out":          {{Name: "l", Typeflag: sym, Linkname: "../victim"}},
		"symlink absolute":     {{Name: "l", Typeflag: sym, Linkname: "/etc/passwd"}},
		"through a link":       {{Name: "l", Typeflag: sym, Linkname: "d"}, {Name: "l/victim", Typeflag: reg}},
		"link replaced":        {{Name: "d", Typeflag: dir, Mode: 0o755}, {Name: "d", Typeflag: sym, Linkname: "x"}},
		"hard link out":        {{Name: "l", Typeflag: hard, Linkname: "../victim"}},
		"hard link absolute":   {{Name: "l", Typeflag: hard, Linkname: "/victim"}},
		"hard link to symlink": {{Name: "s", Typeflag: sym, Linkname: "x"}, {Name: "l", Typeflag: hard, Linkname: "s"}},
		"character device":     {{Name: "c", Typeflag: tar.TypeChar, Devmajor: 1, Devminor: 3}},
		"block device":         {{Name: "b", Typeflag: tar.TypeBlock, Devmajor: 8}},
		"fifo":                 {{Name: "f", Typeflag: tar.TypeFifo}},
		"directory dot-dot":    {{Name: "../d/", Typeflag: dir}},
	} {
		t.Run(name, func(t *testing.T) {
			outer := t.TempDir()
			victim := filepath.Join(outer, "victim")
			if err := os.WriteFile(victim, []byte("good"), 0o600); err != nil {
				t.Fatal(err)
			}
			target := filepath.Join(outer, "target")
			if err := os.Mkdir(target, 0o700); err != nil {
				t.Fatal(err)
			}
			root, err := os.OpenRoot(target)
			if err != nil {
				t.Fatal(err)
			}
			defer root.Close()
			for _, foreign := range []bool{false, true} {
				err = untar.Extract(root, bytes.NewReader(archive(t, members...)), untar.Options{ForeignLinks: foreign})
				var m *untar.MemberError
				if !errors.As(err, &m) && !(foreign && members[0].Typeflag == sym && len(members) == 1) {
					t.Fatalf("want a member refused, got %v", err)
				}
			}
			if b, err := os.ReadFile(victim); err != nil || string(b) != "good" {
				t.Fatalf("the file outside changed: %q %v", b, err)
			}
			list, err := os.ReadDir(outer)
			if err != nil || len(list) != 2 {
				t.Fatalf("something new stands outside: %v %v", list, err)
			}
		})
	}
}

// Two links that stay inside, each by its text, lead out together.
func TestT38_LinksDoNotLeadOutTogether(t *testing.T) {
	target := t.TempDir()
	root, err := os.OpenRoot(target)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	refused := 0
	err = untar.Extract(root, bytes.NewReader(archive(t,
		tar.Header{Name: "a/", Typeflag: tar.TypeDir, Mode: 0o755},
		tar.Header{Name: "a/b/", Typeflag: tar.TypeDir, Mode: 0o755},
		tar.Header{Name: "a/b/up", Typeflag: tar.TypeSymlink, Linkname: "../.."},
		tar.Header{Name: "out", Typeflag: tar.TypeSymlink, Linkname: "a/b/up/../victim"},
	)), untar.Options{Refused: func(untar.MemberError) { refused++ }})
	if err != nil || refused != 1 {
		t.Fatal(refused, err)
	}
	if _, err := os.Lstat(filepath.Join(target, "out")); !os.IsNotExist(err) {
		t.Error("a link that leads out stands there", err)
	}
	if to, err := os.Readlink(filepath.Join(target, "a/b/up")); err != nil || to != "../.." {
		t.Error(to, err)
	}
}

func TestT38_ForeignLinkIsNeverFollowed(t *testing.T) {
	outer := t.TempDir()
	target := filepath.Join(outer, "target")
	if err := os.Mkdir(target, 0o700); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(target)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	refused := 0
	err = untar.Extract(root, bytes.NewReader(archive(t,
		tar.Header{Name: "l", Typeflag: tar.TypeSymlink, Linkname: ".."},
		tar.Header{Name: "l/victim", Typeflag: tar.TypeReg},
		tar.Header{Name: "ok", Typeflag: tar.TypeReg},
	)), untar.Options{ForeignLinks: true, Refused: func(untar.MemberError) { refused++ }})
	if err != nil || refused != 1 {
		t.Fatal(refused, err)
	}
	if _, err := os.Lstat(filepath.Join(outer, "victim")); !os.IsNotExist(err) {
		t.Fatal("written through a link")
	}
	if b, err := os.ReadFile(filepath.Join(target, "ok")); err != nil || string(b) != "evil" {
		t.Fatal("the good member is missing")
	}
}

func TestExtractMetadataAndHoles(t *testing.T) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	mtime := time.Date(2020, 5, 17, 3, 4, 5, 123456789, time.UTC)
	body := make([]byte, 8<<20)
	copy(body[4<<20:], "island")
	for _, h := range []*tar.Header{
		{Name: "d/", Typeflag: tar.TypeDir, Mode: 0o555, ModTime: mtime},
		{Name: "d/f", Typeflag: tar.TypeReg, Mode: 0o640, ModTime: mtime, Size: int64(len(body)), Format: tar.FormatPAX},
		{Name: "d/g", Typeflag: tar.TypeLink, Linkname: "d/f"},
		{Name: "d/s", Typeflag: tar.TypeSymlink, Linkname: "../d/f", ModTime: mtime.Add(-time.Hour)},
	} {
		h.Format = tar.FormatPAX
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			if _, err := w.Write(body); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for range 2 { // the second time over what is there
		if err := untar.Extract(root, bytes.NewReader(b.Bytes()), untar.Options{}); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(filepath.Join(dir, "d/s"))
	if err != nil || !bytes.Equal(got, body) {
		t.Fatal("content differs", err)
	}
	st, err := os.Stat(filepath.Join(dir, "d/f"))
	if err != nil || st.Mode().Perm() != 0o640 || !st.ModTime().Equal(mtime) {
		t.Fatal(st.Mode(), st.ModTime(), err)
	}
	if st, err := os.Lstat(filepath.Join(dir, "d/s")); err != nil || !st.ModTime().Equal(mtime.Add(-time.Hour)) {
		t.Fatal("a symbolic link's own time:", st.ModTime(), err)
	}
	other, err := os.Stat(filepath.Join(dir, "d/g"))
	if err != nil || !os.SameFile(st, other) {
		t.Fatal("hard link is a file of its own", err)
	}
	if st, err := os.Stat(filepath.Join(dir, "d")); err != nil || st.Mode().Perm() != 0o555 || !st.ModTime().Equal(mtime) {
		t.Fatal("directory", err)
	}
	if n := blocks(t, filepath.Join(dir, "d/f")); n > 1<<20 {
		t.Fatalf("%d bytes allocated for a sparse file", n)
	}
	list, err := os.ReadDir(filepath.Join(dir, "d"))
	if err != nil || len(list) != 3 {
		t.Fatal("temporary files were left", list, err)
	}
}

func TestExtractTornArchiveLeavesNoHalfFile(t *testing.T) {
	whole := archive(t, tar.Header{Name: "f", Typeflag: tar.TypeReg})
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	cut := bytes.Index(whole, []byte("evil")) + 2
	if err := untar.Extract(root, bytes.NewReader(whole[:cut]), untar.Options{Refused: func(untar.MemberError) {}}); err == nil {
		t.Fatal("a torn archive was taken for whole")
	}
	if list, _ := os.ReadDir(dir); len(list) != 0 {
		t.Fatal("left over:", list)
	}
}
