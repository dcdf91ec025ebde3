// Package pagebench_test measures how long whole pages take, from the request to
// the last byte of HTML: the real handlers over the real stores, at the size that
// they have to stand. Only benchmarks; a browser has no part in it.
package pagebench_test

import (
	"flag"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"holdfast/internal/sqldb/sqldbtest"
	"holdfast/server/control/controltest"
	"holdfast/web/view"
)

// The size of what is shown.
var (
	files    = flag.Int("files", 1_000_000, "files of the volume")
	taken    = flag.Int("snapshots", 10_000, "snapshots of the volume")
	requests = flag.Int("requests", 200, "requests that were decided")
	engine   = flag.String("engine", "sqlite", "sqlite or postgres")
)

// shown is a page with who looks at it.
type shown struct {
	name, path string
	who        *controltest.Human
}

func (w *world) pages() []shown {
	owner, approver, v := w.owner, w.Approvers[4], "/volumes/"+w.volume.ID.String()
	query := func(path string, more ...string) string {
		q := url.Values{}
		for i := 0; i < len(more); i += 2 {
			q.Set(more[i], more[i+1])
		}
		return path + "?" + q.Encode()
	}
	dir, deep, was := view.Packed(w.dir), view.Packed(w.dir+"e07/"), view.Exactly(w.before)
	weekly := query(v+"/keep", "last", "10", "weekly", "8")
	list := []shown{
		{"portal overview", "/", owner},
		{"portal overview, next page", query("/", "after", w.volume.ID.String()), owner},
		{"portal new volume", "/volumes/new", owner},
		{"portal volume, top folder", v, owner},
		{"portal volume, folder of folders", query(v, "dir", dir), owner},
		{"portal volume, folder of files", query(v, "dir", deep), owner},
		{"portal volume in a snapshot", query(v, "snapshot", w.middle), owner},
		{"portal volume in a snapshot, folder of files", query(v, "snapshot", w.middle, "dir", deep), owner},
		{"portal volume in the newest snapshot", query(v, "snapshot", w.last.ID), owner},
		{"portal volume in the first snapshot", query(v, "snapshot", w.first.ID), owner},
		{"portal volume at a moment", query(v, "at", was), owner},
		{"portal volume, manage", v + "/manage", owner},
		{"portal volume, bring back", v + "/deleted", owner},
		{"portal timeline, day", query(v+"/timeline", "zoom", "day"), owner},
		{"portal timeline, month", v + "/timeline", owner},
		{"portal timeline, year", query(v+"/timeline", "zoom", "year"), owner},
		{"portal snapshot", "/snapshots/" + w.middle, owner},
		{"portal ask for a snapshot's deletion", "/snapshots/" + w.middle + "/delete", owner},
		{"portal restore", v + "/restore", owner},
		{"portal restore, how", query(v+"/restore", "snapshot", w.middle), owner},
		{"portal restore, preview", query(v+"/restore", "snapshot", w.middle, "how", "exact", "step", "preview"), owner},
		{"portal restore, preview of a moment", query(v+"/restore", "at", was, "how", "missing", "step", "preview"), owner},
		{"portal compare", v + "/compare", owner},
		{"portal compare a snapshot with now", query(v+"/compare", "snapshot", w.middle), owner},
		{"portal compare the first snapshot with now", query(v+"/compare", "snapshot", w.first.ID), owner},
		{"portal keep rule", v + "/keep", owner},
		{"portal keep rule, another tried", weekly, owner},
		{"portal keep rule, what is not kept", query(v+"/keep", "show", "unkept", "from", "5000"), owner},
		{"portal keep rule, ask for a shorter one", query(v+"/keep/shorten", "rule", "keep last 10, weekly 8"), owner},
		{"portal keep rule, ask for what it does not keep", v + "/keep/ask", owner},
		{"portal requests", "/requests", owner},
		{"portal request, open", "/requests/" + w.open[0].ID, owner},
		{"portal request, denied", "/requests/" + w.closed.ID, owner},
		{"portal request, draft", "/requests/" + w.draft.ID, owner},
		{"portal request, targets", "/requests/" + w.open[0].ID + "/body", owner},
		{"portal people", "/people", owner},
		{"portal person", "/people/" + owner.ID, owner},
		{"portal tokens", "/tokens", owner},
		{"portal activity", "/activity", owner},
		{"portal activity, filtered", query("/activity", "kind", "volume-created"), owner},
		{"portal activity, about a snapshot", query("/activity", "about", w.middle), owner},
		{"portal activity, found nothing", query("/activity", "person", approver.ID), owner},
		{"portal activity, entry with proof", "/activity/ENTRY", owner},
		{"portal freeze", "/freeze", owner},
		{"portal holds", "/holds", owner},
		{"portal charter", "/charter", owner},
	}
	for _, face := range []struct {
		name string
		who  *controltest.Human
	}{{"portal", owner}, {"console", approver}} {
		for _, path := range []string{"/account", "/factors", "/sessions", "/password", "/notices", "/recovery"} {
			list = append(list, shown{face.name + " " + path[1:], path, face.who})
		}
	}
	return append(list,
		shown{"console queue", "/", approver},
		shown{"console requests", "/requests", approver},
		shown{"console requests, denied", query("/requests", "state", w.closed.State), approver},
		shown{"console request, open", "/requests/" + w.open[0].ID, approver},
		shown{"console request, denied", "/requests/" + w.closed.ID, approver},
		shown{"console request, targets", "/requests/" + w.open[0].ID + "/body", approver},
		shown{"console approve", "/requests/" + w.open[0].ID + "/approve", approver},
		shown{"console deny", "/requests/" + w.open[0].ID + "/deny", approver},
		shown{"console charter", "/charter", approver},
		shown{"console approvers", "/charter/approvers", approver},
		shown{"console suspend", "/charter/approvers/" + w.Approvers[1].ID + "/suspend", approver},
		shown{"console propose a change", "/charter/change", approver},
		shown{"console freezes", "/freeze", approver},
		shown{"console holds", "/holds", approver},
		shown{"console ask for a hold's release", query("/stops/release-hold/"+w.hold.ID, "tenant", w.owner.Tenant), approver},
		shown{"console sites", "/sites", approver},
		shown{"console log", "/log", approver},
		shown{"console log, filtered", query("/log", "kind", "request-voted"), approver},
		shown{"console log, of a tenant", query("/log", "tenant", w.owner.Tenant), approver},
		shown{"console log, found nothing", query("/log", "person", w.owner.ID, "kind", "request-voted"), approver},
		shown{"console log, entry with proof", "/log/17", approver},
		shown{"console tenants", "/tenants", approver},
		shown{"console tenant", "/tenants/" + w.owner.Tenant, approver},
	)
}

