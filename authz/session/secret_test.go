package session_test

import (
	"fmt"
	"strings"
	"testing"

	"holdfast/authz/session"
)

func FuzzParseSecret(f *testing.F) {
	f.Add(strings.Repeat("A", 43))
	f.Add(strings.Repeat("A", 42) + "B") // unused bits set
	f.Add(strings.Repeat("A", 42) + "\n")
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := session.ParseSecret(text)
		if err != nil {
			return
		}
		if s.Reveal() != text {
			t.Fatalf("%q reads back as %q", text, s.Reveal())
		}
		for _, shown := range []string{fmt.Sprint(s), fmt.Sprintf("%+v %#v %s", s, s, s), string(s.Key())} {
			if strings.Contains(shown, text) {
				t.Fatalf("shown: %s", shown)
			}
		}
	})
}

func TestSecretsHaveOneSpelling(t *testing.T) {
	for _, text := range []string{"", strings.Repeat("A", 44), strings.Repeat("A", 42) + "B", strings.Repeat("A", 42) + "=", strings.Repeat("A", 42) + "\n"} {
		if _, err := session.ParseSecret(text); err != session.ErrNone {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestManagersNeedAStoreAKeyAndAClock(t *testing.T) {
	if _, err := session.New(nil, make([]byte, 32), nil); err == nil {
		t.Fatal("made from nothing")
	}
}
