package redistest_test

import (
	"errors"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"holdfast/internal/redistest"
)

// TestKeysExpire holds both to what sessions and throttles rest on, and shows that
// each test starts empty.
func TestKeysExpire(t *testing.T) {
	for range 2 {
		redistest.Each(t, func(t *testing.T, e redistest.Engine) {
			c := e.Client
			if n, err := c.DBSize(t.Context()).Result(); n != 0 || err != nil {
				t.Fatalf("not empty: %d keys, %v", n, err)
			}
			if err := c.Set(t.Context(), "k", "v", 30*time.Millisecond).Err(); err != nil {
				t.Fatal(err)
			}
			if v, err := c.Get(t.Context(), "k").Result(); v != "v" || err != nil {
				t.Fatalf("%q, %v", v, err)
			}
			deadline := time.After(10 * time.Second)
			for {
				err := c.Get(t.Context(), "k").Err()
				if errors.Is(err, redis.Nil) {
					return
				}
				select {
				case <-deadline:
					t.Fatal("the key does not expire")
				case <-time.After(5 * time.Millisecond):
				}
			}
		})
	}
}

func TestKillEndsTheServer(t *testing.T) {
	s := redistest.Start(t)
	c := redistest.Client(t, s)
	s.Kill()
	if err := c.Ping(t.Context()).Err(); err == nil {
		t.Error("a killed server answers")
	}
	s.Kill()
}

func TestRestartForgets(t *testing.T) {
	s := redistest.Start(t)
	if err := redistest.Client(t, s).Set(t.Context(), "k", "v", 0).Err(); err != nil {
		t.Fatal(err)
	}
	s.Restart(t)
	if n, err := redistest.Client(t, s).DBSize(t.Context()).Result(); n != 0 || err != nil {
		t.Errorf("after a restart: %d keys, %v", n, err)
	}
}
