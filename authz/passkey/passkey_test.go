package passkey_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/go-webauthn/webauthn/protocol/webauthncose"

	"holdfast/authz/passkey"
	"holdfast/authz/passkey/softkey"
)

const origin = "https://console.example.org"

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// rig is a party, a person and the person's device, on a clock that tests move.
type rig struct {
	t      *testing.T
	now    time.Time
	party  *passkey.Party
	device *softkey.Device
	user   passkey.User
}

func relying() passkey.Relying {
	return passkey.Relying{
		RPID: "example.org", DisplayName: "Example", Origins: []string{origin, "https://portal.example.org"},
		StateKey: bytes.Repeat([]byte{7}, passkey.StateKeyLen),
	}
}

func newRig(t *testing.T, keys int) *rig {
	t.Helper()
	r := &rig{t: t, now: start, device: softkey.New(), user: passkey.User{Handle: []byte("handle-1"), Name: "ann@example.org", DisplayName: "Ann"}}
	party, err := passkey.New(relying(), func() time.Time { return r.now })
	if err != nil {
		t.Fatal(err)
	}
	r.party = party
	for range keys {
		// Another device each time would be needed, were the first ones excluded.
		u := r.user
		u.Credentials = nil
		options, c, err := r.party.BeginRegistration(u)
		if err != nil {
			t.Fatal(err)
		}
		response, err := r.device.Create(origin, options)
		if err != nil {
			t.Fatal(err)
		}
		cred, err := r.party.FinishRegistration(r.user, c, response)
		if err != nil {
			t.Fatal(err)
		}
		r.user.Credentials = append(r.user.Credentials, cred)
	}
	return r
}

func challengeFor(text string) passkey.Challenge { return sha256.Sum256([]byte(text)) }

func (r *rig) begin(ch passkey.Challenge) ([]byte, passkey.Ceremony) {
	r.t.Helper()
	options, c, err := r.party.BeginAssertion(r.user, ch)
	if err != nil {
		r.t.Fatal(err)
	}
	return options, c
}

func (r *rig) get(origin string, options []byte) []byte {
	r.t.Helper()
	response, err := r.device.Get(origin, options)
	if err != nil {
		r.t.Fatal(err)
	}
	return response
}

func (r *rig) refuse(want error, ch passkey.Challenge, c passkey.Ceremony, response []byte) {
	r.t.Helper()
	got, err := r.party.FinishAssertion(r.user, ch, c, response)
	if !errors.Is(err, want) || !errors.Is(err, passkey.ErrRefused) {
		r.t.Fatalf("got %v, want %v", err, want)
	}
	if got.Signature != nil || got.Credential.ID != nil {
		r.t.Fatal("a refusal came with evidence")
	}
}

func TestRegistrationRecordsPublicFacts(t *testing.T) {
	r := newRig(t, 2)
	c := r.user.Credentials[0]
	if c.AAGUID != softkey.AAGUID || !c.DeviceBound() || c.AttestationFormat != "none" || len(c.Transports) != 1 || c.Transports[0] != "internal" {
		t.Fatalf("%+v", c)
	}
	if !bytes.Equal(c.PublicKey, r.device.Credentials()[0].PublicKey) || !bytes.Equal(c.ID, r.device.Credentials()[0].ID) {
		t.Fatal("not the device's key")
	}
	a, err1 := c.KeyDigest()
	b, err2 := r.user.Credentials[1].KeyDigest()
	if err1 != nil || err2 != nil || a == b {
		t.Fatal("digests", err1, err2)
	}
}

func TestRegistrationOptions(t *testing.T) {
	r := newRig(t, 1)
	options, _, err := r.party.BeginRegistration(r.user)
	if err != nil {
		t.Fatal(err)
	}
	var o struct {
		PublicKey struct {
			Selection struct{ UserVerification, ResidentKey string } `json:"authenticatorSelection"`
			Exclude   []struct{ ID string }                          `json:"excludeCredentials"`
			Challenge string
		}
	}
	if err := json.Unmarshal(options, &o); err != nil {
		t.Fatal(err)
	}
	if o.PublicKey.Selection.UserVerification != "required" || o.PublicKey.Selection.ResidentKey != "preferred" ||
		len(o.PublicKey.Exclude) != 1 || len(o.PublicKey.Challenge) != 43 {
		t.Fatalf("%s", options)
	}
	if _, err := r.device.Create(origin, options); !errors.Is(err, softkey.ErrExcluded) {
		t.Fatal(err)
	}
}

