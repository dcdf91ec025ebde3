package control_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"holdfast/internal/sqldb"
	"holdfast/quorum/audit"
	quorumsql "holdfast/quorum/sqlstore"
	"holdfast/server/control"
	"holdfast/server/control/controltest"
	"holdfast/server/wire"
	"holdfast/snapshots/site"
)

// world is a sealed installation with a customer who has two volumes.
type world struct {
	*controltest.Sealed
	t      *testing.T
	owner  *controltest.Human
	volume wire.Volume
	kept   wire.Snapshot // the newest, which every attack must leave restorable
}

// undo is the undo window of a world.
const undo = 5 * time.Second

const keptText = "what must never be lost"

func newWorld(t *testing.T, e *controltest.Env, lines map[string]string) *world {
	t.Helper()
	all := map[string]string{"undo": undo.String()} // younger points are no restore points yet
	for name, value := range lines {
		all[name] = value
	}
	w := &world{Sealed: controltest.Seal(t, e, all), t: t}
	w.owner = e.Company(t)
	w.volume = w.newVolume("docs")
	w.Pass(2 * controltest.Quarantine)
	return w
}

// each runs f in a world on both engines.
func inWorld(t *testing.T, f func(t *testing.T, w *world)) {
	t.Helper()
	controltest.Each(t, func(t *testing.T, e *controltest.Env) { f(t, newWorld(t, e, nil)) }, controltest.Gated())
}

func sqliteWorld(t *testing.T, lines map[string]string) *world {
	t.Helper()
	return newWorld(t, controltest.New(t, controltest.Gated()), lines)
}

func (w *world) ok(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatalf("%v (%v)", err, errors.Unwrap(err))
	}
}

func (w *world) refused(err error, typ string) {
	w.t.Helper()
	if err == nil || control.AsError(err).Type != typ {
		w.t.Fatalf("got %v (%v), want %s", err, errors.Unwrap(err), typ)
	}
}

func (w *world) newVolume(name string) wire.Volume {
	w.t.Helper()
	v, err := w.CreateVolume(w.t.Context(), w.owner.Who(), wire.CreateVolume{Name: name, Kind: "files"})
	w.ok(err)
	return v
}

func (w *world) put(volume, path, body string) {
	w.t.Helper()
	_, err := w.PutFile(w.t.Context(), w.owner.Who(), control.Upload{Volume: volume, Path: path}, strings.NewReader(body))
	w.ok(err)
}

// snapshot takes, seals and proves a snapshot.
func (w *world) snapshot(volume string) wire.Snapshot {
	w.t.Helper()
	ctx := w.t.Context()
	s, err := w.TakeSnapshot(ctx, w.owner.Who(), volume, wire.TakeSnapshot{})
	w.ok(err)
	_, err = w.SealSnapshots(ctx, 100)
	w.ok(err)
	_, err = w.ProveSnapshots(ctx, 0, 100)
	w.ok(err)
	s, err = w.Snapshot(ctx, w.owner.Who(), s.ID)
	w.ok(err)
	return s
}

// history makes n snapshots with one file each and a last one that stays.
func (w *world) history(n int) (out []wire.Snapshot) {
	w.t.Helper()
	for i := range n {
		w.put(w.volume.ID, "doomed", strings.Repeat(string(rune('a'+i)), 3000+i))
		out = append(out, w.snapshot(w.volume.ID))
		w.Pass(time.Second)
	}
	w.put(w.volume.ID, "doomed", "now another")
	w.put(w.volume.ID, "kept", keptText)
	w.kept = w.snapshot(w.volume.ID)
	w.Pass(undo + time.Second)
	return out
}

func (w *world) read(from control.From, path string) (string, error) {
	f, err := w.OpenFile(w.t.Context(), w.owner.Who(), from, path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	r, err := f.Range(w.t.Context(), 0, -1)
	if err != nil {
		return "", err
	}
	defer r.Close()
	text, err := io.ReadAll(r)
	return string(text), err
}

// restores asserts that a snapshot restores bit for bit.
func (w *world) restores(s wire.Snapshot, path, body string) {
	w.t.Helper()
	if got, err := w.read(control.From{Snapshot: s.ID}, path); err != nil || got != body {
		w.t.Fatalf("%s of %s: %d bytes %v, want %d", path, s.ID, len(got), err, len(body))
	}
}

// unharmed asserts that a doomed snapshot and the kept one restore bit for bit.
func (w *world) unharmed(doomed ...wire.Snapshot) {
	w.t.Helper()
	w.restores(w.kept, "kept", keptText)
	for i, s := range doomed {
		w.restores(s, "doomed", strings.Repeat(string(rune('a'+i)), 3000+i))
	}
}

func (w *world) ask(snapshots ...wire.Snapshot) wire.Request {
	w.t.Helper()
	r, err := w.owner.Ask(deletion(snapshots...))
	w.ok(err)
	return r
}

func deletion(snapshots ...wire.Snapshot) wire.AskRequest {
	ask := wire.AskRequest{Action: "delete-copies", Reason: "not needed any more"}
	for _, s := range snapshots {
		ask.Copies = append(ask.Copies, wire.CopyRef{Snapshot: s.ID})
	}
	return ask
}

func (w *world) state(request string) wire.Request {
	w.t.Helper()
	r, err := w.Request(w.t.Context(), w.Approvers[0].Who(), request)
	w.ok(err)
	return r
}

func (w *world) is(request, state string) wire.Request {
	w.t.Helper()
	r := w.state(request)
	if r.State != state {
		w.t.Fatalf("%s is %s, want %s; blocked: %v; votes %v; jobs: %v", request, r.State, state, r.Blocked, r.Votes, w.Errors)
	}
	return r
}

// approve has approvers approve by passkey, all of whom must be let.
func (w *world) approve(request string, approvers ...int) wire.Request {
	w.t.Helper()
	var r wire.Request
	var err error
	for _, i := range approvers {
		r, err = w.Approvers[i].Vote(request, "approve")
		w.ok(err)
	}
	return r
}

// until passes time until the request has a state.
func (w *world) until(request, state string, limit time.Duration) {
	w.t.Helper()
	for range int(limit / time.Second) {
		if w.state(request).State == state {
			return
		}
		w.Pass(time.Second)
	}
	w.is(request, state)
}

// leaf asserts how many leaves of a kind a subject has.
func (w *world) leaf(subject string, kind audit.Kind, n int) {
	w.t.Helper()
	if got := len(w.Leaves(w.t, subject, kind)); got != n {
		w.t.Fatalf("%d leaves %s about %s, want %d", got, kind, subject, n)
	}
}

func (w *world) logSize() (size int64) {
	w.t.Helper()
	w.ok(w.DB.Read(w.t.Context(), func(tx *sqldb.Tx) (err error) {
		size, err = quorumsql.LogSize(w.t.Context(), tx)
		return err
	}))
	return size
}

func (w *world) exec(db *sqldb.DB, q string, args ...any) {
	w.t.Helper()
	w.ok(db.Write(w.t.Context(), func(tx *sqldb.Tx) error { _, err := tx.Exec(context.Background(), q, args...); return err }))
}

func (w *world) atSite(request string) site.Receipt {
	w.t.Helper()
	r, err := w.Primary.Status(w.t.Context(), request)
	w.ok(err)
	return r
}
