package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"holdfast/authz"
	"holdfast/internal/sqldb"
	"holdfast/quorum"
	"holdfast/quorum/audit"
	quorumsql "holdfast/quorum/sqlstore"
	"holdfast/quorum/statement"
	"holdfast/quorum/warrant"
	"holdfast/server/wire"
	"holdfast/snapshots"
)

// Brief gathers for staff what helps to decide on a request, or to call somebody first: who asked, when, from where and
// with what, what happened to the accounts concerned, what would remain, and who may vote. No rule of the gate reads any
// of it.
func (c *Control) Brief(ctx context.Context, who Caller, request string) (out wire.Brief, err error) {
	var r quorumsql.Request
	var s statement.Statement
	err = c.read(ctx, func(tx *sqldb.Tx) error {
		out = wire.Brief{Signals: []string{}, Changes: []wire.AccountChange{}, Electors: []wire.Elector{}}
		if r, err = c.visible(ctx, tx, who, request); err != nil {
			return err
		}
		if err := c.decide(who, authz.HistoryView, c.requestResource("", r.State.Tenant, [32]byte{}), ""); err != nil {
			return err
		}
		if err := c.decide(who, authz.StaffView, service, ""); err != nil { // the approvers are named
			return err
		}
		if s, err = parseStatement(r); err != nil {
			return err
		}
		if err := c.askedHow(ctx, tx, r, s, &out); err != nil {
			return err
		}
		accounts, err := c.accountsOf(ctx, tx, s)
		if err != nil {
			return err
		}
		if out.Changes, err = c.changesOf(ctx, tx, accounts, c.now().Add(-briefReach)); err != nil {
			return err
		}
		if out.Electors, err = c.electors(ctx, tx, r.State, s); err != nil {
			return err
		}
		out.Signals, err = c.signals(ctx, tx, r, s, out)
		return err
	})
	if err != nil || s.Action != statement.DeleteCopies {
		return out, err
	}
	out.Remains, err = c.remains(ctx, s)
	for _, x := range out.Remains {
		if x.Going > x.Remaining && x.Remaining > 0 { // that none stays was said
			of := "the volume"
			if len(s.Volumes) > 1 {
				of = "volume " + x.Volume
			}
			stays := plural(x.Remaining, "restore point") + " that count stay."
			if x.Remaining == 1 {
				stays = "1 restore point that counts stays."
			}
			out.Signals = append(out.Signals, fmt.Sprintf("More would go than stays of %s: %s would go, %s", of, plural(x.Going, "snapshot"), stays))
		}
	}
	return out, err
}

// keepOrigin notes from where a request was confirmed.
func keepOrigin(ctx context.Context, tx *sqldb.Tx, who Caller, request string, at time.Time) error {
	agent := strings.ToValidUTF8(who.Agent[:min(len(who.Agent), maxAgent)], "")
	_, err := tx.Exec(ctx, `INSERT INTO request_origins (request, person, address, agent, at) VALUES ($1, $2, $3, $4, $5)`,
		request, who.ID(), who.Address, agent, sqldb.Micros(at))
	return err
}

// askedHow reads the requester's proof, as the log keeps it, and what the service noted beside it.
func (c *Control) askedHow(ctx context.Context, tx *sqldb.Tx, r quorumsql.Request, s statement.Statement, out *wire.Brief) error {
	a := &out.Asked
	a.By = wire.Actor{Kind: string(s.Requester.Kind), ID: s.Requester.ID, Name: s.Requester.Name}
	a.At = r.State.OpenedAt
	if s.OpenedBy.ID != s.Requester.ID {
		out.Drafted = &wire.Actor{Kind: string(s.OpenedBy.Kind), ID: s.OpenedBy.ID, Name: s.OpenedBy.Name}
	}
	if personID, err := parsePerson(s.Requester.ID); err == nil {
		p, err := c.Accounts.Person(ctx, tx, personID)
		if err != nil && !errors.Is(err, authz.ErrNotFound) {
			return err
		}
		if err == nil {
			a.Email, a.Role, a.MemberSince = p.Email, person(p).Role, &p.CreatedAt
		}
	}
	rows, err := tx.Query(ctx, `SELECT address, agent FROM request_origins WHERE request = $1`, r.ID())
	if err != nil {
		return err
	}
	for rows.Next() {
		if err := rows.Scan(&a.Address, &a.Agent); err != nil {
			return errors.Join(err, rows.Close())
		}
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return err
	}
	proof, err := c.openingProof(ctx, tx, r.ID())
	if err != nil {
		return err
	}
	if proof.Passkey == nil {
		a.Factor = authz.MechanismTOTP.String()
		if proof.Attested != nil && proof.Attested.Method == warrant.MethodPasskey {
			a.Factor = authz.MechanismPasskey.String()
		}
		return nil
	}
	a.Factor = authz.MechanismPasskey.String()
	var said struct {
		Origin string `json:"origin"`
	}
	if err := json.Unmarshal(proof.Passkey.ClientDataJSON, &said); err != nil {
		return err
	}
	a.Page = said.Origin
	f, err := c.Accounts.PasskeyByCredential(ctx, tx, proof.Passkey.CredentialID)
	if errors.Is(err, authz.ErrNotFound) {
		return nil
	}
	if err == nil {
		a.FactorSince, a.DeviceBound = &f.EnrolledAt, f.Passkey.DeviceBound
	}
	return err
}