// BenchmarkPages renders every page of both faces as an owner and as an approver.
func BenchmarkPages(b *testing.B) {
	var options []controltest.Option
	if *engine == "postgres" {
		options = append(options, controltest.WithDSN(sqldbtest.PostgresDSN(b), sqldbtest.PostgresDSN(b)))
	}
	start := time.Now()
	w := found(b, *files, *taken, *requests, options...)
	b.Logf("founded in %s", time.Since(start).Round(time.Second))
	w.owner.SignInAgain()
	w.Approvers[4].SignInAgain()
	entry := w.entry()
	for _, p := range w.pages() {
		p.path = strings.Replace(p.path, "/ENTRY", entry, 1)
		b.Run(strings.ReplaceAll(p.name, " ", "_"), func(b *testing.B) {
			first := w.get(p.who, p.path)
			if first.Code != http.StatusOK {
				b.Fatalf("%s: %d %s\n%s", p.path, first.Code, first.Header().Get("Location"), first.Body)
			}
			var took []time.Duration
			work := processor(b)
			for b.Loop() {
				start := time.Now()
				w.get(p.who, p.path)
				took = append(took, time.Since(start))
			}
			work = processor(b) - work
			slices.Sort(took)
			ms := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(ms(took[0]), "least-ms")
			b.ReportMetric(ms(took[len(took)/2]), "median-ms")
			b.ReportMetric(ms(took[len(took)*95/100]), "p95-ms")
			b.ReportMetric(ms(work)/float64(len(took)), "cpu-ms")
			b.ReportMetric(float64(first.Body.Len()), "bytes")
		})
	}
}

// entry is the path, below the list, of the newest entry of the tenant.
func (w *world) entry() string {
	_, after, _ := strings.Cut(w.get(w.owner, "/activity").Body.String(), `href="/activity/`)
	index, _, _ := strings.Cut(after, `"`)
	return "/" + index
}

// processor is the time that the process has worked, on all processors.
func processor(b *testing.B) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
