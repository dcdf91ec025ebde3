package control

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"holdfast/authz"
	"holdfast/authz/password"
	"holdfast/authz/session"
	authzsql "holdfast/authz/sqlstore"
	"holdfast/authz/throttle"
	"holdfast/internal/id"
	"holdfast/internal/sqldb"
	"holdfast/quorum/audit"
	"holdfast/quorum/warrant"
	"holdfast/server/wire"
)

// BeginInvitation returns what makes the first factor of the account that the
// secret opens. The ceremony is bound to the secret; nothing is spent.
func (c *Control) BeginInvitation(ctx context.Context, who Caller, in wire.BeginInvitation) (wire.BegunInvitation, error) {
	p, open, err := c.invited(ctx, who, in.Secret)
	if err != nil {
		return wire.BegunInvitation{}, err
	}
	out := wire.BegunInvitation{Password: open.Account}
	bind := digestText(authz.HashTicket(in.Secret))
	who.Person = p
	switch in.Kind {
	case authz.MechanismTOTP.String():
		e, err := c.beginTOTP(ctx, p, bind)
		if err != nil {
			return out, err
		}
		out.TOTP = &e
	case authz.MechanismPasskey.String():
		o, err := c.beginRegistration(ctx, who, bind)
		if err != nil {
			return out, err
		}
		out.Passkey = &o
	default:
		return out, newError(wire.TypeInvalid, nil, "The first factor is totp or passkey.")
	}
	return out, nil
}

// AcceptInvitation sets password and first factor in one transaction and opens a
// session that has shown both. A ticket to enrol again after a reset opens none: it
// went through other hands, and whoever holds it still has to know the password (T12).
func (c *Control) AcceptInvitation(ctx context.Context, who Caller, in wire.AcceptInvitation) (Opened, error) {
	p, open, err := c.invited(ctx, who, in.Secret)
	if err != nil {
		return Opened{}, err
	}
	phc := ""
	if open.Account {
		if err := password.Check(in.Password, p.Email, p.Name); err != nil {
			return Opened{}, wrap(err)
		}
		if phc, err = c.Passwords.Hash(ctx, in.Password); err != nil {
			return Opened{}, wrap(err)
		}
	}
	bind := digestText(authz.HashTicket(in.Secret))
	who.Person = p
	var f authz.Factor
	switch {
	case in.TOTP != nil && in.Passkey == nil:
		f, err = c.finishTOTP(ctx, p, bind, *in.TOTP)
	case in.Passkey != nil && in.TOTP == nil:
		f, err = c.finishRegistration(ctx, who, bind, *in.Passkey)
	default:
		err = newError(wire.TypeInvalid, nil, "Send the first factor: totp or passkey, not both.")
	}
	if err != nil {
		return Opened{}, err
	}
	at := c.now()
	f.EnrolledAt = at
	err = c.write(ctx, func(tx *sqldb.Tx) error {
		quarantine, err := c.quarantine(ctx, tx)
		if err != nil {
			return err
		}
		if p, err = c.Accounts.EnrolFirst(ctx, tx, authzsql.Enrolment{
			Ticket: authz.HashTicket(in.Secret), Password: phc, Factor: f, Quarantine: quarantine,
		}, at); err != nil {
			return err
		}
		f.UsableFrom, f.First = at.Add(quarantine), true
		return c.recordFactor(ctx, tx, p, f, at)
	})
	if err != nil {
		return Opened{}, err
	}
	if !open.Account {
		return Opened{}, nil
	}
	method := authz.MethodTOTP
	if f.Mechanism == authz.MechanismPasskey {
		method = authz.MethodPasskey
	}
	// A session opened in the very microsecond of the enrolment is still young
	// enough to be refused by marks set then; it begins after it.
	secret, s, err := c.Sessions.Start(ctx, faceOf(p), p.ID, session.Proof{
		Password: true, Method: method, Factor: f.ID, Quarantined: f.Quarantined(at), First: true, HasFactor: true,
	}, who.client())
	if err != nil {
		return Opened{}, wrap(err)
	}
	who.Person = p
	return c.opened(ctx, who, secret, s)
}

// invited finds the account that an invitation's secret opens. Guessing is
// throttled by address.
func (c *Control) invited(ctx context.Context, who Caller, secret string) (p authz.Person, t authzsql.Ticket, err error) {
	if err := c.Throttle.Attempt(ctx, throttle.Ticket, "", address(who.Address)); err != nil {
		return p, t, wrap(err)
	}
	at := c.now()
	err = c.DB.Read(ctx, func(tx *sqldb.Tx) (err error) {
		if t, err = c.Accounts.Ticket(ctx, tx, authz.HashTicket(secret), at); err != nil {
			return err
		}
		p, err = c.Accounts.Person(ctx, tx, t.Person)
		return err
	})
	if err == nil && faceOf(p) != who.Face {
		err = authz.ErrSpent
	}
	if errors.Is(err, authz.ErrSpent) || errors.Is(err, authz.ErrNotFound) {
		return p, t, newError(wire.TypeBadCredentials, err, "This invitation is used, expired or unknown. Ask for another, and use it on the site that it is for.")
	}
	return p, t, wrap(err)
}

// issueInvitation makes an account in status invited and returns its secret,
// which is not kept.
func (c *Control) invite(ctx context.Context, tx *sqldb.Tx, who Caller, p authz.Person) (wire.Invitation, error) {
	at := c.now()
	p.ID = id.New[authz.PersonKind](at)
	p.Status, p.CreatedAt = authz.PersonInvited, at
	secret := authz.NewTicketSecret()
	expires := at.Add(InvitationLife)
	if err := c.Accounts.Invite(ctx, tx, authzsql.Invitation{
		Person: p, Ticket: authz.HashTicket(secret), By: who.ID(), ExpiresAt: expires,
	}, at); err != nil {
		return wire.Invitation{}, err
	}
	_, err := c.record(ctx, tx, at, c.accountEntry(who, audit.KindMemberCreated, p, map[string]string{"role": person(p).Role}))
	return wire.Invitation{Person: person(p), Secret: secret, ExpiresAt: expires}, err
}

