package control

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"holdfast/authz"
	"holdfast/authz/passkey"
	"holdfast/authz/password"
	"holdfast/authz/session"
	"holdfast/authz/throttle"
	"holdfast/authz/totp"
	"holdfast/internal/sqldb"
	"holdfast/server/wire"
)

// Opened is a session with the secret for its cookie.
type Opened struct {
	Session wire.Session
	Secret  string
	Expires time.Time
}

var _ = register(
	translation{session.ErrNone, wire.TypeNotAuthenticated, "The session or ceremony is over. Begin again."},
	translation{session.ErrNoStepUp, wire.TypeStepUpRequired, "Use your second factor for exactly this action, then repeat it."},
	translation{session.ErrUnavailable, wire.TypeUnavailable, "Nobody can sign in for the moment: the session store does not answer. API tokens go on working."},
	translation{session.ErrInvalid, wire.TypeInvalid, "A value is outside its bounds."},
	translation{throttle.ErrLimited, wire.TypeThrottled, "Too many attempts. Wait a little; a passkey still works meanwhile."},
	translation{throttle.ErrUnavailable, wire.TypeUnavailable, "Nobody can sign in for the moment: the throttle's store does not answer."},
	translation{throttle.ErrInvalid, wire.TypeInvalid, "A value is outside its bounds."},
	translation{totp.ErrReplayed, wire.TypeBadCredentials, "This code was used already. Wait for the next one."},
	translation{totp.ErrMismatch, wire.TypeBadCredentials, "The code is not right. Check the clock of the device that shows it."},
	translation{passkey.ErrExpired, wire.TypeBadCredentials, "That took too long. Begin again."},
	translation{passkey.ErrRefused, wire.TypeBadCredentials, "The passkey's answer was refused. Begin again with a passkey of this account, on this site."},
	translation{passkey.ErrUser, wire.TypeConflict, "There is no passkey to use, or no room for another."},
	translation{password.ErrWeak, wire.TypeInvalid, "The password is too weak: take at least 12 characters that nobody can guess, and not your name or address."},
	translation{password.ErrMismatch, wire.TypeBadCredentials, "E-mail address and password do not match."},
)

// SignIn begins a session with a password. Whatever is wrong, the answer and the
// work are the same (T14).
func (c *Control) SignIn(ctx context.Context, who Caller, in wire.SignIn) (Opened, error) {
	wrong := newError(wire.TypeBadCredentials, nil, "E-mail address and password do not match.")
	folded, err := authz.FoldEmail(in.Email)
	if err != nil {
		folded = "invalid"
	}
	if err := c.Throttle.Attempt(ctx, throttle.Password, folded, address(who.Address)); err != nil {
		return Opened{}, wrap(err)
	}
	var person authz.Person
	var factors []authz.Factor
	err = c.DB.Read(ctx, func(tx *sqldb.Tx) (err error) {
		if person, err = c.Accounts.PersonByEmail(ctx, tx, in.Email); err != nil {
			return err
		}
		if !person.Tenant.IsZero() {
			if who.Tenant, err = c.Accounts.Tenant(ctx, tx, person.Tenant); err != nil {
				return err
			}
		}
		factors, err = c.Accounts.Factors(ctx, tx, person.ID)
		return err
	})
	now := c.now()
	admitted := err == nil && person.Password != "" && person.Admits(who.Tenant, now) && faceOf(person) == who.Face
	if err != nil && !errors.Is(err, authz.ErrNotFound) {
		return Opened{}, wrap(err)
	}
	if !admitted {
		if err := c.Passwords.VerifyDummy(ctx, in.Password); err != nil && !errors.Is(err, password.ErrMismatch) {
			return Opened{}, wrap(err)
		}
		return Opened{}, wrong
	}
	rehash, err := c.Passwords.Verify(ctx, person.Password, in.Password)
	if errors.Is(err, password.ErrMismatch) {
		return Opened{}, wrong
	}
	if err != nil {
		return Opened{}, wrap(err)
	}
	if rehash {
		if err := c.rehash(ctx, person, in.Password); err != nil {
			return Opened{}, err
		}
	}
	if err := c.Throttle.Succeeded(ctx, throttle.Password, folded); err != nil {
		return Opened{}, wrap(err)
	}
	secret, s, err := c.Sessions.Start(ctx, who.Face, person.ID, session.Proof{Password: true, HasFactor: len(factors) > 0}, who.client())
	if err != nil {
		return Opened{}, wrap(err)
	}
	who.Person = person
	return c.opened(ctx, who, secret, s)
}

