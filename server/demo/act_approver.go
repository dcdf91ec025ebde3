package demo

import (
	"errors"
	"fmt"
	"regexp"
	"sync"
	"sync/atomic"
	"time"

	"holdfast/server/client"
	"holdfast/server/wire"
)

// The approvers, by what they do in the story.
const (
	adaEmail  = "ada@support.example"
	benEmail  = "ben@support.example"
	maraEmail = "mara@support.example"
	danaEmail = "dana@support.example"
	enzoEmail = "enzo@support.example"
)

// approver: one approver's account with password, phone and key.
func (p *player) approver() error {
	ctx := p.ctx
	var err error
	mara := p.state.find(maraEmail)
	if p.mara, err = mara.signIn(ctx); err != nil {
		return err
	}
	otto, err := p.as(ctx, operatorEmail)
	if err != nil {
		return err
	}
	// A lawful request is open: Otto's housekeeping.
	if err := p.must("", "Otto himself has asked for the deletion of an old snapshot of the playground", func() (string, error) {
		d, err := otto.Draft(ctx, p.deletion("housekeeping", p.state.Snapshots["play 0"]))
		if err != nil {
			return "", err
		}
		r, err := otto.ConfirmRequest(ctx, d.ID)
		p.pending = r.ID
		return fmt.Sprintf("%s is %s and needs %d approvals of %d teams", r.ID, r.State, r.Need.Approvals, r.Need.Teams), err
	}); err != nil {
		return err
	}
	if err := p.settle(); err != nil {
		return err
	}
	own, err := p.ownRequest(mara)
	if err != nil {
		return err
	}
	p.votes(mara, own)
	p.spareAccount(own)
	p.resets()
	p.charters()
	p.caps()
	return p.siege(mara)
}

// ownRequest: the approver asks, and then votes for what she asked.
func (p *player) ownRequest(mara *person) (own string, err error) {
	ctx := p.ctx
	ask := p.deletion("the customer called", p.kept)
	ask.Tenant = p.state.Tenant
	// T07: a step-up for one statement is none for another.
	one, err := p.mara.Draft(ctx, ask)
	if err != nil {
		return "", fmt.Errorf("draft as staff: %w", err)
	}
	other, err := p.mara.Draft(ctx, ask)
	if err != nil {
		return "", fmt.Errorf("draft as staff: %w", err)
	}
	p.refuse("T07", "He proves presence for one statement and confirms another", []string{wire.TypeStepUpRequired}, func() error {
		if other.Confirm == nil {
			return errors.New("the draft does not say what to prove presence for")
		}
		if err := p.mara.Answer(ctx, *other.Confirm); err != nil {
			return fmt.Errorf("prove presence: %w", err)
		}
		bare := client.New(p.mara.Base(), client.WithCookies(p.mara.Cookies()))
		_, err := bare.ConfirmRequest(ctx, one.ID)
		return err
	})
	if err := p.must("", "With Mara's key he asks for the deletion of last night's snapshot, in Acme's name", func() (string, error) {
		r, err := p.mara.ConfirmRequest(ctx, one.ID)
		if err == nil && r.Need.Approvals < 3 {
			err = fmt.Errorf("staff asked and still %d approvals suffice", r.Need.Approvals)
		}
		own = r.ID
		return fmt.Sprintf("%s needs %d approvals, one more than usual, because staff asked", r.ID, r.Need.Approvals), err
	}); err != nil {
		return "", err
	}
	if err := p.settle(); err != nil {
		return "", err
	}
	no := []string{wire.TypeNotEligible, wire.TypeDenied}
	p.refuse("T15", "He approves what he asked for, with Mara's passkey", no, func() error { _, err := mara.vote(ctx, p.mara, own, "approve"); return err })
	p.refuse("T15", "… and with Mara's TOTP code", no, func() error {
		code, err := mara.code(ctx, p.reporter.say)
		if err != nil {
			return err
		}
		_, err = p.mara.CastVote(ctx, own, wire.CastVote{Decision: "approve", Code: code})
		return err
	})
	return own, nil
}

