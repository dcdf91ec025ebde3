package pack_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"testing"

	"holdfast/snapshots/blob"
	"holdfast/snapshots/blob/blobtest/fault"
	"holdfast/snapshots/blob/mem"
	"holdfast/snapshots/chunk"
	"holdfast/snapshots/frame"
	"holdfast/snapshots/pack"

	"pgregory.net/rapid"
)

var header = pack.Header{Tenant: "ten_01", Pack: "pck_01"}

// buffer is an Output in memory.
type buffer struct {
	bytes.Buffer
	synced, committed int
}

func (b *buffer) Sync() error   { b.synced = b.Len(); return nil }
func (b *buffer) Commit() error { b.committed = b.Len(); return nil }

type stored struct {
	entry   pack.Entry
	payload string
}

// build writes records and answers the pack with and without footer.
func build(t testing.TB, rs []pack.Record) (unfinished, finished []byte, want []stored) {
	t.Helper()
	var out buffer
	w, err := pack.NewWriter(&out, header)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rs {
		e, err := w.Append(r)
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, stored{e, string(r.Payload)})
	}
	if err := w.Sync(); err != nil {
		t.Fatal(err)
	}
	if int64(out.synced) != w.Size() {
		t.Fatalf("synced %d of %d bytes", out.synced, w.Size())
	}
	unfinished = bytes.Clone(out.Bytes())
	if err := w.Finish(); err != nil {
		t.Fatal(err)
	}
	if out.committed != out.Len() || int64(out.committed) != w.Size() {
		t.Fatalf("committed %d of %d bytes", out.committed, out.Len())
	}
	return unfinished, out.Bytes(), want
}

func records(n int) (rs []pack.Record) {
	for i := range n {
		r := pack.Record{Type: pack.Type(1 + i%5), Payload: bytes.Repeat([]byte{byte(i + 1)}, 10+7*i)}
		if r.Type == pack.TypeChunk || r.Type == pack.TypeNode {
			r.Kind, r.ID = chunk.KindData, chunk.ID{byte(i + 1)}
		}
		rs = append(rs, r)
	}
	return rs
}

func scan(t testing.TB, b []byte) ([]stored, pack.Report) {
	t.Helper()
	var got []stored
	rep, err := pack.Scan(bytes.NewReader(b), func(e pack.Entry, p []byte) error {
		got = append(got, stored{e, string(p)})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return got, rep
}

func TestFooterAndScanAgree(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var rs []pack.Record
		for range rapid.IntRange(0, 30).Draw(rt, "records") {
			rs = append(rs, pack.Record{Type: pack.Type(rapid.IntRange(1, 5).Draw(rt, "type")), Kind: chunk.Kind(rapid.IntRange(0, 6).Draw(rt, "kind")),
				Payload: bytes.Repeat([]byte(rapid.StringN(1, 5, -1).Draw(rt, "payload")), rapid.IntRange(0, 20_000).Draw(rt, "times"))})
		}
		unfinished, finished, want := build(t, rs)
		h, es, err := pack.ReadIndex(bytes.NewReader(finished), int64(len(finished)))
		if err != nil || h != header || len(es) != len(want) {
			rt.Fatalf("index: %v, %d entries", err, len(es))
		}
		for i, e := range es {
			if e != want[i].entry {
				rt.Errorf("entry %d is %v", i, e)
			}
			p, err := pack.ReadPayload(nil, bytes.NewReader(finished), e)
			if err != nil || string(p) != want[i].payload {
				rt.Errorf("payload %d: %v", i, err)
			}
		}
		got, rep := scan(t, finished)
		if !slices.Equal(got, want) || !rep.Finished || rep.Torn || rep.Damaged != nil || rep.Good != int64(len(finished)) || rep.Header != header || rep.Records != len(want) {
			rt.Errorf("scan of the finished pack: %+v", rep)
		}
		got, rep = scan(t, unfinished)
		if !slices.Equal(got, want) || rep.Finished || rep.Torn || rep.Good != int64(len(unfinished)) {
			rt.Errorf("scan of the unfinished pack: %+v", rep)
		}
		if _, _, err := pack.ReadIndex(bytes.NewReader(unfinished), int64(len(unfinished))); !errors.Is(err, pack.ErrUnfinished) {
			rt.Errorf("index of the unfinished pack: %v", err)
		}
	})
}

