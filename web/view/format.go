package view

import (
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Time shows a moment in UTC, to the second, for all readers alike.
func Time(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") + " UTC" }

// Machine is the moment for the datetime attribute.
func Machine(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// Bytes shows a size in binary units, and the exact number below 1 KiB.
func Bytes(n int64) string {
	const units = "KMGTPE"
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	v, u := float64(n)/1024, 0
	for v >= 1024 && u < len(units)-1 {
		v /= 1024
		u++
	}
	return fmt.Sprintf("%.1f %ciB", v, units[u])
}

// Count shows a number with its noun.
func Count(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	if n >= 10_000 {
		return grouped(n) + " " + many
	}
	return fmt.Sprintf("%d %s", n, many)
}

// Entries counts what a volume or a snapshot holds: folders are counted with the files.
func Entries(n int64) string { return Count(n, "file", "files and folders") }

// Span shows seconds roughly, as people say them.
func Span(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second)).Round(time.Second)
	switch {
	case d >= 48*time.Hour:
		return twoParts(d, 24*time.Hour, "days", time.Hour, "h")
	case d >= time.Hour:
		return twoParts(d, time.Hour, "h", time.Minute, "min")
	case d >= time.Minute:
		return twoParts(d, time.Minute, "min", time.Second, "s")
	}
	return fmt.Sprintf("%d s", d/time.Second)
}

// twoParts leaves a second part of nothing unsaid.
func twoParts(d, large time.Duration, name string, small time.Duration, smaller string) string {
	if n := d % large / small; n > 0 {
		return fmt.Sprintf("%d %s %d %s", d/large, name, n, smaller)
	}
	return fmt.Sprintf("%d %s", d/large, name)
}

// Words makes a name such as "delete-copies" readable.
func Words(name string) string {
	if name == "" {
		return ""
	}
	name = strings.ReplaceAll(name, "-", " ")
	return strings.ToUpper(name[:1]) + name[1:]
}

// Sentence begins with a capital letter.
func Sentence(s string) string {
	if s == "" {
		return ""
	}
	r, size := utf8.DecodeRuneInString(s)
	return string(unicode.ToUpper(r)) + s[size:]
}

// stateTags are the states in the words of people, where those are others.
var stateTags = map[string]string{"open": "waiting for votes", "cooling": "cooling off", "executing": "being carried out", "tombstoned": "hidden", "restored": "brought back", "applied": "done"}

// stateMore is what States says beyond the tag.
func stateMore(state string) string {
	words, more, _ := strings.Cut(States[state], ": ")
	if strings.EqualFold(words, stateTag(state)) {
		return Sentence(more)
	}
	return States[state]
}

func stateTag(state string) string { return orText(stateTags[state], state) }

// States says what each state of a request means to a reader.
var States = map[string]string{
	"draft":      "Draft: nobody is bound until a person confirms it",
	"open":       "Waiting for votes",
	"cooling":    "Quorum reached, cooling off: anyone concerned can still stop it",
	"executing":  "Being carried out",
	"tombstoned": "Hidden: until the grace period ends one person can bring it back",
	"erased":     "Erased: gone for good",
	"denied":     "Denied: it is not carried out",
	"expired":    "Expired: silence denies",
	"cancelled":  "Cancelled: it is not carried out",
	"restored":   "Brought back: nothing of it is gone",
	"applied":    "Done: it is in force",
}

// Stoppable says whether a request in this state can still be cancelled.
func Stoppable(state string) bool {
	return state == "draft" || state == "open" || state == "cooling" || state == "executing"
}

var requestID = regexp.MustCompile(`\breq_[0-9a-z]+\b`)

// requestIn finds the id of a request in the words of a notice.
func requestIn(text string) string { return requestID.FindString(text) }
