package session

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"holdfast/authz"
	"holdfast/internal/id"
)

// Manager starts, resumes, raises and ends sessions. It is safe for concurrent use.
type Manager struct {
	store Store
	mac   sealer
	now   func() time.Time
}

// New returns a manager over a store. key is a secret of at least 32 bytes that
// every node shares and that the store never sees; now is the clock.
func New(store Store, key []byte, now func() time.Time) (*Manager, error) {
	if store == nil || now == nil || len(key) < 32 {
		return nil, fmt.Errorf("%w: a manager needs a store, a clock and a key of 32 bytes", ErrInvalid)
	}
	return &Manager{store: store, mac: sealer{slices.Clone(key)}, now: now}, nil
}

func parsePerson(s string) (authz.PersonID, error) { return id.Parse[authz.PersonKind](s) }

const purposeSession = "session"

// Start opens a session for what the person has just shown: a password, or a
// factor that stands for both (a passkey with user verification). Above
// MaxSessions the person's oldest session ends.
func (m *Manager) Start(ctx context.Context, face authz.Face, person authz.PersonID, p Proof, c Client) (Secret, Session, error) {
	if face.String() == "" || person.IsZero() || !p.Password && p.Method == 0 {
		return Secret{}, Session{}, ErrInvalid
	}
	now := m.now().UTC().Truncate(time.Microsecond)
	var handle [8]byte
	rand.Read(handle[:])
	s := Session{
		Handle: hex.EncodeToString(handle[:]), Face: face, Person: person, CreatedAt: now,
		Client: Client{Address: clip(c.Address), Agent: clip(c.Agent)},
	}
	if p.Password {
		s.PasswordAt = now
	}
	s.prove(p, now)
	if err := m.makeRoom(ctx, person); err != nil {
		return Secret{}, Session{}, err
	}
	secret := newSecret()
	sealed, err := m.sealed(secret.Key(), s)
	if err != nil {
		return Secret{}, Session{}, err
	}
	if err := m.store.Create(ctx, secret.Key(), person.String(), sealed, s.End().Sub(now)); err != nil {
		return Secret{}, Session{}, err
	}
	return secret, s, nil
}

func (s *Session) prove(p Proof, now time.Time) {
	s.SeenAt = now
	s.HasFactor = p.HasFactor
	if p.Method != 0 {
		s.SecondFactorAt, s.Method, s.Factor = now, p.Method, p.Factor
		s.Quarantined, s.First, s.HasFactor = p.Quarantined, p.First, true
	}
	s.ExpiresAt = s.CreatedAt.Add(absolute(s.Face, p.Method != 0))
}

// Resume returns the session of a secret that came to face. Idle and absolute
// ends are checked here and not only left to the store's expiry.
func (m *Manager) Resume(ctx context.Context, secret Secret, face authz.Face) (Session, error) {
	for range maxAttempts {
		s, old, err := m.load(ctx, secret.Key(), face)
		if err != nil {
			return Session{}, err
		}
		now := m.now()
		if now.Sub(s.SeenAt) < touchEvery {
			return s, nil
		}
		s.SeenAt = now.UTC().Truncate(time.Microsecond)
		err = m.swap(ctx, secret.Key(), s, old)
		if errors.Is(err, ErrConflict) {
			continue
		}
		if err != nil {
			return Session{}, err
		}
		return s, nil
	}
	return Session{}, ErrUnavailable
}

// Peek is Resume for what a page does by itself, such as watching for news: it
// does not count as use, so that a page left open ends no later than an idle one.
func (m *Manager) Peek(ctx context.Context, secret Secret, face authz.Face) (Session, error) {
	s, _, err := m.load(ctx, secret.Key(), face)
	return s, err
}

// Raise records a second factor that the session has just shown. The secret
// changes; the old one is unknown from then on.
func (m *Manager) Raise(ctx context.Context, secret Secret, face authz.Face, p Proof) (Secret, Session, error) {
	if p.Method == 0 {
		return Secret{}, Session{}, ErrInvalid
	}
	return m.rotate(ctx, secret, face, func(s *Session, now time.Time) error {
		s.prove(p, now)
		return nil
	})
}

