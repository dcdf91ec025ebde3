package demo

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"holdfast/authz/passkey/softkey"
	"holdfast/authz/totp"
	"holdfast/server/client"
	"holdfast/server/wire"
)

// password: a member's password, and nothing else.
func (p *player) password() error {
	ctx, otto := p.ctx, p.state.find(operatorEmail)
	half := client.New(otto.base)
	if err := p.must("T01", "He signs in with Otto's password and has half a session", func() (string, error) {
		s, err := half.SignIn(ctx, otto.Email, otto.Password)
		return "assurance " + s.Assurance, err
	}); err != nil {
		return err
	}
	second := []string{wire.TypeSecondFactorRequired, wire.TypeDenied} // denied: an operator may not do it at all
	for what, call := range inOrder(map[string]func() error{
		"list the volumes": func() error { _, err := half.Volumes(ctx); return err },
		"read a file":      func() error { _, err := half.GetTar(ctx, client.Source{Volume: mainVolume}, ""); return err },
		"write a file":     func() error { _, err := half.PutFile(ctx, mainVolume, "x", strings.NewReader("x")); return err },
		"delete all files": func() error { _, err := half.RemoveFile(ctx, mainVolume, "", true); return err },
		"delete a volume":  func() error { _, err := half.DeleteVolume(ctx, mainVolume); return err },
		"read a snapshot":  func() error { _, err := half.GetTar(ctx, client.Source{Snapshot: p.kept}, ""); return err },
		"take a snapshot":  func() error { _, err := half.TakeSnapshot(ctx, mainVolume, "x"); return err },
		"ask for a deletion": func() error {
			_, err := half.Draft(ctx, wire.AskRequest{Action: "delete-copies", Copies: []wire.CopyRef{{Snapshot: p.kept}}, Reason: "x"})
			return err
		},
		"enrol a TOTP generator": func() error { _, err := half.BeginTOTP(ctx); return err },
		"enrol a passkey":        func() error { _, err := half.BeginPasskeyEnrolment(ctx); return err },
		"make recovery codes":    func() error { _, err := half.RenewRecoveryCodes(ctx); return err },
		"change the password":    func() error { return half.ChangePassword(ctx, otto.Password, secret()) },
		"invite a friend": func() error {
			_, err := half.InviteMember(ctx, wire.Invite{Name: "Friend", Email: "friend@acme.example", Role: "owner"})
			return err
		},
		"make a token": func() error {
			_, err := half.MintToken(ctx, wire.MintToken{Name: "x", Scopes: []string{"volume:read"}, ExpiresAt: time.Now().Add(time.Hour)})
			return err
		},
		"read the log": func() error { _, err := half.Log(ctx, ""); return err },
	}) {
		p.refuse("T01", "With the password alone: "+what, second, call)
	}
	p.guessing(half, otto)
	p.enumeration(otto)
	p.replay()
	p.liars()
	return nil
}

// guessing: one-time codes, tried one after the other.
func (p *player) guessing(half *client.Client, otto *person) {
	wrong := wrongCode(otto)
	var last error
	tries := 0
	for tries < 12 && !client.Is(last, wire.TypeThrottled) {
		_, last = half.VerifyTOTP(p.ctx, wrong)
		tries++
	}
	p.refuse("T05", fmt.Sprintf("He guesses codes and is slowed down after %d", tries), []string{wire.TypeThrottled}, func() error { return last })
	p.refuse("T05", "Even the right code no longer helps for a while", []string{wire.TypeThrottled}, func() error {
		s, err := totp.ParseSecret(otto.TOTP)
		if err != nil {
			return err
		}
		code, err := totp.Code(s, time.Now())
		if err != nil {
			return err
		}
		_, err = half.VerifyTOTP(p.ctx, code)
		return err
	})
	p.check("T05", "Otto himself comes in with his passkey meanwhile", func() (string, error) {
		c, err := otto.signIn(p.ctx)
		if err != nil {
			return "", err
		}
		return "signed in", c.SignOut(p.ctx)
	})
}

// wrongCode is a code that is not right now nor soon.
func wrongCode(p *person) string {
	s, err := totp.ParseSecret(p.TOTP)
	if err != nil {
		return "000000"
	}
	near := map[string]bool{}
	for i := -4; i <= 4; i++ {
		code, err := totp.Code(s, time.Now().Add(time.Duration(i)*totp.Period))
		if err != nil {
			continue
		}
		near[code] = true
	}
	for i := range 100 {
		if code := fmt.Sprintf("%06d", i*7001); !near[code] {
			return code
		}
	}
	return "000000"
}

// enumeration: which addresses have an account?
func (p *player) enumeration(otto *person) {
	const tries = 5
	known, unknown := make([]time.Duration, tries), make([]time.Duration, tries)
	var a, b wire.Problem
	p.check("T14", "Whether an address has an account shows neither in the answer nor in its time", func() (string, error) {
		for i := range tries {
			for _, one := range []struct {
				email string
				took  []time.Duration
				says  *wire.Problem
			}{{p.state.find(viewerEmail).Email, known, &a}, {fmt.Sprintf("nobody-%d@acme.example", i), unknown, &b}} {
				begun := time.Now()
				_, err := client.New(otto.base).SignIn(p.ctx, one.email, "not the password of anybody")
				one.took[i] = time.Since(begun)
				var e *client.Error
				if !errors.As(err, &e) {
					return "", fmt.Errorf("signing in with a wrong password: %v", err)
				}
				*one.says = e.Problem
			}
		}
		slices.Sort(known)
		slices.Sort(unknown)
		k, u := known[tries/2], unknown[tries/2]
		if a.Type != b.Type || a.Status != b.Status || a.Title != b.Title || a.Detail != b.Detail || a.Type != wire.TypeBadCredentials {
			return "", fmt.Errorf("different answers: %+v and %+v", a, b)
		}
		if k > 3*u || u > 3*k {
			return "", fmt.Errorf("different times: %s with an account, %s without", k, u)
		}
		return fmt.Sprintf("the same %d %s; median %s with an account, %s without", a.Status, short(a.Type), k.Round(time.Millisecond), u.Round(time.Millisecond)), nil
	})
}

