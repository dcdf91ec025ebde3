package keep

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// ErrMalformed is wrapped by every refusal of a rule's text.
var ErrMalformed = errors.New("malformed keep rule")

// Rule says how many snapshots are kept, by each of six measures; a snapshot that one of them keeps is kept. All keeps
// everything and has no counts. The zero Rule is invalid.
type Rule struct {
	// All keeps every snapshot: what holds for a volume that has no rule.
	All bool
	// Last keeps that many of the newest.
	Last int
	// Hourly, Daily, Weekly, Monthly and Yearly keep the newest of each of that many periods (UTC; weeks begin on Monday)
	// that have any snapshot, from the newest period back.
	Hourly, Daily, Weekly, Monthly, Yearly int
}

// Everything is the rule of a volume for which nobody has set one.
func Everything() Rule { return Rule{All: true} }

// words are the measures in the order of the text.
var words = []string{"last", "hourly", "daily", "weekly", "monthly", "yearly"}

func (r *Rule) counts() [6]*int {
	return [6]*int{&r.Last, &r.Hourly, &r.Daily, &r.Weekly, &r.Monthly, &r.Yearly}
}

// Check refuses a rule that keeps nothing, or whose counts are out of bounds; errors wrap ErrMalformed.
func (r Rule) Check() error {
	sum := 0
	for i, n := range r.counts() {
		if *n < 0 || *n > MaxCount {
			return fmt.Errorf("%w: %s %d is not between 1 and %d", ErrMalformed, words[i], *n, MaxCount)
		}
		sum += *n
	}
	switch {
	case r.All && sum > 0:
		return fmt.Errorf("%w: all, and counts", ErrMalformed)
	case !r.All && sum == 0:
		return fmt.Errorf("%w: it keeps nothing", ErrMalformed)
	}
	return nil
}

// String is the rule's only spelling; of an invalid rule it is not one that Parse reads.
func (r Rule) String() string {
	if r.All {
		return "keep all"
	}
	var parts []string
	for i, n := range r.counts() {
		if *n != 0 {
			parts = append(parts, words[i]+" "+strconv.Itoa(*n))
		}
	}
	return "keep " + strings.Join(parts, ", ")
}

// Parse reads a rule: "keep all", or "keep" with one or more of last, hourly, daily, weekly, monthly, yearly in this order,
// each with a count from 1 to MaxCount, between them a comma and a space. Whatever it accepts renders to the same bytes.
func Parse(text string) (Rule, error) {
	var r Rule
	if len(text) > MaxText {
		return r, fmt.Errorf("%w: more than %d bytes", ErrMalformed, MaxText)
	}
	rest, ok := strings.CutPrefix(text, "keep ")
	if !ok {
		return r, fmt.Errorf("%w: it begins with keep", ErrMalformed)
	}
	if rest == "all" {
		return Everything(), nil
	}
	counts := r.counts()
	next := 0
	for part := range strings.SplitSeq(rest, ", ") {
		word, number, _ := strings.Cut(part, " ")
		i := next
		for i < len(words) && words[i] != word {
			i++
		}
		if i == len(words) {
			return Rule{}, fmt.Errorf("%w: %.20q is no measure, or not in the order %s", ErrMalformed, word, strings.Join(words, ", "))
		}
		n, err := strconv.Atoi(number)
		if err != nil || n < 1 || n > MaxCount || strconv.Itoa(n) != number {
			return Rule{}, fmt.Errorf("%w: the count of %s is not between 1 and %d", ErrMalformed, word, MaxCount)
		}
		*counts[i], next = n, i+1
	}
	return r, r.Check()
}

// Covers reports whether r keeps, of whatever snapshots there are, at least all that other keeps: no measure counts less.
// It may be false for two rules of which one happens to keep as much on every calendar: when in doubt it is a shortening.
func (r Rule) Covers(other Rule) bool {
	switch {
	case r.Check() != nil || other.Check() != nil:
		return false
	case r.All:
		return true
	case other.All:
		return false
	}
	mine, theirs := r.counts(), other.counts()
	for i := range mine {
		if *mine[i] < *theirs[i] {
			return false
		}
	}
	return true
}