const recoveryUsed = audit.KindRecoveryCodeUsed

// accountEntry is what the log says of a change to an account.
func (c *Control) accountEntry(who Caller, kind audit.Kind, p authz.Person, more map[string]string) entry {
	body := map[string]string{"person": p.ID.String(), "by": who.ID()}
	tenant := ""
	if !p.Tenant.IsZero() {
		tenant = p.Tenant.String()
		body["tenant"] = tenant
	}
	for k, v := range more {
		body[k] = v
	}
	return entry{kind: kind, tenant: tenant, subject: p.ID.String(), body: body}
}

// recordFactor logs an enrolment and keeps its leaf's index with the factor:
// sites believe a member's passkey only if that leaf is old enough. A passkey's
// leaf has the body that a warrant can rebuild.
func (c *Control) recordFactor(ctx context.Context, tx *sqldb.Tx, p authz.Person, f authz.Factor, at time.Time) error {
	e := c.accountEntry(Caller{Principal: authz.Principal{Kind: authz.KindPerson, Person: p.ID}}, audit.KindFactorEnrolled, p,
		map[string]string{"factor": f.ID.String(), "mechanism": f.Mechanism.String(), "usable-from": f.UsableFrom.UTC().Format(time.RFC3339Nano)})
	if f.Passkey != nil {
		body, err := warrant.EnrolmentBody(c.enrolment(p.ID.String(), f))
		if err != nil {
			return err
		}
		e.raw = body
	}
	index, err := c.record(ctx, tx, at, e)
	if err != nil {
		return err
	}
	return c.Accounts.NoteLeaf(ctx, tx, f.ID, index)
}

// enrolment is a passkey's enrolment as a warrant carries it, without its record.
func (c *Control) enrolment(person string, f authz.Factor) warrant.Enrolment {
	return warrant.Enrolment{Person: person, CredentialID: f.Passkey.Credential, RP: c.RPID, COSE: f.Passkey.PublicKey}
}

// ReissueEnrolment gives a person whose factors a quorum has reset, or who has not
// answered an invitation, a fresh ticket. The host's operator hands it over; it
// opens no account that has a factor.
func (c *Control) ReissueEnrolment(ctx context.Context, who Caller, personText string) (out wire.Invitation, err error) {
	r := service
	r.Detail = "enrolment ticket for " + personText
	if _, err := c.decideOnce(ctx, who, authz.StaffInvite, r, ""); err != nil {
		return out, err
	}
	personID, err := parsePerson(personText)
	if err != nil {
		return out, wrap(authz.ErrNotFound)
	}
	at := c.now()
	secret := authz.NewTicketSecret()
	out = wire.Invitation{Secret: secret, ExpiresAt: at.Add(authz.MaxEnrolmentLife)}
	err = c.write(ctx, func(tx *sqldb.Tx) error {
		p, err := c.Accounts.Person(ctx, tx, personID)
		if err != nil {
			return err
		}
		out.Person = person(p)
		if p.Status == authz.PersonInvited {
			if err := c.foundingOwner(ctx, tx, p); err != nil {
				return err
			}
			if err := c.Accounts.RenewInvitation(ctx, tx, personID, authz.HashTicket(secret), who.ID(), out.ExpiresAt, at); err != nil {
				return err
			}
			_, err := c.record(ctx, tx, at, c.accountEntry(who, audit.KindEnrolmentIssued, p, map[string]string{"for": "invitation"}))
			return err
		}
		request, err := c.resetBy(ctx, tx, p)
		if err != nil {
			return err
		}
		if err := c.Accounts.IssueEnrolment(ctx, tx, personID, authz.HashTicket(secret), request, out.ExpiresAt, at); err != nil {
			return err
		}
		_, err = c.record(ctx, tx, at, c.accountEntry(who, audit.KindEnrolmentIssued, p, map[string]string{"for": request}))
		return err
	})
	return out, err
}

// foundingOwner refuses to hand out an invitation into a tenant in which somebody
// is already: who got it would read that tenant's data. Its own owner renews it.
func (c *Control) foundingOwner(ctx context.Context, tx *sqldb.Tx, p authz.Person) error {
	if p.Tenant.IsZero() {
		return nil
	}
	members, err := c.Accounts.Members(ctx, tx, p.Tenant)
	if err != nil {
		return err
	}
	for _, m := range members {
		if m.Status != authz.PersonInvited {
			return newError(wire.TypeDenied, authz.ErrDenied, "The tenant has people of its own: an owner of it invites %s again.", p.Name)
		}
	}
	return nil
}

// resetBy finds the decided request that reset a person's factors, in the log.
func (c *Control) resetBy(ctx context.Context, tx *sqldb.Tx, p authz.Person) (request string, err error) {
	leaves, err := c.leavesOf(ctx, tx, p.ID.String())
	if err != nil {
		return "", err
	}
	for _, e := range leaves {
		if e.Kind != audit.KindFactorReset {
			continue
		}
		var body struct {
			Request string `json:"request"`
		}
		if err := json.Unmarshal(e.Body, &body); err != nil {
			return "", err
		}
		request = body.Request
	}
	if request == "" {
		return "", newError(wire.TypeGateRequired, nil, "Nobody has decided to reset this person's factors. Ask for it: holdfast request ask reset-factor --subject %s", p.ID)
	}
	return request, nil
}
