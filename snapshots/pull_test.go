package snapshots_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"holdfast/snapshots"
	"holdfast/snapshots/chunk"
	"holdfast/snapshots/frame"
	"holdfast/snapshots/snapshotstest"
	"holdfast/snapshots/stream"
)

// pulled is what a pull gave, checked as a client checks it.
type pulled struct {
	t       testing.TB
	id      func([]byte) chunk.ID
	entries []snapshots.Entry
	bodies  map[string][]byte
	refs    int64
	data    int64
	cur     *snapshots.Entry
	body    []byte
	digest  *stream.Digest
}

func (p *pulled) Entry(n snapshots.Entry) error {
	if p.cur != nil {
		p.t.Error("an entry within an entry")
	}
	p.cur, p.body, p.digest = &n, nil, stream.NewDigest()
	return nil
}

func (p *pulled) Data(id chunk.ID, s frame.Stored) error {
	plain := bytes.Clone(s.Body)
	if s.Zstd {
		d, err := zstd.NewReader(nil)
		if err != nil {
			return err
		}
		defer d.Close()
		if plain, err = d.DecodeAll(s.Body, nil); err != nil {
			return err
		}
	}
	if p.id(plain) != id || len(plain) != s.Plain {
		p.t.Errorf("%q: a chunk is not what its id says", p.cur.Path)
	}
	p.digest.Data(id, int64(len(plain)))
	p.body = append(p.body, plain...)
	p.data += int64(len(plain))
	return nil
}

func (p *pulled) Ref(id chunk.ID, n int64) error {
	p.digest.Data(id, n)
	p.body = append(p.body, make([]byte, n)...)
	p.refs += n
	return nil
}

func (p *pulled) Hole(n int64) error {
	p.digest.Hole(n)
	p.body = append(p.body, make([]byte, n)...)
	return nil
}

func (p *pulled) End(size int64) error {
	if size != p.cur.Size || p.cur.Type == snapshots.TypeFile && p.bodies != nil && (p.digest.Sum() != p.cur.ETag || int64(len(p.body)) != size) {
		p.t.Errorf("%q: the digest or size is wrong", p.cur.Path)
	}
	if p.bodies != nil {
		p.bodies[p.cur.Path] = p.body
	}
	p.entries = append(p.entries, *p.cur)
	p.cur = nil
	return nil
}

func (p *pulled) paths() string {
	var out []string
	for _, n := range p.entries {
		out = append(out, n.Path)
	}
	return strings.Join(out, " ")
}

