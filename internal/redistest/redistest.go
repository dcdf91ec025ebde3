// Package redistest runs tests against Redis as it is embedded and as it is
// deployed. It is for tests only and must never be imported by a program.
package redistest

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
)

// startTimeout bounds how long redis-server may take to answer.
const startTimeout = 30 * time.Second

// Each runs f on a fresh embedded Redis and on a fresh redis-server, as subtests
// "miniredis" and "redis". Both expire keys by the real clock.
func Each(t *testing.T, f func(t *testing.T, client redis.UniversalClient)) {
	t.Helper()
	t.Run("miniredis", func(t *testing.T) { f(t, Mini(t)) })
	t.Run("redis", func(t *testing.T) { f(t, Client(t, Start(t))) })
}

// Mini starts an embedded Redis for the time of the test.
func Mini(t testing.TB) redis.UniversalClient {
	t.Helper()
	m := miniredis.NewMiniRedis()
	m.ClockTTL(true) // without it nothing expires
	if err := m.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return connect(t, &redis.Options{Addr: m.Addr()})
}

// Server is a redis-server of one test.
type Server struct {
	// Socket is the path of its unix socket; it listens nowhere else.
	Socket string
	cmd    *exec.Cmd
	stop   sync.Once
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
	s.cmd = exec.Command("redis-server", "--port", "0", "--unixsocket", s.Socket, "--unixsocketperm", "700",
		"--save", "", "--appendonly", "no", "--dir", dir, "--logfile", filepath.Join(dir, "log"), "--databases", "16")
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // an interrupt at the keyboard is not for it
	if err := s.cmd.Start(); err != nil {
		t.Fatalf("no Redis to test with (apt-get install redis-server): %v", err)
	}
	t.Cleanup(s.Kill)
	// There is no event to wait for but the socket's appearing.
	for ctx, cancel := context.WithTimeout(t.Context(), startTimeout); ; {
		c, err := net.Dial("unix", s.Socket)
		if err == nil {
			c.Close()
			cancel()
			return s
		}
		select {
		case <-ctx.Done():
			cancel()
			log, _ := os.ReadFile(filepath.Join(dir, "log"))
			t.Fatalf("redis-server does not answer: %v\n%s", err, log)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// Kill ends the server at once, as a crash would, for tests of what goes on
// without it. A second call does nothing.
func (s *Server) Kill() {
	s.stop.Do(func() {
		s.cmd.Process.Kill()
		s.cmd.Wait() // says "killed"
	})
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