// StepUp records a fresh factor shown for one digest, in place of any earlier
// step-up, and changes the secret. The session must have shown its second
// factor before.
func (m *Manager) StepUp(ctx context.Context, secret Secret, face authz.Face, u authz.StepUp) (Secret, Session, error) {
	if u.Digest.IsZero() || u.Method.String() == "" {
		return Secret{}, Session{}, ErrInvalid
	}
	return m.rotate(ctx, secret, face, func(s *Session, now time.Time) error {
		if s.SecondFactorAt.IsZero() {
			return ErrNoStepUp
		}
		u.At = now
		s.StepUp = u
		s.SeenAt = now
		return nil
	})
}

// ConsumeStepUp uses up the session's step-up for digest: of many calls, on
// whatever nodes, exactly one gets it. A step-up that is for another digest or
// older than authz.MaxStepUpAge is ErrNoStepUp.
func (m *Manager) ConsumeStepUp(ctx context.Context, secret Secret, face authz.Face, digest authz.Digest) (authz.StepUp, error) {
	for range maxAttempts {
		s, old, err := m.load(ctx, secret.Key(), face)
		if err != nil {
			return authz.StepUp{}, err
		}
		u := s.StepUp
		age := m.now().Sub(u.At)
		if digest.IsZero() || u.Method == 0 || u.Digest != digest || age < -authz.MaxClockSkew || age > authz.MaxStepUpAge {
			return authz.StepUp{}, ErrNoStepUp
		}
		s.StepUp = authz.StepUp{}
		err = m.swap(ctx, secret.Key(), s, old)
		if errors.Is(err, ErrConflict) {
			continue
		}
		if err != nil {
			return authz.StepUp{}, err
		}
		return u, nil
	}
	return authz.StepUp{}, ErrUnavailable
}

// End forgets the session of a secret. An unknown one is no error.
func (m *Manager) End(ctx context.Context, secret Secret, face authz.Face) error {
	s, _, err := m.load(ctx, secret.Key(), face)
	if errors.Is(err, ErrNone) {
		return nil
	}
	if err != nil {
		return err
	}
	return m.store.Drop(ctx, s.Person.String(), secret.Key())
}

func (m *Manager) rotate(ctx context.Context, secret Secret, face authz.Face, change func(*Session, time.Time) error) (Secret, Session, error) {
	for range maxAttempts {
		s, old, err := m.load(ctx, secret.Key(), face)
		if err != nil {
			return Secret{}, Session{}, err
		}
		now := m.now().UTC().Truncate(time.Microsecond)
		if err := change(&s, now); err != nil {
			return Secret{}, Session{}, err
		}
		next := newSecret()
		sealed, err := m.sealed(next.Key(), s)
		if err != nil {
			return Secret{}, Session{}, err
		}
		err = m.store.Move(ctx, secret.Key(), next.Key(), s.Person.String(), old, sealed, s.End().Sub(now))
		if errors.Is(err, ErrConflict) {
			continue
		}
		if err != nil {
			return Secret{}, Session{}, err
		}
		return next, s, nil
	}
	return Secret{}, Session{}, ErrUnavailable
}

func (m *Manager) swap(ctx context.Context, k Key, s Session, old []byte) error {
	sealed, err := m.sealed(k, s)
	if err != nil {
		return err
	}
	return m.store.Swap(ctx, k, s.Person.String(), old, sealed, s.End().Sub(m.now()))
}

// load returns a live session and its sealed form, for Swap and Move.
func (m *Manager) load(ctx context.Context, k Key, face authz.Face) (Session, []byte, error) {
	sealed, err := m.store.Load(ctx, k)
	if err != nil {
		return Session{}, nil, err
	}
	s, err := m.open(k, sealed)
	if err != nil {
		return Session{}, nil, err
	}
	if s.Face != face {
		return Session{}, nil, ErrNone
	}
	return s, sealed, nil
}

func (m *Manager) sealed(k Key, s Session) ([]byte, error) {
	body, err := encode(s)
	if err != nil {
		return nil, err
	}
	return m.mac.seal(purposeSession, string(k), body), nil
}

// open checks the MAC and the two ends.
func (m *Manager) open(k Key, sealed []byte) (Session, error) {
	body, err := m.mac.open(purposeSession, string(k), sealed)
	if err != nil {
		return Session{}, err
	}
	s, err := decode(body)
	if err != nil {
		return Session{}, err
	}
	if now := m.now(); !now.Before(s.End()) || s.CreatedAt.After(now.Add(authz.MaxClockSkew)) {
		return Session{}, ErrNone
	}
	return s, nil
}

func clip(s string) string {
	if len(s) > maxClientText {
		s = s[:maxClientText]
	}
	return s
}
