package portal

import (
	"slices"
	"time"

	"github.com/a-h/templ"

	"holdfast/server/wire"
	"holdfast/web/page"
	"holdfast/web/view"
)

func overview(v *page.Visit) error {
	tenant, err := v.Control.OwnTenant(v.Context(), v.Who)
	if err != nil {
		return err
	}
	all, next, err := v.Control.Glances(v.Context(), v.Who, v.Query("after"))
	if err != nil {
		return err
	}
	o := view.Overview{Tenant: tenant, May: may(v)}
	if o.Under, err = v.Control.UnderWay(v.Context(), v.Who, tenant.ID); err != nil {
		return err
	}
	freezes, err := v.Control.Freezes(v.Context(), v.Who)
	if err != nil {
		return err
	}
	notices, err := v.Control.Notices(v.Context(), v.Who)
	if err != nil {
		return err
	}
	now := v.Control.Clock.Now()
	o.Wrong = wrongs(o.Under, freezes, notices, v.Who.ID())
	denied, _, err := v.Control.RequestPage(v.Context(), v.Who, "denied", 0, deniedShown)
	if err != nil {
		return err
	}
	o.Wrong = append(o.Wrong, denials(denied, v.Who.ID(), now)...)
	for _, g := range all {
		if g.Volume.Deleted {
			if g.Latest != nil || g.Volume.UndoFrom.Before(*g.Volume.DeletedAt) {
				o.Gone = append(o.Gone, g)
			}
			continue
		}
		o.Living = append(o.Living, g)
		if w, ok := wrong(g, now); ok {
			o.Wrong = append(o.Wrong, w)
		}
	}
	lost, err := losses(v, o.Living)
	if err != nil {
		return err
	}
	o.Wrong = append(lost, o.Wrong...)
	if next != "" {
		o.Next = with("/", "after", next)
	}
	return v.Show(view.Frame{Title: "Your backups", Here: "/", Wide: true}, func(f view.Frame) templ.Component { return view.PortalOverview(f, o) })
}

// wrongs are what concerns the whole tenant.
func wrongs(under []wire.Request, freezes []wire.Freeze, notices []wire.Notice, me string) (out []view.Wrong) {
	if slices.ContainsFunc(freezes, func(z wire.Freeze) bool { return z.LiftedAt == nil }) {
		out = append(out, view.Wrong{What: "A freeze is in force.", Do: "Nothing destructive happens until a quorum lifts it.", Path: "/freeze", Link: "Why, and since when"})
	}
	for _, r := range under {
		if r.Action != "delete-copies" || r.State == "draft" {
			continue
		}
		w := view.Wrong{What: "Somebody has asked for the deletion of a snapshot.", Do: "If that is not what you want, stop it.", Path: "/requests/" + r.ID, Link: "Look at the request"}
		if r.Requester.ID == me {
			// By whoever has this account's factors: it is told all the same.
			w.What, w.Do = "Your account has asked for the deletion of a snapshot.", "If that was not you, or you think again, stop it."
		}
		if r.State == "tombstoned" {
			w.What, w.Do, w.Path, w.Link = "A snapshot is hidden and will be erased.", "Until then one person can bring it back.", w.Path+"#undo", "Bring it back"
			if t := r.Timer; t != nil {
				w.What = "A snapshot is hidden and will be erased in " + view.Span(t.Seconds-t.Accrued) + "."
				if t.Stopped != "" {
					w.What = "A snapshot is hidden; the time until it is erased stands still with " + view.Span(t.Seconds-t.Accrued) + " left."
				}
			}
		}
		out = append(out, w)
	}
	unread := 0
	for _, n := range notices {
		if n.ReadAt == nil {
			unread++
		}
	}
	if unread > 0 {
		out = append(out, view.Wrong{What: "You have " + view.Count(int64(unread), "unread notice", "unread notices") + ".",
			Do: "A new factor or member that nobody knows is worth a freeze.", Path: "/notices", Link: "Read"})
	}
	return out
}

// wrong says what is the matter with a volume, the gravest alone.
func wrong(g wire.Glance, now time.Time) (view.Wrong, bool) {
	w := view.Wrong{Volume: g.Volume.Name, Path: "/volumes/" + g.Volume.ID + "/manage", Link: "Take a snapshot"}
	switch {
	case g.Suspect > 0:
		w.What, w.Do = "A recent copy is flagged as suspect and does not count as a restore point.", "Compare it with an earlier one before you restore."
		w.Path, w.Link = "/volumes/"+g.Volume.ID+"/timeline", "Look at the timeline"
	case g.Latest == nil:
		w.What, w.Do = "There is no snapshot.", "Until there is one, the undo window is all that you can go back to."
	case now.Sub(g.Latest.TakenAt) > staleSnapshot:
		w.What, w.Do = "The last snapshot is "+view.Ago(g.Latest.TakenAt, now)+".", "Take one, or see why the job that does no longer runs."
	case g.Sealed == nil && now.Sub(g.Latest.TakenAt) > slowSeal:
		w.What, w.Do = "The newest snapshots are not sealed yet.", "If this stays so, tell your support people."
		w.Path, w.Link = "/volumes/"+g.Volume.ID+"/timeline", "Look at the timeline"
	case g.Sealed != nil && g.Proven == nil && now.Sub(g.Sealed.TakenAt) > slowProof:
		w.What, w.Do = "No recent copy has been restored and compared.", "If this stays so, tell your support people."
		w.Path, w.Link = "/snapshots/"+g.Sealed.ID, "Look at the newest copy"
	default:
		return w, false
	}
	return w, true
}
