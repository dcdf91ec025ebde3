package portal

import (
	"strconv"
	"time"

	"github.com/a-h/templ"

	"holdfast/server/control"
	"holdfast/server/wire"
	"holdfast/web/page"
	"holdfast/web/view"
)

func restorePages(s *page.Site) {
	s.Get("/volumes/:volume/restore", showRestore)
	s.Post("/volumes/:volume/restore", restore, showRestore)
	s.Get("/volumes/:volume/compare", compare)
}

// restoring reads a restore as far as it is chosen.
func restoring(v *page.Visit) (r view.Restoring, err error) {
	volume, err := theVolume(v)
	if err != nil {
		return r, err
	}
	r.May = may(v)
	if r.Point, err = pointOf(v, volume, "snapshot", "at"); err != nil {
		return r, err
	}
	r.Chosen = !r.Point.Live()
	if r.Prefix, err = packed(v, "prefix"); err != nil {
		return r, err
	}
	switch r.How = value(v, "how"); r.How {
	case "":
		r.How = "missing"
		if volume.Kind == "stream" {
			r.How = "changed"
		}
	case "missing", "changed", "exact":
	default:
		return r, control.NewError(wire.TypeInvalid, nil, "Choose how to restore: what is missing, also what has changed, or exactly.")
	}
	if r.Into = value(v, "into"); r.Into == volume.ID {
		r.Into = ""
	}
	all, err := v.Control.Volumes(v.Context(), v.Who)
	for _, o := range all {
		if o.ID != volume.ID && !o.Deleted && o.Kind == volume.Kind {
			r.Others = append(r.Others, o)
		}
	}
	return r, err
}

func showRestore(v *page.Visit) error {
	r, err := restoring(v)
	if err != nil {
		// A moment that cannot be is mended on the page that asks for one.
		volume, e := theVolume(v)
		if e != nil || value(v, "at") == "" && value(v, "snapshot") == "" {
			return err
		}
		return v.OrAgain(err, func(v *page.Visit) error {
			return choosePoint(v, view.Restoring{Point: view.Point{Volume: volume}, May: may(v)})
		})
	}
	if !r.Chosen {
		return choosePoint(v, r)
	}
	if value(v, "step") == "preview" {
		cursor := v.Query("cursor")
		found, err := differences(v, from(r.Point), into(r), r.Prefix, cursor)
		if err != nil {
			return err
		}
		r.Preview = &found
		here := r.Point.Path("/restore", "prefix", view.Packed(r.Prefix), "how", r.How, "into", r.Into, "step", "preview")
		if cursor != "" {
			r.First = here
		}
		r.Next = with(here, "cursor", found.Next)
		if found.Next == "" {
			r.Next = ""
		}
	}
	return v.Show(view.Frame{Title: "Restore", Here: "/", Wide: true}, func(f view.Frame) templ.Component { return view.RestorePage(f, r) })
}

func choosePoint(v *page.Visit, r view.Restoring) (err error) {
	if r.Recent, err = v.Control.Snapshots(v.Context(), v.Who, r.Point.Volume.ID, "", recentSnapshots); err != nil {
		return err
	}
	return v.Show(view.Frame{Title: "Restore", Here: "/", Wide: true}, func(f view.Frame) templ.Component { return view.RestorePage(f, r) })
}

// into is what a restore is compared with: the volume that it goes into, as it is.
// A deleted volume is compared as it was when it was deleted.
func into(r view.Restoring) control.From {
	switch {
	case r.Into != "":
		return control.From{Volume: r.Into}
	case r.Point.Volume.DeletedAt != nil:
		return control.From{Volume: r.Point.Volume.ID, At: r.Point.Volume.DeletedAt.Add(-time.Microsecond)}
	}
	return control.From{Volume: r.Point.Volume.ID}
}