func (c *Control) rehash(ctx context.Context, person authz.Person, plain string) error {
	phc, err := c.Passwords.Hash(ctx, plain)
	if err != nil {
		return wrap(err)
	}
	return c.write(ctx, func(tx *sqldb.Tx) error {
		return c.Accounts.RehashPassword(ctx, tx, person.ID, person.Password, phc)
	})
}

// VerifyTOTP raises a session by a one-time code, which is then used up for ever.
func (c *Control) VerifyTOTP(ctx context.Context, who Caller, code string) (Opened, error) {
	if err := c.decide(who, authz.SessionVerify, own(who), ""); err != nil {
		return Opened{}, err
	}
	if err := c.throttledCode(ctx, who); err != nil {
		return Opened{}, wrap(err)
	}
	var used burned
	at := c.now()
	err := c.DB.Write(ctx, func(tx *sqldb.Tx) (err error) {
		used, err = c.burnTOTP(ctx, tx, who.Person.ID, code, at)
		return err
	})
	if err != nil {
		return Opened{}, c.codeFailed(ctx, who, err)
	}
	if err := c.Throttle.Succeeded(ctx, throttle.TOTP, who.Person.ID.String()); err != nil {
		return Opened{}, wrap(err)
	}
	return c.raise(ctx, who, authz.MethodTOTP, used.factor, at)
}

// VerifyRecovery raises a session by a recovery code, which is then spent. Such
// a session can enrol a new factor and stop things, and confirms nothing.
func (c *Control) VerifyRecovery(ctx context.Context, who Caller, code string) (Opened, error) {
	if err := c.decide(who, authz.SessionVerify, own(who), ""); err != nil {
		return Opened{}, err
	}
	if err := c.Throttle.Attempt(ctx, throttle.Recovery, who.Person.ID.String(), address(who.Address)); err != nil {
		return Opened{}, wrap(err)
	}
	hash, err := authz.HashRecoveryCode(who.Person.ID, code)
	if err != nil {
		return Opened{}, wrap(err)
	}
	at := c.now()
	if err := c.write(ctx, func(tx *sqldb.Tx) error {
		if err := c.Accounts.SpendRecoveryCode(ctx, tx, who.Person.ID, hash, at); err != nil {
			return err
		}
		_, err := c.record(ctx, tx, at, c.accountEntry(who, recoveryUsed, who.Person, nil))
		return err
	}); err != nil {
		return Opened{}, err
	}
	secret, s, err := c.Sessions.Raise(ctx, who.secret, who.Face, session.Proof{Method: authz.MethodRecovery, HasFactor: true})
	if err != nil {
		return Opened{}, wrap(err)
	}
	return c.opened(ctx, who, secret, s)
}

// BeginPasskey returns the options for raising the session by a passkey.
func (c *Control) BeginPasskey(ctx context.Context, who Caller) (wire.PasskeyOptions, error) {
	if err := c.decide(who, authz.SessionVerify, own(who), ""); err != nil {
		return wire.PasskeyOptions{}, err
	}
	party, user, _, err := c.passkeyParty(ctx, who)
	if err != nil {
		return wire.PasskeyOptions{}, err
	}
	options, state, err := party.BeginSignInAs(user)
	if err != nil {
		return wire.PasskeyOptions{}, wrap(err)
	}
	return c.begun(ctx, ceremonySignIn, who.Session.Handle, state, options)
}

