package view

import (
	"fmt"
	"strings"
	"time"
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
	return fmt.Sprintf("%d %s", n, many)
}

// Span shows seconds roughly, as people say them.
func Span(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second)).Round(time.Second)
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%d days %d h", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
	case d >= time.Hour:
		return fmt.Sprintf("%d h %d min", d/time.Hour, d%time.Hour/time.Minute)
	case d >= time.Minute && d%time.Minute == 0:
		return fmt.Sprintf("%d min", d/time.Minute)
	case d >= time.Minute:
		return fmt.Sprintf("%d min %d s", d/time.Minute, d%time.Minute/time.Second)
	}
	return fmt.Sprintf("%d s", d/time.Second)
}

// Words makes a name such as "delete-copies" readable.
func Words(name string) string {
	if name == "" {
		return ""
	}
	name = strings.ReplaceAll(name, "-", " ")
	return strings.ToUpper(name[:1]) + name[1:]
}

// States says what each state of a request means to a reader.
var States = map[string]string{
	"draft":      "Draft: nobody is bound until a person confirms it",
	"open":       "Waiting for votes",
	"cooling":    "Quorum reached, cooling off: anyone concerned can still stop it",
	"executing":  "Being carried out",
	"tombstoned": "Hidden: until the grace period ends one person can bring it back",
	"erased":     "Erased",
	"denied":     "Denied",
	"expired":    "Expired: silence denies",
	"cancelled":  "Cancelled",
	"restored":   "Brought back",
	"applied":    "Done",
}

// Stoppable says whether a request in this state can still be cancelled.
func Stoppable(state string) bool {
	return state == "draft" || state == "open" || state == "cooling" || state == "executing"
}
