package frame_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"testing"

	"holdfast/snapshots/chunk"
	"holdfast/snapshots/frame"
	"holdfast/snapshots/key"

	"pgregory.net/rapid"
)

func generate(t testing.TB, tenant string) *key.Tenant {
	t.Helper()
	k, err := key.Generate(tenant)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(b)
	return b
}

// text is bytes that compress about as well as source code.
func text(n int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	words := []string{"func ", "return ", "error", "if err != nil {\n", "}\n", "snapshot", "context.Context", " := ", "(", ")"}
	var b []byte
	for len(b) < n {
		b = append(b, words[r.IntN(len(words))]...)
		b = append(b, byte('a'+r.IntN(26)), byte('a'+r.IntN(26)))
	}
	return b[:n]
}

func seal(t testing.TB, k *key.Tenant, kind chunk.Kind, plain []byte) (chunk.ID, []byte) {
	t.Helper()
	id := k.Identifier().ID(kind, plain)
	f, err := frame.Seal(nil, k, id, kind, plain)
	if err != nil {
		t.Fatal(err)
	}
	return id, f
}

func TestRoundTrip(t *testing.T) {
	k := generate(t, "ten_01")
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.OneOf(rapid.IntRange(0, 300), rapid.IntRange(0, 400_000)).Draw(rt, "n")
		plain := text(n)
		if rapid.Bool().Draw(rt, "random") {
			plain = random(n)
		}
		prefix := []byte("before")
		id := k.Identifier().ID(chunk.KindData, plain)
		f, err := frame.Seal(bytes.Clone(prefix), k, id, chunk.KindData, plain)
		if err != nil || !bytes.HasPrefix(f, prefix) {
			rt.Fatalf("seal: %v", err)
		}
		f = f[len(prefix):]
		if len(f) > n+n/8+2*frame.MinFrame {
			rt.Errorf("%d bytes became %d", n, len(f))
		}
		got, err := frame.Open(bytes.Clone(prefix), k, id, chunk.KindData, f, n)
		if err != nil || !bytes.Equal(got, append(prefix, plain...)) {
			rt.Fatalf("open: %v", err)
		}
	})
}

func TestCompressesWhatPays(t *testing.T) {
	k := generate(t, "ten_01")
	if _, f := seal(t, k, chunk.KindData, text(512<<10)); len(f) > 256<<10 {
		t.Errorf("text: %d bytes", len(f))
	}
	if _, f := seal(t, k, chunk.KindData, random(512<<10)); len(f) < 512<<10 || len(f) > 540<<10 {
		t.Errorf("random bytes: %d", len(f))
	}
}

// TestSizesAreCoarse holds the padding: contents of nearby sizes have frames of few sizes.
func TestSizesAreCoarse(t *testing.T) {
	k := generate(t, "ten_01")
	sizes := map[int]bool{}
	for n := 200_000; n < 210_000; n += 100 {
		_, f := seal(t, k, chunk.KindData, random(n))
		sizes[len(f)] = true
	}
	if len(sizes) > 4 {
		t.Errorf("100 sizes of contents show as %d sizes of frames", len(sizes))
	}
}

func TestEveryBitIsBound(t *testing.T) {
	k := generate(t, "ten_01")
	id, f := seal(t, k, chunk.KindData, []byte("some content"))
	for bit := range len(f) * 8 {
		g := bytes.Clone(f)
		g[bit/8] ^= 1 << (bit % 8)
		if _, err := frame.Open(nil, k, id, chunk.KindData, g, 100); err == nil {
			t.Errorf("bit %d may be flipped", bit)
		}
	}
	for n := range f {
		if _, err := frame.Open(nil, k, id, chunk.KindData, f[:n], 100); err == nil {
			t.Errorf("may be cut at %d", n)
		}
	}
	other := k.Identifier().ID(chunk.KindData, []byte("other"))
	if _, err := frame.Open(nil, k, other, chunk.KindData, f, 100); !errors.Is(err, frame.ErrAuthentic) {
		t.Errorf("another id: %v", err)
	}
	if _, err := frame.Open(nil, k, id, chunk.KindRecipe, f, 100); !errors.Is(err, frame.ErrAuthentic) {
		t.Errorf("another kind: %v", err)
	}
	if _, err := frame.Open(nil, generate(t, "ten_01"), id, chunk.KindData, f, 100); !errors.Is(err, frame.ErrAuthentic) {
		t.Errorf("another key: %v", err)
	}
	if _, err := frame.Open(nil, lying{k}, id, chunk.KindData, f, 100); !errors.Is(err, frame.ErrTenant) {
		t.Errorf("another tenant: %v", err)
	}
}

// lying is a ring that answers a key set of another tenant.
type lying struct{ k *key.Tenant }

func (lying) Tenant() string                          { return "ten_02" }
func (l lying) Key(n key.Number) (*key.Tenant, error) { return l.k.Key(n) }

