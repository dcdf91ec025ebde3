package authztest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"holdfast/authz"
	"holdfast/authz/session"
)

// SessionStore is the suite that every session.Store must pass. The store is
// empty, and two calls with one store may run at once.
func SessionStore(t *testing.T, store session.Store) {
	t.Helper()
	ctx := context.Background()
	for name, f := range map[string]func(*testing.T){
		"records": func(t *testing.T) { records(ctx, t, store) },
		"moving":  func(t *testing.T) { moving(ctx, t, store) },
		"taking":  func(t *testing.T) { taking(ctx, t, store) },
		"expiry":  func(t *testing.T) { expiry(ctx, t, store) },

		"T08_fixation":       func(t *testing.T) { fixation(ctx, t, store) },
		"T07_step-up":        func(t *testing.T) { stepUp(ctx, t, store) },
		"T46_poisoned":       func(t *testing.T) { poisoned(ctx, t, store) },
		"faces and ends":     func(t *testing.T) { facesAndEnds(ctx, t, store) },
		"listing, revoking":  func(t *testing.T) { revoking(ctx, t, store) },
		"T06_ceremonies":     func(t *testing.T) { ceremonies(ctx, t, store) },
		"T01_short password": func(t *testing.T) { passwordOnly(ctx, t, store) },
	} {
		t.Run(name, f)
	}
}

func want(t testing.TB, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Fatalf("got %v, want %v", err, target)
	}
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func records(ctx context.Context, t *testing.T, s session.Store) {
	p := NewPerson().String()
	k := session.Key("k" + p)
	_, err := s.Load(ctx, k)
	want(t, err, session.ErrNone)
	want(t, s.Swap(ctx, k, p, []byte("a"), []byte("b"), time.Minute), session.ErrNone)
	ok(t, s.Create(ctx, k, p, []byte{0, 255, '\n'}, time.Minute))
	want(t, s.Create(ctx, k, p, []byte("x"), time.Minute), session.ErrConflict)
	want(t, s.Swap(ctx, k, p, []byte("a"), []byte("b"), time.Minute), session.ErrConflict)
	ok(t, s.Swap(ctx, k, p, []byte{0, 255, '\n'}, []byte("b"), time.Minute))
	if got, err := s.Load(ctx, k); err != nil || string(got) != "b" {
		t.Fatalf("%q, %v", got, err)
	}
	ok(t, s.Drop(ctx, p, k, "unknown"))
	ok(t, s.Drop(ctx, p))
	_, err = s.Load(ctx, k)
	want(t, err, session.ErrNone)
	if all, err := s.Person(ctx, p); err != nil || len(all) != 0 {
		t.Fatalf("%v, %v", all, err)
	}
}

func moving(ctx context.Context, t *testing.T, s session.Store) {
	p := NewPerson().String()
	from := session.Key("from" + p)
	ok(t, s.Create(ctx, from, p, []byte("old"), time.Minute))
	want(t, s.Move(ctx, from, "x", p, []byte("other"), []byte("new"), time.Minute), session.ErrConflict)
	// Of many moves of one record one wins, and only its record is left.
	var wg sync.WaitGroup
	errs := make([]error, 16)
	for i := range errs {
		wg.Go(func() {
			errs[i] = s.Move(ctx, from, session.Key(fmt.Sprint("to", i, p)), p, []byte("old"), []byte("new"), time.Minute)
		})
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
		} else {
			want(t, err, session.ErrNone)
		}
	}
	all, err := s.Person(ctx, p)
	ok(t, err)
	if won != 1 || len(all) != 1 {
		t.Fatalf("%d moves won, %d records", won, len(all))
	}
	_, err = s.Load(ctx, from)
	want(t, err, session.ErrNone)
}

func taking(ctx context.Context, t *testing.T, s session.Store) {
	name := "ceremony" + NewPerson().String()
	ok(t, s.Keep(ctx, name, []byte("state"), time.Minute))
	want(t, s.Keep(ctx, name, []byte("other"), time.Minute), session.ErrConflict)
	var wg sync.WaitGroup
	got := make([][]byte, 16)
	for i := range got {
		wg.Go(func() { got[i], _ = s.Take(ctx, name) })
	}
	wg.Wait()
	if n := bytes.Count(bytes.Join(got, nil), []byte("state")); n != 1 {
		t.Fatalf("taken %d times", n)
	}
}

func expiry(ctx context.Context, t *testing.T, s session.Store) {
	p := NewPerson().String()
	k := session.Key("short" + p)
	ok(t, s.Create(ctx, k, p, []byte("r"), time.Millisecond))
	ok(t, s.Keep(ctx, "short"+p, []byte("c"), time.Millisecond))
	eventually(t, func() bool { _, err := s.Load(ctx, k); return errors.Is(err, session.ErrNone) })
	eventually(t, func() bool { all, err := s.Person(ctx, p); return err == nil && len(all) == 0 })
}

