// Package password owns how a password becomes a stored hash and back into a
// yes or no: argon2id at one production price, a bound on how many hashes are
// computed at once, the rule for new passwords, and a dummy check of equal
// cost for accounts that do not exist. It must never log, return or keep a
// password, and it has no setting that makes hashing cheaper: tests get their
// cheap hasher from passwordtest, through a type that only this tree can make.
package password

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"sync/atomic"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"

	"holdfast/authz/password/internal/cost"
)

var (
	// ErrMismatch means that the password is not the account's, or that there
	// is no such account: the two are not told apart.
	ErrMismatch = errors.New("password: does not match")
	// ErrMalformedHash means that a stored hash is not one this package wrote.
	ErrMalformedHash = errors.New("password: stored hash is malformed")
	// ErrBusy means that too many hashes are waiting already; try again later.
	ErrBusy = errors.New("password: too many attempts at once")
	// ErrConcurrency means that a Hasher was asked for with a bound outside
	// 1..MaxConcurrency.
	ErrConcurrency = errors.New("password: concurrency out of bounds")
)

// Hasher hashes and checks passwords. It is safe for concurrent use; make one
// for the process, because its concurrency bound is what bounds memory.
type Hasher struct {
	params  cost.Params
	slots   chan struct{}
	waiting atomic.Int64
	limit   int64
	dummy   phc
}

// New makes a Hasher at the production price that computes at most concurrency
// hashes at once (1..MaxConcurrency).
func New(concurrency int) (*Hasher, error) {
	return WithCost(cost.Standard(), concurrency)
}

// WithCost is New at another price. Its first argument is a type of an internal
// package: only passwordtest can supply one, hence only tests hash cheaply.
func WithCost(params cost.Params, concurrency int) (*Hasher, error) {
	if concurrency < 1 || concurrency > MaxConcurrency {
		return nil, ErrConcurrency
	}
	h := &Hasher{
		params: params,
		slots:  make(chan struct{}, concurrency),
		limit:  int64(concurrency) * (QueueFactor + 1),
		dummy:  phc{params: params, salt: make([]byte, saltLen), key: make([]byte, keyLen)},
	}
	rand.Read(h.dummy.salt)
	rand.Read(h.dummy.key)
	return h, nil
}

// Hash returns a new PHC string for the password. It does not apply the rule
// for new passwords: call Check first. Errors: ErrBusy, ErrMismatch for input
// that can never be checked again (too long, not UTF-8), the context's error.
func (h *Hasher) Hash(ctx context.Context, password string) (string, error) {
	plain, ok := normalise(password)
	if !ok {
		return "", ErrMismatch
	}
	out := phc{params: h.params, salt: make([]byte, saltLen)}
	rand.Read(out.salt)
	key, err := h.derive(ctx, plain, out.params, out.salt)
	if err != nil {
		return "", err
	}
	out.key = key
	return out.String(), nil
}

// Verify checks the password against a stored PHC string. On success,
// needsRehash says that the hash was made at another price than today's and
// should be replaced by Hash of the same password. Errors: ErrMismatch,
// ErrMalformedHash, ErrBusy, the context's error.
func (h *Hasher) Verify(ctx context.Context, stored, password string) (needsRehash bool, err error) {
	want, err := parsePHC(stored)
	if err != nil {
		return false, err
	}
	return h.verify(ctx, want, password)
}

// VerifyDummy takes as long as Verify and always fails, with ErrMismatch unless
// the context ended or the hasher is busy. Call it when the account does not
// exist or has no password, so that the answer's time does not tell (T14).
func (h *Hasher) VerifyDummy(ctx context.Context, password string) error {
	if _, err := h.verify(ctx, h.dummy, password); err != nil {
		return err
	}
	// The dummy key is random: a match is as likely as guessing 256 bits, and
	// is refused all the same.
	return ErrMismatch
}

func (h *Hasher) verify(ctx context.Context, want phc, password string) (bool, error) {
	// Input that no account can have is refused before hashing, in the same
	// way for every account, so the shortcut tells nothing about any of them.
	plain, ok := normalise(password)
	if !ok {
		return false, ErrMismatch
	}
	got, err := h.derive(ctx, plain, want.params, want.salt)
	if err != nil {
		return false, err
	}
	if subtle.ConstantTimeCompare(got, want.key) != 1 {
		return false, ErrMismatch
	}
	return want.params != h.params, nil
}

func (h *Hasher) derive(ctx context.Context, plain []byte, p cost.Params, salt []byte) ([]byte, error) {
	if h.waiting.Add(1) > h.limit {
		h.waiting.Add(-1)
		return nil, ErrBusy
	}
	defer h.waiting.Add(-1)
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("password: %w", err)
	}
	select {
	case h.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("password: %w", ctx.Err())
	}
	defer func() { <-h.slots }()
	return argon2.IDKey(plain, salt, p.Time(), p.MemoryKiB(), p.Threads(), keyLen), nil
}

// normalise gives the bytes that are hashed: NFKC, so that a password typed on
// two systems which compose accents differently is one password. It refuses
// what is too long or not UTF-8.
func normalise(password string) ([]byte, bool) {
	if len(password) > MaxBytes || !utf8.ValidString(password) {
		return nil, false
	}
	return norm.NFKC.Bytes([]byte(password)), true
}
