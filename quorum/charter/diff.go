package charter

import (
	"fmt"
	"strings"

	"holdfast/quorum/internal/plain"
)

// Change is one difference between two charters.
type Change struct {
	// What names the line and field, such as "site berlin cooling" or "approver per_x".
	What string
	// From and To are the values in printable ASCII; empty where the line is missing.
	From, To string
	// Weakens says that fewer or other people, or less time, now suffice. When in doubt it is true.
	Weakens bool
}

type differ struct{ out []Change }

func (d *differ) text(what, from, to string, weakens bool) {
	if from != to {
		d.out = append(d.out, Change{what, from, to, weakens})
	}
}

// more: less is weaker.
func more[T int | int64 | uint64](d *differ, what string, from, to T, show func(T) string) {
	d.text(what, show(from), show(to), to < from)
}

func decimal[T int | int64 | uint64](n T) string { return fmt.Sprint(n) }

// Diff lists what next changes, in the order of the text, and whether each change weakens. Number, previous and
// created-at are left out, for they always change.
func Diff(prev, next *Charter) []Change {
	d := &differ{}
	prev, next = prev.Normalise(), next.Normalise()
	d.text("purpose", string(prev.Purpose), string(next.Purpose), next.Purpose != Production)
	d.text("undo", plain.Duration(prev.Undo), plain.Duration(next.Undo), next.Undo < prev.Undo)
	d.text("quarantine", plain.Duration(prev.Quarantine), plain.Duration(next.Quarantine), next.Quarantine < prev.Quarantine)
	d.text("stagger", plain.Duration(prev.Stagger), plain.Duration(next.Stagger), next.Stagger < prev.Stagger)
	more(d, "clocks", prev.Clocks, next.Clocks, decimal)
	more(d, "witnesses", prev.Witnesses, next.Witnesses, decimal)
	rank := map[KeepAuthority]int{KeepByQuorum: 2, KeepByOwner: 1, KeepByOperator: 0}
	d.text("keep-rules", string(prev.KeepRules), string(next.KeepRules), rank[next.KeepRules] < rank[prev.KeepRules])
	d.lines(prev, next)
	for _, s := range prev.Sites {
		t, ok := next.Site(s.Name)
		if !ok {
			d.text("site "+s.Name, string(s.Role), "", true)
			continue
		}
		d.site(s, t)
	}
	for _, t := range next.Sites {
		if _, ok := prev.Site(t.Name); !ok {
			d.text("site "+t.Name, "", string(t.Role), false)
		}
	}
	return d.out
}

func (d *differ) site(s, t Site) {
	at := "site " + s.Name + " "
	d.text(at+"role", string(s.Role), string(t.Role), s.Role == Independent || t.Role == Replica)
	d.text(at+"key", ed25519Key(s.Key), ed25519Key(t.Key), true)
	more(d, at+"approvals", s.Approvals, t.Approvals, decimal)
	more(d, at+"teams", s.Teams, t.Teams, decimal)
	more(d, at+"hardware", s.Hardware, t.Hardware, decimal)
	more(d, at+"independent", s.Independent, t.Independent, decimal)
	d.text(at+"totp", plain.YesNo(s.TOTP), plain.YesNo(t.TOTP), t.TOTP)
	d.text(at+"cooling", plain.Duration(s.Cooling), plain.Duration(t.Cooling), t.Cooling < s.Cooling)
	d.text(at+"grace", plain.Duration(s.Grace), plain.Duration(t.Grace), t.Grace < s.Grace)
	d.text(at+"last-extra", plain.Duration(s.LastExtra), plain.Duration(t.LastExtra), t.LastExtra < s.LastExtra)
	d.text(at+"request-copies", decimal(s.Caps.RequestCopies), decimal(t.Caps.RequestCopies), t.Caps.RequestCopies > s.Caps.RequestCopies)
	d.text(at+"request-bytes", decimal(s.Caps.RequestBytes), decimal(t.Caps.RequestBytes), t.Caps.RequestBytes > s.Caps.RequestBytes)
	d.text(at+"day-copies", decimal(s.Caps.DayCopies), decimal(t.Caps.DayCopies), t.Caps.DayCopies > s.Caps.DayCopies)
	d.text(at+"day-bytes", decimal(s.Caps.DayBytes), decimal(t.Caps.DayBytes), t.Caps.DayBytes > s.Caps.DayBytes)
}

// lines compares people, keys and addresses as lines of text. Every change of who may speak, on either side, is shown as a
// weakening; only another mailbox is not.
func (d *differ) lines(prev, next *Charter) {
	type entry struct{ what, value string }
	list := func(c *Charter) (out []entry) {
		for _, o := range c.Origins {
			out = append(out, entry{"origin " + o.URL, "rp " + o.RP + " independent " + plain.YesNo(o.Independent)})
		}
		for _, a := range c.Approvers {
			out = append(out, entry{"approver " + a.ID, plain.Name(a.Name) + " team " + a.Team})
			for _, k := range a.Keys {
				out = append(out, entry{"key of " + a.ID + " " + plain.Bytes(k.CredentialID),
					string(k.Algorithm()) + " rp " + k.RP + " device-bound " + plain.YesNo(k.Hardware)})
			}
		}
		for _, s := range c.Attestations {
			out = append(out, entry{"attestation " + s.ID, ed25519Key(s.Key)})
		}
		out = append(out, entry{"log " + c.Log.ID, ed25519Key(c.Log.Key)})
		for _, w := range c.WitnessKeys {
			out = append(out, entry{"witness " + w.Name, ed25519Key(w.Key) + " " + w.HolderKind + " " + w.Holder})
		}
		for _, r := range c.Recipients {
			out = append(out, entry{"recipient " + r.Age, plain.Name(r.Name)})
		}
		for _, m := range c.Mailboxes {
			out = append(out, entry{"mailbox " + m.Site + " " + m.URL, "yes"})
		}
		return out
	}
	was, is := map[string]string{}, map[string]bool{}
	for _, e := range list(prev) {
		was[e.what] = e.value
	}
	now := list(next)
	for _, e := range now {
		is[e.what] = true
	}
	for _, e := range list(prev) {
		if !is[e.what] {
			d.text(e.what, e.value, "", true)
		}
	}
	for _, e := range now {
		d.text(e.what, was[e.what], e.value, !strings.HasPrefix(e.what, "mailbox "))
	}
}