// openingProof is the requester's proof in the leaf that opened a request.
func (c *Control) openingProof(ctx context.Context, tx *sqldb.Tx, request string) (warrant.Proof, error) {
	leaves, err := quorumsql.LogEntriesOfSubject(ctx, tx, request, 0, quorumsql.MaxLogPage)
	if err != nil {
		return warrant.Proof{}, err
	}
	for _, e := range leaves {
		if e.Kind == audit.KindRequestOpened {
			return confirmOf(e.Body)
		}
	}
	return warrant.Proof{}, fmt.Errorf("%w: no opening leaf", quorum.ErrTampered)
}

// accountsOf are the accounts whose history matters for a statement: of its tenant, or the staff.
func (c *Control) accountsOf(ctx context.Context, tx *sqldb.Tx, s statement.Statement) ([]authz.Person, error) {
	if s.Tenant.ID == "" {
		return c.Accounts.StaffMembers(ctx, tx)
	}
	tenantID, err := parseTenant(s.Tenant.ID)
	if err != nil {
		return nil, authz.ErrNotFound
	}
	return c.Accounts.Members(ctx, tx, tenantID)
}

// changesOf is the history of accounts, newest first.
func (c *Control) changesOf(ctx context.Context, tx *sqldb.Tx, accounts []authz.Person, since time.Time) ([]wire.AccountChange, error) {
	out := []wire.AccountChange{}
	names := map[string]string{}
	for _, p := range accounts {
		names[p.ID.String()] = p.Name
	}
	for _, p := range accounts[:min(len(accounts), maxBriefAccounts)] {
		list, err := c.Accounts.Changes(ctx, tx, p.ID, since)
		if err != nil {
			return nil, err
		}
		subject := wire.Actor{Kind: "member", ID: p.ID.String(), Name: p.Name}
		if p.Tenant.IsZero() {
			subject.Kind = "staff"
		}
		for _, x := range list {
			out = append(out, wire.AccountChange{Person: subject, At: x.At, What: x.What, Detail: x.Detail, By: wire.Actor{ID: x.By, Name: names[x.By]}})
		}
	}
	slices.SortStableFunc(out, func(a, b wire.AccountChange) int { return b.At.Compare(a.At) })
	return out[:min(len(out), maxBriefChanges)], nil
}

// AccountChanges is the history of a tenant's accounts in the last 30 days, newest first, for staff and the tenant's owners;
// with no tenant, the staff's.
func (c *Control) AccountChanges(ctx context.Context, who Caller, tenant string) (out []wire.AccountChange, err error) {
	if err := c.decide(who, authz.HistoryView, c.requestResource("", tenant, [32]byte{}), ""); err != nil {
		return nil, err
	}
	err = c.read(ctx, func(tx *sqldb.Tx) error {
		accounts, err := c.accountsOf(ctx, tx, statement.Statement{Tenant: statement.Tenant{ID: tenant}})
		if err != nil {
			return err
		}
		out, err = c.changesOf(ctx, tx, accounts, c.now().Add(-briefReach))
		return err
	})
	return out, err
}

// alarming are changes to an account that often come before a theft.
var alarming = map[string]string{
	"password-changed": "the password was changed", "factor-enrolled": "a second factor was added", "factor-removed": "a second factor was removed",
	"factors-reset": "all second factors were reset", "recovery-used": "a recovery code was used", "recovery-renewed": "recovery codes were renewed",
	"role-set": "the role was changed", "token-minted": "a token was minted", "lockdown": "the tenant was locked down",
}

