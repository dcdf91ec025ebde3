package view

import (
	"strconv"
	"strings"
	"time"

	"holdfast/server/wire"
)

// ChangeLines are the lines of a charter that its form changes, with their values
// now: those of the primary site among them.
func ChangeLines(t wire.Terms) []ChangeLine {
	var s wire.SiteTerms
	for _, x := range t.Sites {
		if x.Role == "primary" {
			s = x
		}
	}
	span := func(seconds float64) string { // as a charter spells it, but for parts of nothing
		text := time.Duration(seconds * float64(time.Second)).String()
		if strings.HasSuffix(text, "m0s") {
			text = strings.TrimSuffix(text, "0s")
		}
		if strings.HasSuffix(text, "h0m") {
			text = strings.TrimSuffix(text, "0m")
		}
		return text
	}
	size := func(n int64) string { return strconv.FormatInt(n, 10) + " (" + Bytes(n) + ")" }
	number := func(n int) string { return strconv.Itoa(n) }
	amount := func(n int64) string { return strconv.FormatInt(n, 10) }
	yes := "no"
	if s.TOTP {
		yes = "yes"
	}
	const hours = "; such as 72h"
	return []ChangeLine{
		{Name: "approvals", Label: "Approvals", Now: number(s.Approvals)},
		{Name: "teams", Label: "Teams among them", Now: number(s.Teams)},
		{Name: "hardware", Label: "With device-bound keys", Now: number(s.Hardware)},
		{Name: "totp", Label: "One-time codes count", Now: yes, Hint: "; yes or no"},
		{Name: "cooling", Label: "Cooling off", Now: span(s.Cooling), Hint: hours},
		{Name: "grace", Label: "Grace", Now: span(s.Grace), Hint: hours},
		{Name: "last-extra", Label: "More wait for a last copy", Now: span(s.LastExtra), Hint: hours},
		{Name: "undo", Label: "Undo window", Now: span(t.Undo), Hint: hours},
		{Name: "quarantine", Label: "Quarantine", Now: span(t.Quarantine), Hint: hours},
		{Name: "clocks", Label: "Outside clocks", Now: number(t.Clocks)},
		{Name: "request-copies", Label: "Copies in one request, at most", Now: amount(s.RequestCopies)},
		{Name: "request-bytes", Label: "Bytes in one request, at most", Now: size(s.RequestBytes)},
		{Name: "day-copies", Label: "Copies in a day, at most", Now: amount(s.DayCopies)},
		{Name: "day-bytes", Label: "Bytes in a day, at most", Now: size(s.DayBytes)},
	}
}
