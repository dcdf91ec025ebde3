package web_test

import "testing"

func init() {
	looks = append(looks, func(t *testing.T) []shown {
		return []shown{
			{who: the.owner, paths: []string{"/activity?kind=volume-created", "/activity?about=nothing-has-this"}},
			{who: the.approvers[4], paths: []string{"/log?kind=charter-sealed&since=2020-01-01T00:00"}},
		}
	})
}

// TestStoryLogFilter: what is looked for in the log is the page's address, on both
// faces; a member finds nothing of others (T11).
func TestStoryLogFilter(t *testing.T) {
	the.founded(t)
	v := the.filled(t, "looked for", "one.txt")
	o := the.owner
	o.open(t, "/activity")
	o.press(t, "Look for something in particular")
	o.fill(t, "#kind", "volume-created")
	o.fill(t, "#about", v.ID)
	o.press(t, "Look")
	o.see(t, "Volume created", "looked for", "Show everything")
	if path := o.attribute(t, `main form[role=search]`, "action"); path != "/activity" {
		t.Errorf("the form leads to %q", path)
	}
	o.open(t, "/activity?kind=volume-created&about="+v.ID)
	o.see(t, "looked for")
	o.open(t, "/activity?about=nothing-has-this")
	o.see(t, "Nothing like this is in the log")
	o.open(t, "/activity?kind=invented")
	o.see(t, "The log knows no such kind of entry.")
	o.open(t, "/activity?tenant=ten_00000000000000000000000001")
	o.see(t, "Not found")
	o.quiet(t)

	a := the.approvers[4]
	a.open(t, "/log?kind=volume-created&tenant="+the.tenant.ID+"&about="+v.ID)
	a.see(t, "Volume created", "Show everything")
	a.open(t, "/log?kind=charter-sealed&until=2020-01-01T00:00")
	a.see(t, "Nothing like this is in the log")
	a.quiet(t)
}
