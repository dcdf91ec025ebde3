package view

import "holdfast/server/wire"

func inForce(list []wire.Freeze) (n int) {
	for _, z := range list {
		if z.LiftedAt == nil {
			n++
		}
	}
	return n
}

// plain is Visible where no markup can be: in an option.
func plain(s string) string {
	out := ""
	for _, r := range Visible(s) {
		if r.Odd {
			out += "[" + r.Text + "]"
		} else {
			out += r.Text
		}
	}
	return out
}
