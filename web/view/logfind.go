package view

import (
	"net/url"
	"slices"
	"strconv"
)

// LogFilter is a search in the log, as its form shows it.
type LogFilter struct {
	Path                                      string // of the page
	Kind, Tenant, Person, About, Since, Until string
	Kinds                                     []string
	People, Tenants                           []Choice // to choose from; none: no such field
	On                                        bool     // something is looked for
}

// Choice is a value with what it is called, which somebody else chose.
type Choice struct{ Value, Name string }

// Page is the address of the search from an entry on, from the newest if before is negative.
func (f LogFilter) Page(before int64) string {
	q := url.Values{}
	for _, x := range [][2]string{{"kind", f.Kind}, {"tenant", f.Tenant}, {"person", f.Person}, {"about", f.About}, {"since", f.Since}, {"until", f.Until}} {
		if x[1] != "" {
			q.Set(x[0], x[1])
		}
	}
	if before >= 0 {
		q.Set("before", strconv.FormatInt(before, 10))
	}
	if len(q) == 0 {
		return f.Path
	}
	return f.Path + "?" + q.Encode()
}

// names are those of the people and tenants that can be looked for, by id.
func (f LogFilter) names() map[string]string {
	out := map[string]string{}
	for _, c := range append(slices.Clone(f.People), f.Tenants...) {
		out[c.Value] = c.Name
	}
	return out
}