func doPull(t testing.TB, e *snapshotstest.Env, r snapshots.PullRequest) (*pulled, error) {
	t.Helper()
	r.Tenant = tenant
	keys, err := e.Readers(t.Context(), tenant)
	if err != nil || len(keys) != 1 {
		t.Fatal(keys, err)
	}
	ids, err := chunk.NewIdentifier(keys[0].Identity.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	out := &pulled{t: t, id: func(b []byte) chunk.ID { return ids.ID(chunk.KindData, b) }}
	if !r.List {
		out.bodies = map[string][]byte{}
	}
	p, err := e.OpenPull(t.Context(), r)
	if err != nil {
		return out, err
	}
	defer p.Close()
	return out, p.Send(t.Context(), out)
}

func TestPullGivesEverythingInOrder(t *testing.T) {
	each(t, func(t *testing.T, e *snapshotstest.Env) {
		v := e.Volume(t, "v", snapshots.Files)
		rnd := rand.New(rand.NewPCG(3, 4))
		want := map[string]string{}
		for i := range 120 {
			n := rnd.IntN(60_000)
			if i%40 == 7 {
				n = 6 << 20 // more than a batch
			}
			body := strings.Repeat("compressible ", n/13)
			if i%2 == 0 {
				b := make([]byte, n)
				r := rand.NewChaCha8([32]byte{byte(i % 5)}) // some files begin alike
				_, _ = r.Read(b)
				body = string(b)
			}
			path := fmt.Sprintf("d%d/%c%d", i%4, 'a'+i%20, i)
			want[path] = body
			put(t, e, v.ID, path, body)
		}
		e.Clock.Advance(time.Second)
		snap, err := e.TakeSnapshot(t.Context(), tenant, v.ID, "x", "")
		if err != nil {
			t.Fatal(err)
		}
		put(t, e, v.ID, "d0/later", "not in the snapshot")
		got, err := doPull(t, e, snapshots.PullRequest{Volume: v.ID, Moment: snapshots.Moment{Snapshot: snap.ID}})
		if err != nil || len(got.entries) != len(want) {
			t.Fatal(len(got.entries), err)
		}
		last := ""
		for _, n := range got.entries {
			if n.Path <= last || want[n.Path] != string(got.bodies[n.Path]) {
				t.Errorf("%q after %q, or its content differs", n.Path, last)
			}
			last = n.Path
		}
		// Several at once, more than have room beside each other.
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				if _, err := doPull(t, e, snapshots.PullRequest{Volume: v.ID}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	})
}

func TestPullBoundsAndOffsets(t *testing.T) {
	each(t, func(t *testing.T, e *snapshotstest.Env) {
		v := e.Volume(t, "v", snapshots.Files)
		for _, p := range []string{"a", "b/1", "b/2", "b/3", "c"} {
			put(t, e, v.ID, p, p)
		}
		for _, c := range []struct {
			r    snapshots.PullRequest
			want string
		}{
			{snapshots.PullRequest{}, "a b/1 b/2 b/3 c"},
			{snapshots.PullRequest{List: true}, "a b/1 b/2 b/3 c"},
			{snapshots.PullRequest{Prefix: "b"}, "b/1 b/2 b/3"},
			{snapshots.PullRequest{After: "b/1"}, "b/2 b/3 c"},
			{snapshots.PullRequest{After: "a", Until: "b/2"}, "b/1 b/2"},
			{snapshots.PullRequest{Prefix: "b/", After: "b/1", Until: "zzz"}, "b/2 b/3"},
			{snapshots.PullRequest{After: "c", Until: "a"}, ""},
			{snapshots.PullRequest{Path: "b/3"}, "b/3"},
		} {
			c.r.Volume = v.ID
			if got, err := doPull(t, e, c.r); err != nil || got.paths() != c.want {
				t.Errorf("%+v: %q %v, want %q", c.r, got.paths(), err, c.want)
			}
		}
		big := make([]byte, 9<<20)
		_, _ = rand.NewChaCha8([32]byte{9}).Read(big)
		put(t, e, v.ID, "big", string(big))
		for _, off := range []int64{1, 5 << 20, int64(len(big))} {
			got, err := doPull(t, e, snapshots.PullRequest{Volume: v.ID, Path: "big", Offset: off})
			if err != nil || got.refs > off || off-got.refs > 2<<20 || got.refs+got.data != int64(len(big)) || !bytes.Equal(got.bodies["big"][got.refs:], big[got.refs:]) {
				t.Errorf("from %d: %d bytes by id, %d sent, %v", off, got.refs, got.data, err)
			}
		}
		for name, r := range map[string]snapshots.PullRequest{
			"beyond the end": {Path: "big", Offset: int64(len(big)) + 1}, "negative": {Path: "big", Offset: -1}, "offset of nothing": {Offset: 1},
			"no such path": {Path: "nothing"}, "no path": {Path: "../x"}, "NUL": {Prefix: "\x00"},
		} {
			r.Volume = v.ID
			if _, err := doPull(t, e, r); err == nil {
				t.Errorf("%s was taken", name)
			}
		}
		if _, err := doPull(t, e, snapshots.PullRequest{Volume: v.ID, Moment: snapshots.Moment{Time: e.Clock.Now().Add(-time.Hour * 24 * 400)}}); err == nil {
			t.Error("a moment before the volume was there was taken")
		}
	})
}

// A client that goes away, or fails, leaves nothing at work and no place taken.
func TestPullEndsWithItsClient(t *testing.T) {
	each(t, func(t *testing.T, e *snapshotstest.Env) {
		v := e.Volume(t, "v", snapshots.Files)
		big := make([]byte, 40<<20)
		_, _ = rand.NewChaCha8([32]byte{9}).Read(big)
		put(t, e, v.ID, "big", string(big))
		gone := errors.New("gone")
		for range 30 {
			p, err := e.OpenPull(t.Context(), snapshots.PullRequest{Tenant: tenant, Volume: v.ID})
			if err != nil {
				t.Fatal(err)
			}
			if err := p.Send(t.Context(), &leaver{left: 3, err: gone}); !errors.Is(err, gone) {
				t.Fatal(err)
			}
			if err := p.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := doPull(t, e, snapshots.PullRequest{Volume: v.ID}); err != nil {
			t.Fatal(err)
		}
	})
}

type leaver struct {
	left int
	err  error
}

func (l *leaver) Entry(snapshots.Entry) error { return nil }
func (l *leaver) Ref(chunk.ID, int64) error   { return nil }
func (l *leaver) Hole(int64) error            { return nil }
func (l *leaver) End(int64) error             { return nil }
func (l *leaver) Data(chunk.ID, frame.Stored) error {
	if l.left--; l.left < 0 {
		return l.err
	}
	return nil
}
