package view

import (
	"net/url"
	"strconv"
	"strings"
	"time"

	"holdfast/server/wire"
)

// Measures are those of a keep rule, in the order of its text.
var Measures = []struct{ Name, Label, One, Many string }{
	{"last", "Newest", "the newest restore point", "the newest %s restore points"},
	{"hourly", "Hours", "the newest of the latest hour that has one", "the newest of each of the latest %s hours that have one"},
	{"daily", "Days", "the newest of the latest day that has one", "the newest of each of the latest %s days that have one"},
	{"weekly", "Weeks", "the newest of the latest week that has one", "the newest of each of the latest %s weeks that have one"},
	{"monthly", "Months", "the newest of the latest month that has one", "the newest of each of the latest %s months that have one"},
	{"yearly", "Years", "the newest of the latest year that has one", "the newest of each of the latest %s years that have one"},
}

// RuleCounts reads the counts out of a rule's text; "keep all" has none.
func RuleCounts(rule string) map[string]string {
	out := map[string]string{}
	for part := range strings.SplitSeq(strings.TrimPrefix(rule, "keep "), ", ") {
		if name, n, ok := strings.Cut(part, " "); ok {
			out[name] = n
		}
	}
	return out
}

// ruleWords say what a rule keeps, a line a measure.
func ruleWords(rule string) (out []string) {
	counts := RuleCounts(rule)
	for _, m := range Measures {
		switch n := counts[m.Name]; n {
		case "":
		case "1":
			out = append(out, m.One)
		default:
			out = append(out, strings.Replace(m.Many, "%s", n, 1))
		}
	}
	if len(out) == 0 {
		out = []string{"every snapshot"}
	}
	return out
}

// Keep is the page of what is kept of a volume.
type Keep struct {
	Volume    wire.Volume
	Retention wire.Retention
	Preview   *wire.KeepPreview // nil: no charter is in force yet
	Values    map[string]string // what the form for another rule shows
	All       bool
	Rule      string // asked about; empty: none
	Show      string
	From      int64
	Page      int64
	Undo      string // what the form for the window shows
	RuleBy    string // names, where they are known
	UndoBy    string
	May       May
}

// sets says whether the visitor may lengthen the rule at once.
func (k Keep) sets() bool {
	return k.May.Run || k.May.Work && k.Retention.Authority == "operator"
}

func (k Keep) path(show string, from int64) string {
	q := url.Values{}
	for _, m := range Measures {
		if n := k.Values[m.Name]; k.Rule != "" && n != "" {
			q.Set(m.Name, n)
		}
	}
	if k.All {
		q.Set("all", "yes")
	}
	if show != "" {
		q.Set("show", show)
	}
	if from > 0 {
		q.Set("from", strconv.FormatInt(from, 10))
	}
	path := "/volumes/" + k.Volume.ID + "/keep"
	if len(q) > 0 {
		path += "?" + q.Encode()
	}
	return path + "#list"
}

func (k Keep) tabs() []Link {
	return []Link{{k.path("", 0), "All"}, {k.path("kept", 0), "Kept"}, {k.path("unkept", 0), "Not kept"}, {k.path("uncounted", 0), "Not counted"}}
}

func (k Keep) first() string {
	if k.From == 0 {
		return ""
	}
	return k.path(k.Show, 0)
}

func (k Keep) previous() string {
	if k.From <= k.Page {
		return ""
	}
	return k.path(k.Show, k.From-k.Page)
}

func (k Keep) next() string {
	if k.Preview.NextFrom == 0 {
		return ""
	}
	return k.path(k.Show, k.Preview.NextFrom)
}

// tally is of the rule that the page is about.
func (k Keep) tally() wire.KeepTally {
	if k.Preview.Next != nil {
		return *k.Preview.Next
	}
	return k.Preview.Now
}

// setBy names who set a rule or window: a person, or a request.
func setBy(by, name string) (path, words string) {
	if strings.HasPrefix(by, "req_") {
		return "/requests/" + by, "a quorum’s decision"
	}
	return "", orText(name, by)
}

var uncountedWords = map[string]string{
	"young": "younger than the undo window", "not-proven": "not proven yet", "suspect": "suspect", "protected": "pinned or under a hold",
}

var measureWords = map[string]string{
	"last": "one of the newest", "hourly": "newest of its hour", "daily": "newest of its day", "weekly": "newest of its week", "monthly": "newest of its month", "yearly": "newest of its year",
}

func byWords(by []string) string {
	var out []string
	for _, m := range by {
		out = append(out, measureWords[m])
	}
	return strings.Join(out, ", ")
}

// Lasting is a duration of whole seconds as the forms for windows take it.
func Lasting(seconds int64) string {
	if seconds > 0 && seconds%(24*3600) == 0 {
		return strconv.FormatInt(seconds/(24*3600), 10) + "d"
	}
	text := (time.Duration(seconds) * time.Second).String()
	text = strings.TrimSuffix(text, "m0s") + strings.Repeat("m", btoi(strings.HasSuffix(text, "m0s")))
	return strings.TrimSuffix(text, "h0m") + strings.Repeat("h", btoi(strings.HasSuffix(text, "h0m")))
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Shortening is the asking for a shorter keep rule or undo window.
type Shortening struct {
	Volume   wire.Volume
	Rule     bool // else the window
	From, To string
	Preview  *wire.KeepPreview
	Word     string
	Reason   string
}

// name is the parameter that carries what is asked for.
func (s Shortening) name() string {
	if s.Rule {
		return "rule"
	}
	return "undo"
}

// ByRule is the asking for the deletion of what a volume's keep rule does not keep.
type ByRule struct {
	Volume wire.Volume
	Rule   string
	Unkept int64
	Impact wire.Impact
	Word   string
	Reason string
}

// change says what the rule that is tried would change, in a sentence.
func change(k Keep) string {
	now, next := k.Preview.Now.Unkept, k.Preview.Next.Unkept
	switch {
	case next > now:
		return "It would give up " + Count(next-now, "restore point that is", "restore points that are") + " kept now."
	case next < now:
		return "It would keep " + Count(now-next, "restore point that is", "restore points that are") + " not kept now."
	}
	return "Of the snapshots that there are today it keeps as many."
}

func query(name, value string) string { return "?" + url.Values{name: {value}}.Encode() }

// keeps says what a rule keeps; a part of none is left unsaid.
func keeps(t wire.KeepTally) string {
	points := Count(t.Kept, "restore point", "restore points")
	others := Count(t.Uncounted, "snapshot that does not count yet", "snapshots that do not count yet")
	switch {
	case t.Uncounted == 0:
		return points
	case t.Kept == 0:
		return others
	}
	return points + ", and " + others
}
