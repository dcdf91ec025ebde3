package portal

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/a-h/templ"

	"holdfast/server/control"
	"holdfast/server/wire"
	"holdfast/web/page"
	"holdfast/web/view"
)

func volumePages(s *page.Site) {
	s.Get("/volumes/new", showNewVolume)
	s.Post("/volumes/new", func(v *page.Visit) error {
		volume, err := v.Control.CreateVolume(v.Context(), v.Who, wire.CreateVolume{Name: strings.TrimSpace(v.Field("name")), Kind: v.Field("kind")})
		if err != nil {
			return err
		}
		return v.Go("/volumes/" + volume.ID + "?done=volume-made")
	}, showNewVolume)
	s.Get("/volumes/:volume", browse)
	s.Upload("/volumes/:volume/upload", upload)
	s.Post("/volumes/:volume/uploads/:upload/give-up", giveUp, browse)
	s.Get("/volumes/:volume/manage", manage)
	s.Post("/volumes/:volume/snapshot", func(v *page.Visit) error {
		snap, err := v.Control.TakeSnapshot(v.Context(), v.Who, v.Param("volume"), wire.TakeSnapshot{Name: strings.TrimSpace(v.Field("name"))})
		if err != nil {
			return err
		}
		return v.Go("/snapshots/" + snap.ID + "?done=snapshot-taken")
	}, manage)
	s.Post("/volumes/:volume/delete", deleteEntries, browse)
	s.Post("/volumes/:volume/delete-volume", deleteVolume, manage)
	s.Get("/volumes/:volume/deleted", deleted)
	s.Post("/volumes/:volume/bring-back", bringBack, deleted)
	s.Post("/volumes/:volume/undelete", func(v *page.Visit) error {
		volume, err := theVolume(v)
		if err != nil {
			return err
		}
		if volume.DeletedAt != nil {
			at := volume.DeletedAt.Add(-time.Microsecond)
			if _, err := v.Control.Restore(v.Context(), v.Who, volume.ID, wire.Restore{At: &at, Missing: true}); err != nil {
				return err
			}
		}
		return v.Go("/volumes/" + volume.ID + "?done=volume-back")
	}, overview)
}

func showNewVolume(v *page.Visit) error {
	return v.Show(view.Frame{Title: "Make a volume", Here: "/", Narrow: true}, func(f view.Frame) templ.Component {
		return view.NewVolume(f, v.Field("name"), v.Field("kind"))
	})
}

// browse lists a folder of a volume, now or at a point of its past.
func browse(v *page.Visit) error {
	volume, err := theVolume(v)
	if err != nil {
		return err
	}
	l := view.Listing{Search: v.Query("q"), May: may(v)}
	if l.Point, err = pointOf(v, volume, "snapshot", "at"); err != nil {
		return err
	}
	if l.Dir, err = packed(v, "dir"); err != nil {
		return err
	}
	if l.Dir != "" && !strings.HasSuffix(l.Dir, "/") {
		l.Dir += "/"
	}
	if !volume.Deleted || !l.Point.Live() {
		cursor := v.Query("cursor")
		list, err := v.Control.Entries(v.Context(), v.Who, from(l.Point), control.Listing{Prefix: l.Dir + l.Search, Delimiter: "/", Cursor: cursor, Limit: entriesPage})
		if err != nil {
			return err
		}
		l.Folders, l.Files = folders(list)
		here := l.Point.Path("", "dir", view.Packed(l.Dir), "q", l.Search)
		if cursor != "" {
			l.First = here
		}
		if list.Next != "" {
			l.Next = with(here, "cursor", list.Next)
		}
		l.All = v.Query("tick") == "all"
		l.TickAll, l.TickNone = with(with(here, "cursor", cursor), "tick", "all"), with(here, "cursor", cursor)
	}
	if l.Point.Live() && !volume.Deleted && l.May.Work {
		if l.Uploads, err = v.Control.Uploads(v.Context(), v.Who, volume.ID); err != nil {
			return err
		}
	}
	if v.Query("done") == "deleted" && l.Point.Live() && !volume.Deleted {
		if l.Gone, err = lastAct(v, volume); err != nil {
			return err
		}
	}
	return v.Show(view.Frame{Title: "Files", Here: "/", Wide: true, Scripts: []string{"portal.js"}}, func(f view.Frame) templ.Component { return view.Browse(f, l) })
}

