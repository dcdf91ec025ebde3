package kill

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"holdfast/internal/sqldb/sqldbtest"
	"holdfast/server/client"
)

// address is one address for all lives of the service, which counts what comes in and what goes out.
type address struct {
	net.Listener
	to    atomic.Pointer[string] // empty while the service is away
	bytes atomic.Int64
	mu    sync.Mutex
	conns map[net.Conn]bool
	sent  int64         // under mu
	stand int64         // once so much was sent, nothing more is, until the next move; 0 never
	stood chan struct{} // told when that is so
	moved chan struct{} // closed by the next move
}

func newAddress(t *testing.T) *address {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a := &address{Listener: l, conns: map[net.Conn]bool{}, stood: make(chan struct{}, 1), moved: make(chan struct{})}
	a.move("")
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go a.pipe(c)
		}
	}()
	t.Cleanup(func() { l.Close(); a.move("") })
	return a
}

// move has the next connections go elsewhere, and ends those that are.
func (a *address) move(base string) {
	if len(base) > len("http://") {
		base = base[len("http://"):]
	}
	a.to.Store(&base)
	a.mu.Lock()
	defer a.mu.Unlock()
	for c := range a.conns {
		c.Close()
	}
	a.stand = 0
	close(a.moved)
	a.moved = make(chan struct{})
}

// stop has it stand still once n bytes more were sent.
func (a *address) stop(n int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.stand = a.sent + n
}

func (a *address) total() int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.sent
}

// back passes on what the service answers.
func (a *address) back(in, out net.Conn) {
	buf := make([]byte, 64<<10)
	for {
		n, err := out.Read(buf)
		a.mu.Lock()
		a.sent += int64(n)
		stand, moved := a.stand > 0 && a.sent >= a.stand, a.moved
		a.mu.Unlock()
		if stand {
			select {
			case a.stood <- struct{}{}:
			default:
			}
			<-moved
			return
		}
		if _, bad := in.Write(buf[:n]); err != nil || bad != nil {
			return
		}
	}
}

func (a *address) pipe(in net.Conn) {
	defer in.Close()
	to := *a.to.Load()
	if to == "" {
		return
	}
	out, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer out.Close()
	a.mu.Lock()
	a.conns[in] = true
	a.mu.Unlock()
	go func() { a.back(in, out); in.Close(); out.Close() }()
	buf := make([]byte, 256<<10)
	for {
		n, err := in.Read(buf)
		a.bytes.Add(int64(n))
		if _, bad := out.Write(buf[:n]); err != nil || bad != nil {
			return
		}
	}
}

// T47: the service is killed while a pipe is pushed. The same client waits for it
// and goes on; a client that is killed itself is run again and sends the rest.
func TestT47_APipeOutlivesTheService(t *testing.T) {
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
	holdfast := func(ctx context.Context, in io.Reader, errs io.Writer, args ...string) ([]byte, error) {
		cmd := exec.CommandContext(ctx, binary, append([]string{"--json"}, args...)...)
		cmd.Env = append(os.Environ(), "HOLDFAST_SERVER=http://"+front.Addr().String(), "HOLDFAST_TOKEN="+h.token, "HOME="+home, "XDG_CACHE_HOME="+filepath.Join(home, "cache"))
		cmd.Stdin, cmd.Stderr = in, errs
		return cmd.Output()
	}
	body := make([]byte, 96<<20)
	if _, err := rand.NewChaCha8([32]byte{7}).Read(body); err != nil {
		t.Fatal(err)
	}
	reach := func(n int64) {
		t.Helper()
		deadline := time.Now().Add(time.Minute)
		for front.bytes.Load() < n {
			if time.Now().After(deadline) {
				t.Fatalf("%d bytes came of %d", front.bytes.Load(), n)
			}
			time.Sleep(time.Millisecond)
		}
	}
	// Three lives of the service, one of the client.
	r, w := io.Pipe()
	said := &tail{}
	type answer struct {
		out []byte
		err error
	}
	done := make(chan answer, 1)
	go func() {
		out, err := holdfast(ctx, r, said, "push", "-", "gamma")
		r.CloseWithError(errors.New("the client ended"))
		done <- answer{out, err}
	}()
	feed := make(chan error, 1)
	go func() {
		_, err := io.Copy(w, bytes.NewReader(body))
		feed <- errors.Join(err, w.Close())
	}()
	for _, at := range []int64{25 << 20, 60 << 20} {
		reach(at)
		if err := p.kill(); err != nil {
			t.Fatal(err)
		}
		front.move("")
		start()
		front.move(p.portal)
	}
	a := <-done
	if err := errors.Join(a.err, <-feed); err != nil {
		t.Fatalf("%v\n%s\n%s", err, said, p.log)
	}
	var res struct{ Read int64 }
	if err := json.Unmarshal(a.out, &res); err != nil || res.Read != int64(len(body)) {
		t.Fatalf("%s %v", a.out, err)
	}
	const segments = 3 * (16<<20 + 4<<20) // two on their way, one of them begun again, for each death
	if came := front.bytes.Load(); came > int64(len(body))+2*segments {
		t.Errorf("%d bytes came for %d", came, len(body))
	}
	c := client.New("http://"+front.Addr().String(), client.WithToken(h.token))
	check := func(src client.Source, path string, want []byte) {
		t.Helper()
		var in io.ReadCloser
		var err error
		if path == "" {
			in, err = c.GetStream(ctx, src)
		} else {
			in, err = c.GetFile(ctx, src, path)
		}
		if err != nil {
			t.Fatal(err)
		}
		defer in.Close()
		got, err := io.ReadAll(in)
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("what was pushed is not there: %d bytes, %v", len(got), err)
		}
	}
	check(client.Source{Volume: "gamma"}, "", body)

	// The client dies, and is run again.
	tree := t.TempDir()
	if err := os.WriteFile(filepath.Join(tree, "big"), body[:64<<20], 0o600); err != nil {
		t.Fatal(err)
	}
	for i := range 64 {
		if err := os.WriteFile(filepath.Join(tree, fmt.Sprint("f", i)), body[64<<20+i<<18:][:1<<18], 0o600); err != nil {
			t.Fatal(err)
		}
	}
	began := front.bytes.Load()
	dying, kill := context.WithCancel(ctx)
	go func() { reach(began + 50<<20); kill() }()
	if _, err := holdfast(dying, nil, said, "push", tree, "alpha"); err == nil {
		t.Fatal("the push was over too soon")
	}
	kill()
	if _, err := holdfast(ctx, nil, said, "push", tree, "alpha"); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	if sent := front.bytes.Load() - began; sent > 80<<20+segments {
		t.Errorf("%d bytes were sent for %d", sent, 80<<20)
	}
	check(client.Source{Volume: "alpha"}, "big", body[:64<<20])
	check(client.Source{Volume: "alpha"}, "f63", body[64<<20+63<<18:][:1<<18])
}
