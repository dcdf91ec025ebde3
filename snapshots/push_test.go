package snapshots_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"holdfast/snapshots"
	"holdfast/snapshots/chunk"
	"holdfast/snapshots/snapshotstest"
)

// pusher is a client of a session: it cuts and names chunks itself.
type pusher struct {
	*snapshots.Push
	t     testing.TB
	table *chunk.Table
	ids   *chunk.Identifier
}

func newPusher(t testing.TB, e *snapshots.Engine, v snapshots.VolumeID) *pusher {
	t.Helper()
	p, err := e.NewPush(t.Context(), tenant, v)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	out := &pusher{Push: p, t: t}
	if out.table, err = chunk.NewTable(p.Keys().Chunking.Bytes(), p.Volume().Profile); err != nil {
		t.Fatal(err)
	}
	if out.ids, err = chunk.NewIdentifier(p.Keys().Identity.Bytes()); err != nil {
		t.Fatal(err)
	}
	return out
}

func (p *pusher) id(b []byte) chunk.ID { return p.ids.ID(chunk.KindData, b) }

// cut is the content in pieces.
func (p *pusher) cut(body string) (out []chunk.Piece) {
	p.t.Helper()
	c := chunk.NewChunker(p.table, strings.NewReader(body))
	defer c.Close()
	for {
		x, err := c.Next()
		if err != nil {
			return out
		}
		out = append(out, chunk.Piece{Data: bytes.Clone(x.Data), Hole: x.Hole})
	}
}

func (p *pusher) begin(n int64) *snapshots.Segment {
	p.t.Helper()
	g, err := p.Begin(p.t.Context(), n)
	if err != nil || g == nil {
		p.t.Fatal("begin", n, err)
	}
	return g
}

func file(path string) snapshots.Entry {
	return snapshots.Entry{Path: path, Type: snapshots.TypeFile, Meta: snapshots.Meta{Mode: 0o644, MTime: 42}}
}

// data sends a piece, as a reference where asked.
func (p *pusher) data(g *snapshots.Segment, x chunk.Piece, ref bool) error {
	switch {
	case x.Hole > 0:
		return g.Hole(p.t.Context(), x.Hole)
	case ref:
		return g.Ref(p.t.Context(), p.id(x.Data), int64(len(x.Data)))
	}
	return g.Data(p.t.Context(), p.id(x.Data), len(x.Data), append(g.Buffer(len(x.Data)), x.Data...), nil)
}

// file sends a whole file.
func (p *pusher) file(g *snapshots.Segment, path, body string) {
	p.t.Helper()
	if err := g.Entry(p.t.Context(), file(path)); err != nil {
		p.t.Fatal(err)
	}
	for _, x := range p.cut(body) {
		if err := p.data(g, x, false); err != nil {
			p.t.Fatal(err)
		}
	}
	if err := g.End(p.t.Context(), int64(len(body))); err != nil {
		p.t.Fatal(err)
	}
}

func (p *pusher) commit(g *snapshots.Segment) snapshots.PushAnswer {
	p.t.Helper()
	a, err := g.Commit(p.t.Context())
	if err != nil {
		p.t.Fatal(err)
	}
	return a
}

// ids of all data of the bodies.
func (p *pusher) all(bodies ...string) (ids []chunk.ID) {
	for _, b := range bodies {
		for _, x := range p.cut(b) {
			if x.Hole == 0 {
				ids = append(ids, p.id(x.Data))
			}
		}
	}
	return ids
}

func (p *pusher) count(ids []chunk.ID) (n int) {
	p.t.Helper()
	known, err := p.Known(p.t.Context(), ids)
	if err != nil {
		p.t.Fatal(err)
	}
	for _, k := range known {
		if k {
			n++
		}
	}
	return n
}

func noisy(n int, seed byte) string {
	out := make([]byte, n)
	x := uint64(seed)*0x9E3779B97F4A7C15 + 1
	for i := range out {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		out[i] = byte(x >> 32)
	}
	return string(out)
}