// FinishPasskey raises the session by the passkey's answer. A passkey cannot be
// guessed, so a locked account's owner still comes in with one (T05).
func (c *Control) FinishPasskey(ctx context.Context, who Caller, in wire.PasskeyAnswer) (Opened, error) {
	if err := c.decide(who, authz.SessionVerify, own(who), ""); err != nil {
		return Opened{}, err
	}
	if err := c.Throttle.Attempt(ctx, throttle.Passkey, "", address(who.Address)); err != nil {
		return Opened{}, wrap(err)
	}
	state, response, err := c.finished(ctx, ceremonySignIn, who.Session.Handle, in)
	if err != nil {
		return Opened{}, err
	}
	party, user, factors, err := c.passkeyParty(ctx, who)
	if err != nil {
		return Opened{}, err
	}
	assertion, err := party.FinishSignInAs(user, state, response)
	if err != nil {
		return Opened{}, c.passkeyFailed(ctx, who, err)
	}
	f := factors[string(assertion.CredentialID)]
	at := c.now()
	if err := c.DB.Write(ctx, func(tx *sqldb.Tx) error { return c.advance(ctx, tx, f, assertion) }); err != nil {
		return Opened{}, c.passkeyFailed(ctx, who, err)
	}
	return c.raise(ctx, who, authz.MethodPasskey, f, at)
}

func (c *Control) raise(ctx context.Context, who Caller, m authz.Method, f authz.Factor, at time.Time) (Opened, error) {
	secret, s, err := c.Sessions.Raise(ctx, who.secret, who.Face, session.Proof{
		Method: m, Factor: f.ID, Quarantined: f.Quarantined(at), First: f.First, HasFactor: true,
	})
	if err != nil {
		return Opened{}, wrap(err)
	}
	return c.opened(ctx, who, secret, s)
}

// The kinds of ceremony; one can never end another.
const (
	ceremonySignIn     = "sign-in"
	ceremonyStepUp     = "step-up"
	ceremonyTOTP       = "enrol-totp"
	ceremonyPasskey    = "enrol-passkey"
	ceremonyVote       = "vote"
	ceremonyPossession = "possession"
)

// begun keeps a passkey ceremony's state and returns what the browser needs.
func (c *Control) begun(ctx context.Context, kind, bind string, state passkey.Ceremony, options []byte) (wire.PasskeyOptions, error) {
	name, err := c.Sessions.Begin(ctx, kind, bind, state, passkey.CeremonyLifetime)
	if err != nil {
		return wire.PasskeyOptions{}, wrap(err)
	}
	var public any
	if err := json.Unmarshal(options, &public); err != nil {
		return wire.PasskeyOptions{}, wrap(err)
	}
	return wire.PasskeyOptions{Ceremony: name, PublicKey: public}, nil
}

// finished takes a passkey ceremony's state, so that it works once, with the
// browser's answer.
func (c *Control) finished(ctx context.Context, kind, bind string, in wire.PasskeyAnswer) (passkey.Ceremony, []byte, error) {
	state, err := c.Sessions.Finish(ctx, kind, bind, in.Ceremony)
	if errors.Is(err, session.ErrNone) {
		return nil, nil, newError(wire.TypeBadCredentials, err, "This ceremony is over or was never begun here. Begin again.")
	}
	if err != nil {
		return nil, nil, wrap(err)
	}
	response, err := json.Marshal(in.Credential)
	if err != nil {
		return nil, nil, newError(wire.TypeInvalid, err, "The passkey's answer is not JSON.")
	}
	return state, response, nil
}

// opened describes a session of who.Person.
func (c *Control) opened(ctx context.Context, who Caller, secret session.Secret, s session.Session) (Opened, error) {
	who.Session = s
	out, err := c.describeSession(ctx, who, s, s.Handle)
	return Opened{Session: out, Secret: secret.Reveal(), Expires: s.ExpiresAt}, err
}

func (w Caller) client() session.Client { return session.Client{Address: w.Address, Agent: w.Agent} }

// own is the caller's account as a resource.
func own(who Caller) authz.Resource { return personResource(who.Person) }

func personResource(p authz.Person) authz.Resource {
	return authz.Resource{Kind: authz.ResourcePerson, ID: p.ID.String(), Tenant: p.Tenant}
}