// votes: one person, many votes.
func (p *player) votes(mara *person, own string) {
	ctx := p.ctx
	wrong := []string{wire.TypeBadCredentials, wire.TypeNotEligible, wire.TypeConflict, wire.TypeInvalid}
	p.refuse("T21", "An answer that was made for a deny is sent as an approve", wrong, func() error {
		o, err := p.mara.BeginVote(ctx, p.pending, "deny")
		if err != nil {
			return err
		}
		a, err := mara.assert(o.PasskeyOptions)
		if err != nil {
			return err
		}
		_, err = p.mara.CastVote(ctx, p.pending, wire.CastVote{Decision: "approve", Passkey: &a})
		return err
	})
	p.refuse("T21", "A vote that was made for one request is cast on another", wrong, func() error {
		o, err := p.mara.BeginVote(ctx, own, "approve")
		if err != nil {
			if o, err = p.mara.BeginVote(ctx, own, "deny"); err != nil {
				return err
			}
		}
		a, err := mara.assert(o.PasskeyOptions)
		if err != nil {
			return err
		}
		_, err = p.mara.CastVote(ctx, p.pending, wire.CastVote{Decision: "approve", Passkey: &a})
		return err
	})
	var first wire.PasskeyAnswer
	p.check("T16", "He casts Mara's vote twenty times at once", func() (string, error) {
		var won, lost atomic.Int32
		var wg sync.WaitGroup
		var mu sync.Mutex
		for range 20 {
			wg.Go(func() {
				o, err := p.mara.BeginVote(ctx, p.pending, "approve")
				if err != nil {
					lost.Add(1)
					return
				}
				a, err := mara.assert(o.PasskeyOptions)
				if err != nil {
					lost.Add(1)
					return
				}
				if _, err := p.mara.CastVote(ctx, p.pending, wire.CastVote{Decision: "approve", Passkey: &a}); err != nil {
					lost.Add(1)
					return
				}
				won.Add(1)
				mu.Lock()
				first = a
				mu.Unlock()
			})
		}
		wg.Wait()
		r, err := p.watcher.Request(ctx, p.pending)
		if err != nil {
			return "", err
		}
		if r.Need.Got != 1 || r.State != "open" || len(r.Votes) != 1 {
			return "", fmt.Errorf("%d calls were accepted, %d votes count, state %s", won.Load(), r.Need.Got, r.State)
		}
		return fmt.Sprintf("%d accepted, %d refused, one vote counts", won.Load(), lost.Load()), p.settle()
	})
	p.refuse("T06", "The same answer once more", wrong, func() error {
		_, err := p.mara.CastVote(ctx, p.pending, wire.CastVote{Decision: "approve", Passkey: &first})
		return err
	})
	p.check("T16", "He votes once more with Mara's TOTP code: it still counts once", func() (string, error) {
		code, err := mara.code(ctx, p.reporter.say)
		if err != nil {
			return "", err
		}
		_, err = p.mara.CastVote(ctx, p.pending, wire.CastVote{Decision: "approve", Code: code})
		got := "accepted"
		if err != nil {
			got = "refused: " + err.Error()
		}
		r, err := p.watcher.Request(ctx, p.pending)
		if err != nil {
			return "", err
		}
		if r.Need.Got != 1 || r.State != "open" {
			return "", fmt.Errorf("%d votes count, state %s", r.Need.Got, r.State)
		}
		return got + "; one vote counts", p.settle()
	})
}

