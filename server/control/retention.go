package control

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"holdfast/authz"
	"holdfast/internal/sqldb"
	"holdfast/quorum/audit"
	"holdfast/quorum/charter"
	quorumsql "holdfast/quorum/sqlstore"
	"holdfast/quorum/statement"
	"holdfast/server/wire"
	"holdfast/snapshots"
	"holdfast/snapshots/keep"
	"holdfast/snapshots/site"
)

// What is kept of a volume: its keep rule, which only ever proposes, and its undo
// window. Whoever may lengthens them at once (I5); to shorten them is a request
// (I4, T32), which the site carries out.

var _ = register(
	translation{keep.ErrMalformed, wire.TypeInvalid, `A keep rule reads "keep all", or "keep" with one or more of last, hourly, daily, weekly, monthly, yearly in this order, each with a count: keep last 10, daily 14, weekly 8, monthly 12, yearly 5.`},
	translation{site.ErrNoRule, wire.TypeConflict, "The volume has no keep rule: it keeps every snapshot. Name the snapshots by hand, or ask for a rule first."},
	translation{site.ErrNotLogged, wire.TypeUnavailable, "The volume's keep rule is not in the log yet. Try again in a moment."},
)

// Retention says what is kept of a volume.
func (c *Control) Retention(ctx context.Context, who Caller, ref string) (out wire.Retention, err error) {
	v, err := c.volume(ctx, who, ref, true)
	if err == nil {
		err = c.reach(who, v, authz.VolumeView)
	}
	if err != nil {
		return out, err
	}
	return c.retention(ctx, v)
}

func (c *Control) retention(ctx context.Context, v snapshots.Volume) (out wire.Retention, err error) {
	k, err := c.Data.KeepRule(ctx, v.Tenant, v.ID)
	if err != nil {
		return out, wrap(err)
	}
	undo, own, err := c.Data.VolumeUndo(ctx, v.Tenant, v.ID)
	if err != nil {
		return out, wrap(err)
	}
	least, err := c.Data.UndoWindow(ctx, v.Tenant)
	if err != nil {
		return out, wrap(err)
	}
	authority, err := c.keepAuthority(ctx)
	if err != nil {
		return out, err
	}
	out = wire.Retention{LeastSeconds: int64(least / time.Second), Authority: string(authority), Volume: v.ID.String(), Rule: k.Rule, RuleNumber: k.Number, RuleBy: k.SetBy, UndoSeconds: int64(undo / time.Second),
		OwnUndoSeconds: int64(own.Undo / time.Second), UndoBy: own.SetBy}
	if k.Number > 0 {
		out.RuleSetAt = &k.SetAt
	}
	if own.Number > 0 {
		out.UndoSetAt = &own.SetAt
	}
	return out, nil
}

// SetRetention lengthens what is kept of a volume, at once. What would be shorter
// is refused in words that say how to ask for it.
func (c *Control) SetRetention(ctx context.Context, who Caller, ref string, in wire.SetRetention) (out wire.Retention, err error) {
	v, err := c.volume(ctx, who, ref, false)
	if err == nil {
		err = c.reach(who, v, authz.VolumeConfigure)
	}
	if err != nil {
		return out, err
	}
	if in.Rule == "" && in.Undo == "" {
		return out, newError(wire.TypeInvalid, nil, "Say a keep rule, an undo window, or both.")
	}
	authority, err := c.keepAuthority(ctx)
	if err != nil {
		return out, err
	}
	if who.Principal.Role != authz.RoleOwner && (in.Undo != "" || authority != charter.KeepByOperator) {
		return out, newError(wire.TypeDenied, nil, "Only an owner of the tenant sets what is kept.")
	}
	if in.Rule != "" {
		if _, err := keep.Parse(in.Rule); err != nil {
			return out, wrap(err)
		}
		if authority == charter.KeepByQuorum && in.Rule != keep.Everything().String() {
			return out, c.gateOfRetention(ctx, who, v, statement.ShortenRetention, in.Rule, "By this charter every keep rule is a quorum's decision. Open a request.")
		}
		k, err := c.Data.SetKeepRule(ctx, v.Tenant, v.ID, in.Rule, who.ID())
		if errors.Is(err, snapshots.ErrShorter) {
			return out, c.gateOfRetention(ctx, who, v, statement.ShortenRetention, in.Rule, "This rule would keep less than the one in force, and nobody shortens what is kept alone. Open a request.")
		}
		if err != nil {
			return out, wrap(err)
		}
		if err := c.enterKeepRule(ctx, v, k); err != nil {
			return out, err
		}
	}
	if in.Undo != "" {
		window, err := ParseWindow(in.Undo)
		if err != nil {
			return out, err
		}
		w, err := c.Data.SetVolumeUndo(ctx, v.Tenant, v.ID, window, who.ID())
		if errors.Is(err, snapshots.ErrShorter) {
			return out, c.gateOfRetention(ctx, who, v, statement.ShortenUndo, in.Undo, "This undo window would be shorter than the one in force, and nobody shortens that alone. Open a request; the charter's own line is changed by a change of the charter.")
		}
		if err != nil {
			return out, wrap(err)
		}
		if err := c.enterWindow(ctx, v, w); err != nil {
			return out, err
		}
	}
	return c.retention(ctx, v)
}