// TestT47_TornTailIsRecognised cuts a pack at every length.
func TestT47_TornTailIsRecognised(t *testing.T) {
	_, finished, want := build(t, records(6))
	start := int(want[0].entry.Offset) - 80
	for n := start; n < len(finished); n++ {
		got, rep := scan(t, finished[:n])
		var whole []stored
		edge := n == start
		for _, s := range want {
			end := int(s.entry.Offset) + int(s.entry.Length)
			if end <= n {
				whole = append(whole, s)
			}
			edge = edge || end == n
		}
		if !slices.Equal(got, whole) {
			t.Fatalf("cut at %d: %d records of %d", n, len(got), len(whole))
		}
		if rep.Finished || rep.Torn == edge || rep.Damaged != nil {
			t.Fatalf("cut at %d: %+v", n, rep)
		}
		if _, _, err := pack.ReadIndex(bytes.NewReader(finished[:n]), int64(n)); err == nil {
			t.Fatalf("cut at %d: has an index", n)
		}
	}
	for n := range start {
		if _, err := pack.Scan(bytes.NewReader(finished[:n]), nil); !errors.Is(err, pack.ErrFormat) && !errors.Is(err, pack.ErrDamaged) {
			t.Errorf("cut in the header at %d: %v", n, err)
		}
	}
	// After a crash a file may be longer than what was written, with zeros.
	for _, tail := range [][]byte{make([]byte, 5), make([]byte, 200_000), bytes.Repeat([]byte("hfR1"), 50_000)} {
		unfinished, _, want := build(t, records(6))
		got, rep := scan(t, append(unfinished, tail...))
		if !slices.Equal(got, want) || !rep.Torn || rep.Finished || rep.Good != int64(len(unfinished)) {
			t.Errorf("tail of %d bytes: %+v", len(tail), rep)
		}
	}
}

// TestT48_FlippedBitsAreFound flips every bit: at most one record may be lost, and never a wrong one answered.
func TestT48_FlippedBitsAreFound(t *testing.T) {
	_, finished, want := build(t, records(6))
	start := int(want[0].entry.Offset) - 80
	last := want[len(want)-1].entry
	for bit := start * 8; bit < len(finished)*8; bit++ {
		b := bytes.Clone(finished)
		b[bit/8] ^= 1 << (bit % 8)
		got, rep := scan(t, b)
		for _, s := range got {
			if !slices.Contains(want, s) {
				t.Fatalf("bit %d: a record that was never written", bit)
			}
		}
		inRecords := bit/8 < int(last.Offset)+int(last.Length)
		if inRecords && (len(got) != len(want)-1 || len(rep.Damaged) != 1) || !inRecords && len(got) != len(want) {
			t.Fatalf("bit %d: %d records, %+v", bit, len(got), rep)
		}
		if rep.Finished {
			t.Fatalf("bit %d: is finished", bit)
		}
		_, es, err := pack.ReadIndex(bytes.NewReader(b), int64(len(b)))
		if (err == nil) != inRecords {
			t.Fatalf("bit %d: index %v", bit, err)
		}
		bad := 0
		for _, e := range es {
			if _, err := pack.ReadPayload(nil, bytes.NewReader(b), e); errors.Is(err, pack.ErrDamaged) {
				bad++
			}
		}
		if bad > 1 {
			t.Fatalf("bit %d: %d payloads are damaged", bit, bad)
		}
	}
}