// signals says in words what is worth a phone call.
func (c *Control) signals(ctx context.Context, tx *sqldb.Tx, r quorumsql.Request, s statement.Statement, b wire.Brief) ([]string, error) {
	out := []string{}
	at := r.State.OpenedAt
	if n := len(slices.DeleteFunc(slices.Clone(s.Volumes), func(v statement.Volume) bool { return v.NewestLeft != "" })); n > 0 {
		of := "the volume"
		if len(s.Volumes) > 1 {
			of = fmt.Sprintf("%d of the %d volumes", n, len(s.Volumes))
		}
		out = append(out, "No restore point older than the undo window would be left of "+of+".")
	}
	if b.Asked.Factor == authz.MechanismTOTP.String() {
		out = append(out, "It was confirmed by a one-time code. Only this service attests that; a passkey would prove it.")
	}
	if t := b.Asked.FactorSince; t != nil && at.Sub(*t) < signalReach {
		out = append(out, "The passkey that confirmed it was enrolled "+roughly(at.Sub(*t))+" before this request.")
	}
	if t := b.Asked.MemberSince; t != nil && at.Sub(*t) < signalReach {
		out = append(out, "The account that asked was made "+roughly(at.Sub(*t))+" before this request.")
	}
	if d := b.Drafted; d != nil {
		out = append(out, "Somebody else drafted it: a "+d.Kind+". Ask who confirmed it whether they know why.")
	}
	said := map[string]bool{}
	joined := 0
	for _, x := range b.Changes {
		if x.At.After(at) || at.Sub(x.At) > signalReach {
			continue
		}
		if x.What == "invited" && x.Person.ID != s.Requester.ID {
			joined++
		}
		if words := alarming[x.What]; words != "" && x.Person.ID == s.Requester.ID && !said[x.What] {
			said[x.What] = true
			out = append(out, "Of the account that asked, "+words+" "+roughly(at.Sub(x.At))+" before this request.")
		}
	}
	if joined > 0 {
		out = append(out, "Invited in the 7 days before: "+plural(joined, "new account")+".")
	}
	elsewhere, err := c.otherAddress(ctx, tx, s.Requester.ID, r.ID(), b.Asked.Address)
	if err != nil {
		return nil, err
	}
	if elsewhere {
		out = append(out, "The same person's earlier requests came from other addresses.")
	}
	if s.Tenant.ID == "" {
		return out, nil
	}
	lines, err := quorumsql.OfTenant(ctx, tx, s.Tenant.ID, maxListedRequests, underWay...)
	under := 0
	for _, l := range lines {
		if l.ID != r.ID() {
			under++
		}
	}
	if under > 0 {
		out = append(out, "Also under way for this tenant: "+plural(under, "other request")+".")
	}
	return out, err
}

// otherAddress says whether the person confirmed earlier requests, and none of them from this address.
func (c *Control) otherAddress(ctx context.Context, tx *sqldb.Tx, person, request, address string) (bool, error) {
	var all, same int
	err := tx.QueryRow(ctx, `SELECT COUNT(*), COALESCE(SUM(CASE WHEN address = $1 THEN 1 ELSE 0 END), 0) FROM request_origins
		WHERE person = $2 AND request <> $3 AND at <= (SELECT COALESCE(MAX(at), 0) FROM request_origins WHERE request = $3)`, address, person, request).Scan(&all, &same)
	return all > 0 && same == 0, err
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func roughly(d time.Duration) string {
	switch {
	case d >= 24*time.Hour:
		return plural(int(d/(24*time.Hour)), "day")
	case d >= time.Hour:
		return plural(int(d/time.Hour), "hour")
	}
	return plural(max(1, int(d/time.Minute)), "minute")
}

// remains pictures the volumes of a deletion: what would go among what is there.
func (c *Control) remains(ctx context.Context, s statement.Statement) ([]wire.Remains, error) {
	going := map[string]bool{}
	for _, k := range s.Copies {
		going[k.Snapshot] = true
	}
	var out []wire.Remains
	for _, v := range s.Volumes[:min(len(s.Volumes), maxBriefVolumes)] {
		volumeID, err := snapshots.ParseVolumeID(v.ID)
		if err != nil {
			return nil, wrap(err)
		}
		undo, _, err := c.Data.VolumeUndo(ctx, s.Tenant.ID, volumeID)
		if err != nil {
			return nil, wrap(err)
		}
		young := c.now().Add(-undo)
		list, err := c.Data.Snapshots(ctx, s.Tenant.ID, volumeID, snapshots.SnapshotID{}, maxBriefPoints+1)
		if err != nil {
			return nil, wrap(err)
		}
		line := wire.Remains{Volume: v.ID, Name: v.Name, Points: []wire.Remainder{}}
		for _, k := range s.Copies {
			if k.Volume == v.ID {
				line.Going++
			}
		}
		if len(list) > maxBriefPoints {
			line.More, list = true, list[:maxBriefPoints]
		}
		for _, snap := range list {
			p := wire.Remainder{Snapshot: snap.ID.String(), TakenAt: snap.TakenAt, State: "unsealed"}
			copies, err := c.Data.Copies(ctx, s.Tenant.ID, snap.ID)
			if err != nil {
				return nil, wrap(err)
			}
			p.State = pointState(copies, c.Site, p.State)
			if going[p.Snapshot] && (p.State == "proven" || p.State == "held" || p.State == "suspect") {
				p.State = "going"
			}
			switch {
			case p.State == "proven" && snap.TakenAt.After(young):
				p.State = "young"
			case p.State == "proven":
				line.Remaining++
			}
			line.Points = append(line.Points, p)
		}
		out = append(out, line)
	}
	return out, nil
}

// pointState is how a snapshot's copy at a site stands.
func pointState(copies []snapshots.Copy, site, otherwise string) string {
	for _, k := range copies {
		switch {
		case k.Site != site:
		case !k.ErasedAt.IsZero():
			return "erased"
		case !k.TombstonedAt.IsZero():
			return "hidden"
		case k.Suspect != "":
			return "suspect"
		case k.State == snapshots.Proven:
			return "proven"
		default:
			return "held"
		}
	}
	return otherwise
}
