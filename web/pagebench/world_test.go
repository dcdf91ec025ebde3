package pagebench_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"holdfast/authz"
	"holdfast/authz/apitoken"
	"holdfast/internal/id"
	"holdfast/internal/sqldb"
	"holdfast/server/api"
	"holdfast/server/control"
	"holdfast/server/control/controltest"
	"holdfast/server/wire"
	"holdfast/snapshots"
	snapshotssql "holdfast/snapshots/sqlstore"
	"holdfast/web/console"
	"holdfast/web/page"
	"holdfast/web/portal"
)

// world is an installation with the size that the pages have to stand.
type world struct {
	*controltest.Sealed
	b       *testing.B
	owner   *controltest.Human
	volume  snapshots.Volume
	first   wire.Snapshot // from before all the files
	middle  string        // one of the many
	last    wire.Snapshot
	open    []wire.Request // under way
	closed  wire.Request   // denied
	draft   wire.Request
	hold    wire.Hold
	portal  http.Handler
	console http.Handler
	dir     string // a folder in the middle
	before  time.Time
}

// The names of files: ten thousand a directory, five hundred in each below it.
func path(i int) string { return fmt.Sprintf("d%03d/e%02d/%07d.txt", i/10_000, i/500%20, i) }

func (w *world) must(err error) {
	w.b.Helper()
	if err != nil {
		w.b.Fatal(err)
	}
}

func (w *world) put(volume, path string) {
	w.b.Helper()
	_, err := w.PutFile(w.b.Context(), w.owner.Who(), control.Upload{Volume: volume, Path: path}, strings.NewReader("what "+path+" holds"))
	w.must(err)
}

// take takes a snapshot, which is sealed and proven at once.
func (w *world) take(volume string) (s wire.Snapshot) {
	w.b.Helper()
	ctx := w.b.Context()
	s, err := w.TakeSnapshot(ctx, w.owner.Who(), volume, wire.TakeSnapshot{Name: "by hand"})
	w.must(err)
	_, err = w.SealSnapshots(ctx, 100)
	w.must(err)
	_, err = w.ProveSnapshots(ctx, 5*365*24*time.Hour, 100)
	w.must(err)
	s, err = w.Snapshot(ctx, w.owner.Who(), s.ID)
	w.must(err)
	return s
}

func (w *world) newVolume(name string) wire.Volume {
	w.b.Helper()
	v, err := w.CreateVolume(w.b.Context(), w.owner.Who(), wire.CreateVolume{Name: name, Kind: "files"})
	w.must(err)
	return v
}

// found makes the installation: the domains do one of each thing, and of what there is much, rows are made like it.
func found(b *testing.B, files, taken, requests int, options ...controltest.Option) *world {
	b.Helper()
	ctx := b.Context()
	e := controltest.New(b, append(options, controltest.Gated())...)
	w := &world{b: b, Sealed: controltest.Seal(b, e, map[string]string{"undo": (30 * 24 * time.Hour).String()})}
	w.owner = e.Company(b)
	w.Pass(2 * controltest.Quarantine)
	v := w.newVolume("large")
	w.owner.OK(func(who control.Caller) error {
		_, err := w.SetRetention(ctx, who, v.ID, wire.SetRetention{Rule: "keep last 100, hourly 48, daily 30, weekly 52, monthly 24"})
		return err
	})
	for i := range 20 {
		w.put(v.ID, fmt.Sprintf("letters/%02d.txt", i))
	}
	w.first = w.take(v.ID)
	w.put(v.ID, "letters/more.txt")
	w.files(v.ID, files)
	w.history(taken)
	w.Clock.Advance(time.Hour)
	for _, h := range append(w.Approvers, w.owner) {
		h.SignInAgain()
	}
	w.before = w.Clock.Now().Add(-time.Minute)
	for i := range 5 { // what was deleted, at several moments
		w.owner.OK(func(who control.Caller) error {
			_, err := w.DeleteFile(ctx, who, control.Upload{Volume: v.ID, Path: fmt.Sprintf("d%03d/e%02d/", files/20_000, i)}, true)
			return err
		})
		w.Clock.Advance(time.Second)
	}
	w.dir = fmt.Sprintf("d%03d/", files/20_000)
	w.company()
	var err error // last, or somebody would seal a million files
	w.last, err = w.TakeSnapshot(ctx, w.owner.Who(), v.ID, wire.TakeSnapshot{Name: "newest"})
	w.must(err)
	w.ask(requests)
	w.must(w.SignCheckpoint(ctx))
	w.Work() // the site follows the log, as it does all the time
	w.faces()
	return w
}

