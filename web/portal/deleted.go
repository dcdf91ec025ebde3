package portal

import (
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"

	"holdfast/server/control"
	"holdfast/server/wire"
	"holdfast/web/page"
	"holdfast/web/view"
)

// deleted lists what was deleted and is not there now, as acts of deletion.
func deleted(v *page.Visit) error {
	volume, err := theVolume(v)
	if err != nil {
		return err
	}
	cursor := v.Query("cursor")
	list, err := v.Control.Acts(v.Context(), v.Who, volume.ID, cursor, control.PageOfActs())
	if err != nil {
		return err
	}
	d := view.Deleted{Volume: volume, Acts: list.Acts, May: may(v)}
	here := "/volumes/" + volume.ID + "/deleted"
	if list.Next != "" {
		d.Next = with(here, "cursor", list.Next)
	}
	if cursor != "" {
		d.First = here
	}
	return v.Show(view.Frame{Title: "Bring back what was deleted", Here: "/", Wide: true}, func(f view.Frame) templ.Component { return view.DeletedPage(f, d) })
}

// lastAct is the newest act of deletion, nil where there is none close by.
func lastAct(v *page.Visit, volume wire.Volume) (*view.Gone, error) {
	list, err := v.Control.Acts(v.Context(), v.Who, volume.ID, "", control.ActBounds{Acts: 1, Entries: glanceEntries, For: glanceFor})
	if err != nil || len(list.Acts) == 0 {
		return nil, err
	}
	act := list.Acts[0]
	undo := v.Control.Clock.Now().Sub(volume.UndoFrom)
	if !volume.UndoFrom.After(volume.CreatedAt) {
		// The volume is younger than its window, which so says nothing of the window's length.
		kept, err := v.Control.Retention(v.Context(), v.Who, volume.ID)
		if err != nil {
			return nil, err
		}
		undo = max(undo, time.Duration(kept.UndoSeconds)*time.Second)
	}
	return &view.Gone{Act: act, Ends: act.Until.Add(undo).Truncate(time.Second), Path: "/volumes/" + volume.ID + "/deleted"}, nil
}

// bringBack works for a while, and where more is to do shows a page that posts
// again.
func bringBack(v *page.Visit) error {
	volume, err := theVolume(v)
	if err != nil {
		return err
	}
	changed := func(err error) error {
		return control.NewError(wire.TypeInvalid, err, "The form was changed. Begin again: what was brought back already is left as it is.")
	}
	until, err := time.Parse(time.RFC3339Nano, v.Field("until"))
	if err != nil {
		return changed(err)
	}
	var from time.Time
	if text := v.Field("from"); text != "" {
		if from, err = time.Parse(time.RFC3339Nano, text); err != nil {
			return changed(err)
		}
	}
	prefix, err := packed(v, "prefix")
	if err != nil {
		return err
	}
	b := view.BroughtBack{Volume: volume, Prefix: prefix}
	sums := []struct {
		name string
		n    *int64
	}{{"files", &b.Files}, {"folders", &b.Folders}, {"bytes", &b.Bytes}, {"differ", &b.Differ}}
	for _, s := range sums {
		if *s.n, err = strconv.ParseInt("0"+v.Field(s.name), 10, 64); err != nil {
			return changed(err)
		}
	}
	for cursor, began := v.Field("cursor"), v.Control.Clock.Now(); ; {
		part, err := v.Control.BringBack(v.Context(), v.Who, volume.ID, until, from, prefix, cursor)
		if err != nil {
			return err
		}
		b.Files, b.Folders, b.Bytes, b.Differ = b.Files+part.Files, b.Folders+part.Folders, b.Bytes+part.Bytes, b.Differ+part.Differ
		if cursor = part.Next; cursor == "" {
			break
		}
		if v.Control.Clock.Now().Sub(began) < workFor {
			continue
		}
		fields := []view.Pair{{Name: "until", Value: v.Field("until")}, {Name: "from", Value: v.Field("from")}, {Name: "prefix", Value: view.Packed(prefix)}, {Name: "cursor", Value: cursor}}
		for _, s := range sums {
			fields = append(fields, view.Pair{Name: s.name, Value: strconv.FormatInt(*s.n, 10)})
		}
		return v.Show(view.Frame{Title: "Bringing it back", Here: "/", Narrow: true, Scripts: []string{"portal.js"}}, func(f view.Frame) templ.Component {
			return view.WorkingPage(f, view.Working{Volume: volume, Title: "Bringing it back", Words: view.Things(b.Files, b.Folders) + " so far", Fields: fields, Page: "/bring-back"})
		})
	}
	left, err := v.Control.Acts(v.Context(), v.Who, volume.ID, "", control.ActBounds{Acts: 1, Entries: glanceEntries, For: glanceFor})
	if err != nil {
		return err
	}
	b.Left, b.Unsure = len(left.Acts) > 0, left.Next != ""
	return v.Show(view.Frame{Title: "Restored", Here: "/", Wide: true}, func(f view.Frame) templ.Component { return view.BroughtBackPage(f, b) })
}

// count says how much a deletion would take, as far as that is quickly known.
func count(v *page.Visit, r *view.Removal) error {
	if r.All {
		r.Files, r.Exact = r.Volume.Files, true
		return nil
	}
	r.Exact = true
	began := v.Control.Clock.Now()
	for _, p := range r.Paths {
		if !strings.HasSuffix(p, "/") {
			r.Files++
			continue
		}
		r.Folders++
		for cursor := ""; ; {
			list, err := v.Control.Entries(v.Context(), v.Who, control.From{Volume: r.Volume.ID}, control.Listing{Prefix: p, Cursor: cursor, Limit: control.MaxPage})
			if err != nil {
				return err
			}
			for _, e := range list.Entries {
				if e.Type == "dir" {
					r.Folders++
				} else {
					r.Files++
				}
			}
			if cursor = list.Next; cursor == "" {
				break
			}
			if v.Control.Clock.Now().Sub(began) > countFor {
				r.Exact = false
				return nil
			}
		}
	}
	return nil
}

// losses say what was deleted last from each of some volumes and is missing, as far
// as that is quickly found. Who it was is not known: primary data is a tenant's own,
// and its commits carry no names.
func losses(v *page.Visit, living []wire.Glance) (out []view.Wrong, err error) {
	began := v.Control.Clock.Now()
	for _, g := range living {
		gone, err := lastAct(v, g.Volume)
		if err != nil {
			return nil, err
		}
		if gone != nil {
			n, words := gone.Act.Files+gone.Act.Folders, " were"
			if n == 1 && gone.Act.Whole() {
				words = " was"
			}
			out = append(out, view.Wrong{Volume: g.Volume.Name, What: view.ActWords(gone.Act) + words + " deleted at " + view.Time(gone.Act.Until) + ".",
				Do: "Until " + view.Time(gone.Ends) + " it can be brought back.", Path: gone.Path, Link: "Bring back"})
		}
		if v.Control.Clock.Now().Sub(began) > glancesFor {
			break
		}
	}
	return out, nil
}