func TestRegistrationRefusals(t *testing.T) {
	for name, tc := range map[string]struct {
		behaviour softkey.Behaviour
		origin    string
		want      error
	}{
		"no user verification": {softkey.Behaviour{NoUserVerification: true}, origin, passkey.ErrUserVerification},
		"no user presence":     {softkey.Behaviour{NoUserPresence: true}, origin, passkey.ErrUserVerification},
		"other rp":             {softkey.Behaviour{RPID: "evil.org"}, origin, passkey.ErrRelyingParty},
		"framed":               {softkey.Behaviour{CrossOrigin: true}, origin, passkey.ErrOrigin},
		"other origin":         {softkey.Behaviour{}, "https://console.example.org.evil.org", passkey.ErrOrigin},
		"other port":           {softkey.Behaviour{}, origin + ":8443", passkey.ErrOrigin},
		"other scheme":         {softkey.Behaviour{}, "http://console.example.org", passkey.ErrOrigin},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 0)
			options, c, err := r.party.BeginRegistration(r.user)
			if err != nil {
				t.Fatal(err)
			}
			r.device.Behave(tc.behaviour)
			response, err := r.device.Create(tc.origin, options)
			if err != nil {
				t.Fatal(err)
			}
			got, err := r.party.FinishRegistration(r.user, c, response)
			if !errors.Is(err, tc.want) || got.ID != nil {
				t.Fatal(got, err)
			}
		})
	}
}

func TestRegistrationIsBoundToPersonTimeAndPurpose(t *testing.T) {
	r := newRig(t, 1)
	fresh := r.user
	fresh.Credentials = nil
	options, c, err := r.party.BeginRegistration(fresh)
	if err != nil {
		t.Fatal(err)
	}
	response, err := r.device.Create(origin, options)
	if err != nil {
		t.Fatal(err)
	}
	other := fresh
	other.Handle = []byte("handle-2")
	if _, err := r.party.FinishRegistration(other, c, response); !errors.Is(err, passkey.ErrCeremony) {
		t.Fatal("other person:", err)
	}
	_, asserting := r.begin(challengeFor("x"))
	if _, err := r.party.FinishRegistration(fresh, asserting, response); !errors.Is(err, passkey.ErrCeremony) {
		t.Fatal("other purpose:", err)
	}
	made, err := r.party.FinishRegistration(fresh, c, response)
	if err != nil {
		t.Fatal(err)
	}
	// The same response again, now that the credential is the person's.
	fresh.Credentials = []passkey.Credential{made}
	if _, err := r.party.FinishRegistration(fresh, c, response); !errors.Is(err, passkey.ErrKnownCredential) {
		t.Fatal("twice:", err)
	}
	fresh.Credentials = nil
	r.now = r.now.Add(passkey.CeremonyLifetime)
	if _, err := r.party.FinishRegistration(fresh, c, response); !errors.Is(err, passkey.ErrExpired) {
		t.Fatal("late:", err)
	}
}

func TestRegistrationWithAnAttestationStatement(t *testing.T) {
	r := newRig(t, 0)
	r.device.Behave(softkey.Behaviour{SelfAttest: true, Synced: true})
	options, c, err := r.party.BeginRegistration(r.user)
	if err != nil {
		t.Fatal(err)
	}
	response, err := r.device.Create(origin, options)
	if err != nil {
		t.Fatal(err)
	}
	got, err := r.party.FinishRegistration(r.user, c, response)
	if err != nil || got.AttestationFormat != "packed" || got.DeviceBound() {
		t.Fatal(got, err)
	}
	// The statement signs this client data and no other.
	options, c, err = r.party.BeginRegistration(passkey.User{Handle: []byte("handle-1"), Name: "ann"})
	if err != nil {
		t.Fatal(err)
	}
	r.device = softkey.New()
	r.device.Behave(softkey.Behaviour{SelfAttest: true})
	if response, err = r.device.Create(origin, options); err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(response, &fields); err != nil {
		t.Fatal(err)
	}
	inner := fields["response"].(map[string]any)
	client, err := base64.RawURLEncoding.DecodeString(inner["clientDataJSON"].(string))
	if err != nil {
		t.Fatal(err)
	}
	inner["clientDataJSON"] = base64.RawURLEncoding.EncodeToString(append([]byte(" "), client...))
	if response, err = json.Marshal(fields); err != nil {
		t.Fatal(err)
	}
	if _, err := r.party.FinishRegistration(r.user, c, response); !errors.Is(err, passkey.ErrSignature) {
		t.Fatal(err)
	}
}

