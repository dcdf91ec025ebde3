package web_test

import "testing"

func init() { looks = append(looks, consolePages) }

// consolePages are the pages of staff, with something on each of them.
func consolePages(t *testing.T) []shown {
	a := the.approvers[4]
	h := the.held(t)
	return []shown{
		{who: a, paths: []string{
			"/charter/approvers", "/charter/approvers/" + the.approvers[1].id + "/suspend", "/charter/change", "/holds", "/stops/release-hold/" + h.ID + "?tenant=" + the.tenant.ID,
			"/sites", "/log", "/log/0", "/tenants", "/tenants/" + the.tenant.ID,
		}},
		{who: a, name: "/charter-difference", prepare: func(t *testing.T) {
			a.open(t, "/charter/change")
			a.fill(t, "#line-cooling", "25s")
			a.press(t, "Show the difference")
			a.see(t, "site primary cooling", "does not weaken")
		}},
	}
}
