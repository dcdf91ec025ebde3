package chunk_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
	"testing/iotest"

	"holdfast/snapshots/chunk"

	"pgregory.net/rapid"
)

var keyA = bytes.Repeat([]byte{0x41}, chunk.KeySize)

func random(seed uint64, n int) []byte {
	b := make([]byte, n)
	var s [32]byte
	s[0], s[1] = byte(seed), byte(seed>>8)
	_, _ = rand.NewChaCha8(s).Read(b)
	return b
}

func table(t testing.TB, p chunk.Profile) *chunk.Table {
	t.Helper()
	tab, err := chunk.NewTable(keyA, p)
	if err != nil {
		t.Fatal(err)
	}
	return tab
}

// span is a piece with its data kept.
type span struct {
	data string
	hole int64
}

func pieces(t testing.TB, tab *chunk.Table, r io.Reader) []span {
	t.Helper()
	c := chunk.NewChunker(tab, r)
	defer c.Close()
	var out []span
	for {
		p, err := c.Next()
		if err == io.EOF {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		if (p.Hole > 0) == (len(p.Data) > 0) {
			t.Fatalf("piece is both or neither: data %d, hole %d", len(p.Data), p.Hole)
		}
		if len(p.Data) > tab.Profile().Max() {
			t.Fatalf("piece of %d bytes", len(p.Data))
		}
		if p.Hole > 0 && p.Hole < chunk.MinHole {
			t.Fatalf("hole of %d bytes", p.Hole)
		}
		out = append(out, span{string(p.Data), p.Hole})
	}
}

func join(ps []span) []byte {
	var b []byte
	for _, p := range ps {
		b = append(b, p.data...)
		b = append(b, make([]byte, p.hole)...)
	}
	return b
}

// stream draws a mix of random bytes and zeros, with edges that are sometimes page aligned.
func stream(t *rapid.T) []byte {
	var b []byte
	for range rapid.IntRange(0, 8).Draw(t, "parts") {
		n := rapid.IntRange(0, 300_000).Draw(t, "len")
		if rapid.Bool().Draw(t, "aligned") {
			n = n / chunk.PageSize * chunk.PageSize
		}
		if rapid.Bool().Draw(t, "zero") {
			b = append(b, make([]byte, n)...)
		} else {
			b = append(b, random(rapid.Uint64Range(0, 60_000).Draw(t, "seed"), n)...)
		}
	}
	return b
}

// chopped reads in drawn sizes.
type chopped struct {
	r     io.Reader
	sizes []int
}

func (c *chopped) Read(p []byte) (int, error) {
	n := c.sizes[0]
	c.sizes = append(c.sizes[1:], n)
	return c.r.Read(p[:min(n, len(p))])
}

func TestPiecesAreTheStreamWhateverTheReadSizes(t *testing.T) {
	for p := chunk.ProfileFiles; p.Valid(); p++ {
		t.Run(p.String(), rapid.MakeCheck(func(rt *rapid.T) {
			tab, in := table(t, p), stream(rt)
			want := pieces(t, tab, bytes.NewReader(in))
			if !bytes.Equal(join(want), in) {
				rt.Fatal("the pieces are not the stream")
			}
			sizes := rapid.SliceOfN(rapid.IntRange(1, 200_000), 1, 5).Draw(rt, "sizes")
			sizes = append(sizes, 100_000)
			got := pieces(t, tab, iotest.DataErrReader(&chopped{bytes.NewReader(in), sizes}))
			if len(got) != len(want) {
				rt.Fatalf("%d pieces, by other reads %d", len(want), len(got))
			}
			for i := range got {
				if got[i] != want[i] {
					rt.Fatalf("piece %d depends on the read sizes", i)
				}
			}
		}))
	}
}

// TestHolesAreMaximal compares with a slow search for runs of zero pages.
func TestHolesAreMaximal(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		in := stream(rt)
		type run struct{ at, n int64 }
		var want []run
		for at := 0; at < len(in); {
			end := at
			for end < len(in) && len(bytes.TrimLeft(in[end:min(end+chunk.PageSize, len(in))], "\x00")) == 0 {
				end = min(end+chunk.PageSize, len(in))
			}
			if end-at >= chunk.MinHole {
				want = append(want, run{int64(at), int64(end - at)})
			}
			at = max(end, at+chunk.PageSize)
			at = (at + chunk.PageSize - 1) / chunk.PageSize * chunk.PageSize
		}
		var got []run
		at := int64(0)
		for _, p := range pieces(t, table(t, chunk.ProfileDisk), bytes.NewReader(in)) {
			if p.hole > 0 {
				got = append(got, run{at, p.hole})
			}
			at += int64(len(p.data)) + p.hole
		}
		if len(got) != len(want) {
			rt.Fatalf("holes %v, want %v", got, want)
		}
		for i := range got {
			if got[i] != want[i] {
				rt.Fatalf("holes %v, want %v", got, want)
			}
		}
	})
}

func TestInsertionResynchronises(t *testing.T) {
	for _, p := range []chunk.Profile{chunk.ProfileFiles, chunk.ProfileDisk} {
		in := random(7, 32<<20)
		at := 11 << 20
		changed := append(append(append([]byte(nil), in[:at]...), "some inserted bytes"...), in[at:]...)
		known := map[string]bool{}
		for _, s := range pieces(t, table(t, p), bytes.NewReader(in)) {
			known[s.data] = true
		}
		fresh := 0
		for _, s := range pieces(t, table(t, p), bytes.NewReader(changed)) {
			if !known[s.data] {
				fresh += len(s.data)
			}
		}
		if fresh == 0 || fresh > 3*p.Max() {
			t.Errorf("%s: %d bytes are new after an insertion of 19", p, fresh)
		}
	}
}

