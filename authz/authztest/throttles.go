package authztest

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"time"

	"holdfast/authz/throttle"
)

// ThrottleStore is the suite that every throttle.Store must pass.
func ThrottleStore(t *testing.T, store throttle.Store) {
	t.Helper()
	ctx := context.Background()
	t.Run("draw", func(t *testing.T) {
		key := "draw" + NewPerson().String()
		for i := range 5 {
			if wait, err := store.Draw(ctx, key, 5, 5, time.Hour); err != nil || wait != 0 {
				t.Fatalf("event %d: %v, %v", i, wait, err)
			}
		}
		if wait, err := store.Draw(ctx, key, 5, 5, time.Hour); err != nil || wait < 10*time.Minute || wait > 12*time.Minute {
			t.Fatalf("%v, %v", wait, err)
		}
	})
	t.Run("strike", func(t *testing.T) {
		key := "strike" + NewPerson().String()
		strike := func(base, most time.Duration) time.Duration {
			wait, err := store.Strike(ctx, key, 3, base, most, time.Hour)
			ok(t, err)
			return wait
		}
		for range 3 {
			if wait := strike(time.Millisecond, time.Hour); wait != 0 {
				t.Fatal(wait)
			}
		}
		// The lock of a millisecond passes; the next one is twice the base.
		eventually(t, func() bool { return strike(time.Hour, 24*time.Hour) == 0 })
		if wait := strike(time.Hour, 24*time.Hour); wait <= time.Hour || wait > 2*time.Hour {
			t.Fatal(wait)
		}
		ok(t, store.Clear(ctx, key))
		if wait := strike(time.Hour, time.Hour); wait != 0 {
			t.Fatal(wait)
		}
	})
	t.Run("T05_guessing", func(t *testing.T) {
		th, err := throttle.New(store)
		ok(t, err)
		victim := NewPerson().String()
		limited := 0
		for i := range 200 {
			// Every guess from another address: only the account can hold it.
			a := netip.AddrFrom4([4]byte{198, 51, 100, byte(i)})
			if err := th.Attempt(ctx, throttle.TOTP, victim, a); err != nil {
				want(t, err, throttle.ErrLimited)
				var l *throttle.LimitedError
				if !errors.As(err, &l) || l.RetryAfter <= 0 {
					t.Fatal(err)
				}
				limited++
			}
		}
		if limited != 195 {
			t.Fatalf("%d of 200 guesses were held", limited)
		}
		home := netip.MustParseAddr("2001:db8::1")
		ok(t, th.Attempt(ctx, throttle.Passkey, victim, home)) // the owner's passkey still works
		ok(t, th.Attempt(ctx, throttle.TOTP, NewPerson().String(), home))
		want(t, th.Attempt(ctx, throttle.TOTP, victim, home), throttle.ErrLimited)
		ok(t, th.Succeeded(ctx, throttle.Password, victim)) // resets its own kind alone
		want(t, th.Attempt(ctx, throttle.TOTP, victim, home), throttle.ErrLimited)
		ok(t, th.Succeeded(ctx, throttle.TOTP, victim))
		ok(t, th.Attempt(ctx, throttle.TOTP, victim, home))
	})
	t.Run("T05_one address, many accounts", func(t *testing.T) {
		th, err := throttle.New(store)
		ok(t, err)
		held := 0
		for i := range 100 {
			a := netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 9, byte(i)}) // one /64 of IPv6
			if err := th.Attempt(ctx, throttle.Recovery, NewPerson().String(), a); err != nil {
				want(t, err, throttle.ErrLimited)
				held++
			}
		}
		if held < 80 {
			t.Fatalf("only %d of 100 attempts were held", held)
		}
		want(t, th.Attempt(ctx, throttle.Password, "", netip.Addr{}), throttle.ErrInvalid)
		want(t, th.Attempt(ctx, 0, "x", netip.Addr{}), throttle.ErrInvalid)
	})
}
