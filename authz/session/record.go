package session

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"

	"holdfast/authz"
)

// record is the stored form of a session, version 1. Times are µs since 1970.
type record struct {
	V           int             `json:"v"`
	Handle      string          `json:"h"`
	Face        string          `json:"f"`
	Person      string          `json:"p"`
	Created     int64           `json:"c"`
	Seen        int64           `json:"s"`
	Expires     int64           `json:"e"`
	Password    int64           `json:"pw,omitempty"`
	Second      int64           `json:"sf,omitempty"`
	Method      string          `json:"m,omitempty"`
	Factor      authz.FactorID  `json:"k,omitzero"`
	Quarantined bool            `json:"q,omitempty"`
	First       bool            `json:"fi,omitempty"`
	HasFactor   bool            `json:"hf,omitempty"`
	Client      Client          `json:"cl"`
	StepUp      *recordedStepUp `json:"su,omitempty"`
}

type recordedStepUp struct {
	Digest      string         `json:"d"`
	At          int64          `json:"a"`
	Method      string         `json:"m"`
	Factor      authz.FactorID `json:"k,omitzero"`
	Quarantined bool           `json:"q,omitempty"`
	First       bool           `json:"fi,omitempty"`
	Evidence    string         `json:"ev,omitempty"`
}

func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func fromMicros(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

func encode(s Session) ([]byte, error) {
	r := record{
		V: 1, Handle: s.Handle, Face: s.Face.String(), Person: s.Person.String(),
		Created: micros(s.CreatedAt), Seen: micros(s.SeenAt), Expires: micros(s.ExpiresAt),
		Password: micros(s.PasswordAt), Second: micros(s.SecondFactorAt), Method: s.Method.String(), Factor: s.Factor,
		Quarantined: s.Quarantined, First: s.First, HasFactor: s.HasFactor, Client: s.Client,
	}
	if u := s.StepUp; u.Method != 0 {
		r.StepUp = &recordedStepUp{hex.EncodeToString(u.Digest[:]), micros(u.At), u.Method.String(), u.Factor, u.Quarantined, u.First, u.Evidence}
	}
	return json.Marshal(r)
}

func decode(b []byte) (Session, error) {
	var r record
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&r); err != nil || r.V != 1 {
		return Session{}, ErrNone
	}
	s := Session{
		Handle: r.Handle, CreatedAt: fromMicros(r.Created), SeenAt: fromMicros(r.Seen), ExpiresAt: fromMicros(r.Expires),
		PasswordAt: fromMicros(r.Password), SecondFactorAt: fromMicros(r.Second), Factor: r.Factor,
		Quarantined: r.Quarantined, First: r.First, HasFactor: r.HasFactor, Client: r.Client,
	}
	var err error
	if s.Face, err = authz.ParseFace(r.Face); err != nil {
		return Session{}, ErrNone
	}
	if s.Person, err = parsePerson(r.Person); err != nil {
		return Session{}, ErrNone
	}
	if r.Method != "" {
		if s.Method, err = authz.ParseMethod(r.Method); err != nil {
			return Session{}, ErrNone
		}
	}
	if u := r.StepUp; u != nil {
		d, err := hex.DecodeString(u.Digest)
		if err != nil || len(d) != len(s.StepUp.Digest) {
			return Session{}, ErrNone
		}
		s.StepUp = authz.StepUp{At: fromMicros(u.At), Factor: u.Factor, Quarantined: u.Quarantined, First: u.First, Evidence: u.Evidence}
		copy(s.StepUp.Digest[:], d)
		if s.StepUp.Method, err = authz.ParseMethod(u.Method); err != nil {
			return Session{}, ErrNone
		}
	}
	return s, nil
}

// sealer authenticates what the store keeps: tag[32] ‖ body, the tag an
// HMAC-SHA-256 over purpose, place and body. The place is in it so that a
// record cannot be copied to another key.
type sealer struct{ key []byte }

func (m sealer) tag(purpose, place string, body []byte) []byte {
	h := hmac.New(sha256.New, m.key)
	h.Write([]byte("holdfast " + purpose + " v1\n" + place + "\n"))
	h.Write(body)
	return h.Sum(nil)
}

func (m sealer) seal(purpose, place string, body []byte) []byte {
	return append(m.tag(purpose, place, body), body...)
}

func (m sealer) open(purpose, place string, sealed []byte) ([]byte, error) {
	if len(sealed) < sha256.Size || !hmac.Equal(sealed[:sha256.Size], m.tag(purpose, place, sealed[sha256.Size:])) {
		return nil, ErrNone
	}
	return sealed[sha256.Size:], nil
}
