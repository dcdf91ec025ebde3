package demo

import (
	"context"
	"fmt"
	"strings"
	"time"

	"holdfast/server/client"
	"holdfast/server/wire"
)

// allScopes is everything that a token can be given.
var allScopes = []string{"volume:read", "volume:write", "volume:create", "snapshot:create", "snapshot:read", "snapshot:restore", "request:draft", "request:read"}

// tokens: automation's credential, with every scope that there is.
func (p *player) tokens() error {
	ctx, portal := p.ctx, p.state.Addresses.Portal
	t, err := p.watcher.MintToken(ctx, wire.MintToken{Name: "backup job", Scopes: allScopes, ExpiresAt: time.Now().Add(time.Hour)})
	if p.must("T09", "Olivia made a token with every scope that exists; now he has it", func() (string, error) { return t.ID, err }) != nil {
		return err
	}
	p.token = t.Secret
	if err := p.settle(); err != nil {
		return err
	}
	c := client.New(portal, client.WithToken(t.Secret))
	no := []string{wire.TypeTokenNotAPerson, wire.TypeGateRequired}
	var draft wire.Request
	p.check("T09", "It drafts a request, which binds nobody", func() (string, error) {
		draft, err = c.Draft(ctx, p.deletion("by a script", p.kept))
		return draft.State, err
	})
	for what, call := range inOrder(map[string]func() error{
		"delete a snapshot": func() error { return c.DeleteSnapshot(ctx, p.kept) },
		"confirm a request": func() error { _, err := c.ConfirmRequest(ctx, draft.ID); return err },
		"begin a vote":      func() error { _, err := c.BeginVote(ctx, draft.ID, "approve"); return err },
		"vote": func() error {
			_, err := c.CastVote(ctx, draft.ID, wire.CastVote{Decision: "approve", Code: "123456"})
			return err
		},
		"cancel a request":       func() error { _, err := c.CancelRequest(ctx, draft.ID, "x"); return err },
		"undo a deletion":        func() error { _, err := c.UndoRequest(ctx, draft.ID, "x"); return err },
		"begin a TOTP enrolment": func() error { _, err := c.BeginTOTP(ctx); return err },
		"enrol a passkey":        func() error { _, err := c.BeginPasskeyEnrolment(ctx); return err },
		"make recovery codes":    func() error { _, err := c.RenewRecoveryCodes(ctx); return err },
		"change a password":      func() error { return c.ChangePassword(ctx, "x", secret()) },
		"make a wider token": func() error {
			_, err := c.MintToken(ctx, wire.MintToken{Name: "wider", Scopes: allScopes, ExpiresAt: time.Now().Add(time.Hour)})
			return err
		},
		"revoke a token": func() error { return c.RevokeToken(ctx, t.ID) },
		"invite a member": func() error {
			_, err := c.InviteMember(ctx, wire.Invite{Name: "X", Email: "x@acme.example", Role: "owner"})
			return err
		},
		"delete a volume": func() error { _, err := c.DeleteVolume(ctx, mainVolume); return err },
		"release a hold": func() error {
			_, err := c.Draft(ctx, wire.AskRequest{Action: "release-hold", Subject: "hol_x", Reason: "x"})
			return err
		},
		"suspend an approver": func() error { return c.SuspendApprover(ctx, p.state.People[0].ID, "x") },
	}) {
		p.refuse("T09", "The token tries to "+what, append(no, wire.TypeDenied, wire.TypeNotFound, wire.TypeNotAuthenticated), call)
	}
	p.refuse("T09", "The token on the console", []string{wire.TypeWrongFace}, func() error {
		return raw{method: "GET", url: p.state.Addresses.Console + "/v1/requests", bearer: t.Secret}.do(ctx)
	})
	p.refuse("T09", "The token together with a session", []string{wire.TypeNotAuthenticated}, func() error {
		return raw{method: "GET", url: portal + "/v1/volumes", bearer: t.Secret, cookies: p.thief.Cookies()}.do(ctx)
	})
	p.refuse("T51", "A token of one volume reads another's", []string{wire.TypeTokenNotAPerson, wire.TypeNotFound, wire.TypeDenied}, func() error {
		narrow, err := p.watcher.MintToken(ctx, wire.MintToken{Name: "narrow", Scopes: []string{"volume:read", "volume:write", "snapshot:read"}, Volumes: []string{p.state.Volumes[playVolume]}, ExpiresAt: time.Now().Add(time.Hour)})
		if err != nil {
			return fmt.Errorf("make a narrow token: %w", err)
		}
		if err := p.settle(); err != nil {
			return err
		}
		body, err := client.New(portal, client.WithToken(narrow.Secret)).GetTar(ctx, client.Source{Volume: mainVolume}, "")
		return drop(body, err)
	})
	return nil
}