func TestAssertionReturnsEvidenceThatStandsAlone(t *testing.T) {
	r := newRig(t, 2)
	ch := challengeFor("approve 1")
	options, c := r.begin(ch)
	response, err := r.device.GetWith(origin, options, r.user.Credentials[1].ID)
	if err != nil {
		t.Fatal(err)
	}
	got, err := r.party.FinishAssertion(r.user, ch, c, response)
	if err != nil {
		t.Fatal(err)
	}
	if got.Challenge != ch || !bytes.Equal(got.CredentialID, r.user.Credentials[1].ID) || got.Credential.SignCount != 1 {
		t.Fatalf("%+v", got)
	}
	key, err := webauthncose.ParsePublicKey(got.Credential.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	hash := sha256.Sum256(got.ClientDataJSON)
	if ok, err := webauthncose.VerifySignature(key, append(bytes.Clone(got.AuthenticatorData), hash[:]...), got.Signature); !ok || err != nil {
		t.Fatal("evidence does not verify by itself", err)
	}
	var client struct{ Challenge string }
	if err := json.Unmarshal(got.ClientDataJSON, &client); err != nil || client.Challenge != base64.RawURLEncoding.EncodeToString(ch[:]) {
		t.Fatal("evidence lacks the challenge")
	}
}

func TestT06_AssertionMovedToAnotherStatementOrDecision(t *testing.T) {
	r := newRig(t, 1)
	approve, deny := challengeFor("approve A"), challengeFor("deny A")
	options, c := r.begin(approve)
	response := r.get(origin, options)
	// The same ceremony, called by another name.
	r.refuse(passkey.ErrChallenge, deny, c, response)
	// Another ceremony, for which the first one's response is presented.
	_, denyCeremony := r.begin(deny)
	r.refuse(passkey.ErrChallenge, deny, denyCeremony, response)
	if _, err := r.party.FinishAssertion(r.user, approve, c, response); err != nil {
		t.Fatal("the honest one:", err)
	}
}

func TestT06_AssertionReplayed(t *testing.T) {
	r := newRig(t, 1)
	ch := challengeFor("a")
	options, c := r.begin(ch)
	response := r.get(origin, options)
	got, err := r.party.FinishAssertion(r.user, ch, c, response)
	if err != nil {
		t.Fatal(err)
	}
	r.user.Credentials[0] = got.Credential
	// In the next ceremony the challenge is another.
	next := challengeFor("b")
	_, c2 := r.begin(next)
	r.refuse(passkey.ErrChallenge, next, c2, response)
	// Even a caller that failed to delete the ceremony sees the counter.
	r.refuse(passkey.ErrCounterRewound, ch, c, response)
}

func TestT06_AssertionFromElsewhere(t *testing.T) {
	for name, tc := range map[string]struct {
		behaviour softkey.Behaviour
		origin    string
		want      error
	}{
		"other origin":           {softkey.Behaviour{}, "https://evil.org", passkey.ErrOrigin},
		"sub-origin":             {softkey.Behaviour{}, "https://x.console.example.org", passkey.ErrOrigin},
		"upper case":             {softkey.Behaviour{}, "https://CONSOLE.example.org", passkey.ErrOrigin},
		"trailing slash":         {softkey.Behaviour{}, origin + "/", passkey.ErrOrigin},
		"default port":           {softkey.Behaviour{}, origin + ":443", passkey.ErrOrigin},
		"framed":                 {softkey.Behaviour{CrossOrigin: true}, origin, passkey.ErrOrigin},
		"other rp id":            {softkey.Behaviour{RPID: "evil.org"}, origin, passkey.ErrRelyingParty},
		"no user verification":   {softkey.Behaviour{NoUserVerification: true}, origin, passkey.ErrUserVerification},
		"no user presence":       {softkey.Behaviour{NoUserPresence: true}, origin, passkey.ErrUserVerification},
		"became a synced key":    {softkey.Behaviour{Synced: true}, origin, passkey.ErrBackupFlags},
		"counter does not count": {softkey.Behaviour{FrozenCounter: true}, origin, passkey.ErrCounterRewound},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 1)
			// One honest assertion first: the library latches UV from it, and the
			// refusals must not be fooled by that.
			ch := challengeFor("first")
			options, c := r.begin(ch)
			got, err := r.party.FinishAssertion(r.user, ch, c, r.get(origin, options))
			if err != nil {
				t.Fatal(err)
			}
			r.user.Credentials[0] = got.Credential
			r.device.Behave(tc.behaviour)
			ch = challengeFor("second")
			options, c = r.begin(ch)
			r.refuse(tc.want, ch, c, r.get(tc.origin, options))
		})
	}
}

