package pull_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"holdfast/server/client"
	"holdfast/server/client/pull"
)

// sample is a tree with everything that is kept.
func sample(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	for i := range 300 {
		write(t, filepath.Join(dir, fmt.Sprintf("d%d/e%d/f%d", i%7, i%3, i)), noise(i*97, byte(i)))
	}
	write(t, filepath.Join(dir, "empty"), nil)
	write(t, filepath.Join(dir, "zeroes"), make([]byte, 3<<20))
	write(t, filepath.Join(dir, "big"), noise(20<<20, 1))
	write(t, filepath.Join(dir, "text"), bytes.Repeat([]byte("all of this compresses well. "), 200_000))
	write(t, filepath.Join(dir, "twice"), append(noise(3<<20, 9), noise(3<<20, 9)...))
	write(t, filepath.Join(dir, "b\xffd/na\nme\xfe"), []byte("names are bytes"))
	write(t, filepath.Join(dir, "Case"), []byte("upper"))
	write(t, filepath.Join(dir, "case"), []byte("lower"))
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.Link(filepath.Join(dir, "text"), filepath.Join(dir, "d1/hard")))
	must(os.Link(filepath.Join(dir, "d1/hard"), filepath.Join(dir, "zz-hard")))
	must(os.Symlink("../text", filepath.Join(dir, "d1/soft")))
	must(os.Symlink("nowhere", filepath.Join(dir, "dangling")))
	must(os.Chmod(filepath.Join(dir, "case"), 0o4755))
	must(os.Chmod(filepath.Join(dir, "Case"), 0o600))
	if os.Geteuid() == 0 {
		must(os.Lchown(filepath.Join(dir, "text"), 12, 34))
		must(os.Lchown(filepath.Join(dir, "dangling"), 56, 78))
		must(os.Chmod(filepath.Join(dir, "text"), 0o2750))
	}
	if err := unix.Setxattr(filepath.Join(dir, "text"), "user.colour", []byte("blue\x00green"), 0); err != nil && !errors.Is(err, unix.ENOTSUP) {
		t.Fatal(err)
	}
	if err := unix.Setxattr(filepath.Join(dir, "d2"), "user.dir", []byte("x"), 0); err != nil && !errors.Is(err, unix.ENOTSUP) {
		t.Fatal(err)
	}
	must(os.MkdirAll(filepath.Join(dir, "shut/inner"), 0o755))
	must(os.Chmod(filepath.Join(dir, "shut"), 0o1555))
	at := time.Date(2001, 2, 3, 4, 5, 6, 789, time.UTC)
	for i, name := range []string{"d1/soft", "dangling", "d1", "text", "empty", "shut", "d2"} {
		when := []unix.Timespec{unix.NsecToTimespec(at.Add(time.Duration(i) * time.Hour).UnixNano())}
		must(unix.UtimesNanoAt(unix.AT_FDCWD, filepath.Join(dir, name), []unix.Timespec{when[0], when[0]}, unix.AT_SYMLINK_NOFOLLOW))
	}
	return dir
}

func TestTreeComesBackWithEverything(t *testing.T) {
	r, dir := newRig(t), sample(t)
	r.push(dir)
	back := filepath.Join(t.TempDir(), "new/back")
	got := r.tree(back, pull.Options{Owner: os.Geteuid() == 0})
	same(t, dir, back)
	if got.Verified == 0 || got.Verified > got.Bytes || got.Kept != 0 {
		t.Fatalf("%+v", got)
	}
	// Over what is there, wherever that has been changed.
	if err := os.WriteFile(filepath.Join(back, "case"), []byte("other"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := r.open(client.Source{Volume: r.files.ID}).Tree(t.Context(), back, pull.Options{}); !errors.Is(err, pull.ErrNotEmpty) {
		t.Fatal("restored over a directory that is not empty:", err)
	}
	r.tree(back, pull.Options{Owner: os.Geteuid() == 0, Merge: true})
	same(t, dir, back)
}

func TestStreamComesBackAsFileAndBytes(t *testing.T) {
	r := newRig(t)
	body := append(noise(5<<20, 3), make([]byte, 4<<20)...)
	body = append(body, bytes.Repeat([]byte("compresses"), 300_000)...)
	if _, err := r.c.PutStream(t.Context(), r.stream.ID, bytes.NewReader(body)); err != nil {
		t.Fatal(err)
	}
	m := r.open(client.Source{Volume: r.stream.ID})
	name := filepath.Join(t.TempDir(), "image")
	sum, err := m.File(t.Context(), name, pull.Options{})
	if err != nil || sum.Bytes != int64(len(body)) || sum.Verified < int64(len(body)-4<<20) {
		t.Fatal(sum, err)
	}
	if b, err := os.ReadFile(name); err != nil || !bytes.Equal(b, body) {
		t.Fatal("the file differs", err)
	}
	var out bytes.Buffer
	if _, err := m.Copy(t.Context(), &out, pull.Options{}); err != nil || !bytes.Equal(out.Bytes(), body) {
		t.Fatal("the bytes differ", err)
	}
	if _, err := m.File(t.Context(), name, pull.Options{}); !errors.Is(err, pull.ErrExists) {
		t.Fatal("wrote over a file:", err)
	}
	if _, err := m.Tree(t.Context(), t.TempDir(), pull.Options{}); !errors.Is(err, pull.ErrKind) {
		t.Fatal(err)
	}
	st, err := os.Stat(name)
	if err != nil || st.Sys().(*syscall.Stat_t).Blocks*512 > int64(len(body)-3<<20) {
		t.Fatal("four megabytes of zeroes are no hole", err)
	}
}