// spareAccount: a backup login among the staff, and a second key.
func (p *player) spareAccount(own string) {
	ctx := p.ctx
	spare := &person{Name: "Max Mallory", Email: "max@support.example", Role: "approver"}
	var c *client.Client
	p.check("T19", "He makes himself a spare support account", func() (string, error) {
		err := p.welcome(ctx, spare, func() (wire.Invitation, error) {
			return p.mara.InviteStaff(ctx, wire.Invite{Name: spare.Name, Email: spare.Email, Role: "approver"})
		})
		if err != nil {
			return "", err
		}
		spare = p.state.find(spare.Email)
		c = p.sessions[spare.Email]
		return "it exists; no charter names it", nil
	})
	if c == nil {
		return
	}
	no := []string{wire.TypeNotEligible, wire.TypeDenied, wire.TypeQuarantined}
	for what, request := range inOrder(map[string]string{"his own request": own, "the open request": p.pending}) {
		p.refuse("T19", "The spare account approves "+what, no, func() error { _, err := spare.vote(ctx, c, request, "approve"); return err })
	}
	p.refuse("T19", "… with a TOTP code", no, func() error {
		code, err := spare.code(ctx, p.reporter.say)
		if err != nil {
			return err
		}
		_, err = c.CastVote(ctx, p.pending, wire.CastVote{Decision: "approve", Code: code})
		return err
	})
	p.refuse("T19", "A second key of Mara's, enrolled just now, votes", append(no, wire.TypeBadCredentials, wire.TypeConflict), func() error {
		mara := p.state.find(maraEmail)
		second := &person{base: mara.base, Key: newKey()}
		o, err := p.mara.BeginPasskeyEnrolment(ctx)
		if err != nil {
			return err
		}
		a, err := second.create(o, "second")
		if err != nil {
			return err
		}
		if _, err := p.mara.FinishPasskeyEnrolment(ctx, a); err != nil {
			return fmt.Errorf("enrol: %w", err)
		}
		v, err := p.mara.BeginVote(ctx, own, "deny")
		if err != nil {
			return err
		}
		answer, err := second.assertAny(v.PasskeyOptions)
		if err != nil {
			return err
		}
		_, err = p.mara.CastVote(ctx, own, wire.CastVote{Decision: "deny", Reason: "demonstration", Passkey: &answer})
		return err
	})
}

// assertAny answers with the device's own credential, allowed or not.
func (p *person) assertAny(o wire.PasskeyOptions) (wire.PasskeyAnswer, error) {
	credential, err := p.Key.GetWith(p.base, mustJSON(o.PublicKey), p.Key.Credentials()[0].ID)
	return wire.PasskeyAnswer{Ceremony: o.Ceremony, Credential: rawJSON(credential)}, err
}

// resets: one support person and other people's factors.
func (p *player) resets() {
	ctx, olivia := p.ctx, p.state.find(ownerEmail)
	p.check("T12", "He asks for a reset of the owner's factors: nothing happens, for one person never resets anything", func() (string, error) {
		d, err := p.mara.Draft(ctx, wire.AskRequest{Action: "reset-factor", Tenant: p.state.Tenant, Subject: olivia.ID, Reason: "she lost her phone"})
		if err != nil {
			return "", err
		}
		r, err := p.mara.ConfirmRequest(ctx, d.ID)
		if err != nil {
			return "", err
		}
		if r.State != "open" || r.Need.Approvals < 2 {
			return "", fmt.Errorf("state %s, %d approvals", r.State, r.Need.Approvals)
		}
		c, err := olivia.signIn(ctx)
		if err != nil {
			return "", fmt.Errorf("the owner's own factor no longer works: %w", err)
		}
		if err := c.SignOut(ctx); err != nil {
			return "", err
		}
		if _, err := p.watcher.CancelRequest(ctx, r.ID, "I did not lose anything"); err != nil {
			return "", fmt.Errorf("the owner cancels it: %w", err)
		}
		return fmt.Sprintf("it was open, needed %d approvals, and Olivia cancelled it", r.Need.Approvals), p.settle()
	})
	p.refuse("T12", "A recovery code is used twice", []string{wire.TypeBadCredentials}, func() error {
		codes, err := p.mara.RenewRecoveryCodes(ctx)
		if err != nil {
			return fmt.Errorf("make codes: %w", err)
		}
		mara := p.state.find(maraEmail)
		for i := range 2 {
			c := client.New(mara.base)
			if _, err := c.SignIn(ctx, mara.Email, mara.Password); err != nil {
				return fmt.Errorf("sign in: %w", err)
			}
			if _, err = c.VerifyRecovery(ctx, codes.Codes[0]); err != nil {
				if i == 0 {
					return fmt.Errorf("the first time: %v", err)
				}
				return err
			}
		}
		return nil
	})
}

