package sweep_test

import (
	"bytes"
	"testing"
	"time"

	"holdfast/snapshots"
	"holdfast/snapshots/chunk"
)

// T34: what a push has sent of a file whose end has not come stays for a day, whatever is swept meanwhile, and goes then;
// of a file that is finished it goes at once, and the file stays.
func TestT34_APushThatBrokeOffKeepsItsChunksForADay(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		ctx := t.Context()
		begin := func() (*snapshots.Push, *chunk.Identifier) {
			t.Helper()
			p, err := e.NewPush(ctx, tenant, e.vol.ID)
			if err != nil {
				t.Fatal(err)
			}
			ids, err := chunk.NewIdentifier(p.Keys().Identity.Bytes())
			if err != nil {
				t.Fatal(err)
			}
			return p, ids
		}
		// send brings chunks of a file in segments of one each, and its end where asked.
		send := func(p *snapshots.Push, ids *chunk.Identifier, path string, end bool, chunks ...[]byte) {
			t.Helper()
			size := int64(0)
			for n, b := range chunks {
				g, err := p.Begin(ctx, int64(n))
				if err == nil && n == 0 {
					err = g.Entry(ctx, snapshots.Entry{Path: path, Type: snapshots.TypeFile})
				}
				if err == nil {
					err = g.Data(ctx, ids.ID(chunk.KindData, b), len(b), append(g.Buffer(len(b)), b...), nil)
				}
				size += int64(len(b))
				if err == nil && end && n == len(chunks)-1 {
					err = g.End(ctx, size)
				}
				if err == nil {
					_, err = g.Commit(ctx)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
		}
		reclaim := func(wait time.Duration) {
			t.Helper()
			e.Clock.Advance(wait)
			if _, err := e.sweep.Reclaim(ctx, tenant); err != nil {
				t.Fatal(err)
			}
		}
		known := func(b []byte) bool {
			t.Helper()
			p, ids := begin()
			defer p.Close()
			got, err := p.Known(ctx, []chunk.ID{ids.ID(chunk.KindData, b)})
			if err != nil {
				t.Fatal(err)
			}
			return got[0]
		}
		one, two := []byte(random("one", 200_000)), []byte(random("two", 200_000))
		p, ids := begin()
		send(p, ids, "broken", false, one, two)
		p.Close()
		reclaim(0)
		reclaim(23 * time.Hour)
		reclaim(0)
		if !known(one) || !known(two) {
			t.Fatal("what a push had sent is gone within a day")
		}
		three, four := []byte(random("three", 200_000)), []byte(random("four", 200_000))
		p, ids = begin()
		send(p, ids, "whole", true, three, four)
		p.Close()
		for range 4 { // condemned, taken, and packs rewritten, a call later each
			reclaim(time.Hour)
		}
		if known(one) || known(two) {
			t.Error("what nobody went on with stays for ever")
		}
		if got, err := e.content(t, "whole", snapshots.Moment{}); err != nil || got != string(bytes.Join([][]byte{three, four}, nil)) {
			t.Error("a finished file has lost its content", err)
		}
	})
}