// restore works for a while, and where more is to do shows a page that posts
// again. When all is restored it is compared in the same way.
func restore(v *page.Visit) error {
	r, err := restoring(v)
	if err != nil {
		return err
	}
	if !r.Chosen {
		return control.NewError(wire.TypeInvalid, nil, "First choose the point to go back to.")
	}
	w := work{v: v, r: r, until: v.Control.Clock.Now().Add(workFor), cursor: v.Field("cursor"), phase: v.Field("phase")}
	for name, n := range w.counts() {
		if *n, err = strconv.ParseInt("0"+v.Field(name), 10, 64); err != nil {
			return control.NewError(wire.TypeInvalid, err, "The form was changed. Begin the restore again: what was brought back already is left as it is.")
		}
	}
	if w.phase != "check" {
		done, err := w.restore()
		if err != nil {
			return err
		}
		if !done {
			return w.more("Restoring", view.Count(w.files, "entry", "entries")+" brought back, "+view.Count(w.unchanged, "entry", "entries")+" left as they were, "+view.Count(w.deleted, "entry", "entries")+" deleted so far")
		}
		w.phase, w.cursor = "check", ""
	}
	done, err := w.check()
	if err != nil {
		return err
	}
	if !done {
		return w.more("Comparing digests", "All is brought back. It is being compared with the point that it came from.")
	}
	volume := r.Point.Volume
	if r.Into != "" {
		volume.ID = r.Into
	}
	return v.Show(view.Frame{Title: "Restored", Here: "/", Wide: true}, func(f view.Frame) templ.Component {
		return view.RestoredPage(f, view.Restored{Volume: volume, Point: r.Point, Prefix: r.Prefix, Files: w.files, Unchanged: w.unchanged, Deleted: w.deleted,
			Missing: w.missing, Changed: w.changed, Kept: w.kept})
	})
}

// work is a restore that goes on from form to form. What it has counted is for
// people to read; nothing depends on it.
type work struct {
	v     *page.Visit
	r     view.Restoring
	until time.Time

	phase, cursor                                     string
	files, unchanged, deleted, missing, changed, kept int64
}

func (w *work) counts() map[string]*int64 {
	return map[string]*int64{"files": &w.files, "unchanged": &w.unchanged, "deleted": &w.deleted, "missing": &w.missing, "changed": &w.changed, "kept": &w.kept}
}

func (w *work) restore() (done bool, err error) {
	in := wire.Restore{Prefix: w.r.Prefix, Into: w.r.Into, Exact: w.r.How == "exact", Missing: w.r.How == "missing"}
	if w.r.Point.Snapshot != nil {
		in.Snapshot = w.r.Point.Snapshot.ID
	} else {
		in.At = &w.r.Point.At
	}
	for {
		in.Cursor = w.cursor
		out, err := w.v.Control.Restore(w.v.Context(), w.v.Who, w.r.Point.Volume.ID, in)
		if err != nil {
			return false, err
		}
		w.files, w.unchanged, w.deleted = w.files+out.Files, w.unchanged+out.Unchanged, w.deleted+out.Deleted
		w.cursor = out.Next
		if out.Next == "" {
			return true, nil
		}
		if w.v.Control.Clock.Now().After(w.until) {
			return false, nil
		}
	}
}

// check compares by digest what was restored with the point that it came from.
// What the chosen way leaves alone is no difference.
func (w *work) check() (done bool, err error) {
	to := control.From{Volume: w.r.Point.Volume.ID}
	if w.r.Into != "" {
		to.Volume = w.r.Into
	}
	for {
		found, err := w.v.Control.Compare(w.v.Context(), w.v.Who, from(w.r.Point), to, w.r.Prefix, w.cursor, control.MaxPage)
		if err != nil {
			return false, err
		}
		for _, c := range found.Changes {
			switch {
			case c.Kind == "deleted":
				w.missing++
			case c.Kind == "changed" && w.r.How != "missing":
				w.changed++
			case c.Kind == "changed":
				w.kept++
			}
		}
		w.cursor = found.Next
		if found.Next == "" {
			return true, nil
		}
		if w.v.Control.Clock.Now().After(w.until) {
			return false, nil
		}
	}
}

