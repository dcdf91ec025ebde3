package portal

import (
	"time"

	"holdfast/server/wire"
	"holdfast/web/view"
)

const (
	// deniedLately is how long the overview tells of a denial, deniedShown among how
	// many of the newest denials it looks for the visitor's own.
	deniedLately = 7 * 24 * time.Hour
	deniedShown  = 20
)

// denials are requests of the visitor's own that were denied lately.
func denials(list []wire.Request, me string, now time.Time) (out []view.Wrong) {
	for _, r := range list {
		if r.Ending == nil || r.Requester.ID != me || now.Sub(r.Ending.At) > deniedLately {
			continue
		}
		out = append(out, view.Wrong{What: "Your request was denied " + view.Ago(r.Ending.At, now) + ".", Do: "It is not carried out.", Path: "/requests/" + r.ID, Link: "By whom, and why"})
	}
	return out
}
