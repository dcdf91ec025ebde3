package control_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"holdfast/authz"
	"holdfast/authz/apitoken"
	"holdfast/internal/sqldb"
	"holdfast/quorum/audit"
	"holdfast/server/control"
	"holdfast/server/control/controltest"
	"holdfast/server/wire"
	"holdfast/snapshots"
)

// data is a tenant with a volume, its owner, and somebody of another tenant.
type data struct {
	*controltest.Env
	t            *testing.T
	owner, other controltest.Login
	volume       wire.Volume
}

func newData(t *testing.T, e *controltest.Env) *data {
	t.Helper()
	d := &data{Env: e, t: t}
	d.owner = e.Member(t, e.Tenant(t), authz.RoleOwner)
	d.other = e.Member(t, e.Tenant(t), authz.RoleOwner)
	d.volume = d.make("docs")
	return d
}

func (d *data) make(name string) wire.Volume {
	d.t.Helper()
	v, err := d.CreateVolume(d.t.Context(), d.owner.Caller, wire.CreateVolume{Name: name, Kind: "files"})
	d.ok(err)
	return v
}

func (d *data) ok(err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatalf("%v (%v)", err, errors.Unwrap(err))
	}
}

func (d *data) refused(err error, typ string) {
	d.t.Helper()
	if err == nil || control.AsError(err).Type != typ {
		d.t.Fatalf("got %v, want %s", err, typ)
	}
}

func (d *data) put(path, body string) {
	d.t.Helper()
	_, err := d.PutFile(d.t.Context(), d.owner.Caller, control.Upload{Volume: d.volume.ID, Path: path}, strings.NewReader(body))
	d.ok(err)
}