// replay: a code that somebody watched, and a session whose secret was fixed
// before it was worth anything.
func (p *player) replay() {
	ctx, vera := p.ctx, p.state.find(viewerEmail)
	first, second := client.New(vera.base), client.New(vera.base)
	code, was := "", map[string]string{}
	if p.must("T04", "Vera signs in with a TOTP code, and he looks over her shoulder", func() (string, error) {
		if _, err := first.SignIn(ctx, vera.Email, vera.Password); err != nil {
			return "", err
		}
		if _, err := second.SignIn(ctx, vera.Email, vera.Password); err != nil {
			return "", err
		}
		was = first.Cookies()
		var err error
		if code, err = vera.code(ctx, p.reporter.say); err != nil {
			return "", err
		}
		_, err = first.VerifyTOTP(ctx, code)
		return "signed in", err
	}) != nil {
		return
	}
	p.refuse("T04", "He shows the same code again", []string{wire.TypeBadCredentials}, func() error { _, err := second.VerifyTOTP(ctx, code); return err })
	p.refuse("T04", "… and the code of the half minute before, inside the tolerance", []string{wire.TypeBadCredentials}, func() error {
		s, err := totp.ParseSecret(vera.TOTP)
		if err != nil {
			return err
		}
		earlier, err := totp.Code(s, time.Now().Add(-totp.Period))
		if err != nil {
			return err
		}
		_, err = second.VerifyTOTP(ctx, earlier)
		return err
	})
	p.refuse("T08", "He fixed Vera's session secret before she signed in: it changed when she showed her factor", []string{wire.TypeNotAuthenticated}, func() error {
		return raw{method: "GET", url: vera.base + "/v1/session", cookies: was}.do(ctx)
	})
}

// liars: passkey answers that are not what they should be, for Vera's sign-in.
func (p *player) liars() {
	ctx, vera := p.ctx, p.state.find(viewerEmail)
	half := client.New(vera.base)
	var ceremony wire.PasskeyOptions
	begin := func() (err error) {
		ceremony, err = half.BeginPasskey(ctx)
		return err
	}
	if p.must("T06", "A session of Vera with her password alone", func() (string, error) {
		_, err := half.SignIn(ctx, vera.Email, vera.Password)
		return "half a session", err
	}) != nil {
		return
	}
	bad := []string{wire.TypeBadCredentials}
	lie := func(what, origin string, b softkey.Behaviour) {
		p.refuse("T06", "A passkey's answer "+what, bad, func() error {
			if err := begin(); err != nil {
				return err
			}
			vera.Key.Behave(b)
			defer vera.Key.Behave(softkey.Behaviour{})
			a, err := assertAt(vera.Key.Device, origin, ceremony)
			if err != nil {
				return err
			}
			_, err = half.FinishPasskey(ctx, a)
			return err
		})
	}
	lie("from a page of another origin", "http://localhost.evil.example", softkey.Behaviour{})
	lie("from the console's origin", p.state.Addresses.Console, softkey.Behaviour{})
	lie("without user verification", vera.base, softkey.Behaviour{NoUserVerification: true})
	lie("without user presence", vera.base, softkey.Behaviour{NoUserPresence: true})
	lie("for another relying party", vera.base, softkey.Behaviour{RPID: "evil.example"})
	lie("from a framed page", vera.base, softkey.Behaviour{CrossOrigin: true})
	p.refuse("T06", "A passkey's answer whose counter went back: a clone", bad, func() error {
		if err := begin(); err != nil {
			return err
		}
		k := vera.Key.Credentials()[0]
		if err := vera.Key.SetCounter(k.ID, 0); err != nil {
			return err
		}
		a, err := assertAt(vera.Key.Device, vera.base, ceremony)
		if err != nil {
			return err
		}
		if err := vera.Key.SetCounter(k.ID, k.SignCount+1); err != nil {
			return err
		}
		_, err = half.FinishPasskey(ctx, a)
		return err
	})
	p.refuse("T06", "An answer of another account's passkey", bad, func() error {
		if err := begin(); err != nil {
			return err
		}
		d := softkey.New()
		if _, err := d.Enrol("localhost", []byte(vera.ID)); err != nil {
			return err
		}
		forged, err := d.GetWith(vera.base, mustJSON(ceremony.PublicKey), d.Credentials()[0].ID)
		if err != nil {
			return err
		}
		_, err = half.FinishPasskey(ctx, wire.PasskeyAnswer{Ceremony: ceremony.Ceremony, Credential: rawJSON(forged)})
		return err
	})
	p.refuse("T06", "A right answer shown a second time", bad, func() error {
		if err := begin(); err != nil {
			return err
		}
		a, err := vera.assert(ceremony)
		if err != nil {
			return err
		}
		if _, err := half.FinishPasskey(ctx, a); err != nil {
			return fmt.Errorf("the first time: %w", err)
		}
		again := client.New(vera.base)
		if _, err := again.SignIn(ctx, vera.Email, vera.Password); err != nil {
			return fmt.Errorf("sign in again: %w", err)
		}
		_, err = again.FinishPasskey(ctx, a)
		return err
	})
}