func (w *work) more(title, words string) error {
	fields := []view.Pair{{Name: "prefix", Value: view.Packed(w.r.Prefix)}, {Name: "into", Value: w.r.Into}, {Name: "how", Value: w.r.How},
		{Name: "phase", Value: w.phase}, {Name: "cursor", Value: w.cursor}}
	if w.r.Point.Snapshot != nil {
		fields = append(fields, view.Pair{Name: "snapshot", Value: w.r.Point.Snapshot.ID})
	} else {
		fields = append(fields, view.Pair{Name: "at", Value: view.Exactly(w.r.Point.At)})
	}
	for name, n := range w.counts() {
		fields = append(fields, view.Pair{Name: name, Value: strconv.FormatInt(*n, 10)})
	}
	return w.v.Show(view.Frame{Title: title, Here: "/", Narrow: true, Scripts: []string{"portal.js"}}, func(f view.Frame) templ.Component {
		return view.WorkingPage(f, view.Working{Volume: w.r.Point.Volume, Title: title, Words: words, Fields: fields})
	})
}

// compare lists what differs between two points.
func compare(v *page.Visit) error {
	volume, err := theVolume(v)
	if err != nil {
		return err
	}
	c := view.Comparing{}
	if c.Recent, err = v.Control.Snapshots(v.Context(), v.Who, volume.ID, "", recentSnapshots); err != nil {
		return err
	}
	c.Was, c.Is = view.Point{Volume: volume}, view.Point{Volume: volume}
	show := func(v *page.Visit) error {
		return v.Show(view.Frame{Title: "Compare two points", Here: "/", Wide: true}, func(f view.Frame) templ.Component { return view.ComparePage(f, c) })
	}
	if c.Prefix, err = packed(v, "prefix"); err != nil {
		return v.OrAgain(err, show)
	}
	if c.Was, err = pointOf(v, volume, "snapshot", "at"); err != nil {
		return v.OrAgain(err, show)
	}
	if c.Is, err = pointOf(v, volume, "to_snapshot", "to_at"); err != nil {
		return v.OrAgain(err, show)
	}
	if c.Chosen = !c.Was.Live(); !c.Chosen {
		return show(v)
	}
	cursor := v.Query("cursor")
	if c.Found, err = differences(v, from(c.Was), from(c.Is), c.Prefix, cursor); err != nil {
		c.Chosen = false
		return v.OrAgain(err, show)
	}
	more := []string{"prefix", view.Packed(c.Prefix)}
	if c.Is.Snapshot != nil {
		more = append(more, "to_snapshot", c.Is.Snapshot.ID)
	} else if !c.Is.At.IsZero() {
		more = append(more, "to_at", view.Exactly(c.Is.At))
	}
	here := c.Was.Path("/compare", more...)
	if cursor != "" {
		c.First = here
	}
	if c.Found.Next != "" {
		c.Next = with(here, "cursor", c.Found.Next)
	}
	return show(v)
}

// differences is a page of what differs. It looks on by itself for a while, so that
// a page is empty, and has another after it, only where much is the same.
func differences(v *page.Visit, was, is control.From, prefix, cursor string) (out wire.Differences, err error) {
	began := v.Control.Clock.Now()
	for {
		// At the end of a full page it is asked whether there is any more at all.
		found, err := v.Control.Compare(v.Context(), v.Who, was, is, prefix, cursor, max(1, differencesPage-len(out.Changes)))
		if err != nil {
			return out, err
		}
		if len(out.Changes) == differencesPage && len(found.Changes) > 0 {
			return out, nil // Next is where this one began
		}
		out.Changes = append(out.Changes, found.Changes...)
		out.Next, cursor = found.Next, found.Next
		if out.Next == "" || v.Control.Clock.Now().Sub(began) > workFor {
			return out, nil
		}
	}
}
