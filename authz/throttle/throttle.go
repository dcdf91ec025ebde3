// Package throttle owns how often someone may try to get in: by account, so
// that one password or code is not guessed from many addresses, and by address,
// so that one client does not try many accounts.
//
// A passkey cannot be guessed, so it is throttled by address alone: whoever
// hammers an account locks out its passwords and codes, never its owner's
// passkey (T05). When the store does not answer nobody gets in; the throttle
// must never answer "allowed" for an error. It holds no e-mail address, only
// digests of them.
package throttle

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// Kind is what is tried. The zero value is invalid.
type Kind uint8

const (
	// Password is a sign-in by password.
	Password Kind = iota + 1
	// TOTP is a code of a TOTP factor.
	TOTP
	// Recovery is a recovery code.
	Recovery
	// Passkey is a WebAuthn ceremony: by address only.
	Passkey
	// Ticket is an invitation or enrolment ticket, or an API token that does
	// not match: by address only.
	Ticket
	// Refusal is asking for what nobody may do alone, each time of which leaves a
	// leaf in the log for ever: by address only.
	Refusal
)

var names = []string{"", "password", "totp", "recovery", "passkey", "ticket", "refusal"}

// String returns the name, or "" for an invalid value.
func (k Kind) String() string {
	if int(k) < len(names) {
		return names[k]
	}
	return ""
}

var (
	// ErrLimited says that it was tried too often; [LimitedError] says for how long.
	ErrLimited = errors.New("throttle: too many attempts")
	// ErrUnavailable says that the store did not answer. It must deny.
	ErrUnavailable = errors.New("throttle: store unavailable")
	// ErrInvalid says that an argument is missing.
	ErrInvalid = errors.New("throttle: invalid")
)

// LimitedError tells when to try again. It matches [ErrLimited].
type LimitedError struct{ RetryAfter time.Duration }

// Error tells the time, rounded up to a second.
func (e *LimitedError) Error() string {
	return fmt.Sprintf("throttle: too many attempts, wait %s", (e.RetryAfter + time.Second - 1).Truncate(time.Second))
}

// Is matches ErrLimited.
func (e *LimitedError) Is(target error) bool { return target == ErrLimited }

// Store counts. Every method is atomic; any failure is ErrUnavailable.
type Store interface {
	// Draw takes one event from a bucket that holds burst and regains rate in
	// period. It returns 0, or how long to wait if the bucket is empty.
	Draw(ctx context.Context, key string, rate, burst int, period time.Duration) (time.Duration, error)
	// Strike counts an attempt and returns 0, or how long to wait if the key is
	// locked, and then counts nothing. From the free-th attempt on it locks the
	// key: for base, and twice as long each further time, up to most. The count
	// is forgotten after forget without an attempt.
	Strike(ctx context.Context, key string, free int, base, most, forget time.Duration) (time.Duration, error)
	// Clear forgets a key's attempts and lock.
	Clear(ctx context.Context, key string) error
}

// Throttle decides over a Store. It is safe for concurrent use.
type Throttle struct{ store Store }

// New returns a throttle over a store.
func New(store Store) (*Throttle, error) {
	if store == nil {
		return nil, ErrInvalid
	}
	return &Throttle{store}, nil
}

// Attempt is called before anything is verified, so that attempts made at once
// are all counted. account is the folded e-mail address or a person's id,
// whether or not it exists (T14), and may be empty only for Passkey, Ticket and Refusal.
// It returns nil, a *LimitedError, or ErrUnavailable.
func (t *Throttle) Attempt(ctx context.Context, k Kind, account string, address netip.Addr) error {
	l, ok := limits[k]
	if !ok || l.byAccount() && account == "" {
		return ErrInvalid
	}
	if err := limited(t.store.Draw(ctx, k.String()+":address:"+bucket(address), l.addressRate, l.addressBurst, l.addressPeriod)); err != nil {
		return err
	}
	if !l.byAccount() {
		return nil
	}
	return limited(t.store.Strike(ctx, accountKey(k, account), l.free, l.base, l.most, l.forget))
}

// Succeeded forgets an account's attempts of one kind after a right answer. An
// attacker cannot make the owner's success reset more than that one kind.
func (t *Throttle) Succeeded(ctx context.Context, k Kind, account string) error {
	l, ok := limits[k]
	if !ok {
		return ErrInvalid
	}
	if !l.byAccount() {
		return nil
	}
	return t.store.Clear(ctx, accountKey(k, account))
}

func limited(wait time.Duration, err error) error {
	if err != nil {
		return err
	}
	if wait > 0 {
		return &LimitedError{RetryAfter: wait}
	}
	return nil
}

func accountKey(k Kind, account string) string {
	sum := sha256.Sum256([]byte("holdfast throttle v1\n" + strings.ToLower(account)))
	return k.String() + ":account:" + hex.EncodeToString(sum[:16])
}

// bucket joins what one client can choose among: a whole /64 of IPv6. Addresses
// that are not known share one bucket.
func bucket(a netip.Addr) string {
	a = a.Unmap().WithZone("")
	switch {
	case !a.IsValid():
		return "unknown"
	case a.Is6():
		p, err := a.Prefix(64)
		if err != nil {
			return "unknown"
		}
		return p.String()
	}
	return a.String()
}