// charters: constitutions that he would like better.
func (p *player) charters() {
	ctx := p.ctx
	now, err := p.mara.Charter(ctx)
	if err != nil {
		p.check("T22", "He reads the charter", func() (string, error) { return "", err })
		return
	}
	refused := []string{wire.TypeCharterRefused, wire.TypeInvalid}
	next := regexp.MustCompile(`(?m)^number .*$`).ReplaceAllString(now.Text, "number 2")
	next = regexp.MustCompile(`(?m)^previous .*$`).ReplaceAllString(next, "previous "+now.Hash)
	line := func(name, value string) string {
		return regexp.MustCompile(`\b`+name+` \d+`).ReplaceAllString(next, name+" "+value)
	}
	for what, text := range inOrder(map[string]string{
		"with a threshold of 0":             line("approvals", "0"),
		"with a threshold of 1":             line("approvals", "1"),
		"with a negative threshold":         line("approvals", "-1"),
		"with a threshold above the roster": line("approvals", "6"),
		"without a threshold":               regexp.MustCompile(`\bapprovals \d+ ?`).ReplaceAllString(next, ""),
		"without approvers":                 regexp.MustCompile(`(?m)^approver .*\n`).ReplaceAllString(next, ""),
	}) {
		p.refuse("T22", "He proposes a charter "+what, refused, func() error {
			_, err := p.mara.Draft(ctx, wire.AskRequest{Action: "change-charter", Charter: text, Reason: "simpler"})
			return err
		})
	}
	for what, text := range inOrder(map[string]string{
		"that is the one in force":         now.Text,
		"that skips a number":              regexp.MustCompile(`(?m)^number .*$`).ReplaceAllString(next, "number 3"),
		"that names another predecessor":   regexp.MustCompile(`(?m)^previous .*$`).ReplaceAllString(next, "previous sha256:"+fmt.Sprintf("%064x", 7)),
		"in another order, with a comment": "# charter\n" + next,
	}) {
		p.refuse("T23", "He proposes a charter "+what, refused, func() error {
			_, err := p.mara.Draft(ctx, wire.AskRequest{Action: "change-charter", Charter: text, Reason: "simpler"})
			return err
		})
	}
	p.refuse("T22", "He holds the founding ceremony again, with the operator's secret", []string{wire.TypeConflict}, func() error {
		_, err := p.operator.ProposeGenesis(ctx, wire.ProposeGenesis{Purpose: "demo", Recipients: []string{"age1"}, Approvers: []wire.GenesisApprover{{Person: p.state.find(maraEmail).ID, Team: "x"}}})
		return err
	})
}

// caps: more than the charter lets go.
func (p *player) caps() {
	p.refuse("T25", "He asks for four copies at once, where the charter lets three go", []string{wire.TypeCapExceeded}, func() error {
		ask := p.deletion("spring cleaning", p.state.Snapshots["play 1"], p.state.Snapshots["play 2"], p.state.Snapshots["play 3"], p.doomed)
		ask.Tenant = p.state.Tenant
		d, err := p.mara.Draft(p.ctx, ask)
		if err != nil {
			return err
		}
		_, err = p.mara.ConfirmRequest(p.ctx, d.ID)
		return err
	})
}