// files makes the rows of files that are as the newest one is.
func (w *world) files(volume string, n int) {
	w.b.Helper()
	ctx, store := w.b.Context(), snapshotssql.New()
	vid, err := snapshots.ParseVolumeID(volume)
	w.must(err)
	w.volume, err = w.Engine.Volume(ctx, w.owner.Tenant, vid)
	w.must(err)
	like, err := w.Engine.Head(ctx, w.owner.Tenant, vid, "letters/more.txt", snapshots.Moment{})
	w.must(err)
	for at := 0; at < n; at += 20_000 {
		var rows []snapshots.Entry
		for i := at; i < min(n, at+20_000); i++ {
			x := like.Entry
			x.Path = path(i)
			rows = append(rows, x)
		}
		w.must(w.SiteDB.Write(ctx, func(tx *sqldb.Tx) error { return store.InsertVersions(ctx, tx, vid, w.volume.Head, rows) }))
	}
	w.must(w.SiteDB.Write(ctx, func(tx *sqldb.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE volumes SET live_files = live_files + $1, live_bytes = live_bytes + $2, created_at = $3 WHERE id = $4`,
			n, int64(n)*like.Size, sqldb.Micros(w.Clock.Now().AddDate(-4, 0, 0)), vid)
		return err
	}))
}

// idAt makes an id of the kind of another one.
func idAt[K id.Kind](_ id.ID[K], at time.Time) id.ID[K] { return id.New[K](at) }

// history makes snapshots of three years, sealed and proven, and their leaves of the log.
func (w *world) history(n int) {
	w.b.Helper()
	ctx, store := w.b.Context(), snapshotssql.New()
	model, err := snapshots.ParseSnapshotID(w.first.ID)
	w.must(err)
	s, err := w.Engine.Snapshot(ctx, w.owner.Tenant, model)
	w.must(err)
	now, step := w.Clock.Now(), 3*365*24*time.Hour/time.Duration(n)
	seal := *s.Seal
	for done := 0; done < n; {
		w.must(w.SiteDB.Write(ctx, func(tx *sqldb.Tx) error {
			for ; done < n; done++ {
				s := s
				s.At = now.Add(-time.Duration(n-done) * step)
				s.ID, s.Seq, s.TakenAt, s.Note = idAt(s.ID, s.At), w.volume.Head, s.At, fmt.Sprint("nightly ", done)
				seal.At, seal.Files, seal.Bytes = s.At.Add(time.Second), int64(done), int64(done)<<20
				if err := store.InsertSnapshot(ctx, tx, s); err != nil {
					return err
				}
				if _, err := store.InsertSeal(ctx, tx, s, seal); err != nil {
					return err
				}
				if err := store.InsertCopy(ctx, tx, snapshots.Copy{Snapshot: s.ID, Site: controltest.Site, Tenant: s.Tenant, Volume: s.Volume, HeldAt: seal.At}); err != nil {
					return err
				}
				if err := store.InsertProof(ctx, tx, snapshots.Proof{Snapshot: s.ID, Site: controltest.Site, At: seal.At.Add(time.Second), OK: true, Files: seal.Files, Bytes: seal.Bytes}); err != nil {
					return err
				}
				if done == n/2 {
					w.middle = s.ID.String()
				}
			}
			_, err := tx.Exec(ctx, `ANALYZE`) // which the service's databases have had, by autovacuum or PRAGMA optimize
			return err
		}))
	}
	start := time.Now()
	leaves, err := w.RepairLog(ctx)
	w.must(err)
	w.b.Logf("%d leaves in %s", leaves, time.Since(start).Round(time.Second))
}

// company makes what else a company has: volumes, people, tokens, a hold.
func (w *world) company() {
	w.b.Helper()
	ctx := w.b.Context()
	var held string
	for i := range 30 {
		v := w.newVolume(fmt.Sprintf("volume %02d", i))
		held = v.ID
		w.put(v.ID, "a.txt")
		for range 5 {
			_, err := w.TakeSnapshot(ctx, w.owner.Who(), v.ID, wire.TakeSnapshot{Name: "nightly"})
			w.must(err)
		}
	}
	for range 2 {
		_, err := w.SealSnapshots(ctx, 1000)
		w.must(err)
	}
	_, err := w.ProveSnapshots(ctx, 5*365*24*time.Hour, 1000) // those that never were
	w.must(err)
	owner := w.owner.Who()
	for range 50 {
		w.Member(w.b, owner.Principal.Tenant, authz.RoleOperator)
		w.Token(w.b, controltest.Login{Caller: owner}, nil, apitoken.VolumeRead)
		w.Tenant(w.b)
	}
	w.owner.OK(func(who control.Caller) (err error) {
		w.hold, err = w.PlaceHold(ctx, who, wire.PlaceHold{Volume: held, Reason: "a trial that goes on"})
		return err
	})
}

// ask makes requests that are denied, some that are under way, and a draft.
func (w *world) ask(n int) {
	w.b.Helper()
	ctx := w.b.Context()
	other, err := w.Volumes(ctx, w.owner.Who())
	w.must(err)
	var targets []wire.Snapshot
	for _, v := range other {
		if v.ID != w.volume.ID.String() && len(targets) < 8 {
			list, err := w.Snapshots(ctx, w.owner.Who(), v.ID, "", 1)
			w.must(err)
			targets = append(targets, list...)
		}
	}
	delete := func(s wire.Snapshot) wire.AskRequest {
		return wire.AskRequest{Action: "delete-copies", Copies: []wire.CopyRef{{Snapshot: s.ID}}, Reason: "It holds what must not be kept."}
	}
	for i := range n {
		w.unthrottle()
		r, err := w.owner.Ask(delete(targets[i%len(targets)]))
		w.must(err)
		for _, a := range w.Approvers {
			if r.State != "open" {
				break
			}
			r, err = a.Vote(r.ID, "deny")
			w.must(err)
		}
		if w.closed = r; r.State == "open" {
			w.b.Fatal("everybody has denied and it is open")
		}
	}
	middle, err := w.Snapshot(ctx, w.owner.Who(), w.middle)
	w.must(err)
	for _, s := range append([]wire.Snapshot{middle}, targets...) { // the first of the large volume
		w.unthrottle()
		r, err := w.owner.Ask(delete(s))
		w.must(err)
		w.open = append(w.open, r)
	}
	w.owner.OK(func(who control.Caller) (err error) {
		w.draft, err = w.Draft(ctx, who, delete(targets[0]))
		return err
	})
}

// unthrottle forgets how much was done: what people do in months is done in a minute here.
func (w *world) unthrottle() {
	for _, key := range w.Redis.Keys() {
		if !strings.Contains(key, ":session:") && !strings.Contains(key, ":person:") && !strings.Contains(key, ":ceremony:") {
			w.Redis.Del(key)
		}
	}
}

// faces mounts both as server/app does, without what it does for every route.
func (w *world) faces() {
	live := page.NewLive(w.Control)
	w.b.Cleanup(live.Close)
	face := func(f authz.Face, mount func(*echo.Echo, *control.Control, page.Options)) http.Handler {
		e := echo.New()
		e.Use(api.Middleware(f))
		mount(e, w.Control, page.Options{Live: live})
		return e
	}
	w.portal, w.console = face(authz.FacePortal, portal.Mount), face(authz.FaceConsole, console.Mount)
}

// get asks for a page.
func (w *world) get(who *controltest.Human, path string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	to := w.portal
	if who.Face == authz.FaceConsole {
		to = w.console
	}
	r.AddCookie(api.SessionCookie(who.Face, control.Opened{Secret: who.Credentials.Session, Expires: w.Clock.Now().Add(time.Hour)}))
	out := httptest.NewRecorder()
	to.ServeHTTP(out, r)
	return out
}
