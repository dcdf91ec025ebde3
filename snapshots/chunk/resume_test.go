package chunk_test

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"holdfast/snapshots/chunk"

	"pgregory.net/rapid"
)

// part is a source of a part of a stream that does not end with it.
type part struct{ r io.Reader }

func (p part) Read(b []byte) (int, error) {
	n, err := p.r.Read(b)
	if errors.Is(err, io.EOF) {
		err = chunk.ErrMore
	}
	return n, err
}

// A stream that comes in parts is cut as if it had come at once, wherever the parts end, and each part of some length
// brings it on.
func TestPartsAreCutAsTheWhole(t *testing.T) {
	for _, profile := range []chunk.Profile{chunk.ProfileFiles, chunk.ProfileDisk, chunk.ProfilePages} {
		tab := table(t, profile)
		enough := profile.Max() + 2*chunk.MinHole + 2*chunk.PageSize
		rapid.Check(t, func(rt *rapid.T) {
			in := stream(rt)
			if rapid.Bool().Draw(rt, "long hole") {
				in = append(in, make([]byte, rapid.IntRange(0, 2*enough).Draw(rt, "zeros"))...)
				in = append(in, stream(rt)...)
			}
			var got []span
			add := func(s span) {
				if n := len(got); n > 0 && s.hole > 0 && got[n-1].hole > 0 {
					got[n-1].hole += s.hole
					return
				}
				got = append(got, s)
			}
			for at := 0; ; {
				n := rapid.IntRange(enough, 3*enough).Draw(rt, "part")
				var r io.Reader = bytes.NewReader(in[at:])
				last := at+n >= len(in)
				if !last {
					r = part{bytes.NewReader(in[at : at+n])}
				}
				c := chunk.NewChunker(tab, nil)
				c.ResetAt(r, int64(at))
				before := at
				for {
					p, err := c.Next()
					if err != nil {
						if last != errors.Is(err, io.EOF) || !last && !errors.Is(err, chunk.ErrMore) {
							rt.Fatal(err)
						}
						break
					}
					add(span{string(p.Data), p.Hole})
					at += int(p.Len())
				}
				c.Close()
				if last {
					break
				}
				if at == before {
					rt.Fatalf("a part of %d bytes brought nothing", n)
				}
			}
			want := pieces(t, tab, bytes.NewReader(in))
			if len(got) != len(want) {
				rt.Fatalf("%d pieces, want %d", len(got), len(want))
			}
			for i := range want {
				if got[i] != want[i] {
					rt.Fatalf("piece %d: data %d hole %d, want data %d hole %d", i, len(got[i].data), got[i].hole, len(want[i].data), want[i].hole)
				}
			}
		})
	}
}
