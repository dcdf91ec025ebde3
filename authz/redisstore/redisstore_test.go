package redisstore_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"holdfast/authz"
	"holdfast/authz/authztest"
	"holdfast/authz/redisstore"
	"holdfast/authz/session"
	"holdfast/authz/throttle"
	"holdfast/internal/redistest"
)

func TestSessionStore(t *testing.T) {
	redistest.Each(t, func(t *testing.T, e redistest.Engine) { authztest.SessionStore(t, redisstore.New(e.Client)) })
}

func TestThrottleStore(t *testing.T) {
	redistest.Each(t, func(t *testing.T, e redistest.Engine) { authztest.ThrottleStore(t, redisstore.New(e.Client)) })
}

func newManager(t *testing.T, e redistest.Engine) *session.Manager {
	t.Helper()
	m, err := session.New(redisstore.New(e.Client), bytes.Repeat([]byte{1}, 32), authztest.NewClock().Now)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

var passkey = session.Proof{Method: authz.MethodPasskey, HasFactor: true}

func TestRedisNeverSeesASecret(t *testing.T) {
	redistest.Each(t, func(t *testing.T, e redistest.Engine) {
		ctx := context.Background()
		secret, _, err := newManager(t, e).Start(ctx, authz.FacePortal, authztest.NewPerson(), passkey, session.Client{})
		if err != nil {
			t.Fatal(err)
		}
		keys, err := e.Client.Keys(ctx, "*").Result()
		if err != nil || len(keys) != 2 {
			t.Fatal(keys, err)
		}
		for _, k := range keys {
			dump, err := e.Client.Get(ctx, k).Result()
			if err != nil { // the person's index
				members, err := e.Client.SMembers(ctx, k).Result()
				if err != nil {
					t.Fatal(err)
				}
				dump = strings.Join(members, " ")
			}
			if strings.Contains(k+dump, secret.Reveal()) || strings.Contains(k+dump, hex.EncodeToString([]byte(secret.Reveal()))) {
				t.Fatalf("%s holds the secret", k)
			}
			if ttl, err := e.Client.PTTL(ctx, k).Result(); err != nil || ttl <= 0 {
				t.Fatalf("%s never expires: %v, %v", k, ttl, err)
			}
		}
	})
}

func TestT46_FlushedRedisLogsOutAndReplaysNothing(t *testing.T) {
	redistest.Each(t, func(t *testing.T, e redistest.Engine) {
		ctx := context.Background()
		m := newManager(t, e)
		secret, _, err := m.Start(ctx, authz.FacePortal, authztest.NewPerson(), passkey, session.Client{})
		if err != nil {
			t.Fatal(err)
		}
		name, err := m.Begin(ctx, "vote", "s", []byte("c"), time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		if err := e.Client.FlushAll(ctx).Err(); err != nil {
			t.Fatal(err)
		}
		if _, err := m.Resume(ctx, secret, authz.FacePortal); !errors.Is(err, session.ErrNone) {
			t.Fatal(err)
		}
		if _, err := m.Finish(ctx, "vote", "s", name); !errors.Is(err, session.ErrNone) {
			t.Fatal(err)
		}
	})
}

func TestT46_WithoutRedisNobodyGetsIn(t *testing.T) {
	redistest.Each(t, func(t *testing.T, e redistest.Engine) {
		ctx := context.Background()
		m := newManager(t, e)
		person := authztest.NewPerson()
		secret, _, err := m.Start(ctx, authz.FacePortal, person, passkey, session.Client{})
		if err != nil {
			t.Fatal(err)
		}
		th, err := throttle.New(redisstore.New(e.Client))
		if err != nil {
			t.Fatal(err)
		}
		e.Stop()
		address := netip.MustParseAddr("192.0.2.1")
		for name, err := range map[string]error{
			"start":    second(m.Start(ctx, authz.FacePortal, person, passkey, session.Client{})),
			"raise":    second(m.Raise(ctx, secret, authz.FacePortal, passkey)),
			"resume":   first(m.Resume(ctx, secret, authz.FacePortal)),
			"consume":  first(m.ConsumeStepUp(ctx, secret, authz.FacePortal, authz.Digest{1})),
			"begin":    first(m.Begin(ctx, "vote", "", nil, time.Minute)),
			"finish":   first(m.Finish(ctx, "vote", "", secret.Reveal())),
			"list":     first(m.List(ctx, person)),
			"revoke":   m.RevokeAll(ctx, person),
			"password": th.Attempt(ctx, throttle.Password, "a", address),
			"passkey":  th.Attempt(ctx, throttle.Passkey, "a", address),
		} {
			if !errors.Is(err, session.ErrUnavailable) && !errors.Is(err, throttle.ErrUnavailable) {
				t.Errorf("%s: %v", name, err)
			}
			if err != nil && strings.Contains(err.Error(), secret.Reveal()) {
				t.Errorf("%s tells the secret", name)
			}
		}
	})
}

// A page that watches by itself does not keep a session alive that nobody uses.
func TestPeekDoesNotProlong(t *testing.T) {
	redistest.Each(t, func(t *testing.T, e redistest.Engine) {
		ctx := context.Background()
		clock := authztest.NewClock()
		m, err := session.New(redisstore.New(e.Client), bytes.Repeat([]byte{1}, 32), clock.Now)
		if err != nil {
			t.Fatal(err)
		}
		secret, begun, err := m.Start(ctx, authz.FaceConsole, authztest.NewPerson(), passkey, session.Client{})
		if err != nil {
			t.Fatal(err)
		}
		step := session.ConsoleIdle / 4
		for range 3 {
			clock.Advance(step)
			if s, err := m.Peek(ctx, secret, authz.FaceConsole); err != nil || !s.End().Equal(begun.End()) {
				t.Fatalf("a look moved the end from %v to %v (%v)", begun.End(), s.End(), err)
			}
		}
		if s, err := m.Resume(ctx, secret, authz.FaceConsole); err != nil || !s.End().After(begun.End()) {
			t.Fatalf("use did not move the end: %v (%v)", s.End(), err)
		}
		if _, err := m.Peek(ctx, secret, authz.FacePortal); !errors.Is(err, session.ErrNone) {
			t.Fatalf("a look at the other face's session: %v", err)
		}
		clock.Advance(session.ConsoleIdle + time.Second)
		if _, err := m.Peek(ctx, secret, authz.FaceConsole); !errors.Is(err, session.ErrNone) {
			t.Fatalf("a session that nobody used still lives: %v", err)
		}
	})
}

func first[T any](_ T, err error) error          { return err }
func second[T, U any](_ T, _ U, err error) error { return err }