func (d *data) read(from control.From, path string) (string, error) {
	f, err := d.OpenFile(d.t.Context(), d.owner.Caller, from, path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	r, err := f.Range(d.t.Context(), 0, -1)
	d.ok(err)
	defer r.Close()
	text, err := io.ReadAll(r)
	return string(text), err
}

func (d *data) holds(from control.From, path, body string) {
	d.t.Helper()
	if got, err := d.read(from, path); err != nil || got != body {
		d.t.Fatalf("%s: %q %v, want %q", path, got, err, body)
	}
}

func (d *data) sealed() wire.Snapshot {
	d.t.Helper()
	s, err := d.TakeSnapshot(d.t.Context(), d.owner.Caller, d.volume.ID, wire.TakeSnapshot{Name: "n"})
	d.ok(err)
	_, err = d.SealSnapshots(d.t.Context(), 100)
	d.ok(err)
	s, err = d.Snapshot(d.t.Context(), d.owner.Caller, s.ID)
	d.ok(err)
	if s.State != "sealed" || len(s.Copies) != 1 {
		d.t.Fatal(s)
	}
	return s
}

func each(t *testing.T, f func(t *testing.T, d *data)) {
	t.Helper()
	controltest.Each(t, func(t *testing.T, e *controltest.Env) { f(t, newData(t, e)) })
}

// Primary data goes when its owner says so; what was captured stays.
func TestT31_DeletingTheVolumeLeavesItsCopies(t *testing.T) {
	each(t, func(t *testing.T, d *data) {
		d.put("a", "one")
		s := d.sealed()
		d.put("b", "after the snapshot")
		d.Clock.Advance(time.Minute)
		removed, err := d.DeleteVolume(t.Context(), d.owner.Caller, d.volume.ID)
		d.ok(err)
		if removed.Files != 2 || len(d.Leaves(t, d.volume.ID, audit.KindVolumeDeleted)) != 1 {
			t.Fatal(removed)
		}
		_, err = d.read(control.From{Volume: d.volume.ID}, "a")
		d.refused(err, wire.TypeNotFound)
		_, err = d.PutFile(t.Context(), d.owner.Caller, control.Upload{Volume: d.volume.ID, Path: "a"}, strings.NewReader("x"))
		d.refused(err, wire.TypeNotFound)
		shown, err := d.Snapshot(t.Context(), d.owner.Caller, s.ID)
		if err != nil || shown.Copies[0].State != "held" || shown.Digest != s.Digest {
			t.Fatal(shown, err)
		}
		d.holds(control.From{Snapshot: s.ID}, "a", "one")
		if n, err := d.ProveSnapshots(t.Context(), 0, 10); err != nil || n != 1 {
			t.Fatal(n, err)
		}
		// The name is free for another volume, and the snapshot restores into it.
		again := d.make("docs")
		got, err := d.Restore(t.Context(), d.owner.Caller, d.volume.ID, wire.Restore{Snapshot: s.ID, Into: again.ID})
		d.ok(err)
		if got.Files != 1 || got.Volume != again.ID {
			t.Fatal(got)
		}
		d.holds(control.From{Volume: again.ID}, "a", "one")
	})
}

// Everything deleted by a stolen session comes back, also what no snapshot has.
func TestT02_ADeletedVolumeComesBack(t *testing.T) {
	d := newData(t, controltest.New(t))
	d.put("a", "one")
	d.Clock.Advance(time.Minute)
	before := d.Clock.Now()
	d.Clock.Advance(time.Minute)
	_, err := d.DeleteFile(t.Context(), d.owner.Caller, control.Upload{Volume: d.volume.ID}, true)
	d.ok(err)
	_, err = d.DeleteVolume(t.Context(), d.owner.Caller, "docs")
	d.ok(err)
	got, err := d.Restore(t.Context(), d.owner.Caller, d.volume.ID, wire.Restore{At: &before})
	d.ok(err)
	if got.Files != 1 {
		t.Fatal(got)
	}
	d.holds(control.From{Volume: "docs"}, "a", "one")
}

// A restore brings back exactly what was there, below a prefix, and changes no snapshot.
func TestT38_RestoreNeverChangesASnapshot(t *testing.T) {
	d := newData(t, controltest.New(t))
	d.put("in/a", "a1")
	d.put("in/b", "b1")
	d.put("out", "o1")
	s := d.sealed()
	d.put("in/a", "a2")
	d.put("in/new", "n2")
	d.put("out", "o2")
	_, err := d.Restore(t.Context(), d.owner.Caller, "docs", wire.Restore{Snapshot: s.ID, Prefix: "in/", Exact: true})
	d.ok(err)
	now := control.From{Volume: "docs"}
	d.holds(now, "in/a", "a1")
	d.holds(now, "out", "o2")
	_, err = d.read(now, "in/new")
	d.refused(err, wire.TypeNotFound)
	d.holds(control.From{Snapshot: s.ID}, "out", "o1")
	for _, in := range []wire.Restore{{}, {Snapshot: s.ID, At: &s.At}, {Snapshot: s.ID, Prefix: "nul\x00"}} {
		_, err := d.Restore(t.Context(), d.owner.Caller, "docs", in)
		d.refused(err, wire.TypeInvalid)
	}
	after, err := d.Snapshot(t.Context(), d.owner.Caller, s.ID)
	if err != nil || after.Digest != s.Digest {
		t.Fatal(after, err)
	}
}

// Nobody has the power to delete a snapshot: whoever may see it is told how to ask.
func TestT09_DeletingASnapshotIsRefusedAndLogged(t *testing.T) {
	each(t, func(t *testing.T, d *data) {
		d.put("a", "one")
		s := d.sealed()
		token := d.Token(t, d.owner, nil, apitoken.AllScopes()...)
		callers := map[string]control.Caller{"owner": d.owner.Caller, "token": token.Caller,
			"viewer":   d.Member(t, d.owner.Principal.Tenant, authz.RoleViewer).Caller,
			"approver": d.Staff(t, authz.StaffApprover).Caller, "auditor": d.Staff(t, authz.StaffAuditor).Caller}
		for name, who := range callers {
			err := d.DeleteSnapshot(t.Context(), who, s.ID)
			d.refused(err, wire.TypeGateRequired)
			if e := control.AsError(err); e.Status != 403 || e.Ask == nil || e.Ask.Path != "/v1/requests" || !strings.Contains(e.Ask.Example, s.ID) {
				t.Fatal(name, e)
			}
		}
		if n := len(d.Leaves(t, s.ID, audit.KindRefusal)); n != len(callers) {
			t.Fatal("refusals in the log:", n)
		}
		a, b := d.DeleteSnapshot(t.Context(), d.other.Caller, s.ID), d.DeleteSnapshot(t.Context(), d.other.Caller, "snp_00000000000000000000000000")
		d.refused(a, wire.TypeNotFound)
		if x, y := control.AsError(a).Problem(), control.AsError(b).Problem(); x != y {
			t.Fatal(x, y)
		}
		d.holds(control.From{Snapshot: s.ID}, "a", "one")
	})
}

// Every power over data answers another tenant's id as none.
func TestT11_EveryPowerOverData(t *testing.T) {
	d := newData(t, controltest.New(t))
	d.put("a", "one")
	s := d.sealed()
	ctx, who := t.Context(), d.other.Caller
	own, err := d.CreateVolume(ctx, who, wire.CreateVolume{Name: "mine", Kind: "files"})
	d.ok(err)
	when := d.Clock.Now()
	powers := map[string]func(volume, snapshot string) error{
		"Volume":       func(v, _ string) error { _, err := d.Volume(ctx, who, v); return err },
		"DeleteVolume": func(v, _ string) error { _, err := d.DeleteVolume(ctx, who, v); return err },
		"Snapshots":    func(v, _ string) error { _, err := d.Snapshots(ctx, who, v, "", 0); return err },
		"TakeSnapshot": func(v, _ string) error { _, err := d.TakeSnapshot(ctx, who, v, wire.TakeSnapshot{}); return err },
		"Ticket": func(v, _ string) error {
			_, err := d.Ticket(ctx, who, v, wire.AskTicket{Operations: []string{"get"}})
			return err
		},
		"Entries": func(v, _ string) error {
			_, err := d.Entries(ctx, who, control.From{Volume: v}, control.Listing{})
			return err
		},
		"Snapshot":       func(_, s string) error { _, err := d.Snapshot(ctx, who, s); return err },
		"DeleteSnapshot": func(_, s string) error { return d.DeleteSnapshot(ctx, who, s) },
		"snapshot entries": func(_, s string) error {
			_, err := d.Entries(ctx, who, control.From{Snapshot: s}, control.Listing{})
			return err
		},
		"restore into": func(v, _ string) error { _, err := d.Restore(ctx, who, v, wire.Restore{At: &when}); return err },
		"restore of": func(_, s string) error {
			_, err := d.Restore(ctx, who, own.ID, wire.Restore{Snapshot: s})
			return err
		},
		"restore from into": func(v, _ string) error {
			_, err := d.Restore(ctx, who, own.ID, wire.Restore{At: &when, Into: v})
			return err
		},
		"OpenFile": func(v, _ string) error { _, err := d.OpenFile(ctx, who, control.From{Volume: v}, "a"); return err },
		"OpenTree": func(_, s string) error { _, err := d.OpenTree(ctx, who, control.From{Snapshot: s}, ""); return err },
	}
	for name, power := range powers {
		theirs, none := power(d.volume.ID, s.ID), power("vol_00000000000000000000000000", "snp_00000000000000000000000000")
		if theirs == nil || none == nil || control.AsError(theirs).Problem() != control.AsError(none).Problem() || control.AsError(theirs).Status != 404 {
			t.Errorf("%s: %v; none: %v", name, theirs, none)
		}
	}
	list, err := d.Volumes(ctx, who)
	if err != nil || len(list) != 1 || list[0].ID != own.ID {
		t.Fatal(list, err)
	}
	d.holds(control.From{Volume: d.volume.ID}, "a", "one")
}

// A seal's digest is in the log before the snapshot counts as sealed, and a process
// that dies between a deed and its leaf loses no leaf and makes none twice.
func TestI7_DeedsOfTheSiteReachTheLogExactlyOnce(t *testing.T) {
	each(t, func(t *testing.T, d *data) {
		ctx := t.Context()
		d.put("a", "one")
		tenant := d.owner.Principal.Tenant.String()
		volume, err := snapshots.ParseVolumeID(d.volume.ID)
		d.ok(err)
		// Deeds whose leaves never came: as if the process had died after each.
		lost, err := d.Engine.CreateVolume(ctx, snapshots.NewVolume{Tenant: tenant, Name: "lost", Kind: snapshots.Files, By: "x"})
		d.ok(err)
		taken, err := d.Engine.TakeSnapshot(ctx, tenant, volume, "x", "")
		d.ok(err)
		sealed, err := d.Engine.TakeSnapshot(ctx, tenant, volume, "x", "")
		d.ok(err)
		seal, err := d.Engine.Seal(ctx, tenant, sealed.ID)
		d.ok(err)
		d.Clock.Advance(time.Minute)
		_, err = d.Engine.Prove(ctx, tenant, sealed.ID)
		d.ok(err)
		d.ok(d.Engine.DeleteVolume(ctx, tenant, lost.ID, "x"))
		if s, err := d.Snapshot(ctx, d.owner.Caller, sealed.ID.String()); err != nil || s.State != "taken" || s.Digest != "" {
			t.Fatal("counts as sealed without a leaf", s, err)
		}
		usual, err := d.TakeSnapshot(ctx, d.owner.Caller, d.volume.ID, wire.TakeSnapshot{})
		d.ok(err)
		d.Restart(t)
		done := make(chan error)
		for range 6 { // as on several nodes at once
			go func() {
				_, err := d.SealSnapshots(ctx, 10)
				_, more := d.RepairLog(ctx)
				done <- errors.Join(err, more)
			}()
		}
		for range 6 {
			d.ok(<-done)
		}
		for _, want := range []struct {
			subject string
			kind    audit.Kind
		}{
			{lost.ID.String(), audit.KindVolumeCreated}, {lost.ID.String(), audit.KindVolumeDeleted},
			{taken.ID.String(), audit.KindSnapshotTaken}, {taken.ID.String(), audit.KindSnapshotSealed},
			{sealed.ID.String(), audit.KindSnapshotTaken}, {sealed.ID.String(), audit.KindSnapshotSealed}, {sealed.ID.String(), audit.KindSnapshotProven},
			{usual.ID, audit.KindSnapshotTaken}, {usual.ID, audit.KindSnapshotSealed}, {d.volume.ID, audit.KindVolumeCreated},
		} {
			if n := len(d.Leaves(t, want.subject, want.kind)); n != 1 {
				t.Errorf("%s %s: %d leaves", want.subject, want.kind, n)
			}
		}
		var body struct{ Digest string }
		d.ok(json.Unmarshal(d.Leaves(t, sealed.ID.String(), audit.KindSnapshotSealed)[0].Body, &body))
		s, err := d.Snapshot(ctx, d.owner.Caller, sealed.ID.String())
		if err != nil || s.State != "sealed" || s.Digest != body.Digest || s.Digest == "" || s.Digest[7:] != seal.Digest.String() {
			t.Fatal(s, body, seal.Digest, err)
		}
		if n, err := d.RepairLog(ctx); err != nil || n != 0 {
			t.Fatal("repaired again:", n, err)
		}
	})
}

// A log that takes no leaf lets nothing count as sealed, and the job makes up for it.
func TestI7_NoLeafNoSeal(t *testing.T) {
	d := newData(t, controltest.New(t))
	d.put("a", "one")
	_, err := d.TakeSnapshot(t.Context(), d.owner.Caller, "docs", wire.TakeSnapshot{})
	d.ok(err)
	failing := func(q string) {
		t.Helper()
		d.ok(d.DB.Write(t.Context(), func(tx *sqldb.Tx) error { _, err := tx.Exec(context.Background(), q); return err }))
	}
	failing(`CREATE TRIGGER no_leaf BEFORE INSERT ON log_leaves BEGIN SELECT RAISE(ABORT, 'full'); END`)
	if n, err := d.SealSnapshots(t.Context(), 10); err == nil || n != 0 {
		t.Fatal(n, err)
	}
	list, err := d.Snapshots(t.Context(), d.owner.Caller, "docs", "", 0)
	if err != nil || len(list) != 1 || list[0].State != "taken" || list[0].Digest != "" {
		t.Fatal(list, err)
	}
	failing(`DROP TRIGGER no_leaf`)
	if n, err := d.SealSnapshots(t.Context(), 10); err != nil || n != 1 {
		t.Fatal(n, err)
	}
	list, err = d.Snapshots(t.Context(), d.owner.Caller, "docs", "", 0)
	if err != nil || list[0].State != "sealed" {
		t.Fatal(list, err)
	}
}

func TestVolumesHaveUsableNames(t *testing.T) {
	d := newData(t, controltest.New(t))
	for _, name := range []string{"", ".", "..", "snapshots", "vol_x", "snp_x", "a/b", `a\b`, " a", "a\n", "docs\u202e", strings.Repeat("x", 200)} {
		_, err := d.CreateVolume(t.Context(), d.owner.Caller, wire.CreateVolume{Name: name, Kind: "files"})
		d.refused(err, wire.TypeInvalid)
	}
	_, err := d.CreateVolume(t.Context(), d.owner.Caller, wire.CreateVolume{Name: "docs", Kind: "files"})
	d.refused(err, wire.TypeConflict)
	_, err = d.CreateVolume(t.Context(), d.owner.Caller, wire.CreateVolume{Name: "p", Kind: "files", Profile: "weird"})
	d.refused(err, wire.TypeInvalid)
	v, err := d.CreateVolume(t.Context(), d.owner.Caller, wire.CreateVolume{Name: "image", Kind: "stream", Profile: "pages"})
	if err != nil || v.Profile != "pages" || v.Kind != "stream" || v.UndoFrom.Before(v.CreatedAt) {
		t.Fatal(v, err)
	}
	viewer := d.Member(t, d.owner.Principal.Tenant, authz.RoleViewer)
	_, err = d.CreateVolume(t.Context(), viewer.Caller, wire.CreateVolume{Name: "v", Kind: "files"})
	d.refused(err, wire.TypeDenied)
	list, err := d.Volumes(t.Context(), d.Token(t, d.owner, []string{v.ID}, apitoken.VolumeRead).Caller)
	if err != nil || len(list) != 1 || list[0].ID != v.ID {
		t.Fatal(list, err)
	}
}