// eventually polls what only the store's own clock can bring about.
func eventually(t testing.TB, f func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !f(); {
		if time.Now().After(end) {
			t.Fatal("it does not happen")
		}
		time.Sleep(time.Millisecond)
	}
}

func manager(t testing.TB, s session.Store) (*session.Manager, *Clock) {
	t.Helper()
	c := NewClock()
	m, err := session.New(s, bytes.Repeat([]byte{7}, 32), c.Now)
	ok(t, err)
	return m, c
}

var (
	password = session.Proof{Password: true, HasFactor: true}
	passkey  = session.Proof{Method: authz.MethodPasskey, HasFactor: true}
)

const portal = authz.FacePortal

func fixation(ctx context.Context, t *testing.T, s session.Store) {
	m, _ := manager(t, s)
	planted, _, err := m.Start(ctx, portal, NewPerson(), password, session.Client{})
	ok(t, err)
	raised, after, err := m.Raise(ctx, planted, portal, passkey)
	ok(t, err)
	_, err = m.Resume(ctx, planted, portal)
	want(t, err, session.ErrNone)
	_, _, err = m.Raise(ctx, planted, portal, passkey)
	want(t, err, session.ErrNone)
	stepped, _, err := m.StepUp(ctx, raised, portal, authz.StepUp{Digest: authz.Digest{1}, Method: authz.MethodTOTP})
	ok(t, err)
	_, err = m.Resume(ctx, raised, portal)
	want(t, err, session.ErrNone)
	got, err := m.Resume(ctx, stepped, portal)
	ok(t, err)
	if got.Handle != after.Handle || got.Facts().Method != authz.MethodPasskey {
		t.Fatalf("%+v", got)
	}
}

func stepUp(ctx context.Context, t *testing.T, s session.Store) {
	m, c := manager(t, s)
	weak, _, err := m.Start(ctx, portal, NewPerson(), password, session.Client{})
	ok(t, err)
	u := authz.StepUp{Digest: authz.Digest{1}, Method: authz.MethodTOTP}
	_, _, err = m.StepUp(ctx, weak, portal, u)
	want(t, err, session.ErrNoStepUp)
	secret, _, err := m.Raise(ctx, weak, portal, passkey)
	ok(t, err)
	secret, _, err = m.StepUp(ctx, secret, portal, u)
	ok(t, err)
	for _, d := range []authz.Digest{{}, {2}} {
		_, err = m.ConsumeStepUp(ctx, secret, portal, d)
		want(t, err, session.ErrNoStepUp)
	}
	// Of many uses at once one gets it.
	var wg sync.WaitGroup
	errs := make([]error, 16)
	for i := range errs {
		wg.Go(func() { _, errs[i] = m.ConsumeStepUp(ctx, secret, portal, authz.Digest{1}) })
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
		} else if !errors.Is(err, session.ErrNoStepUp) {
			t.Error(err)
		}
	}
	if won != 1 {
		t.Fatalf("consumed %d times", won)
	}
	secret, _, err = m.StepUp(ctx, secret, portal, u)
	ok(t, err)
	c.Advance(authz.MaxStepUpAge + time.Second)
	_, err = m.ConsumeStepUp(ctx, secret, portal, authz.Digest{1})
	want(t, err, session.ErrNoStepUp)
}

