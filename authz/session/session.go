// Package session owns what is remembered between two requests of one person:
// opaque sessions, the step-ups made in them, and the single-use state of
// ceremonies.
//
// A session is one face's, is found only by the SHA-256 of its secret, and gets
// a new secret whenever it gains privilege, so that a secret planted or seen
// before is worth nothing after. Everything here is disposable and kept by a
// [Store]; every record carries a MAC, so that whoever can write the store can
// log people out but cannot log anyone in. Nothing here is a vote, a used TOTP
// step or a log entry, and none may ever be kept here. Errors deny.
package session

import (
	"context"
	"errors"
	"time"

	"holdfast/authz"
)

var (
	// ErrNone is the answer to a session that is unknown, ended, expired, of the
	// other face, or altered: one answer for all.
	ErrNone = errors.New("session: none")
	// ErrUnavailable says that the store did not answer. It must deny.
	ErrUnavailable = errors.New("session: store unavailable")
	// ErrConflict says that the record was changed by someone else meanwhile;
	// for [Store] implementations.
	ErrConflict = errors.New("session: changed meanwhile")
	// ErrNoStepUp says that there is no usable step-up for the digest.
	ErrNoStepUp = errors.New("session: no step-up for this digest")
	// ErrInvalid says that an argument is outside its bounds.
	ErrInvalid = errors.New("session: invalid")
)

// Key is the SHA-256 of a session's secret in lower-case hexadecimal: what the
// store knows a session by. It opens nothing.
type Key string

// Store keeps sealed records under keys, with an index of each person's keys.
// Every method is atomic. Any failure to reach the storage is ErrUnavailable.
type Store interface {
	// Create keeps a new record; ErrConflict if the key exists.
	Create(ctx context.Context, k Key, person string, record []byte, ttl time.Duration) error
	// Load returns the record; ErrNone if there is none.
	Load(ctx context.Context, k Key) ([]byte, error)
	// Swap replaces the record if it is still old; ErrConflict if it is not,
	// ErrNone if it is gone.
	Swap(ctx context.Context, k Key, person string, old, record []byte, ttl time.Duration) error
	// Move replaces the record, if it is still old, by another under another
	// key: from then on k is unknown. Errors as Swap's.
	Move(ctx context.Context, k, to Key, person string, old, record []byte, ttl time.Duration) error
	// Drop forgets sessions of a person; unknown ones are no error.
	Drop(ctx context.Context, person string, keys ...Key) error
	// Person returns every live record of a person.
	Person(ctx context.Context, person string) (map[Key][]byte, error)
	// Keep keeps a ceremony's state; ErrConflict if the name exists.
	Keep(ctx context.Context, name string, state []byte, ttl time.Duration) error
	// Take returns a ceremony's state and forgets it, so that of many calls one
	// gets it; ErrNone if there is none.
	Take(ctx context.Context, name string) ([]byte, error)
}

// Client is what a listing shows of where a session is used. It is told by the
// client and proves nothing.
type Client struct {
	Address string `json:"a,omitempty"`
	Agent   string `json:"g,omitempty"`
}

// Proof says what a person has just shown. The caller has verified it.
type Proof struct {
	// Password says that the password was right.
	Password bool
	// Method is the second factor shown; zero for none.
	Method authz.Method
	// Factor is which; zero for a recovery code or none.
	Factor authz.FactorID
	// Quarantined says that the factor is in quarantine.
	Quarantined bool
	// First says that the factor is the first of its account.
	First bool
	// HasFactor says that the account has any factor.
	HasFactor bool
}

// Session is one live session. It holds no secret.
type Session struct {
	// Handle names the session in listings; it stays the same when the secret
	// rotates and opens nothing.
	Handle string
	// Face is the only listener on which the session is good.
	Face authz.Face
	// Person is whose it is. Tenant, role and status are read afresh from the
	// database on every use, never remembered here.
	Person authz.PersonID
	// CreatedAt is when the person signed in, SeenAt the last use (to half a
	// minute), ExpiresAt the absolute end.
	CreatedAt, SeenAt, ExpiresAt time.Time
	// PasswordAt and SecondFactorAt are when each was shown; zero for never.
	PasswordAt, SecondFactorAt time.Time
	// Method and Factor tell the second factor that was shown.
	Method authz.Method
	Factor authz.FactorID
	// Quarantined, First and HasFactor are as in Proof.
	Quarantined, First, HasFactor bool
	// StepUp is the newest step-up that is not consumed.
	StepUp authz.StepUp
	// Client is where it is used.
	Client Client
}

// Facts returns what a principal of this session has shown.
func (s Session) Facts() authz.SessionFacts {
	return authz.SessionFacts{
		ID: s.Handle, PasswordAt: s.PasswordAt, SecondFactorAt: s.SecondFactorAt, Method: s.Method,
		HasFactor: s.HasFactor, Quarantined: s.Quarantined, First: s.First, StepUp: s.StepUp,
	}
}

func (s Session) idle() time.Duration {
	if s.Face == authz.FaceConsole {
		return ConsoleIdle
	}
	return PortalIdle
}

// End returns when the session ends if it is not used again.
func (s Session) End() time.Time {
	if e := s.SeenAt.Add(s.idle()); e.Before(s.ExpiresAt) {
		return e
	}
	return s.ExpiresAt
}

func absolute(face authz.Face, secondFactor bool) time.Duration {
	switch {
	case !secondFactor:
		return PasswordOnly
	case face == authz.FaceConsole:
		return ConsoleAbsolute
	}
	return PortalAbsolute
}
