package redisstore_test

import (
	"context"
	"net"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
)

// engine is a Redis that a test can stop.
type engine struct {
	rdb  redis.UniversalClient
	stop func()
}

// each runs f on the embedded Redis and on a real redis-server.
func each(t *testing.T, f func(t *testing.T, e engine)) {
	t.Run("miniredis", func(t *testing.T) {
		m := miniredis.NewMiniRedis()
		if err := m.StartAddr("127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(m.Close)
		// The embedded one expires nothing by itself: drive its clock.
		done := make(chan struct{})
		t.Cleanup(func() { close(done) })
		go func() {
			tick := time.NewTicker(time.Millisecond)
			defer tick.Stop()
			for {
				select {
				case <-done:
					return
				case <-tick.C:
					m.FastForward(time.Millisecond)
				}
			}
		}()
		f(t, engine{client(t, &redis.Options{Addr: m.Addr()}), m.Close})
	})
	t.Run("redis", func(t *testing.T) {
		socket := filepath.Join(t.TempDir(), "s")
		cmd := exec.Command("redis-server", "--port", "0", "--unixsocket", socket, "--save", "", "--appendonly", "no", "--dir", t.TempDir())
		if err := cmd.Start(); err != nil {
			t.Fatalf("redis-server is needed: %v", err)
		}
		stop := func() { cmd.Process.Kill(); cmd.Wait() }
		t.Cleanup(stop)
		for end := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
			if c, err := net.Dial("unix", socket); err == nil {
				c.Close()
				break
			}
			if time.Now().After(end) {
				t.Fatal("redis-server does not start")
			}
		}
		f(t, engine{client(t, &redis.Options{Network: "unix", Addr: socket}), stop})
	})
}

func client(t *testing.T, o *redis.Options) redis.UniversalClient {
	o.MaxRetries, o.DialerRetries = -1, 1
	rdb := redis.NewClient(o)
	t.Cleanup(func() { rdb.Close() })
	if err := rdb.Ping(context.Background()).Err(); err != nil {
		t.Fatal(err)
	}
	return rdb
}