func TestAverageIsTheProfiles(t *testing.T) {
	for p, want := range map[chunk.Profile]int{chunk.ProfileFiles: 512 << 10, chunk.ProfileDisk: 64 << 10} {
		n := 256 * want
		mean := n / len(pieces(t, table(t, p), bytes.NewReader(random(3, n))))
		if mean < want*85/100 || mean > want*115/100 {
			t.Errorf("%s: mean %d, want about %d", p, mean, want)
		}
	}
}

func TestKeysCutDifferently(t *testing.T) {
	other, err := chunk.NewTable(bytes.Repeat([]byte{0x42}, chunk.KeySize), chunk.ProfileDisk)
	if err != nil {
		t.Fatal(err)
	}
	in := random(9, 4<<20)
	known := map[string]bool{}
	for _, s := range pieces(t, table(t, chunk.ProfileDisk), bytes.NewReader(in)) {
		known[s.data] = true
	}
	for _, s := range pieces(t, other, bytes.NewReader(in)) {
		if known[s.data] {
			t.Error("two keys cut the same chunk")
		}
	}
}

func TestSparseStreamCostsNothing(t *testing.T) {
	const size = 1 << 30
	ps := pieces(t, table(t, chunk.ProfileFiles), io.LimitReader(zeroReader{}, size+5))
	if len(ps) != 1 || ps[0].hole != size+5 {
		t.Errorf("%d pieces, the first with a hole of %d", len(ps), ps[0].hole)
	}
}

type zeroReader struct{}

func (zeroReader) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestBrokenStreamIsNotAnEnd(t *testing.T) {
	broken := errors.New("broken")
	c := chunk.NewChunker(table(t, chunk.ProfileFiles), io.MultiReader(bytes.NewReader(random(1, 100)), iotest.ErrReader(broken)))
	if p, err := c.Next(); !errors.Is(err, broken) || p.Len() != 0 {
		t.Errorf("piece of %d bytes, error %v", p.Len(), err)
	}
	c.Close()
	if _, err := c.Next(); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("after Close: %v", err)
	}
	stuck := chunk.NewChunker(table(t, chunk.ProfileFiles), stuckReader{})
	if _, err := stuck.Next(); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("stuck reader: %v", err)
	}
}

type stuckReader struct{}

func (stuckReader) Read([]byte) (int, error) { return 0, nil }

func TestZeroKeysAreRefused(t *testing.T) {
	for _, k := range [][]byte{nil, make([]byte, chunk.KeySize), make([]byte, 64), keyA[:31]} {
		if _, err := chunk.NewTable(k, chunk.ProfileFiles); !errors.Is(err, chunk.ErrKey) {
			t.Errorf("table of %x: %v", k, err)
		}
		if _, err := chunk.NewIdentifier(k); !errors.Is(err, chunk.ErrKey) {
			t.Errorf("identifier of %x: %v", k, err)
		}
	}
	if _, err := chunk.NewTable(keyA, 0); !errors.Is(err, chunk.ErrProfile) {
		t.Errorf("profile 0: %v", err)
	}
}

func TestIDBindsKindAndKey(t *testing.T) {
	i, err := chunk.NewIdentifier(keyA)
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha256.New, keyA)
	mac.Write([]byte("\x01hello"))
	id := i.ID(chunk.KindData, []byte("hello"))
	if !bytes.Equal(id[:], mac.Sum(nil)) {
		t.Error("the id is not HMAC-SHA-256(key, kind ‖ plaintext)")
	}
	if i.ID(chunk.KindRecipe, []byte("hello")) == id {
		t.Error("the kind is not bound")
	}
	if back, err := chunk.ParseID(id.String()); err != nil || back != id {
		t.Errorf("parse: %v", err)
	}
	for _, s := range []string{"", id.String()[1:], "A" + id.String()[1:], "g" + id.String()[1:]} {
		if _, err := chunk.ParseID(s); !errors.Is(err, chunk.ErrID) {
			t.Errorf("%q: %v", s, err)
		}
	}
}

func benchmarkChunk(b *testing.B, p chunk.Profile, in []byte) {
	tab := table(b, p)
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	c := chunk.NewChunker(tab, nil)
	defer c.Close()
	for b.Loop() {
		c.Reset(bytes.NewReader(in))
		for {
			if _, err := c.Next(); err != nil {
				break
			}
		}
	}
}

func BenchmarkChunkFiles(b *testing.B) { benchmarkChunk(b, chunk.ProfileFiles, random(1, 64<<20)) }
func BenchmarkChunkDisk(b *testing.B)  { benchmarkChunk(b, chunk.ProfileDisk, random(1, 64<<20)) }
func BenchmarkChunkPages(b *testing.B) { benchmarkChunk(b, chunk.ProfilePages, random(1, 64<<20)) }
func BenchmarkChunkHoles(b *testing.B) { benchmarkChunk(b, chunk.ProfileFiles, make([]byte, 64<<20)) }

func BenchmarkID(b *testing.B) {
	i, _ := chunk.NewIdentifier(keyA)
	in := random(1, 512<<10)
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		i.ID(chunk.KindData, in)
	}
}