// TestPackInsideAPayloadIsNoRecord damages the header of a record whose payload holds a whole pack.
func TestPackInsideAPayloadIsNoRecord(t *testing.T) {
	_, inner, _ := build(t, records(4))
	_, outer, want := build(t, []pack.Record{{Type: pack.TypeSeal, Payload: inner}, {Type: pack.TypeWraps, Payload: []byte("after")}})
	outer[want[0].entry.Offset-1] ^= 1
	got, rep := scan(t, outer)
	if !slices.Equal(got, want[1:]) || len(rep.Damaged) != 1 {
		t.Errorf("%d records, %+v", len(got), rep)
	}
}

func TestWriterFailsForEver(t *testing.T) {
	for _, op := range []fault.Op{fault.Write, fault.Sync, fault.Commit} {
		for _, mode := range []fault.Mode{fault.Before, fault.Short, fault.After} {
			s := fault.New(mem.New(), fault.Fault{Op: op, Nth: 1, Mode: mode, Err: blob.ErrFull})
			out, err := s.Create(t.Context(), "p")
			if err != nil {
				t.Fatal(err)
			}
			w, err := pack.NewWriter(out, header)
			if err != nil {
				t.Fatal(err)
			}
			_, err = w.Append(pack.Record{Type: pack.TypeChunk, Payload: make([]byte, 1000)})
			if err = errors.Join(err, w.Sync()); err == nil {
				err = w.Finish()
			}
			if !errors.Is(err, blob.ErrFull) {
				t.Errorf("op %d mode %d: %v", op, mode, err)
			}
			if err := w.Sync(); !errors.Is(err, blob.ErrFull) {
				t.Errorf("op %d mode %d: sync afterwards: %v", op, mode, err)
			}
			if _, err := w.Append(pack.Record{Type: pack.TypeChunk}); !errors.Is(err, blob.ErrFull) {
				t.Errorf("op %d mode %d: append afterwards: %v", op, mode, err)
			}
		}
	}
}

func TestBadRecordsAreRefused(t *testing.T) {
	var out buffer
	for _, h := range []pack.Header{{}, {Tenant: "ten_01"}, {Tenant: "Ten", Pack: "p"}, {Tenant: "a/b", Pack: "p"}} {
		if _, err := pack.NewWriter(&out, h); !errors.Is(err, pack.ErrFormat) {
			t.Errorf("%+v: %v", h, err)
		}
	}
	w, err := pack.NewWriter(&out, header)
	if err != nil {
		t.Fatal(err)
	}
	size := w.Size()
	for _, typ := range []pack.Type{0, pack.TypeErased + 1, 255} {
		if _, err := w.Append(pack.Record{Type: typ}); !errors.Is(err, pack.ErrFormat) {
			t.Errorf("type %d: %v", typ, err)
		}
	}
	if _, err := w.Append(pack.Record{Type: pack.TypeChunk, Payload: make([]byte, pack.MaxPayload+1)}); !errors.Is(err, pack.ErrSize) {
		t.Errorf("too long: %v", err)
	}
	if w.Size() != size {
		t.Error("a refused record left bytes")
	}
	for !w.Full() {
		if _, err := w.Append(pack.Record{Type: pack.TypeChunk}); err != nil {
			t.Fatal(err)
		}
	}
	if w.Records() != pack.MaxRecords {
		t.Errorf("full at %d records", w.Records())
	}
	if _, err := w.Append(pack.Record{Type: pack.TypeChunk}); !errors.Is(err, pack.ErrFull) {
		t.Errorf("one more: %v", err)
	}
	if err := w.Finish(); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Append(pack.Record{Type: pack.TypeChunk}); !errors.Is(err, pack.ErrFinished) {
		t.Errorf("after Finish: %v", err)
	}
	if _, es, err := pack.ReadIndex(bytes.NewReader(out.Bytes()), int64(out.Len())); err != nil || len(es) != pack.MaxRecords {
		t.Errorf("index of the fullest pack: %d, %v", len(es), err)
	}
}