func poisoned(ctx context.Context, t *testing.T, s session.Store) {
	m, _ := manager(t, s)
	person := NewPerson()
	weak, _, err := m.Start(ctx, portal, person, password, session.Client{})
	ok(t, err)
	strong, _, err := m.Start(ctx, portal, NewPerson(), passkey, session.Client{})
	ok(t, err)
	good, err := s.Load(ctx, strong.Key())
	ok(t, err)
	have, err := s.Load(ctx, weak.Key())
	ok(t, err)
	forged := bytes.Replace(have, []byte(`"hf":true`), []byte(`"hf":true,"sf":1,"m":"passkey"`), 1)
	for name, poison := range map[string][]byte{"edited": forged, "copied": good, "empty": {}, "junk": []byte("junk")} {
		before, err := s.Load(ctx, weak.Key())
		ok(t, err)
		ok(t, s.Swap(ctx, weak.Key(), person.String(), before, poison, time.Minute))
		if _, err := m.Resume(ctx, weak, portal); !errors.Is(err, session.ErrNone) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if all, err := m.List(ctx, person); err != nil || len(all) != 0 {
		t.Errorf("listed: %v, %v", all, err)
	}
}

func facesAndEnds(ctx context.Context, t *testing.T, s session.Store) {
	m, c := manager(t, s)
	secret, _, err := m.Start(ctx, authz.FaceConsole, NewPerson(), passkey, session.Client{})
	ok(t, err)
	_, err = m.Resume(ctx, secret, portal)
	want(t, err, session.ErrNone)
	_, _, err = m.StepUp(ctx, secret, portal, authz.StepUp{Digest: authz.Digest{1}, Method: authz.MethodTOTP})
	want(t, err, session.ErrNone)
	// Used again and again it lives until its absolute end.
	for c.T.Sub(Start)+session.ConsoleIdle-time.Minute < session.ConsoleAbsolute {
		c.Advance(session.ConsoleIdle - time.Minute)
		_, err = m.Resume(ctx, secret, authz.FaceConsole)
		ok(t, err)
	}
	c.T = Start.Add(session.ConsoleAbsolute)
	_, err = m.Resume(ctx, secret, authz.FaceConsole)
	want(t, err, session.ErrNone)
	// Left alone it ends when it has been idle.
	secret, _, err = m.Start(ctx, authz.FaceConsole, NewPerson(), passkey, session.Client{})
	ok(t, err)
	c.Advance(session.ConsoleIdle)
	_, err = m.Resume(ctx, secret, authz.FaceConsole)
	want(t, err, session.ErrNone)
}

func revoking(ctx context.Context, t *testing.T, s session.Store) {
	m, c := manager(t, s)
	person := NewPerson()
	var secrets []session.Secret
	for range session.MaxSessions + 2 {
		c.Advance(time.Second)
		secret, _, err := m.Start(ctx, portal, person, passkey, session.Client{Address: "192.0.2.1"})
		ok(t, err)
		secrets = append(secrets, secret)
	}
	list, err := m.List(ctx, person)
	ok(t, err)
	if len(list) != session.MaxSessions || list[0].Client.Address != "192.0.2.1" {
		t.Fatalf("%d sessions", len(list))
	}
	_, err = m.Resume(ctx, secrets[1], portal) // the oldest two made room
	want(t, err, session.ErrNone)
	ok(t, m.Revoke(ctx, person, list[0].Handle))
	_, err = m.Resume(ctx, secrets[2], portal)
	want(t, err, session.ErrNone)
	ok(t, m.RevokeYoung(ctx, person, list[5].CreatedAt))
	if left, err := m.List(ctx, person); err != nil || len(left) != 4 || left[3].Handle != list[4].Handle {
		t.Fatalf("%d left, %v", len(left), err)
	}
	ok(t, m.RevokeOthers(ctx, person, list[2].Handle))
	if left, err := m.List(ctx, person); err != nil || len(left) != 1 || left[0].Handle != list[2].Handle {
		t.Fatalf("%d left, %v", len(left), err)
	}
	ok(t, m.End(ctx, secrets[4], portal))
	ok(t, m.End(ctx, secrets[4], portal))
	secret, _, err := m.Start(ctx, portal, person, passkey, session.Client{})
	ok(t, err)
	ok(t, m.RevokeAll(ctx, person))
	_, err = m.Resume(ctx, secret, portal)
	want(t, err, session.ErrNone)
}

func ceremonies(ctx context.Context, t *testing.T, s session.Store) {
	m, c := manager(t, s)
	begin := func() string {
		name, err := m.Begin(ctx, "vote", "session-1", []byte("challenge"), time.Minute)
		ok(t, err)
		return name
	}
	name := begin()
	state, err := m.Finish(ctx, "vote", "session-1", name)
	if err != nil || string(state) != "challenge" {
		t.Fatalf("%q, %v", state, err)
	}
	_, err = m.Finish(ctx, "vote", "session-1", name)
	want(t, err, session.ErrNone)
	for _, wrong := range [][2]string{{"sign-in", "session-1"}, {"vote", "session-2"}, {"votes", "ession-1"}} {
		name := begin()
		_, err = m.Finish(ctx, wrong[0], wrong[1], name)
		want(t, err, session.ErrNone)
		_, err = m.Finish(ctx, "vote", "session-1", name) // spent by the try
		want(t, err, session.ErrNone)
	}
	name = begin()
	c.Advance(time.Minute)
	_, err = m.Finish(ctx, "vote", "session-1", name)
	want(t, err, session.ErrNone)
	_, err = m.Begin(ctx, "vote", "", nil, session.MaxCeremonyLife+1)
	want(t, err, session.ErrInvalid)
}

func passwordOnly(ctx context.Context, t *testing.T, s session.Store) {
	m, c := manager(t, s)
	secret, got, err := m.Start(ctx, portal, NewPerson(), password, session.Client{})
	ok(t, err)
	if p := (authz.Principal{Kind: authz.KindPerson, Session: got.Facts()}); p.Assurance(authz.Digest{1}, c.T) != authz.AssurancePassword {
		t.Fatal("a password is more than a password")
	}
	c.Advance(session.PasswordOnly)
	_, _, err = m.Raise(ctx, secret, portal, passkey)
	want(t, err, session.ErrNone)
}
