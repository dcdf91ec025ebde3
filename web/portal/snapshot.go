package portal

import (
	"regexp"
	"time"

	"github.com/a-h/templ"

	"holdfast/server/control"
	"holdfast/server/wire"
	"holdfast/web/page"
	"holdfast/web/view"
)

func snapshotPages(s *page.Site) {
	s.Get("/volumes/:volume/timeline", timeline)
	s.Get("/snapshots/:snapshot", showSnapshot)
	s.Get("/snapshots/:snapshot/delete", showAsk)
	s.Post("/snapshots/:snapshot/delete", func(v *page.Visit) error {
		snap, err := v.Control.Snapshot(v.Context(), v.Who, v.Param("snapshot"))
		if err != nil {
			return err
		}
		return ask(v, word(snap), wire.AskRequest{Action: "delete-copies", Copies: []wire.CopyRef{{Snapshot: snap.ID}}, Reason: v.Field("reason")})
	}, showAsk)
}

// word confirms the asking for one snapshot: it is different for each.
// It is the name that somebody gave it, where that is plain and short, else the end of its id.
func word(s wire.Snapshot) string {
	if plainName.MatchString(s.Name) {
		return "delete " + s.Name
	}
	return "delete " + s.ID[max(0, len(s.ID)-6):]
}

var plainName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$`)

func snapshotAndVolume(v *page.Visit) (wire.Snapshot, wire.Volume, error) {
	snap, err := v.Control.Snapshot(v.Context(), v.Who, v.Param("snapshot"))
	if err != nil {
		return snap, wire.Volume{}, err
	}
	volume, err := v.Control.Volume(v.Context(), v.Who, snap.Volume)
	return snap, volume, err
}

func showSnapshot(v *page.Visit) error {
	snap, volume, err := snapshotAndVolume(v)
	if err != nil {
		return err
	}
	return v.Show(view.Frame{Title: "Snapshot", Here: "/", Wide: true}, func(f view.Frame) templ.Component { return view.SnapshotPage(f, volume, snap, may(v)) })
}

func showAsk(v *page.Visit) error {
	snap, volume, err := snapshotAndVolume(v)
	if err != nil {
		return err
	}
	foreseen, err := v.Control.Foresee(v.Context(), v.Who, wire.AskRequest{Action: "delete-copies", Copies: []wire.CopyRef{{Snapshot: snap.ID}}, Reason: "preview"})
	if err != nil {
		return err
	}
	a := view.AskDeletion{Volume: volume, Snapshot: snap, Impact: foreseen.Impact, Foreseen: foreseen, Word: word(snap), Reason: v.Field("reason")}
	return v.Show(view.Frame{Title: "Ask for the deletion of a snapshot", Here: "/", Danger: true}, func(f view.Frame) templ.Component { return view.Ask(f, a) })
}

func timeline(v *page.Visit) error {
	volume, err := theVolume(v)
	if err != nil {
		return err
	}
	now := v.Control.Clock.Now().UTC()
	t := view.Timeline{Volume: volume, Zoom: view.Zooms[1], Now: now, May: may(v)}
	for _, z := range view.Zooms {
		if z.Name == v.Query("zoom") {
			t.Zoom = z
		}
	}
	until := now
	if text := v.Query("until"); text != "" {
		if until, err = moment(text); err != nil {
			return control.NewError(wire.TypeInvalid, err, "A moment is a date and a time, such as 2026-01-31T12:00:00Z.")
		}
		if until.After(now) || until.Year() < 2000 {
			until = now
		}
	}
	// Spans begin on round times, so that a mark stays where it is from one look to
	// the next.
	until = until.Add(t.Zoom.Width - time.Duration(until.UnixNano())%t.Zoom.Width)
	if t.Data, err = v.Control.Timeline(v.Context(), v.Who, volume.ID, until.Add(-t.Zoom.Length()), t.Zoom.Width, t.Zoom.Spans); err != nil {
		return err
	}
	before := v.Query("before")
	if before == "" {
		before = newestOf(t.Data)
	} else {
		t.First = with(with("/volumes/"+volume.ID+"/timeline", "zoom", t.Zoom.Name), "until", v.Query("until"))
	}
	list, err := snapshotsFrom(v, volume, before, v.Query("before") == "")
	if err != nil {
		return err
	}
	for _, s := range list {
		if !s.TakenAt.Before(t.Data.From) {
			t.Snapshots = append(t.Snapshots, s)
		}
	}
	if len(t.Snapshots) == snapshotsPage {
		here := with(with("/volumes/"+volume.ID+"/timeline", "zoom", t.Zoom.Name), "until", v.Query("until"))
		t.Older = with(here, "before", t.Snapshots[len(t.Snapshots)-1].ID)
	}
	if t.Glance, err = v.Control.Glance(v.Context(), v.Who, volume.ID); err != nil {
		return err
	}
	return v.Show(view.Frame{Title: "Timeline", Here: "/", Wide: true}, func(f view.Frame) templ.Component { return view.TimelinePage(f, t) })
}

// newestOf is the newest snapshot that a timeline counts, or "".
func newestOf(t wire.Timeline) (newest string) {
	for _, lane := range t.Lanes {
		for _, m := range lane.Marks {
			newest = max(newest, m.Newest)
		}
	}
	return newest
}

// snapshotsFrom lists snapshots from the one named, or from before it.
func snapshotsFrom(v *page.Visit, volume wire.Volume, id string, itself bool) ([]wire.Snapshot, error) {
	if id == "" {
		return nil, nil
	}
	var out []wire.Snapshot
	if itself {
		s, err := v.Control.Snapshot(v.Context(), v.Who, id)
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	more, err := v.Control.Snapshots(v.Context(), v.Who, volume.ID, id, snapshotsPage-len(out))
	return append(out, more...), err
}
