package passkey

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"time"

	"github.com/go-webauthn/webauthn/webauthn"
)

// Ceremony is the state between Begin and Finish. It is opaque, safe to store
// as bytes for CeremonyLifetime, and must be deleted *before* it is given to
// Finish, whatever Finish then says: deleting is what makes a challenge work
// once. It is authenticated, so a store that an attacker can write to cannot
// bring in a challenge that was never given.
type Ceremony []byte

// purpose keeps the ceremonies apart.
type purpose string

const (
	registering purpose = "registration"
	signingIn   purpose = "sign-in"
	signingInAs purpose = "sign-in-as"
	asserting   purpose = "assertion"
)

type ceremonyState struct {
	Version int                  `json:"v"`
	Purpose purpose              `json:"purpose"`
	Expires int64                `json:"expires"` // µs since 1970
	Session webauthn.SessionData `json:"session"`
}

const ceremonyVersion = 1

// seal authenticates a state: HMAC-SHA-256 over a label and the JSON, then the JSON.
func (p *Party) seal(why purpose, session *webauthn.SessionData) (Ceremony, error) {
	body, err := json.Marshal(ceremonyState{
		Version: ceremonyVersion, Purpose: why, Expires: p.now().Add(CeremonyLifetime).UnixMicro(), Session: *session,
	})
	if err != nil || len(body)+sha256.Size > MaxCeremony {
		return nil, ErrUser
	}
	return append(p.mac(body), body...), nil
}

// open checks a state and its time.
func (p *Party) open(c Ceremony, why purpose) (webauthn.SessionData, error) {
	if len(c) <= sha256.Size || len(c) > MaxCeremony || !hmac.Equal(c[:sha256.Size], p.mac(c[sha256.Size:])) {
		return webauthn.SessionData{}, ErrCeremony
	}
	var s ceremonyState
	if err := json.Unmarshal(c[sha256.Size:], &s); err != nil {
		return webauthn.SessionData{}, ErrCeremony
	}
	if s.Version != ceremonyVersion || s.Purpose != why || s.Session.RelyingPartyID != p.rp.RPID {
		return webauthn.SessionData{}, ErrCeremony
	}
	if !p.now().Before(time.UnixMicro(s.Expires)) {
		return webauthn.SessionData{}, ErrExpired
	}
	return s.Session, nil
}

func (p *Party) mac(body []byte) []byte {
	h := hmac.New(sha256.New, p.rp.StateKey)
	h.Write([]byte("holdfast passkey ceremony v1\n"))
	h.Write(body)
	return h.Sum(nil)
}
