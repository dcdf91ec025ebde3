package keep_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"holdfast/snapshots/keep"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]keep.Rule{
		"keep all":     {All: true},
		"keep last 10": {Last: 10},
		"keep last 10, daily 14, weekly 8, monthly 12, yearly 5": {Last: 10, Daily: 14, Weekly: 8, Monthly: 12, Yearly: 5},
		"keep hourly 24, yearly 10000":                           {Hourly: 24, Yearly: 10000},
	} {
		if r, err := keep.Parse(text); err != nil || r != want || r.String() != text {
			t.Errorf("%q: %+v %v", text, r, err)
		}
	}
	for _, text := range []string{
		"", "keep", "keep ", "all", "keep none", "keep all, last 1", "keep last", "keep last 0", "keep last -1", "keep last 10001", "keep last 01",
		"keep last +1", "keep daily 1, last 1", "keep last 1, last 2", "keep last 1,daily 2", "keep last 1, ", " keep last 1", "keep last 1 ", "Keep last 1",
		"keep last 1\n", "keep last  1", "keep last 1 1", "keep last 99999999999999999999", "keep last 1" + strings.Repeat(" ", 300),
	} {
		if r, err := keep.Parse(text); !errors.Is(err, keep.ErrMalformed) {
			t.Errorf("%q is read as %v (%v)", text, r, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"keep all", "keep last 10, daily 14, weekly 8, monthly 12, yearly 5", "keep last 0", "keep daily 1, last 1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := keep.Parse(s)
		if err != nil {
			return
		}
		if r.String() != s || r.Check() != nil {
			t.Fatalf("%q is rendered as %q", s, r)
		}
	})
}

var midnight = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func days(n int) (out []keep.Point) {
	for i := range n {
		out = append(out, keep.Point{ID: fmt.Sprintf("snp_%04d", i), TakenAt: midnight.AddDate(0, 0, i), Counts: true})
	}
	return out
}

func TestChoose(t *testing.T) {
	points := days(100) // 1 January to 10 April
	choose := func(rule string) int {
		t.Helper()
		r, err := keep.Parse(rule)
		if err != nil {
			t.Fatal(err)
		}
		out, err := keep.Choose(r, points)
		if err != nil || !slices.IsSorted(out) {
			t.Fatal(out, err)
		}
		return 100 - len(out)
	}
	for rule, kept := range map[string]int{
		"keep all": 100, "keep last 10": 10, "keep daily 14": 14, "keep hourly 3": 3, "keep monthly 12": 4, "keep yearly 5": 1, "keep weekly 2": 2,
		"keep last 10, daily 14": 14, "keep last 2, monthly 2": 3, // 9 and 10 April, 31 March
	} {
		if got := choose(rule); got != kept {
			t.Errorf("%s keeps %d, want %d", rule, got, kept)
		}
	}
}

// Two snapshots of one day: the newer is the day's.
func TestChooseTakesTheNewestOfAPeriod(t *testing.T) {
	points := []keep.Point{
		{ID: "a", TakenAt: midnight.Add(time.Hour), Counts: true}, {ID: "b", TakenAt: midnight.Add(2 * time.Hour), Counts: true},
		{ID: "c", TakenAt: midnight.Add(25 * time.Hour), Counts: true},
	}
	out, err := keep.Choose(keep.Rule{Daily: 5}, points)
	if err != nil || !slices.Equal(out, []string{"a"}) {
		t.Fatal(out, err)
	}
}

// T52, T58: what does not count, or is kept otherwise, is not chosen and takes nobody's place.
func TestT52_JunkPushesNothingOut(t *testing.T) {
	points := days(5)
	for i := range 50 {
		points = append(points, keep.Point{ID: fmt.Sprintf("junk_%d", i), TakenAt: midnight.AddDate(0, 1, i)})
		points = append(points, keep.Point{ID: fmt.Sprintf("pinned_%d", i), TakenAt: midnight.AddDate(0, 1, i), Counts: true, Kept: true})
	}
	out, err := keep.Choose(keep.Rule{Last: 3}, points)
	if err != nil || !slices.Equal(out, []string{"snp_0000", "snp_0001"}) {
		t.Fatal(out, err)
	}
}

func rules() *rapid.Generator[keep.Rule] {
	return rapid.Custom(func(t *rapid.T) keep.Rule {
		if rapid.IntRange(0, 9).Draw(t, "all") == 0 {
			return keep.Everything()
		}
		n := func(name string) int { return rapid.IntRange(0, 4).Draw(t, name) }
		r := keep.Rule{Last: n("last"), Hourly: n("hourly"), Daily: n("daily"), Weekly: n("weekly"), Monthly: n("monthly"), Yearly: n("yearly")}
		if r == (keep.Rule{}) {
			r.Last = 1
		}
		return r
	})
}

func somePoints(t *rapid.T, label string) (out []keep.Point) {
	for i, h := range rapid.SliceOfN(rapid.IntRange(0, 3*365*24), 0, 40).Draw(t, label) {
		out = append(out, keep.Point{ID: fmt.Sprintf("%s%d", label, i), TakenAt: midnight.Add(time.Duration(h) * 40 * time.Minute),
			Counts: rapid.IntRange(0, 4).Draw(t, "counts") > 0, Kept: rapid.IntRange(0, 6).Draw(t, "kept") == 0})
	}
	return out
}

// T32: a rule that covers another keeps all that the other keeps, whatever there is. A rule that is not covered is a
// shortening, even where the calendar would hide it.
func TestT32_CoversIsConservative(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b, points := rules().Draw(t, "a"), rules().Draw(t, "b"), somePoints(t, "p")
		if !a.Covers(a) || !keep.Everything().Covers(a) {
			t.Fatal("a rule does not cover itself")
		}
		if !a.Covers(b) {
			return
		}
		longer, err1 := keep.Choose(a, points)
		shorter, err2 := keep.Choose(b, points)
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		for _, id := range longer {
			if !slices.Contains(shorter, id) {
				t.Fatalf("%s covers %s and yet gives %s away", a, b, id)
			}
		}
	})
}

// What was chosen stays chosen while newer points come; every rule keeps something of what counts.
func TestChooseIsMonotonous(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r, points := rules().Draw(t, "rule"), somePoints(t, "p")
		before, err := keep.Choose(r, points)
		if err != nil {
			t.Fatal(err)
		}
		counting := 0
		newest := midnight
		for _, p := range points {
			if p.Counts && !p.Kept {
				counting++
			} else if slices.Contains(before, p.ID) {
				t.Fatal("chosen though it does not count", p)
			}
			if p.TakenAt.After(newest) {
				newest = p.TakenAt
			}
		}
		if counting > 0 && len(before) >= counting {
			t.Fatal("nothing is left")
		}
		for i, h := range rapid.SliceOfN(rapid.IntRange(1, 24*60), 0, 10).Draw(t, "later") {
			points = append(points, keep.Point{ID: fmt.Sprintf("later%d", i), TakenAt: newest.Add(time.Duration(h) * time.Hour), Counts: true})
		}
		after, err := keep.Choose(r, points)
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range before {
			if !slices.Contains(after, id) {
				t.Fatalf("%s is kept again", id)
			}
		}
	})
}