// gateOfRetention refuses a shortening, logs that it was tried, and says how to ask.
func (c *Control) gateOfRetention(ctx context.Context, who Caller, v snapshots.Volume, action statement.Action, to, detail string) error {
	e := newError(wire.TypeGateRequired, nil, "%s", detail)
	e.Ask = &wire.Ask{Method: http.MethodPost, Path: "/v1/requests",
		Example: fmt.Sprintf("holdfast request ask %s --subject %s --fact %q --reason \"…\"", action, v.ID, "to="+to)}
	c.refused(ctx, who, v.Tenant, v.ID.String(), string(action), e)
	return e
}

// keepAuthority is the charter's line, and the owner's before genesis.
func (c *Control) keepAuthority(ctx context.Context) (a charter.KeepAuthority, err error) {
	err = c.read(ctx, func(tx *sqldb.Tx) error {
		_, ch, err := inForce(ctx, tx)
		if errors.Is(err, errCharterMissing) {
			a = charter.KeepByOwner
			return nil
		}
		if err == nil {
			a = ch.KeepRules
		}
		return err
	})
	return a, err
}

// ParseWindow reads a duration as people write it: 30d, 36h, 90m, 45s.
func ParseWindow(text string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.ParseUint(days, 10, 16); err == nil {
			return time.Duration(n) * 24 * time.Hour, nil
		}
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 || d%time.Second != 0 {
		return 0, newError(wire.TypeInvalid, err, "An undo window is a duration of whole seconds, such as 30d or 36h.")
	}
	return d, nil
}

// windowBody is the private body of a leaf about an undo window.
type windowBody struct {
	Tenant string    `json:"tenant"`
	Volume string    `json:"volume"`
	Number int64     `json:"number"`
	Undo   string    `json:"undo"`
	By     string    `json:"by"`
	At     time.Time `json:"at"`
}

func keepRuleEntry(v snapshots.Volume, k snapshots.KeepRule) (deed string, e entry) {
	leaf := site.KeepLeaf{Tenant: v.Tenant, Volume: v.ID.String(), Number: k.Number, Rule: k.Rule, By: k.SetBy}
	return leaf.ID(), entry{kind: audit.KindKeepRuleSet, tenant: v.Tenant, subject: v.ID.String(), raw: leaf.Body()}
}

func windowEntry(v snapshots.Volume, w snapshots.Window) (deed string, e entry) {
	return v.ID.String() + ":" + strconv.FormatInt(w.Number, 10), entry{kind: audit.KindUndoChanged, tenant: v.Tenant, subject: v.ID.String(),
		body: windowBody{v.Tenant, v.ID.String(), w.Number, w.Undo.String(), w.SetBy, w.SetAt}}
}

func (c *Control) enterKeepRule(ctx context.Context, v snapshots.Volume, k snapshots.KeepRule) error {
	deed, e := keepRuleEntry(v, k)
	return c.enter(ctx, deed, e)
}

func (c *Control) enterWindow(ctx context.Context, v snapshots.Volume, w snapshots.Window) error {
	deed, e := windowEntry(v, w)
	return c.enter(ctx, deed, e)
}

