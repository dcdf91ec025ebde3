// Package redistest runs tests against Redis as it is embedded and as it is
// deployed. It is for tests only and must never be imported by a program.
package redistest

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
)

// startTimeout bounds how long redis-server may take to answer.
const startTimeout = 30 * time.Second

// Engine is a Redis for the time of a test, with a client connected to it.
type Engine struct {
	Client redis.UniversalClient
	// Stop takes the Redis away, as a crash would. A second call does nothing.
	Stop func()
}

// Each runs f on a fresh embedded Redis and on a fresh redis-server, as subtests
// "miniredis" and "redis". Both expire keys by the real clock.
func Each(t *testing.T, f func(t *testing.T, e Engine)) {
	t.Helper()
	t.Run("miniredis", func(t *testing.T) { f(t, Mini(t)) })
	t.Run("redis", func(t *testing.T) {
		s := Start(t)
		f(t, Engine{Client(t, s), s.Kill})
	})
}

// Mini starts an embedded Redis for the time of the test.
func Mini(t testing.TB) Engine {
	t.Helper()
	m := miniredis.NewMiniRedis()
	m.ClockTTL(true) // without it nothing expires
	if err := m.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return Engine{connect(t, &redis.Options{Addr: m.Addr()}), m.Close}
}

// Server is a redis-server of one test.
type Server struct {
	// Socket is the path of its unix socket; it listens nowhere else.
	Socket string
	cmd    *exec.Cmd // nil while it does not run
}

// Start starts a redis-server that keeps nothing on disk and ends with the test.
// It fails the test when the program is missing.
func Start(t testing.TB) *Server {
	t.Helper()
	// A test's own directory may have too long a name for a socket.
	dir, err := os.MkdirTemp("", "holdfast-redis-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	s := &Server{Socket: filepath.Join(dir, "s")}
	t.Cleanup(s.Kill)
	s.Restart(t)
	return s
}

// Restart kills the server and starts it again at the same place, with nothing in it.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	s.Kill()
	dir := filepath.Dir(s.Socket)
	cmd := exec.Command("redis-server", "--port", "0", "--unixsocket", s.Socket, "--unixsocketperm", "700",
		"--save", "", "--appendonly", "no", "--dir", dir, "--logfile", filepath.Join(dir, "log"), "--databases", "16")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // an interrupt at the keyboard is not for it
	if err := cmd.Start(); err != nil {
		t.Fatalf("no Redis to test with (apt-get install redis-server): %v", err)
	}
	s.cmd = cmd
	// There is no event to wait for but the socket's appearing.
	ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
	defer cancel()
	for {
		c, err := net.Dial("unix", s.Socket)
		if err == nil {
			c.Close()
			return
		}
		select {
		case <-ctx.Done():
			log, _ := os.ReadFile(filepath.Join(dir, "log"))
			t.Fatalf("redis-server does not answer: %v\n%s", err, log)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// Kill ends the server at once, as a crash would, for tests of what goes on
// without it. A second call does nothing.
func (s *Server) Kill() {
	if s.cmd == nil {
		return
	}
	s.cmd.Process.Kill()
	s.cmd.Wait() // says "killed"
	s.cmd = nil
}

// URL is how a program is told to use this server.
func (s *Server) URL() string { return "unix://" + s.Socket }

// Client connects to a server for the time of the test.
func Client(t testing.TB, s *Server) redis.UniversalClient {
	t.Helper()
	return connect(t, &redis.Options{Network: "unix", Addr: s.Socket})
}

func connect(t testing.TB, o *redis.Options) redis.UniversalClient {
	t.Helper()
	o.MaxRetries = -1 // what fails in a test is to be seen
	c := redis.NewClient(o)
	t.Cleanup(func() { c.Close() })
	if err := c.Ping(context.Background()).Err(); err != nil {
		t.Fatal(err)
	}
	return c
}