// siege: one malicious approver stops everything, his own removal included.
func (p *player) siege(mara *person) error {
	ctx := p.ctx
	var freeze wire.Freeze
	if p.must("T55", "He freezes everything, everywhere: one person can stop", func() (string, error) {
		var err error
		freeze, err = p.mara.Freeze(ctx, wire.PlaceFreeze{Everywhere: true, Reason: "out of spite"})
		return freeze.ID, err
	}) != nil {
		return p.settle()
	}
	ben, err := p.as(ctx, benEmail)
	if err != nil {
		return err
	}
	var lift wire.Request
	if err := p.must("T55", "Ben asks to lift the freeze", func() (string, error) {
		d, err := ben.Draft(ctx, wire.AskRequest{Action: "lift-freeze", Subject: freeze.ID, Reason: "it was placed by a stolen account"})
		if err != nil {
			return "", err
		}
		lift, err = ben.ConfirmRequest(ctx, d.ID)
		return fmt.Sprintf("%s needs %d approvals", lift.ID, lift.Need.Approvals), err
	}); err != nil {
		return err
	}
	p.check("T55", "He denies it with Mara's key: her deny does not count on her own freeze", func() (string, error) {
		_, err := mara.vote(ctx, p.mara, lift.ID, "deny")
		got := "accepted, without effect"
		if err != nil {
			got = "refused: " + err.Error()
		}
		r, err := ben.Request(ctx, lift.ID)
		if err == nil && r.State != "open" {
			err = fmt.Errorf("the request is %s", r.State)
		}
		return got, err
	})
	if err := p.must("T55", "Ada, Dana and Enzo lift it", func() (string, error) {
		return "the freeze is lifted", p.decide(lift.ID, []string{adaEmail, danaEmail, enzoEmail}, "applied")
	}); err != nil {
		return err
	}
	ada, err := p.as(ctx, adaEmail)
	if err != nil {
		return err
	}
	if err := p.must("T55", "Ada suspends Mara at once, and herself with her, until a quorum decides", func() (string, error) {
		return "both are suspended", ada.SuspendApprover(ctx, mara.ID, "her account was taken over")
	}); err != nil {
		return err
	}
	p.check("T18", "Mara's vote on the open request no longer counts", func() (string, error) {
		r, err := p.watcher.Request(ctx, p.pending)
		if err == nil && (r.Need.Got != 0 || r.State != "open") {
			err = fmt.Errorf("%d votes count, state %s", r.Need.Got, r.State)
		}
		return "no vote counts", err
	})
	if err := p.settle(); err != nil {
		return err
	}
	p.refuse("T18", "He votes with the suspended account", []string{wire.TypeNotEligible, wire.TypeDenied}, func() error {
		_, err := mara.vote(ctx, p.mara, p.pending, "approve")
		return err
	})
	return p.must("", "Olivia cancels everything that is open", func() (string, error) {
		requests, err := p.watcher.Requests(ctx, "open")
		for _, r := range requests {
			if _, e := p.watcher.CancelRequest(ctx, r.ID, "an attack is under way"); e != nil {
				err = errors.Join(err, fmt.Errorf("%s: %w", r.ID, e))
			}
		}
		return fmt.Sprintf("%d requests cancelled", len(requests)), errors.Join(err, p.settle())
	})
}

// decide lets approvers vote with their passkeys until no more votes are needed,
// and waits for a state; empty is not waited for.
func (p *player) decide(request string, emails []string, state string) error {
	var last wire.Request
	for _, email := range emails {
		c, err := p.as(p.ctx, email)
		if err != nil {
			return err
		}
		if last, err = c.Request(p.ctx, request); err != nil {
			return err
		}
		if last.State != "open" {
			break
		}
		if last, err = p.state.find(email).vote(p.ctx, c, request, "approve"); err != nil {
			return fmt.Errorf("%s votes: %w", email, err)
		}
	}
	if last.State == "open" {
		return fmt.Errorf("every vote was cast and %s is still open: %d of %d, blocked by %v", request, last.Need.Got, last.Need.Approvals, last.Blocked)
	}
	if state == "" {
		return nil
	}
	return p.reaches(emails[0], request, state)
}

// reaches waits until a request is in a state.
func (p *player) reaches(email, request, state string) error {
	var r wire.Request
	err := until(p.ctx, 5*time.Minute, request+" becomes "+state, func() (bool, error) {
		c, err := p.as(p.ctx, email)
		if err != nil {
			return false, err
		}
		if r, err = c.Request(p.ctx, request); err != nil {
			return false, err
		}
		switch r.State {
		case state:
			return true, nil
		case "denied", "expired", "cancelled", "restored", "erased", "done":
			return false, fmt.Errorf("%s is %s", request, r.State)
		}
		return false, nil
	})
	if err != nil {
		err = fmt.Errorf("%w (it is %s, timer %+v, blocked by %v)", err, r.State, r.Timer, r.Blocked)
	}
	return err
}
