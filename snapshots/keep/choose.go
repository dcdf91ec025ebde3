package keep

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Point is one snapshot of a volume, as a site holds it.
type Point struct {
	// ID is the snapshot's id.
	ID      string
	TakenAt time.Time
	// Counts says that it is a restore point: sealed, proven, older than the undo window, and not suspect.
	Counts bool
	// Kept says that something else keeps it: a pin, or a hold.
	Kept bool
}

// Choose answers the ids of the points that the rule does not keep, oldest first. Only points that count are chosen, and
// only they use up places: junk that was taken to push good ones out, or what cannot be restored, changes nothing (T52, T58).
//
// While points only become more, a chosen point stays chosen: the answer to a later question has all of the earlier one.
func Choose(r Rule, points []Point) ([]string, error) {
	if err := r.Check(); err != nil {
		return nil, err
	}
	if len(points) > MaxPoints {
		return nil, fmt.Errorf("keep: more than %d snapshots", MaxPoints)
	}
	if r.All {
		return nil, nil
	}
	var list []Point
	for _, p := range points {
		if p.Counts && !p.Kept {
			list = append(list, p)
		}
	}
	slices.SortFunc(list, func(a, b Point) int { // newest first
		if c := b.TakenAt.Compare(a.TakenAt); c != 0 {
			return c
		}
		return cmp.Compare(b.ID, a.ID)
	})
	periods := []struct {
		count int
		of    func(time.Time) string
		last  string
		used  int
	}{
		{count: r.Hourly, of: func(t time.Time) string { return t.Format("2006-01-02T15") }},
		{count: r.Daily, of: func(t time.Time) string { return t.Format("2006-01-02") }},
		{count: r.Weekly, of: week},
		{count: r.Monthly, of: func(t time.Time) string { return t.Format("2006-01") }},
		{count: r.Yearly, of: func(t time.Time) string { return t.Format("2006") }},
	}
	var out []string
	for i, p := range list {
		kept := i < r.Last
		at := p.TakenAt.UTC()
		for j := range periods {
			b := &periods[j]
			if b.used >= b.count {
				continue
			}
			if name := b.of(at); name != b.last {
				b.last = name
				b.used++
				kept = true
			}
		}
		if !kept {
			out = append(out, p.ID)
		}
	}
	slices.Reverse(out)
	return out, nil
}

func week(t time.Time) string {
	y, w := t.ISOWeek()
	return fmt.Sprintf("%d-W%d", y, w)
}