// TestIDIsRecomputed seals under an id that is not the plaintext's.
func TestIDIsRecomputed(t *testing.T) {
	k := generate(t, "ten_01")
	id := k.Identifier().ID(chunk.KindData, []byte("what it says"))
	f, err := frame.Seal(nil, k, id, chunk.KindData, []byte("what it is"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := frame.Open(nil, k, id, chunk.KindData, f, 100); !errors.Is(err, frame.ErrIdentity) {
		t.Errorf("opened: %v", err)
	}
}

func TestFramesNeverRepeat(t *testing.T) {
	k := generate(t, "ten_01")
	seen := map[frame.Hash]bool{}
	for range 1000 {
		_, f := seal(t, k, chunk.KindData, []byte("same"))
		if h := frame.HashOf(f[8:40]); seen[h] {
			t.Fatal("a salt repeats")
		} else {
			seen[h] = true
		}
	}
}

func TestT35_RotationKeepsFramesReadable(t *testing.T) {
	first := generate(t, "ten_01")
	id, f := seal(t, first, chunk.KindData, []byte("written before"))
	second, err := first.Rotate()
	if err != nil {
		t.Fatal(err)
	}
	ring, err := key.NewRing(second, first)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := frame.Open(nil, ring, id, chunk.KindData, f, 100); err != nil || string(got) != "written before" {
		t.Errorf("after rotation: %q, %v", got, err)
	}
	if _, err := frame.Open(nil, second, id, chunk.KindData, f, 100); !errors.Is(err, key.ErrUnknown) {
		t.Errorf("the new set alone: %v", err)
	}
	_, g := seal(t, ring.Current(), chunk.KindData, []byte("written before"))
	if n, err := frame.NumberOf(g); err != nil || n != 2 {
		t.Errorf("sealed with key %d, %v", n, err)
	}
}

// TestT50_BoundsHold asks for less than there is, and seals more than may be. The forged inner headers, which need a
// key, are in bomb_test.go.
func TestT50_BoundsHold(t *testing.T) {
	k := generate(t, "ten_01")
	zeros := make([]byte, 8<<20)
	id, f := seal(t, k, chunk.KindData, zeros)
	if len(f) > 64<<10 {
		t.Fatalf("8 MiB of zeros became %d bytes", len(f))
	}
	if _, err := frame.Open(nil, k, id, chunk.KindData, f, len(zeros)-1); !errors.Is(err, frame.ErrSize) {
		t.Errorf("more than asked for: %v", err)
	}
	if _, err := frame.Open(nil, k, id, chunk.KindData, f, -1); !errors.Is(err, frame.ErrSize) {
		t.Errorf("a negative bound: %v", err)
	}
	if _, err := frame.Seal(nil, k, id, chunk.KindData, make([]byte, frame.MaxPlaintext+1)); !errors.Is(err, frame.ErrSize) {
		t.Errorf("a content above the bound: %v", err)
	}
	if _, err := frame.NumberOf(make([]byte, frame.MaxFrame+1)); !errors.Is(err, frame.ErrSize) {
		t.Errorf("a frame above the bound: %v", err)
	}
	if _, f := seal(t, k, chunk.KindData, random(frame.MaxPlaintext)); len(f) > frame.MaxFrame {
		t.Errorf("the longest content has a frame of %d bytes", len(f))
	}
	if _, err := frame.Seal(nil, k, id, 0, nil); !errors.Is(err, frame.ErrFormat) {
		t.Errorf("kind 0: %v", err)
	}
}

func FuzzOpen(f *testing.F) {
	k, err := key.Generate("ten_01")
	if err != nil {
		f.Fatal(err)
	}
	id, good := seal(f, k, chunk.KindData, []byte("some content"))
	f.Add(good)
	f.Add(good[:len(good)-1])
	f.Add(binary.BigEndian.AppendUint32([]byte{1, 1, 0, 0}, 1))
	f.Fuzz(func(t *testing.T, in []byte) {
		if got, err := frame.Open(nil, k, id, chunk.KindData, in, 100); err == nil && !bytes.Equal(in, good) {
			t.Errorf("forged: %q", got)
		}
	})
}

func benchmarkSeal(b *testing.B, plain []byte) {
	k := generate(b, "ten_01")
	id := k.Identifier().ID(chunk.KindData, plain)
	var buf []byte
	b.SetBytes(int64(len(plain)))
	b.ReportAllocs()
	for b.Loop() {
		buf, _ = frame.Seal(buf[:0], k, id, chunk.KindData, plain)
	}
}

func benchmarkOpen(b *testing.B, plain []byte) {
	k := generate(b, "ten_01")
	id, f := seal(b, k, chunk.KindData, plain)
	var buf []byte
	b.SetBytes(int64(len(plain)))
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if buf, err = frame.Open(buf[:0], k, id, chunk.KindData, f, len(plain)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSealText(b *testing.B)   { benchmarkSeal(b, text(512<<10)) }
func BenchmarkSealRandom(b *testing.B) { benchmarkSeal(b, random(512<<10)) }
func BenchmarkSealSmall(b *testing.B)  { benchmarkSeal(b, text(4<<10)) }
func BenchmarkOpenText(b *testing.B)   { benchmarkOpen(b, text(512<<10)) }
func BenchmarkOpenRandom(b *testing.B) { benchmarkOpen(b, random(512<<10)) }
