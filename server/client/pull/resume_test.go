package pull_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"holdfast/server/client"
	"holdfast/server/client/pull"
	"holdfast/server/control/controltest"
)

// network is what lies between a client and the service.
type network struct {
	listener net.Listener
	to       string
	sent     atomic.Int64  // by the service
	stand    atomic.Int64  // nothing goes on once so much was sent; 0 for never
	stood    chan struct{} // told when it stands
	cut      int64         // a connection breaks once it has sent so much; 0 for never
	mu       sync.Mutex
	conns    []net.Conn
}

func (r *rig) network() *network {
	r.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		r.t.Fatal(err)
	}
	n := &network{listener: l, to: r.server.Listener.Addr().String(), stood: make(chan struct{}, 1)}
	go n.run()
	r.t.Cleanup(n.close)
	return n
}

func (n *network) url() string { return "http://" + n.listener.Addr().String() }

func (n *network) close() {
	n.listener.Close()
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, c := range n.conns {
		c.Close()
	}
}

func (n *network) run() {
	for {
		a, err := n.listener.Accept()
		if err != nil {
			return
		}
		b, err := net.Dial("tcp", n.to)
		if err != nil {
			a.Close()
			continue
		}
		n.mu.Lock()
		n.conns = append(n.conns, a, b)
		n.mu.Unlock()
		go func() { _, _ = io.Copy(b, a); b.Close() }()
		go n.back(a, b)
	}
}