// folders parts a page of a listing. A folder that has an entry of its own and
// something in it is one folder.
func folders(list wire.Entries) (dirs, files []wire.Entry) {
	seen := map[string]bool{}
	for _, e := range list.Prefixes {
		seen[view.Exact(e)] = true
	}
	dirs = list.Prefixes
	for _, e := range list.Entries {
		if e.Type != "dir" {
			files = append(files, e)
			continue
		}
		path := view.Exact(e) + "/"
		if !seen[path] {
			dirs = append(dirs, wire.Entry{Path: path, Type: "dir"})
		}
	}
	slices.SortFunc(dirs, func(a, b wire.Entry) int { return cmp.Compare(view.Exact(a), view.Exact(b)) })
	return dirs, files
}

func manage(v *page.Visit) error {
	volume, err := theVolume(v)
	if err != nil {
		return err
	}
	list, err := v.Control.Snapshots(v.Context(), v.Who, volume.ID, "", 1)
	if err != nil {
		return err
	}
	var last *wire.Snapshot
	if len(list) > 0 {
		last = &list[0]
	}
	return v.Show(view.Frame{Title: "Manage the volume", Here: "/", Wide: true}, func(f view.Frame) templ.Component {
		return view.Manage(f, volume, last, may(v))
	})
}

// deleteEntries asks, and when it is sure deletes what was ticked.
func deleteEntries(v *page.Visit) error {
	volume, err := theVolume(v)
	if err != nil {
		return err
	}
	dir, err := packed(v, "dir")
	if err != nil {
		return err
	}
	var paths []string
	for _, text := range v.Fields("path") {
		p, ok := view.Unpacked(text)
		if !ok || strings.Trim(p, "/") == "" {
			return control.NewError(wire.TypeInvalid, nil, "This is not a usable path. Go back and choose it again.")
		}
		paths = append(paths, p)
	}
	switch {
	case len(paths) == 0:
		return control.NewError(wire.TypeInvalid, nil, "Nothing is ticked. Tick what you want to delete, then press the button again.")
	case len(paths) > maxPicked:
		return control.NewError(wire.TypeTooLarge, nil, "At most %d entries at a time. Delete their folder instead.", maxPicked)
	}
	if v.Field("sure") != "yes" {
		return askRemoval(v, view.Removal{Volume: volume, Dir: dir, Paths: paths})
	}
	for _, p := range paths {
		below, recursive := strings.CutSuffix(p, "/")
		if _, err := v.Control.DeleteFile(v.Context(), v.Who, control.Upload{Volume: volume.ID, Path: below}, recursive); err != nil {
			return err
		}
	}
	return v.Go(with(view.Point{Volume: volume}.Browse(dir), "done", "deleted"))
}

func deleteVolume(v *page.Visit) error {
	volume, err := theVolume(v)
	if err != nil {
		return err
	}
	if v.Field("sure") != "yes" {
		return askRemoval(v, view.Removal{Volume: volume, All: true})
	}
	if _, err := v.Control.DeleteVolume(v.Context(), v.Who, volume.ID); err != nil {
		return err
	}
	return v.Go("/?done=volume-deleted")
}

func askRemoval(v *page.Visit, r view.Removal) error {
	window, ok, err := v.Control.UndoWindow(v.Context())
	if err != nil {
		return err
	}
	r.Keep = "the undo window"
	if ok {
		r.Keep = "at least " + view.Span(window.Seconds())
	}
	kept, err := v.Control.Snapshots(v.Context(), v.Who, r.Volume.ID, "", 1)
	if err != nil {
		return err
	}
	r.Kept = len(kept)
	if err := count(v, &r); err != nil {
		return err
	}
	return v.Show(view.Frame{Title: "Delete primary data?", Here: "/"}, func(f view.Frame) templ.Component { return view.RemovalPage(f, r) })
}
