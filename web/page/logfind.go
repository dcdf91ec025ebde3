package page

import (
	"strconv"
	"time"

	"holdfast/server/control"
	"holdfast/server/wire"
	"holdfast/web/view"
)

// LogFilter reads the filter of a page of the log out of the query, as a plain form
// sends it: the address of the page is the whole search.
func (v *Visit) LogFilter(path string) (f view.LogFilter, q control.LogQuery, before int64, err error) {
	f = view.LogFilter{Path: path, Kind: v.Query("kind"), Tenant: v.Query("tenant"), Person: v.Query("person"), About: v.Query("about"),
		Since: v.Query("since"), Until: v.Query("until"), Kinds: control.LogKinds()}
	q = control.LogQuery{Kind: f.Kind, Tenant: f.Tenant, Person: f.Person, About: f.About}
	for _, x := range []struct {
		text string
		into *time.Time
	}{{f.Since, &q.Since}, {f.Until, &q.Until}} {
		if x.text == "" {
			continue
		}
		if *x.into, err = formTime(x.text); err != nil {
			return f, q, -1, control.NewError(wire.TypeInvalid, err, "A moment is a date and a time in UTC, such as 2026-01-31T12:00.")
		}
	}
	before = -1
	if text := v.Query("before"); text != "" {
		if before, err = strconv.ParseInt(text, 10, 64); err != nil || before < 0 {
			return f, q, -1, control.NewError(wire.TypeInvalid, err, "The page is named by the index of an entry.")
		}
	}
	f.On = !q.Empty()
	return f, q, before, nil
}

// FoundPages are the addresses of the first and of the next page of a search.
func FoundPages(f view.LogFilter, before, next int64) (first, older string) {
	if before >= 0 {
		first = f.Page(-1)
	}
	if next >= 0 {
		older = f.Page(next)
	}
	return first, older
}

// formTime reads what <input type="datetime-local"> sends, or a moment with its zone.
func formTime(text string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04", "2006-01-02"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Parse("2006-01-02T15:04:05.999999999", text)
}