// faceOf is the only face on which a person can sign in.
func faceOf(p authz.Person) authz.Face {
	if p.Tenant.IsZero() {
		return authz.FaceConsole
	}
	return authz.FacePortal
}

const ceremonyKeySignIn = "sign-in-key"

// BeginKeySignIn returns options for signing in with any passkey that the browser
// has for this site, without a password: who hammers an account locks out its
// passwords and codes, never its owner's passkey (T05). The options are the same
// for everyone and tell nothing (T14).
func (c *Control) BeginKeySignIn(ctx context.Context, who Caller) (wire.PasskeyOptions, error) {
	if err := c.Throttle.Attempt(ctx, throttle.Passkey, "", address(who.Address)); err != nil {
		return wire.PasskeyOptions{}, wrap(err)
	}
	party := c.Passkeys[who.Face]
	if party == nil {
		return wire.PasskeyOptions{}, wrap(authz.ErrDenied)
	}
	options, state, err := party.BeginSignIn()
	if err != nil {
		return wire.PasskeyOptions{}, wrap(err)
	}
	return c.begun(ctx, ceremonyKeySignIn, "", state, options)
}

// FinishKeySignIn begins a session by the passkey's answer: a passkey with user
// verification stands for both factors.
func (c *Control) FinishKeySignIn(ctx context.Context, who Caller, in wire.PasskeyAnswer) (Opened, error) {
	if err := c.Throttle.Attempt(ctx, throttle.Passkey, "", address(who.Address)); err != nil {
		return Opened{}, wrap(err)
	}
	state, response, err := c.finished(ctx, ceremonyKeySignIn, "", in)
	if err != nil {
		return Opened{}, err
	}
	party := c.Passkeys[who.Face]
	if party == nil {
		return Opened{}, wrap(authz.ErrDenied)
	}
	var factors map[string]authz.Factor
	now := c.now()
	_, assertion, err := party.FinishSignIn(state, response, func(credentialID, handle []byte) (u passkey.User, err error) {
		if who.Person, who.Tenant, err = c.holder(ctx, credentialID); err != nil {
			if errors.Is(err, authz.ErrNotFound) {
				err = passkey.ErrUnknownCredential
			}
			return u, err
		}
		if string(handle) != who.Person.ID.String() || !who.Person.Admits(who.Tenant, now) || faceOf(who.Person) != who.Face {
			return u, passkey.ErrUnknownCredential
		}
		who.Principal = who.Person.Principal(who.Face, authz.SessionFacts{}) // whose alarm it is, should the counter have gone back
		u, factors, err = c.passkeyUser(ctx, who.Person)
		return u, err
	})
	if err != nil {
		return Opened{}, c.passkeyFailed(ctx, who, err)
	}
	f := factors[string(assertion.CredentialID)]
	if err := c.DB.Write(ctx, func(tx *sqldb.Tx) error { return c.advance(ctx, tx, f, assertion) }); err != nil {
		return Opened{}, c.passkeyFailed(ctx, who, err)
	}
	secret, s, err := c.Sessions.Start(ctx, who.Face, who.Person.ID, session.Proof{
		Method: authz.MethodPasskey, Factor: f.ID, Quarantined: f.Quarantined(now), First: f.First, HasFactor: true,
	}, who.client())
	if err != nil {
		return Opened{}, wrap(err)
	}
	return c.opened(ctx, who, secret, s)
}

// holder finds whose a passkey is.
func (c *Control) holder(ctx context.Context, credentialID []byte) (p authz.Person, t authz.Tenant, err error) {
	err = c.DB.Read(ctx, func(tx *sqldb.Tx) error {
		f, err := c.Accounts.PasskeyByCredential(ctx, tx, credentialID)
		if err != nil {
			return err
		}
		if p, err = c.Accounts.Person(ctx, tx, f.Person); err != nil || p.Tenant.IsZero() {
			return err
		}
		t, err = c.Accounts.Tenant(ctx, tx, p.Tenant)
		return err
	})
	return p, t, err
}
