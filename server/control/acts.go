package control

import (
	"context"
	"encoding/base64"
	"slices"
	"strconv"
	"strings"
	"time"

	"holdfast/authz"
	"holdfast/server/wire"
	"holdfast/snapshots"
)

// ActBounds bounds a look at acts of deletion.
type ActBounds struct {
	Acts    int           // how many
	Entries int           // how many deleted paths are counted
	For     time.Duration // how long
}

// PageOfActs bounds a page of acts, of the API and of the portal alike.
func PageOfActs() ActBounds {
	return ActBounds{Acts: actsPage, Entries: actEntries, For: actsFor}
}

// Acts answers what was deleted from a volume within its undo window and is not
// there now, as acts of deletion, newest first. It looks on through what has come
// back since until it has found something, is at the end or at one of the bounds.
func (c *Control) Acts(ctx context.Context, who Caller, ref, cursor string, most ActBounds) (out wire.Acts, err error) {
	v, err := c.volume(ctx, who, ref, true)
	if err == nil {
		err = c.reach(who, v, authz.FileRead)
	}
	if err != nil {
		return out, err
	}
	at, err := parseRemoved(cursor)
	if err != nil {
		return out, newError(wire.TypeInvalid, err, "The cursor is not one of a page before.")
	}
	began := c.now()
	var act []snapshots.Removal
	end := func(whole bool) {
		if len(act) > 0 {
			out.Acts = append(out.Acts, showAct(act, whole))
		}
		act = nil
	}
	for n := 0; ; {
		found, next, err := c.Data.Removed(ctx, v.Tenant, v.ID, at)
		if err != nil {
			return wire.Acts{}, wrap(err)
		}
		for _, r := range found {
			if len(act) > 0 && act[len(act)-1].At.Sub(r.At) > snapshots.ActGap {
				end(true)
				if len(out.Acts) == most.Acts {
					out.Next = removedCursor(at)
					return out, nil
				}
			}
			act = append(act, r)
			at = snapshots.RemovedCursor{Seq: r.Died, Path: r.Path}
		}
		n += len(found)
		if next == nil {
			end(true)
			return out, nil
		}
		at = *next
		if n >= most.Entries || c.now().Sub(began) >= most.For {
			end(false)
			out.Next = removedCursor(at)
			return out, nil
		}
	}
}

// BringBack brings back what an act of deletion deleted, or what of it lies below a
// directory, and overwrites nothing. from is the act's From and may be zero. One
// call does a bounded part and says in Next where the next one goes on.
func (c *Control) BringBack(ctx context.Context, who Caller, ref string, until, from time.Time, prefix, cursor string) (wire.Brought, error) {
	v, err := c.volume(ctx, who, ref, false)
	if err == nil {
		err = c.reach(who, v, authz.SnapshotRestore)
	}
	if err != nil {
		return wire.Brought{}, err
	}
	sum, err := c.Data.Undelete(ctx, snapshots.UndeleteRequest{Tenant: v.Tenant, Volume: v.ID, Until: until, From: from, Prefix: prefix, Cursor: cursor})
	if isAny(err, snapshots.ErrFormat) {
		return wire.Brought{}, newError(wire.TypeInvalid, err, "The cursor is not the next of an answer before.")
	}
	return wire.Brought{Files: sum.Files, Folders: sum.Folders, Bytes: sum.Bytes, Differ: sum.Differ, Next: sum.Next}, wrap(err)
}

// showAct is an act of which the newest deletion comes first.
func showAct(act []snapshots.Removal, whole bool) wire.Act {
	a := wire.Act{Until: act[0].At}
	if whole {
		a.From, a.Before = act[len(act)-1].At, act[len(act)-1].Before
	}
	sorted := slices.Clone(act)
	slices.SortFunc(sorted, func(x, y snapshots.Removal) int { return strings.Compare(x.Path, y.Path) })
	above := parent(sorted[0].Path)
	for _, r := range sorted {
		for !strings.HasPrefix(r.Path, above) {
			above = parent(strings.TrimSuffix(above, "/"))
		}
	}
	parts := map[string]*wire.ActPart{}
	var order []string
	for i, r := range sorted {
		name, _, below := strings.Cut(r.Path[len(above):], "/")
		key, shown := above+name, r.Entry
		if below || r.Type == snapshots.TypeDir {
			key += "/"
			shown.Path, shown.Type = key, snapshots.TypeDir
		}
		p := parts[key]
		if p == nil {
			p = &wire.ActPart{Entry: showRemoved(shown)}
			parts[key], order = p, append(order, key)
		}
		if r.Type == snapshots.TypeDir {
			a.Folders++
			p.Folders++
		} else {
			a.Files++
			p.Files++
			a.Bytes += r.Size
			p.Bytes += r.Size
		}
		if i < namedOfAct {
			a.Named = append(a.Named, wire.Deletion{Entry: showRemoved(r.Entry), At: r.At, Before: r.Before})
		}
	}
	for i, key := range order {
		if i == partsOfAct {
			a.MoreParts = len(order) - i
			break
		}
		a.Parts = append(a.Parts, *parts[key])
	}
	return a
}

// showRemoved leaves out what a listing of the dead does not read.
func showRemoved(e snapshots.Entry) wire.Entry {
	shown := showEntry(e)
	shown.ETag, shown.ModTime = "", time.Time{}
	return shown
}

// removedCursor is what parseRemoved reads.
func removedCursor(at snapshots.RemovedCursor) string {
	return strconv.FormatInt(at.Seq, 10) + "." + base64.RawURLEncoding.EncodeToString([]byte(at.Path))
}

// parent is the directory that a path lies in, empty or with its slash.
func parent(path string) string { return path[:strings.LastIndexByte(path, '/')+1] }

const (
	// namedOfAct is how many paths of an act are named, partsOfAct how many of its
	// directories and files are counted each.
	namedOfAct = 10
	partsOfAct = 40
)
