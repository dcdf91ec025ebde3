package softkey_test

import (
	"bytes"
	"errors"
	"testing"

	"holdfast/authz/passkey"
	"holdfast/authz/passkey/softkey"
)

func TestDeviceSurvivesSaving(t *testing.T) {
	d := softkey.New()
	cred, err := d.Enrol("example.org", []byte("h"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Sign("https://example.org", cred.ID, passkey.Challenge{1}); err != nil {
		t.Fatal(err)
	}
	data, err := d.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	again, err := softkey.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	got := again.Credentials()
	if len(got) != 1 || !bytes.Equal(got[0].PublicKey, cred.PublicKey) || got[0].SignCount != 1 {
		t.Fatalf("%+v", got)
	}
	if _, err := again.Sign("https://example.org", []byte("other"), passkey.Challenge{1}); !errors.Is(err, softkey.ErrNoCredential) {
		t.Fatal(err)
	}
}

func FuzzParse(f *testing.F) {
	d := softkey.New()
	if _, err := d.Enrol("example.org", []byte("h")); err != nil {
		f.Fatal(err)
	}
	seed, err := d.MarshalBinary()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Add([]byte(`{"v":1,"keys":[]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := softkey.Parse(data)
		if err != nil {
			if !errors.Is(err, softkey.ErrState) {
				t.Fatal(err)
			}
			return
		}
		for _, c := range d.Credentials() {
			if _, err := c.KeyDigest(); err != nil {
				t.Fatal(err)
			}
		}
	})
}