// retention enters the leaves of what is kept of a volume, where they are missing:
// of who died between the deed and its leaf.
func (r *repair) retention(ctx context.Context, v snapshots.Volume) error {
	k, err := r.c.Data.KeepRule(ctx, v.Tenant, v.ID)
	if err == nil && k.Number > 0 {
		deed, e := keepRuleEntry(v, k)
		err = r.absent(ctx, e.kind, deed, func() error { return r.c.enter(ctx, deed, e) })
	}
	if err != nil {
		return err
	}
	_, w, err := r.c.Data.VolumeUndo(ctx, v.Tenant, v.ID)
	if err != nil || w.Number == 0 {
		return err
	}
	deed, e := windowEntry(v, w)
	return r.absent(ctx, e.kind, deed, func() error { return r.c.enter(ctx, deed, e) })
}

// composeShortenRetention names the rule in force and the one that is asked for.
func (c *Control) composeShortenRetention(ctx context.Context, s *statement.Statement, authority charter.KeepAuthority, ref, to string) error {
	v, err := c.volumeOf(ctx, s.Tenant.ID, ref)
	if err != nil {
		return err
	}
	next, err := keep.Parse(to)
	if err != nil {
		return err
	}
	k, err := c.Data.KeepRule(ctx, v.Tenant, v.ID)
	if err != nil {
		return err
	}
	now, err := keep.Parse(k.Rule)
	if err != nil {
		return err
	}
	if next == now || next.Covers(now) && authority != charter.KeepByQuorum {
		return newError(wire.TypeInvalid, nil, "This rule keeps at least what %q keeps. Set it at once; nobody has to be asked.", k.Rule)
	}
	s.Subjects = []statement.Subject{{Kind: "volume", ID: v.ID.String(), Name: v.Name}}
	s.Facts = []statement.Fact{statement.TextFact("from", k.Rule), statement.TextFact("to", to)}
	return nil
}

// composeShortenUndo names the window that holds and the one that is asked for,
// which is never below the charter's.
func (c *Control) composeShortenUndo(ctx context.Context, tx *sqldb.Tx, s *statement.Statement, ref, text string) error {
	v, err := c.volumeOf(ctx, s.Tenant.ID, ref)
	if err != nil {
		return err
	}
	to, err := ParseWindow(text)
	if err != nil {
		return err
	}
	now, _, err := c.Data.VolumeUndo(ctx, v.Tenant, v.ID)
	if err != nil {
		return err
	}
	_, ch, err := inForce(ctx, tx)
	if err != nil {
		return err
	}
	switch {
	case to < ch.Undo:
		return newError(wire.TypeInvalid, nil, "The charter's undo window is %s, and no volume's is shorter. Ask for a change of the charter.", ch.Undo)
	case to >= now:
		return newError(wire.TypeInvalid, nil, "The undo window is %s, and this is no shorter. Set it at once; nobody has to be asked.", now)
	}
	s.Subjects = []statement.Subject{{Kind: "volume", ID: v.ID.String(), Name: v.Name}}
	s.Facts = []statement.Fact{statement.DurationFact("from", now), statement.DurationFact("to", to)}
	return nil
}

// applyShortened logs what the site has shortened: the transition and, in the
// words that sites read, the new state.
func (c *Control) applyShortened(ctx context.Context, tx *sqldb.Tx, r quorumsql.Request, s statement.Statement, at time.Time) error {
	id, err := snapshots.ParseVolumeID(s.Subjects[0].ID)
	if err != nil {
		return err
	}
	v, err := c.Data.Volume(ctx, s.Tenant.ID, id)
	if err != nil {
		return err
	}
	from, _ := s.Fact("from")
	to, _ := s.Fact("to")
	if err := c.logTransition(ctx, tx, audit.KindRetentionChanged, r, at, map[string]string{"action": string(s.Action), "volume": v.ID.String(), "from": from, "to": to}); err != nil {
		return err
	}
	var deed string
	var e entry
	if s.Action == statement.ShortenRetention {
		k, err := c.Data.KeepRule(ctx, v.Tenant, v.ID)
		if err != nil {
			return err
		}
		deed, e = keepRuleEntry(v, k)
	} else {
		_, w, err := c.Data.VolumeUndo(ctx, v.Tenant, v.ID)
		if err != nil {
			return err
		}
		deed, e = windowEntry(v, w)
	}
	return c.enterIn(ctx, tx, deed, e)
}
