package chunk_test

import (
	"bytes"
	"io"
	"sync"
	"testing"

	"holdfast/snapshots/chunk"

	"pgregory.net/rapid"
)

// TestKeptPiecesStayAsTheyAre keeps some pieces while the chunker goes on, over the end of its stream and into another,
// and gives them back in any order.
func TestKeptPiecesStayAsTheyAre(t *testing.T) {
	tab := table(t, chunk.ProfileDisk)
	rapid.Check(t, func(rt *rapid.T) {
		type kept struct {
			p    chunk.Piece
			want []byte
		}
		var all []kept
		release := func(i int) {
			k := all[i]
			all = append(all[:i], all[i+1:]...)
			if !bytes.Equal(k.p.Data, k.want) {
				rt.Fatal("a kept piece has changed")
			}
			k.p.Release()
		}
		c := chunk.NewChunker(tab, nil)
		for range rapid.IntRange(1, 3).Draw(rt, "streams") {
			in := random(rapid.Uint64Range(0, 60_000).Draw(rt, "seed"), rapid.IntRange(0, 3<<20).Draw(rt, "len"))
			c.Reset(bytes.NewReader(in))
			for at := 0; ; {
				p, err := c.Next()
				if err == io.EOF {
					break
				}
				if err != nil {
					rt.Fatal(err)
				}
				if rapid.Bool().Draw(rt, "keep") {
					p.Keep()
					all = append(all, kept{p, in[at : at+len(p.Data)]})
				}
				at += len(p.Data)
				if len(all) > 0 && rapid.Bool().Draw(rt, "release") {
					release(rapid.IntRange(0, len(all)-1).Draw(rt, "which"))
				}
			}
		}
		c.Close()
		for len(all) > 0 {
			release(0)
		}
	})
}

// TestKeptPiecesAreGivenBackByOthers is for the race detector: what is given back is read into again.
func TestKeptPiecesAreGivenBackByOthers(t *testing.T) {
	tab, in := table(t, chunk.ProfileDisk), random(9, 8<<20)
	c := chunk.NewChunker(tab, bytes.NewReader(in))
	defer c.Close()
	var wg sync.WaitGroup
	defer wg.Wait()
	for at := 0; ; {
		p, err := c.Next()
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		want := in[at : at+len(p.Data)]
		at += len(p.Data)
		p.Keep()
		wg.Go(func() {
			if !bytes.Equal(p.Data, want) {
				t.Error("a kept piece has changed")
			}
			p.Release()
		})
	}
}