// TestT50_ScanGivesUpOnHostilePacks makes a pack in which a valid header of a huge, damaged payload stands every 80
// bytes, so that each costs 16 MiB of hashing.
func TestT50_ScanGivesUpOnHostilePacks(t *testing.T) {
	unfinished, _, _ := build(t, nil)
	seed := crc32.Checksum(unfinished, crc32.MakeTable(crc32.Castagnoli))
	b := unfinished
	for len(b) < 20<<20 {
		h := append([]byte("hfR1"), byte(pack.TypeChunk), 1, 0, 0)
		h = binary.BigEndian.AppendUint32(h, pack.MaxPayload)
		h = append(h, make([]byte, 64)...)
		sum := crc32.Update(crc32.Update(seed, crc32.MakeTable(crc32.Castagnoli), binary.BigEndian.AppendUint64(nil, uint64(len(b)))), crc32.MakeTable(crc32.Castagnoli), h)
		b = append(b, binary.BigEndian.AppendUint32(h, sum)...)
	}
	if _, err := pack.Scan(bytes.NewReader(b), nil); !errors.Is(err, pack.ErrDamaged) {
		t.Errorf("scan: %v", err)
	}
	if _, _, err := pack.ReadIndex(bytes.NewReader(b), pack.MaxSize+1); !errors.Is(err, pack.ErrSize) {
		t.Errorf("index: %v", err)
	}
}

func TestVisitEndsTheScan(t *testing.T) {
	_, finished, _ := build(t, records(3))
	stop := errors.New("stop")
	if rep, err := pack.Scan(bytes.NewReader(finished), func(pack.Entry, []byte) error { return stop }); !errors.Is(err, stop) || rep.Records != 0 {
		t.Errorf("%+v, %v", rep, err)
	}
}

func FuzzPack(f *testing.F) {
	unfinished, finished, _ := build(f, records(5))
	f.Add(finished)
	f.Add(unfinished)
	f.Add(finished[:len(finished)-1])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, in []byte) {
		var es []pack.Entry
		rep, err := pack.Scan(bytes.NewReader(in), func(e pack.Entry, p []byte) error {
			if frame.HashOf(p) != e.Hash || string(in[e.Offset:e.Offset+int64(e.Length)]) != string(p) {
				t.Error("an entry that is not what it says")
			}
			es = append(es, e)
			return nil
		})
		_, listed, ierr := pack.ReadIndex(bytes.NewReader(in), int64(len(in)))
		if err == nil && rep.Finished && (ierr != nil || !slices.Equal(listed, es)) {
			t.Errorf("scan says finished, index: %v", ierr)
		}
		if err == nil && rep.Good > int64(len(in)) {
			t.Error("good beyond the end")
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	payload := make([]byte, 200<<10)
	b.SetBytes(int64(len(payload)))
	var out discard
	w, err := pack.NewWriter(out, header)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if w.Full() {
			if w, err = pack.NewWriter(out, header); err != nil {
				b.Fatal(err)
			}
		}
		if _, err := w.Append(pack.Record{Type: pack.TypeChunk, Payload: payload}); err != nil {
			b.Fatal(err)
		}
	}
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
func (discard) Sync() error                 { return nil }
func (discard) Commit() error               { return nil }

func ExampleScan() {
	var out buffer
	w, _ := pack.NewWriter(&out, header)
	_, _ = w.Append(pack.Record{Type: pack.TypeWraps, Payload: []byte("holdfast wraps v1")})
	_ = w.Finish()
	rep, err := pack.Scan(&out.Buffer, func(e pack.Entry, p []byte) error {
		fmt.Printf("%s at %d: %s\n", e.Type, e.Offset, p)
		return nil
	})
	fmt.Println(rep.Header.Pack, rep.Finished, err)
	// Output:
	// wraps at 110: holdfast wraps v1
	// pck_01 true <nil>
}
