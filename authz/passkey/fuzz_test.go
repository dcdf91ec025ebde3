package passkey_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"holdfast/authz/passkey"
	"holdfast/authz/passkey/softkey"
)

// FuzzFinishAssertion feeds responses to a ceremony whose honest answer is
// never among them: nothing may be accepted, and every error is a refusal.
func FuzzFinishAssertion(f *testing.F) {
	device := softkey.New()
	cred, err := device.Enrol("example.org", []byte("handle-1"))
	if err != nil {
		f.Fatal(err)
	}
	party, err := passkey.New(relying(), func() time.Time { return start })
	if err != nil {
		f.Fatal(err)
	}
	user := passkey.User{Handle: []byte("handle-1"), Name: "ann", Credentials: []passkey.Credential{cred}}
	ch := challengeFor("fuzz")
	_, c, err := party.BeginAssertion(user, ch)
	if err != nil {
		f.Fatal(err)
	}
	e, err := device.Sign(origin, cred.ID, challengeFor("another"))
	if err != nil {
		f.Fatal(err)
	}
	seed, err := softkey.Response(e, user.Handle)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Add([]byte(`{}`))
	f.Add([]byte(`{"id":"AA","rawId":"AA","type":"public-key","response":{"clientDataJSON":"e30","authenticatorData":"","signature":""}}`))
	f.Fuzz(func(t *testing.T, response []byte) {
		if _, err := party.FinishAssertion(user, ch, c, response); !errors.Is(err, passkey.ErrRefused) {
			t.Fatalf("%v", err)
		}
	})
}

// FuzzFinishRegistration: whatever a browser sends, what is accepted has a
// usable key and user verification, and the rest is a refusal.
func FuzzFinishRegistration(f *testing.F) {
	party, err := passkey.New(relying(), func() time.Time { return start })
	if err != nil {
		f.Fatal(err)
	}
	user := passkey.User{Handle: []byte("handle-1"), Name: "ann"}
	options, c, err := party.BeginRegistration(user)
	if err != nil {
		f.Fatal(err)
	}
	seed, err := softkey.New().Create(origin, options)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Add(bytes.Replace(seed, []byte("none"), []byte("pack"), 1))
	f.Add([]byte(`{"id":"AA","rawId":"AA","type":"public-key","response":{}}`))
	f.Fuzz(func(t *testing.T, response []byte) {
		got, err := party.FinishRegistration(user, c, response)
		if err != nil {
			if !errors.Is(err, passkey.ErrRefused) {
				t.Fatal(err)
			}
			return
		}
		if _, err := got.KeyDigest(); err != nil || len(got.ID) == 0 {
			t.Fatal("accepted an unusable key")
		}
	})
}

// FuzzCeremony: only a state that was sealed here opens.
func FuzzCeremony(f *testing.F) {
	party, err := passkey.New(relying(), func() time.Time { return start })
	if err != nil {
		f.Fatal(err)
	}
	_, c, err := party.BeginSignIn()
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(c)[:40])
	f.Add(bytes.Repeat([]byte{0}, 64))
	f.Fuzz(func(t *testing.T, state []byte) {
		if bytes.Equal(state, c) {
			return
		}
		if _, _, err := party.FinishSignIn(state, nil, nil); !errors.Is(err, passkey.ErrCeremony) {
			t.Fatal(err)
		}
	})
}
