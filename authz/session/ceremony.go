package session

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"time"
)

const purposeCeremony = "ceremony"

// Begin keeps the state of a ceremony (a WebAuthn challenge with what it is
// for) and returns the name to end it with. kind separates ceremonies that must
// not be mistaken for each other; bind ties it to whoever may end it, a
// session's handle or a person's id, and may be empty before anyone is known.
// life is at most MaxCeremonyLife.
func (m *Manager) Begin(ctx context.Context, kind, bind string, state []byte, life time.Duration) (string, error) {
	if kind == "" || len(state) > MaxCeremonyState || life <= 0 || life > MaxCeremonyLife {
		return "", ErrInvalid
	}
	var raw [32]byte
	rand.Read(raw[:])
	name := base64.RawURLEncoding.EncodeToString(raw[:])
	body := binary.BigEndian.AppendUint64(nil, uint64(m.now().Add(life).UnixMicro()))
	body = append(body, state...)
	if err := m.store.Keep(ctx, name, m.mac.seal(purposeCeremony, place(kind, bind, name), body), life); err != nil {
		return "", err
	}
	return name, nil
}

// Finish returns the state of a ceremony and forgets it before anything is
// verified, so that of many calls one gets it. Another kind, another bind, an
// altered, late or unknown state are all ErrNone, and spend it too.
func (m *Manager) Finish(ctx context.Context, kind, bind, name string) ([]byte, error) {
	if len(name) != base64.RawURLEncoding.EncodedLen(32) {
		return nil, ErrNone
	}
	sealed, err := m.store.Take(ctx, name)
	if err != nil {
		return nil, err
	}
	body, err := m.mac.open(purposeCeremony, place(kind, bind, name), sealed)
	if err != nil || len(body) < 8 {
		return nil, ErrNone
	}
	if end := time.UnixMicro(int64(binary.BigEndian.Uint64(body))); !m.now().Before(end) {
		return nil, ErrNone
	}
	return body[8:], nil
}

// place joins with lengths, so that no two triples share one text.
func place(kind, bind, name string) string {
	b := binary.AppendUvarint(nil, uint64(len(kind)))
	b = append(b, kind...)
	b = binary.AppendUvarint(b, uint64(len(bind)))
	b = append(b, bind...)
	return string(append(b, name...))
}