// neighbour: every route with another tenant's ids. What is not his answers
// exactly as what does not exist.
func (p *player) neighbour() error {
	olivia := p.state.find(ownerEmail)
	boats := client.New(p.rival.Base(), client.WithCookies(p.rival.Cookies()))
	for _, one := range []struct {
		what, id string
		call     func(ctx context.Context, id string) error
	}{
		{"read the volume", p.state.Volumes[mainVolume], func(ctx context.Context, id string) error { _, err := boats.Volume(ctx, id); return err }},
		{"delete the volume", p.state.Volumes[mainVolume], func(ctx context.Context, id string) error { _, err := boats.DeleteVolume(ctx, id); return err }},
		{"list the volume", p.state.Volumes[mainVolume], func(ctx context.Context, id string) error {
			_, err := boats.Entries(ctx, id, "", "", time.Time{})
			return err
		}},
		{"read the archive", p.state.Volumes[mainVolume], func(ctx context.Context, id string) error {
			body, err := boats.GetTar(ctx, client.Source{Volume: id}, "")
			return drop(body, err)
		}},
		{"write a file", p.state.Volumes[mainVolume], func(ctx context.Context, id string) error {
			_, err := boats.PutFile(ctx, id, "x", strings.NewReader("x"))
			return err
		}},
		{"delete all files", p.state.Volumes[mainVolume], func(ctx context.Context, id string) error { _, err := boats.RemoveFile(ctx, id, "", true); return err }},
		{"take a snapshot", p.state.Volumes[mainVolume], func(ctx context.Context, id string) error { _, err := boats.TakeSnapshot(ctx, id, "x"); return err }},
		{"get a ticket", p.state.Volumes[mainVolume], func(ctx context.Context, id string) error { _, err := boats.Ticket(ctx, id, "get"); return err }},
		{"see the snapshot", p.kept, func(ctx context.Context, id string) error { _, err := boats.Snapshot(ctx, id); return err }},
		{"delete the snapshot", p.kept, func(ctx context.Context, id string) error { return boats.DeleteSnapshot(ctx, id) }},
		{"list the snapshot", p.kept, func(ctx context.Context, id string) error {
			_, err := boats.SnapshotEntries(ctx, id, "", "")
			return err
		}},
		{"read the snapshot", p.kept, func(ctx context.Context, id string) error {
			body, err := boats.GetTar(ctx, client.Source{Snapshot: id}, "")
			return drop(body, err)
		}},
		{"restore it for himself", p.kept, func(ctx context.Context, id string) error {
			_, err := boats.Restore(ctx, "boats", wire.Restore{Snapshot: id}, nil)
			return err
		}},
		{"ask for its deletion", p.kept, func(ctx context.Context, id string) error {
			_, err := boats.Draft(ctx, p.deletion("x", id))
			return err
		}},
		{"put a hold on it", p.kept, func(ctx context.Context, id string) error {
			_, err := boats.PlaceHold(ctx, wire.PlaceHold{Snapshot: id, Reason: "x"})
			return err
		}},
		{"change the owner's role", olivia.ID, func(ctx context.Context, id string) error {
			_, err := boats.With(client.WithProver(p.state.find(rivalEmail))).SetRole(ctx, id, "viewer")
			return err
		}},
		{"remove the owner", olivia.ID, func(ctx context.Context, id string) error {
			return boats.With(client.WithProver(p.state.find(rivalEmail))).RemoveMember(ctx, id)
		}},
	} {
		p.sameAsMissing(one.what, one.id, one.call)
	}
	return nil
}

// sameAsMissing plays a call with another tenant's id and with one that does not
// exist, and compares the answers.
func (p *player) sameAsMissing(what, id string, call func(context.Context, string) error) {
	p.refuse("T11", "Harbour's owner tries to "+what+" of Acme: the same as for an id that does not exist", []string{wire.TypeNotFound}, func() error {
		theirs, missing := call(p.ctx, id), call(p.ctx, missingID(id))
		a, b := strings.ReplaceAll(fmt.Sprint(theirs), id, "ID"), strings.ReplaceAll(fmt.Sprint(missing), missingID(id), "ID")
		sa, ta := problemOf(theirs)
		sb, tb := problemOf(missing)
		if a != b || sa != sb || ta != tb {
			return fmt.Errorf("theirs: %d %s %s; missing: %d %s %s", sa, ta, a, sb, tb, b)
		}
		return theirs
	})
}

// missingID is an id of the same kind that nothing has.
func missingID(id string) string {
	b := []byte(id)
	for i := len(b) - 6; i < len(b)-1; i++ {
		if b[i] == '7' {
			b[i] = '8'
		} else {
			b[i] = '7'
		}
	}
	return string(b)
}