func (n *network) back(a, b net.Conn) {
	defer a.Close()
	defer b.Close()
	buf := make([]byte, 32<<10)
	total := int64(0)
	for {
		m, err := b.Read(buf)
		if m > 0 {
			total += int64(m)
			if sent := n.sent.Add(int64(m)); n.stand.Load() > 0 && sent > n.stand.Load() {
				select {
				case n.stood <- struct{}{}:
				default:
				}
				select {} // the test kills the client
			}
			if n.cut > 0 && total > n.cut {
				return
			}
			if _, err := a.Write(buf[:m]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// TestRestoreOfAnotherProcess is the body of the processes that are killed.
func TestRestoreOfAnotherProcess(t *testing.T) {
	url := os.Getenv("HOLDFAST_PULL_URL")
	if url == "" {
		return // it is nobody's child
	}
	c := client.New(url, client.WithToken(os.Getenv("HOLDFAST_PULL_TOKEN")))
	m, err := pull.Open(t.Context(), c, client.Source{Volume: os.Getenv("HOLDFAST_PULL_VOLUME")})
	if err != nil {
		t.Fatal(err)
	}
	if m.Kind == pull.KindStream {
		_, err = m.File(t.Context(), os.Getenv("HOLDFAST_PULL_TO"), pull.Options{})
	} else {
		_, err = m.Tree(t.Context(), os.Getenv("HOLDFAST_PULL_TO"), pull.Options{Owner: os.Geteuid() == 0})
	}
	if err != nil {
		t.Fatal(err)
	}
}

// killed restores in another process, which is killed once so many bytes came.
func (r *rig) killed(n *network, who controltest.Login, volume, to string, after int64) {
	r.t.Helper()
	n.stand.Store(n.sent.Load() + after)
	cmd := exec.CommandContext(r.t.Context(), os.Args[0], "-test.run=^TestRestoreOfAnotherProcess$")
	cmd.Env = append(os.Environ(), "HOLDFAST_PULL_URL="+n.url(), "HOLDFAST_PULL_TOKEN="+who.Credentials.Bearer, "HOLDFAST_PULL_VOLUME="+volume, "HOLDFAST_PULL_TO="+to)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case <-n.stood:
	case err := <-ended:
		r.t.Fatalf("it ended before it was killed: %v\n%s", err, out.String())
	}
	if err := cmd.Process.Kill(); err != nil {
		r.t.Fatal(err)
	}
	<-ended
	n.stand.Store(0)
}

func temporaries(t *testing.T, dir string) (found []string) {
	t.Helper()
	if err := filepath.WalkDir(dir, func(p string, _ fs.DirEntry, err error) error {
		if strings.HasPrefix(filepath.Base(p), ".holdfast-") {
			found = append(found, p)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return found
}

func TestT47_KilledClientGoesOnWithAStream(t *testing.T) {
	r := newRig(t)
	body := noise(128<<20, 5)
	if _, err := r.c.PutStream(t.Context(), r.stream.ID, bytes.NewReader(body)); err != nil {
		t.Fatal(err)
	}
	n, who := r.network(), r.Token(t, r.owner, nil, everything...)
	to := filepath.Join(t.TempDir(), "image")
	r.killed(n, who, r.stream.ID, to, 100<<20)
	if _, err := os.Stat(to); !errors.Is(err, fs.ErrNotExist) {
		t.Fatal("half a file stands under a good name:", err)
	}
	parts := temporaries(t, filepath.Dir(to))
	if len(parts) != 1 {
		t.Fatal(parts)
	}
	// One byte of what was left changed since: it is not believed.
	before := n.sent.Load()
	m, err := pull.Open(t.Context(), client.New(n.url(), client.WithToken(who.Credentials.Bearer)), client.Source{Volume: r.stream.ID})
	if err != nil {
		t.Fatal(err)
	}
	sum, err := m.File(t.Context(), to, pull.Options{})
	if err != nil || sum.Found < 40<<20 || sum.Verified != int64(len(body)) {
		t.Fatalf("%+v %v", sum, err)
	}
	if again := n.sent.Load() - before; again > 128<<20-sum.Found+1<<20 || again > 90<<20 {
		t.Errorf("%d bytes were sent again", again)
	}
	if b, err := os.ReadFile(to); err != nil || !bytes.Equal(b, body) {
		t.Fatal("the file differs", err)
	}
	if left := temporaries(t, filepath.Dir(to)); len(left) != 0 {
		t.Fatal("left behind:", left)
	}
}

func TestT48_WhatAKilledRestoreLeftIsNotBelieved(t *testing.T) {
	r := newRig(t)
	body := noise(96<<20, 6)
	if _, err := r.c.PutStream(t.Context(), r.stream.ID, bytes.NewReader(body)); err != nil {
		t.Fatal(err)
	}
	n, who := r.network(), r.Token(t, r.owner, nil, everything...)
	to := filepath.Join(t.TempDir(), "image")
	r.killed(n, who, r.stream.ID, to, 80<<20)
	part := temporaries(t, filepath.Dir(to))
	f, err := os.OpenFile(part[0], os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte{body[7<<20] ^ 1}, 7<<20); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := r.open(client.Source{Volume: r.stream.ID}).File(t.Context(), to, pull.Options{}); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(to); err != nil || !bytes.Equal(b, body) {
		t.Fatal("the file differs", err)
	}
}

func TestT47_KilledClientGoesOnWithATree(t *testing.T) {
	r, dir := newRig(t), sample(t)
	for i := range 1500 {
		write(t, filepath.Join(dir, fmt.Sprintf("many/%02d/%d", i%40, i)), noise(30<<10, byte(i)))
	}
	r.push(dir)
	n, who := r.network(), r.Token(t, r.owner, nil, everything...)
	to := filepath.Join(t.TempDir(), "back")
	size := int64(0)
	for i, after := range []int64{8 << 20, 30 << 20, 20 << 20} {
		r.killed(n, who, r.files.ID, to, after)
		size += after
		// What is under its name is whole.
		checked := 0
		err := filepath.WalkDir(to, func(p string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() || strings.HasPrefix(d.Name(), ".holdfast-") {
				return err
			}
			name, _ := filepath.Rel(to, p)
			a, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				return err
			}
			if b, err := os.ReadFile(p); err != nil || !bytes.Equal(a, b) {
				t.Errorf("after kill %d: %q is not whole: %v", i, name, err)
			}
			checked++
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("kill %d: %d files stand", i, checked)
	}
	// The volume goes on meanwhile; the restore keeps its moment.
	write(t, filepath.Join(dir, "later"), []byte("x"))
	r.push(dir)
	if err := os.Remove(filepath.Join(dir, "later")); err != nil {
		t.Fatal(err)
	}
	sum := r.tree(to, pull.Options{Owner: os.Geteuid() == 0})
	if sum.Kept == 0 {
		t.Error("nothing was kept")
	}

	same(t, dir, to)
	if left := temporaries(t, to); len(left) != 0 {
		t.Fatal("left behind:", left)
	}
}

func TestT47_CutConnectionsOnlyDelay(t *testing.T) {
	r, dir := newRig(t), sample(t)
	r.push(dir)
	body := noise(40<<20, 7)
	if _, err := r.c.PutStream(t.Context(), r.stream.ID, bytes.NewReader(body)); err != nil {
		t.Fatal(err)
	}
	n, who := r.network(), r.Token(t, r.owner, nil, everything...)
	n.cut = 5 << 20
	c := client.New(n.url(), client.WithToken(who.Credentials.Bearer))
	open := func(volume string) *pull.Moment {
		m, err := pull.Open(t.Context(), c, client.Source{Volume: volume})
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	to := filepath.Join(t.TempDir(), "back")
	if _, err := open(r.files.ID).Tree(t.Context(), to, pull.Options{Owner: os.Geteuid() == 0}); err != nil {
		t.Fatal(err)
	}
	same(t, dir, to)
	before := n.sent.Load()
	name := filepath.Join(t.TempDir(), "image")
	if _, err := open(r.stream.ID).File(t.Context(), name, pull.Options{}); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(name); err != nil || !bytes.Equal(b, body) {
		t.Fatal("the file differs", err)
	}
	var out bytes.Buffer
	if _, err := open(r.stream.ID).Copy(t.Context(), &out, pull.Options{}); err != nil || !bytes.Equal(out.Bytes(), body) {
		t.Fatal("the bytes differ", err)
	}
	if sent := n.sent.Load() - before; sent > 2*int64(len(body))*3/2 {
		t.Errorf("%d bytes for twice %d", sent, len(body))
	}
}

func TestStoppedRestoreEndsAtOnce(t *testing.T) {
	r, dir := newRig(t), sample(t)
	r.push(dir)
	ctx, cancel := context.WithCancel(t.Context())
	m := r.open(client.Source{Volume: r.files.ID})
	to := filepath.Join(t.TempDir(), "back")
	var once sync.Once
	_, err := m.Tree(ctx, to, pull.Options{Progress: func(int64) { once.Do(cancel) }})
	if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if _, err := m.Tree(t.Context(), to, pull.Options{Owner: os.Geteuid() == 0}); err != nil {
		t.Fatal(err)
	}
	same(t, dir, to)
}

// TestT48 flips bits where the packs lie: the files that they are of are named, with what to do, and all others come back.
func TestT48_RottenChunksAreNamedAndTheRestComesBack(t *testing.T) {
	r := newRig(t)
	dir := t.TempDir()
	for i := range 400 {
		write(t, filepath.Join(dir, fmt.Sprintf("d%d/f%d", i%5, i)), noise(20<<10, byte(i)))
		write(t, filepath.Join(dir, fmt.Sprintf("d%d/f%d", i%5, i)), append(noise(20<<10, byte(i)), byte(i), byte(i>>8)))
	}
	r.push(dir)
	flipped := 0
	if err := filepath.WalkDir(r.BlobDir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(p)
		if err != nil || len(b) < 1<<20 {
			return err
		}
		for at := 512 << 10; at < len(b)-256<<10; at += 1 << 20 { // up to four packs were written at once
			b[at] ^= 1
			flipped++
		}
		return os.WriteFile(p, b, 0o600)
	}); err != nil || flipped < 3 {
		t.Fatal(flipped, err)
	}
	to := filepath.Join(t.TempDir(), "back")
	var refused []string
	sum, err := r.open(client.Source{Volume: r.files.ID}).Tree(t.Context(), to, pull.Options{Refused: func(e pull.EntryError) {
		if !errors.Is(e.Err, pull.ErrDamaged) || !strings.Contains(e.Error(), "scrub") || !strings.Contains(e.Error(), "another snapshot") {
			t.Errorf("no remedy: %v", &e)
		}
		refused = append(refused, e.Path)
	}})
	if err != nil || len(refused) < 3 || len(refused) > flipped {
		t.Fatalf("%d refused of %d flipped: %v", len(refused), flipped, err)
	}
	if want := int64(400 + 5 - len(refused)); sum.Entries != want {
		t.Errorf("%d entries, want %d", sum.Entries, want)
	}
	for _, name := range refused {
		if _, err := os.Lstat(filepath.Join(to, name)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is there: %v", name, err)
		}
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 400 {
		name := fmt.Sprintf("d%d/f%d", i%5, i)
		a, err := os.ReadFile(filepath.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if b, err := os.ReadFile(filepath.Join(to, name)); err != nil || !bytes.Equal(a, b) {
			t.Fatalf("%s differs: %v", name, err)
		}
	}
}