func TestPushStoresWhatAPutWouldStore(t *testing.T) {
	each(t, func(t *testing.T, e *snapshotstest.Env) {
		v := e.Volume(t, "v", snapshots.Files)
		big := noisy(5<<20, 1) + strings.Repeat("\x00", 3<<20) + noisy(1<<20, 2)
		want := map[string]string{"a": "", "b": "hello", "dir/big": big}
		p := newPusher(t, e.Engine, v.ID)
		g := p.begin(0)
		for path, body := range want {
			p.file(g, path, body)
		}
		a := p.commit(g)
		if a.Entries != 3 || a.Unchanged != 0 || a.Bytes != int64(len(big)+5) || a.Sent != int64(len(big)-3<<20+5) || !a.Alone || a.Seq != v.Head+1 {
			t.Errorf("%+v", a)
		}
		for path, body := range want {
			if get(t, e, v.ID, path, snapshots.Moment{}) != body {
				t.Errorf("%s is not what was sent", path)
			}
		}
		// The same bytes by the other way are the same content.
		w := e.Volume(t, "w", snapshots.Files)
		if got := put(t, e, w.ID, "x", big); func() [32]byte {
			h, err := e.Head(t.Context(), tenant, v.ID, "dir/big", snapshots.Moment{})
			if err != nil {
				t.Fatal(err)
			}
			return h.ETag
		}() != got.ETag {
			t.Error("another digest than that of an upload")
		}
		// Once more: nothing is written, everything is known, references do.
		p = newPusher(t, e.Engine, v.ID)
		if n := p.count(p.all(big)); n != len(p.all(big)) {
			t.Errorf("%d known of %d", n, len(p.all(big)))
		}
		g = p.begin(0)
		if err := g.Entry(t.Context(), file("dir/big")); err != nil {
			t.Fatal(err)
		}
		for _, x := range p.cut(big) {
			if err := p.data(g, x, true); err != nil {
				t.Fatal(err)
			}
		}
		if err := g.End(t.Context(), int64(len(big))); err != nil {
			t.Fatal(err)
		}
		if err := g.Delete(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		if a := p.commit(g); a.Unchanged != 1 || a.Sent != 0 || a.Deleted != 1 || a.Seq != v.Head+2 || !a.Alone {
			t.Errorf("%+v", a)
		}
		if _, err := e.Head(t.Context(), tenant, v.ID, "a", snapshots.Moment{}); !errors.Is(err, snapshots.ErrNotFound) {
			t.Error("a deleted path lives", err)
		}
	})
}

func TestT51_KnownIsOnlyWhatTheVolumeHas(t *testing.T) {
	each(t, func(t *testing.T, e *snapshotstest.Env) {
		mine, theirs := e.Volume(t, "mine", snapshots.Files), e.Volume(t, "theirs", snapshots.Files)
		secret, common := noisy(3<<20, 7), noisy(1<<20, 8)
		put(t, e, theirs.ID, "secret", secret)
		put(t, e, mine.ID, "common", common)
		p := newPusher(t, e.Engine, mine.ID)
		if n := p.count(p.all(secret)); n != 0 {
			t.Fatalf("%d chunks of another volume are known", n)
		}
		if n := p.count(p.all(common)); n != len(p.all(common)) {
			t.Fatalf("%d own chunks are known", n)
		}
		// Naming one does not get it either, and leaves nothing.
		g := p.begin(0)
		if err := g.Entry(t.Context(), file("stolen")); err != nil {
			t.Fatal(err)
		}
		if err := p.data(g, p.cut(secret)[0], true); !errors.Is(err, snapshots.ErrUnknownChunk) {
			t.Fatal(err)
		}
		g.Abort()
		// Nor does a chunk under another id, though the true one is stored.
		g = p.begin(0)
		if err := g.Entry(t.Context(), file("forged")); err != nil {
			t.Fatal(err)
		}
		x := p.cut(secret)[0].Data
		if err := g.Data(t.Context(), p.id(x), 5, append(g.Buffer(5), "wrong"...), nil); err != nil {
			t.Fatal(err)
		}
		if err := g.End(t.Context(), 5); err != nil {
			t.Fatal(err)
		}
		if _, err := g.Commit(t.Context()); !errors.Is(err, snapshots.ErrChunkID) {
			t.Fatal(err)
		}
		if n := p.count(p.all(secret)); n != 0 {
			t.Fatal("a forged upload makes it known")
		}
		if got := state(t, e, mine.ID, snapshots.Moment{}, 10); len(got) != 1 {
			t.Error(len(got), "files")
		}
	})
}

func TestT47_SegmentIsWholeOrNothing(t *testing.T) {
	each(t, func(t *testing.T, e *snapshotstest.Env) {
		v := e.Volume(t, "v", snapshots.Stream)
		p := newPusher(t, e.Engine, v.ID)
		body := noisy(12<<20, 3)
		pieces := p.cut(body)
		third := len(pieces) / 3
		send := func(g *snapshots.Segment, from, to int) {
			t.Helper()
			for _, x := range pieces[from:to] {
				if err := p.data(g, x, false); err != nil {
					t.Fatal(err)
				}
			}
		}
		g := p.begin(0)
		if err := g.Entry(t.Context(), file(snapshots.StreamPath)); err != nil {
			t.Fatal(err)
		}
		send(g, 0, third)
		first := p.commit(g)
		if first.Entries != 0 || first.Seq != v.Head {
			t.Errorf("%+v", first)
		}
		// The next breaks off, and comes again.
		g = p.begin(1)
		send(g, third, third+2)
		g.Abort()
		g = p.begin(1)
		send(g, third, 2*third)
		p.commit(g)
		// A repeated one is answered, not taken again.
		if g, err := p.Begin(t.Context(), 1); g != nil || err != nil {
			t.Fatal("taken again", err)
		}
		if a, err := p.Answer(t.Context(), 0); err != nil || a.Sent != first.Sent {
			t.Error(a, err)
		}
		if _, err := p.Begin(t.Context(), 50); !errors.Is(err, snapshots.ErrSegment) {
			t.Error("a segment far ahead:", err)
		}
		// The process dies. Another knows what was acknowledged, and needs no more than the rest.
		q := newPusher(t, e.Another(t), v.ID)
		if empty, err := q.Empty(t.Context()); empty || err != nil {
			t.Error("a volume with a partial is empty", err)
		}
		ids := q.all(body)
		if n := q.count(ids); n != 2*third {
			t.Fatalf("%d chunks known of %d that were acknowledged", n, 2*third)
		}
		g = q.begin(0)
		if err := g.Entry(t.Context(), file(snapshots.StreamPath)); err != nil {
			t.Fatal(err)
		}
		for i, x := range pieces {
			if err := q.data(g, x, i < 2*third); err != nil {
				t.Fatal(err)
			}
		}
		if err := g.End(t.Context(), int64(len(body))); err != nil {
			t.Fatal(err)
		}
		q.commit(g)
		if get(t, e, v.ID, snapshots.StreamPath, snapshots.Moment{}) != body {
			t.Error("not what was sent")
		}
	})
}

func TestSegmentsOverlapAndFailTogether(t *testing.T) {
	each(t, func(t *testing.T, e *snapshotstest.Env) {
		v := e.Volume(t, "v", snapshots.Files)
		p := newPusher(t, e.Engine, v.ID)
		// Many are sent at once, in any order: they are taken in theirs.
		done := make(chan error)
		for n := range int64(8) {
			go func() {
				g, err := p.Begin(context.WithoutCancel(t.Context()), n)
				if err == nil {
					p.file(g, "f", strings.Repeat("x", int(n)))
					_, err = g.Commit(context.WithoutCancel(t.Context()))
				}
				done <- err
			}()
		}
		for range 8 {
			if err := <-done; err != nil {
				t.Fatal(err)
			}
		}
		if got := get(t, e, v.ID, "f", snapshots.Moment{}); got != "xxxxxxx" {
			t.Errorf("%q", got)
		}
		// One that fails at its commit takes those along that were received meanwhile.
		g := p.begin(8)
		p.file(g, "quota", noisy(1<<20, 9))
		if err := e.SetQuota(t.Context(), tenant, 1); err != nil {
			t.Fatal(err)
		}
		if _, err := g.Commit(t.Context()); !errors.Is(err, snapshots.ErrQuota) {
			t.Fatal(err)
		}
		if err := e.SetQuota(t.Context(), tenant, 1<<40); err != nil {
			t.Fatal(err)
		}
		g = p.begin(8)
		p.file(g, "quota", "now")
		p.commit(g)
		if got := get(t, e, v.ID, "quota", snapshots.Moment{}); got != "now" {
			t.Errorf("%q", got)
		}
		p.Close()
		if _, err := p.Begin(t.Context(), 9); !errors.Is(err, snapshots.ErrNotFound) {
			t.Error("a closed session goes on:", err)
		}
	})
}

func TestEntriesThatCannotBeStoredAreRefusedAlone(t *testing.T) {
	each(t, func(t *testing.T, e *snapshotstest.Env) {
		v := e.Volume(t, "v", snapshots.Files)
		put(t, e, v.ID, "old", "was here")
		p := newPusher(t, e.Engine, v.ID)
		g := p.begin(0)
		p.file(g, "../out", "x")
		p.file(g, "fine", "y")
		link := func(path, to string) {
			if err := g.Entry(t.Context(), snapshots.Entry{Path: path, Type: snapshots.TypeHardlink, Meta: snapshots.Meta{Link: to}}); err != nil {
				t.Fatal(err)
			}
			if err := g.End(t.Context(), 0); err != nil {
				t.Fatal(err)
			}
		}
		link("l1", "fine")
		link("l2", "old")
		link("l3", "nowhere")
		link("l4", "/etc/passwd")
		a := p.commit(g)
		if a.Entries != 3 || len(a.Refused) != 3 || a.Refused[0].Path != "../out" {
			t.Fatalf("%+v", a)
		}
		if get(t, e, v.ID, "l1", snapshots.Moment{}) != "y" || get(t, e, v.ID, "l2", snapshots.Moment{}) != "was here" {
			t.Error("a hard link has other content than its target")
		}
	})
}

func TestT50_MalformedSegmentsChangeNothing(t *testing.T) {
	each(t, func(t *testing.T, e *snapshotstest.Env) {
		v := e.Volume(t, "v", snapshots.Files)
		p := newPusher(t, e.Engine, v.ID)
		ctx := t.Context()
		body := noisy(600<<10, 5)
		first := p.cut(body)[0]
		for name, f := range map[string]func(g *snapshots.Segment) error{
			"data without entry": func(g *snapshots.Segment) error { return p.data(g, first, false) },
			"end without entry":  func(g *snapshots.Segment) error { return g.End(ctx, 0) },
			"two entries":        func(g *snapshots.Segment) error { g.Entry(ctx, file("a")); return g.Entry(ctx, file("b")) },
			"delete inside":      func(g *snapshots.Segment) error { g.Entry(ctx, file("a")); return g.Delete(ctx, "b") },
			"two holes": func(g *snapshots.Segment) error {
				g.Entry(ctx, file("a"))
				g.Hole(ctx, 1<<20)
				return g.Hole(ctx, 1<<20)
			},
			"small pieces": func(g *snapshots.Segment) error {
				g.Entry(ctx, file("a"))
				p.data(g, chunk.Piece{Data: []byte("a")}, false)
				return p.data(g, chunk.Piece{Data: []byte("b")}, false)
			},
			"large piece": func(g *snapshots.Segment) error {
				g.Entry(ctx, file("a"))
				return p.data(g, chunk.Piece{Data: make([]byte, chunk.MaxPiece+1)}, false)
			},
			"content of a directory": func(g *snapshots.Segment) error {
				g.Entry(ctx, snapshots.Entry{Path: "d", Type: snapshots.TypeDir})
				return p.data(g, first, false)
			},
			"wrong size": func(g *snapshots.Segment) error {
				g.Entry(ctx, file("a"))
				p.data(g, first, false)
				g.End(ctx, 1)
				_, err := g.Commit(ctx)
				return err
			},
			"too many entries": func(g *snapshots.Segment) error {
				for range snapshots.SegmentEntries {
					if err := g.Delete(ctx, "x"); err != nil {
						return err
					}
				}
				return g.Delete(ctx, "x")
			},
		} {
			g := p.begin(0)
			err := f(g)
			if err == nil {
				t.Errorf("%s is taken", name)
			}
			if name != "wrong size" { // a failed commit is over
				g.Abort()
			}
		}
		if got := state(t, e, v.ID, snapshots.Moment{}, 10); len(got) != 0 {
			t.Error(got)
		}
	})
}

func TestPushesEqualAModel(t *testing.T) {
	each(t, func(t *testing.T, e *snapshotstest.Env) {
		n := 0
		rapid.Check(t, func(rt *rapid.T) {
			n++
			v := e.Volume(t, fmt.Sprint("v", n), snapshots.Files)
			model := map[string]string{}
			p := newPusher(t, e.Engine, v.ID)
			for i := range rapid.IntRange(1, 4).Draw(rt, "segments") {
				g := p.begin(int64(i))
				for range rapid.IntRange(0, 5).Draw(rt, "records") {
					path := rapid.SampledFrom([]string{"a", "b", "c/d"}).Draw(rt, "path")
					if rapid.Bool().Draw(rt, "delete") {
						if err := g.Delete(t.Context(), path); err != nil {
							rt.Fatal(err)
						}
						delete(model, path)
						continue
					}
					body := rapid.StringN(0, 50, 100).Draw(rt, "body")
					p.file(g, path, body)
					model[path] = body
				}
				p.commit(g)
				got := state(t, e, v.ID, snapshots.Moment{}, 10)
				if len(got) != len(model) {
					rt.Fatal(len(got), len(model))
				}
				for path, body := range model {
					if got[path] != body {
						rt.Fatalf("%s: %q, not %q", path, got[path], body)
					}
				}
			}
			p.Close()
		})
	})
}