func TestT06_RewoundCounterNamesTheKey(t *testing.T) {
	r := newRig(t, 1)
	r.user.Credentials[0].SignCount = 41
	for seen, want := range map[uint32]error{0: passkey.ErrCounterRewound, 40: passkey.ErrCounterRewound, 41: passkey.ErrCounterRewound, 42: nil} {
		r.device.Behave(softkey.Behaviour{FrozenCounter: true})
		if err := r.device.SetCounter(r.user.Credentials[0].ID, seen); err != nil {
			t.Fatal(err)
		}
		ch, err := passkey.NewChallenge()
		if err != nil {
			t.Fatal(err)
		}
		options, c := r.begin(ch)
		_, err = r.party.FinishAssertion(r.user, ch, c, r.get(origin, options))
		if !errors.Is(err, want) {
			t.Fatalf("counter %d: %v", seen, err)
		}
		if want == nil {
			continue
		}
		var rewound *passkey.CounterError
		if !errors.As(err, &rewound) || rewound.Stored != 41 || rewound.Seen != seen || !bytes.Equal(rewound.CredentialID, r.user.Credentials[0].ID) {
			t.Fatalf("%+v", rewound)
		}
	}
}

func TestT06_AnothersKeyOrATamperedResponse(t *testing.T) {
	r, other := newRig(t, 1), newRig(t, 1)
	ch := challengeFor("a")
	options, c := r.begin(ch)
	foreign, err := other.device.GetWith(origin, options, other.user.Credentials[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	r.refuse(passkey.ErrUnknownCredential, ch, c, foreign)

	// The other's signature under this person's credential id.
	e, err := other.device.Sign(origin, other.user.Credentials[0].ID, ch)
	if err != nil {
		t.Fatal(err)
	}
	e.CredentialID = r.user.Credentials[0].ID
	forged, err := softkey.Response(e, r.user.Handle)
	if err != nil {
		t.Fatal(err)
	}
	r.refuse(passkey.ErrSignature, ch, c, forged)

	// The UV flag set by hand on an assertion that had none.
	r.device.Behave(softkey.Behaviour{NoUserVerification: true})
	e, err = r.device.Sign(origin, r.user.Credentials[0].ID, ch)
	if err != nil {
		t.Fatal(err)
	}
	e.AuthenticatorData[32] |= 0x04
	forged, err = softkey.Response(e, r.user.Handle)
	if err != nil {
		t.Fatal(err)
	}
	r.refuse(passkey.ErrSignature, ch, c, forged)

	// A passkey that was removed after Begin.
	r.device.Behave(softkey.Behaviour{})
	honest := r.get(origin, options)
	r.user.Credentials[0].ID = []byte("another id")
	r.refuse(passkey.ErrUnknownCredential, ch, c, honest)
}

func TestCeremonyIsSealed(t *testing.T) {
	r := newRig(t, 1)
	ch := challengeFor("a")
	options, c := r.begin(ch)
	response := r.get(origin, options)
	for i := 0; i < len(c); i += 7 {
		bad := bytes.Clone(c)
		bad[i] ^= 1
		r.refuse(passkey.ErrCeremony, ch, bad, response)
	}
	r.refuse(passkey.ErrCeremony, ch, nil, response)
	r.refuse(passkey.ErrCeremony, ch, c[:32], response)
	rp := relying()
	rp.StateKey[0] ^= 1
	stranger, err := passkey.New(rp, func() time.Time { return r.now })
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stranger.FinishAssertion(r.user, ch, c, response); !errors.Is(err, passkey.ErrCeremony) {
		t.Fatal("another installation's state:", err)
	}
	r.now = r.now.Add(passkey.CeremonyLifetime)
	r.refuse(passkey.ErrExpired, ch, c, response)
	r.now = r.now.Add(-time.Microsecond)
	if _, err := r.party.FinishAssertion(r.user, ch, c, response); err != nil {
		t.Fatal("in the last moment:", err)
	}
}

func TestSignInWithoutAName(t *testing.T) {
	r := newRig(t, 1)
	options, c, err := r.party.BeginSignIn()
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(options, []byte("allowCredentials")) {
		t.Fatalf("names credentials: %s", options)
	}
	response := r.get(origin, options)
	find := func(id, handle []byte) (passkey.User, error) {
		if bytes.Equal(handle, r.user.Handle) {
			return r.user, nil
		}
		return passkey.User{}, passkey.ErrUnknownCredential
	}
	u, got, err := r.party.FinishSignIn(c, response, find)
	if err != nil || !bytes.Equal(u.Handle, r.user.Handle) || got.Credential.SignCount != 1 {
		t.Fatal(u, got, err)
	}
	// A lookup that returns someone else than the handle says.
	_, _, err = r.party.FinishSignIn(c, response, func(_, _ []byte) (passkey.User, error) {
		v := r.user
		v.Handle = []byte("handle-2")
		return v, nil
	})
	if !errors.Is(err, passkey.ErrUnknownCredential) {
		t.Fatal(err)
	}
	// A store that is down denies, and says so.
	down := errors.New("store down")
	if _, _, err = r.party.FinishSignIn(c, response, func(_, _ []byte) (passkey.User, error) { return passkey.User{}, down }); !errors.Is(err, down) {
		t.Fatal(err)
	}
	// A sign-in is no assertion for a statement, nor the other way round.
	r.refuse(passkey.ErrCeremony, got.Challenge, c, response)
	_, asserting := r.begin(challengeFor("a"))
	if _, _, err = r.party.FinishSignIn(asserting, response, find); !errors.Is(err, passkey.ErrCeremony) {
		t.Fatal(err)
	}
	if _, err = r.party.FinishSignInAs(r.user, c, response); !errors.Is(err, passkey.ErrCeremony) {
		t.Fatal(err)
	}
}

func TestSignInAs(t *testing.T) {
	r := newRig(t, 2)
	options, c, err := r.party.BeginSignInAs(r.user)
	if err != nil {
		t.Fatal(err)
	}
	response := r.get("https://portal.example.org", options)
	other := r.user
	other.Handle = []byte("handle-2")
	if _, err := r.party.FinishSignInAs(other, c, response); !errors.Is(err, passkey.ErrCeremony) {
		t.Fatal("other person:", err)
	}
	if _, err := r.party.FinishSignInAs(r.user, c, response); err != nil {
		t.Fatal(err)
	}
}

func TestBeginRefusesWhatCannotSucceed(t *testing.T) {
	r := newRig(t, 0)
	if _, _, err := r.party.BeginAssertion(r.user, challengeFor("a")); !errors.Is(err, passkey.ErrUser) {
		t.Fatal("no credentials:", err)
	}
	r = newRig(t, 1)
	if _, _, err := r.party.BeginAssertion(r.user, passkey.Challenge{}); !errors.Is(err, passkey.ErrUser) {
		t.Fatal("zero challenge:", err)
	}
}

func TestConfigIsStrict(t *testing.T) {
	now := func() time.Time { return start }
	for name, edit := range map[string]func(*passkey.Relying){
		"plain http":      func(r *passkey.Relying) { r.Origins = []string{"http://console.example.org"} },
		"other domain":    func(r *passkey.Relying) { r.Origins = []string{"https://example.org.evil.org"} },
		"suffix trick":    func(r *passkey.Relying) { r.Origins = []string{"https://evilexample.org"} },
		"path":            func(r *passkey.Relying) { r.Origins = []string{origin + "/"} },
		"upper case":      func(r *passkey.Relying) { r.Origins = []string{"https://Console.example.org"} },
		"default port":    func(r *passkey.Relying) { r.Origins = []string{origin + ":443"} },
		"user in origin":  func(r *passkey.Relying) { r.Origins = []string{"https://a@console.example.org"} },
		"no origin":       func(r *passkey.Relying) { r.Origins = nil },
		"no rp id":        func(r *passkey.Relying) { r.RPID = "" },
		"no name":         func(r *passkey.Relying) { r.DisplayName = "" },
		"short state key": func(r *passkey.Relying) { r.StateKey = r.StateKey[:31] },
	} {
		rp := relying()
		edit(&rp)
		if _, err := passkey.New(rp, now); !errors.Is(err, passkey.ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
	local := passkey.Relying{RPID: "localhost", DisplayName: "x", Origins: []string{"http://localhost:8080"}, StateKey: relying().StateKey}
	if _, err := passkey.New(local, now); err != nil {
		t.Fatal("localhost:", err)
	}
}

// TestI2_KeyDigestSeesOneKeyInTwoSpellings: a COSE map can be written in many
// orders and with more members; the key is one all the same.
func TestI2_KeyDigestSeesOneKeyInTwoSpellings(t *testing.T) {
	r := newRig(t, 1)
	var m map[int]any
	if err := cbor.Unmarshal(r.user.Credentials[0].PublicKey, &m); err != nil {
		t.Fatal(err)
	}
	m[2] = []byte("a key id of no meaning")
	spelled, err := cbor.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	a, err1 := r.user.Credentials[0].KeyDigest()
	b, err2 := passkey.KeyDigest(spelled)
	if err1 != nil || err2 != nil || a != b {
		t.Fatal(err1, err2, a == b)
	}
	if _, err := passkey.KeyDigest(nil); !errors.Is(err, passkey.ErrKey) {
		t.Fatal(err)
	}
}
