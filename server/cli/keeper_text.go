package cli

import (
	"fmt"
	"io"
	"strings"
	"time"

	"holdfast/server/app"
)

func (s *shell) rebuilding(p app.RebuildProgress) {
	if _, tty := terminal(s.Err); tty {
		fmt.Fprintf(s.Err, "\r%-9s %d of %d  %s   ", p.Phase, p.Done, p.Total, size(p.Bytes))
	}
}

func rebuildText(w io.Writer, r app.RebuildReport, took time.Duration) {
	fmt.Fprintf(w, "Read %d packs, %s, %d frames in %s.\n", r.Packs, size(r.Bytes), r.Frames, took.Round(time.Millisecond))
	if r.Torn > 0 {
		fmt.Fprintf(w, "%d packs end in the middle of a record, as a crash leaves them: nothing acknowledged is lost by that.\n", r.Torn)
	}
	for _, d := range r.Damaged {
		fmt.Fprintf(w, "Damaged: %s at %d, %d bytes: %s\n", plain(d.Pack), d.Offset, d.Length, plain(d.What))
	}
	for _, t := range r.Tenants {
		if t.Locked {
			fmt.Fprintf(w, "Tenant %s: the key does not open it.\n", t.Tenant)
			continue
		}
		fmt.Fprintf(w, "Tenant %s: %d volumes, %d commits, %d versions, %d snapshots (%d sealed, %d of them erased).\n",
			t.Tenant, t.Volumes, t.Commits, t.Versions, t.Snapshots, t.Sealed, t.Erased)
		if t.Unfinished > 0 {
			fmt.Fprintf(w, "  %d unfinished writes, never acknowledged, were left out.\n", t.Unfinished)
		}
		for _, g := range t.Gaps {
			fmt.Fprintf(w, "  The journal of %s has a hole between records %d and %d; the next sealed snapshot filled what it could.\n", g.Volume, g.After, g.Before)
		}
		for _, id := range t.Differs {
			fmt.Fprintf(w, "  Snapshot %s is not what the journal says of its moment: what is sealed holds.\n", id)
		}
		if t.Missing > 0 {
			fmt.Fprintf(w, "  %d frames are in no pack. These need them:\n", t.Missing)
		}
		for _, a := range t.Affected {
			fmt.Fprintf(w, "    %s  %s  %s\n", a.Volume, a.Snapshot, plain(a.Path))
		}
	}
	fmt.Fprintf(w, "Packs do not hold, so set again: %s.\n", strings.Join(r.NotHeld, ", "))
	if r.Whole() {
		fmt.Fprintln(w, "Everything was found whole.")
	}
	fmt.Fprintln(w, "Start the service, look, and then: holdfast rebuild adopt")
}
