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

// Verdict is what a rule makes of one point.
type Verdict struct {
	Point
	// Chosen says that the rule does not keep it. Only a point that counts and that nothing else keeps is chosen.
	Chosen bool
	// By are the measures by which the rule keeps it, in the order of a rule's text; none for what does not count, for what
	// something else keeps, and under "keep all".
	By []string
}

// Choose answers the ids of the points that the rule does not keep, oldest first. Only points that count are chosen, and
// only they use up places: junk that was taken to push good ones out, or what cannot be restored, changes nothing (T52, T58).
//
// While points only become more, a chosen point stays chosen: the answer to a later question has all of the earlier one.
func Choose(r Rule, points []Point) ([]string, error) {
	list, err := Judge(r, points)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, v := range list {
		if v.Chosen {
			out = append(out, v.ID)
		}
	}
	slices.Reverse(out)
	return out, nil
}

// Judge says of every point what the rule makes of it, newest first: what Choose answers, and why.
func Judge(r Rule, points []Point) ([]Verdict, error) {
	if err := r.Check(); err != nil {
		return nil, err
	}
	if len(points) > MaxPoints {
		return nil, fmt.Errorf("keep: more than %d snapshots", MaxPoints)
	}
	list := make([]Verdict, len(points))
	for i, p := range points {
		list[i].Point = p
	}
	slices.SortFunc(list, func(a, b Verdict) int { // newest first
		if c := b.TakenAt.Compare(a.TakenAt); c != 0 {
			return c
		}
		return cmp.Compare(b.ID, a.ID)
	})
	if r.All {
		return list, nil
	}
	periods := []struct {
		word  string
		count int
		of    func(time.Time) string
		last  string
		used  int
	}{
		{word: "hourly", count: r.Hourly, of: func(t time.Time) string { return t.Format("2006-01-02T15") }},
		{word: "daily", count: r.Daily, of: func(t time.Time) string { return t.Format("2006-01-02") }},
		{word: "weekly", count: r.Weekly, of: week},
		{word: "monthly", count: r.Monthly, of: func(t time.Time) string { return t.Format("2006-01") }},
		{word: "yearly", count: r.Yearly, of: func(t time.Time) string { return t.Format("2006") }},
	}
	counted := 0
	for i := range list {
		v := &list[i]
		if !v.Counts || v.Kept {
			continue
		}
		if counted < r.Last {
			v.By = append(v.By, "last")
		}
		counted++
		at := v.TakenAt.UTC()
		for j := range periods {
			b := &periods[j]
			if b.used >= b.count {
				continue
			}
			if name := b.of(at); name != b.last {
				b.last = name
				b.used++
				v.By = append(v.By, b.word)
			}
		}
		v.Chosen = len(v.By) == 0
	}
	return list, nil
}

func week(t time.Time) string {
	y, w := t.ISOWeek()
	return fmt.Sprintf("%d-W%d", y, w)
}
