package stream_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"sync"
	"testing"

	"holdfast/snapshots/chunk"
	"holdfast/snapshots/node"
	"holdfast/snapshots/stream"
)

// store is a sink and a source that keeps plaintext in memory.
type store struct {
	mu     sync.Mutex
	chunks map[chunk.ID][]byte
	nodes  map[chunk.ID]node.Node
	fail   error
}

func newStore() *store { return &store{chunks: map[chunk.ID][]byte{}, nodes: map[chunk.ID]node.Node{}} }

func (s *store) Chunk(_ context.Context, data []byte) (node.Child, error) {
	id := chunk.ID(sha256.Sum256(data))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.chunks[id] = bytes.Clone(data)
	return node.Child{ID: id, Kind: chunk.KindData, Length: uint32(len(data))}, s.fail
}

func (s *store) Node(_ context.Context, n node.Node) (node.Child, error) {
	h := sha256.New()
	h.Write(n.Payload)
	for _, c := range n.Children {
		h.Write(c.ID[:])
	}
	id := chunk.ID(h.Sum(nil))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nodes[id] = n
	return node.Child{ID: id, Kind: n.Kind, Length: uint32(len(n.Payload))}, s.fail
}

type source struct{ *store }

func (s source) Chunk(_ context.Context, dst []byte, c node.Child) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, ok := s.chunks[c.ID]
	if !ok {
		return nil, errors.New("no such chunk")
	}
	return append(dst, b...), nil
}

func (s source) Node(_ context.Context, c node.Child) (node.Node, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, ok := s.nodes[c.ID]
	if !ok {
		return n, errors.New("no such node")
	}
	return n, nil
}

func table(t testing.TB, p chunk.Profile) *chunk.Table {
	t.Helper()
	tab, err := chunk.NewTable(bytes.Repeat([]byte{7}, chunk.KeySize), p)
	if err != nil {
		t.Fatal(err)
	}
	return tab
}

func TestLongStreamFoldsAndEveryRangeReads(t *testing.T) {
	s := newStore()
	// Pages of 4 KiB make many chunks of little data; some holes lie between.
	data := make([]byte, 96<<20)
	r := rand.NewChaCha8([32]byte{3})
	for at := 0; at < len(data); at += 16 << 20 {
		if _, err := r.Read(data[at : at+10<<20]); err != nil {
			t.Fatal(err)
		}
	}
	pend, err := stream.NewPipeline(s, table(t, chunk.ProfileDisk), 2).Ingest(t.Context(), bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	c, err := pend.Wait(t.Context())
	if err != nil || c.Size != int64(len(data)) || c.Recipe.Size() != c.Size || len(c.Recipe) > stream.MaxInline {
		t.Fatal(c.Size, len(c.Recipe), err)
	}
	if len(s.nodes) == 0 {
		t.Fatal("nothing was folded")
	}
	back, err := stream.ParseRecipe(c.Recipe.Render())
	if err != nil {
		t.Fatal(err)
	}
	for range 60 {
		off := rand.Int64N(c.Size + 1)
		n := rand.Int64N(min(c.Size-off, 2<<20) + 1)
		rd := stream.NewReader(t.Context(), source{s}, back, off, n)
		b, err := io.ReadAll(rd)
		if err := errors.Join(err, rd.Close()); err != nil || !bytes.Equal(b, data[off:off+n]) {
			t.Fatalf("range %d+%d: %v", off, n, err)
		}
	}
	var out bytes.Buffer
	rd := stream.NewReader(t.Context(), source{s}, back, 0, c.Size)
	if _, err := rd.WriteTo(&out); err != nil || !bytes.Equal(out.Bytes(), data) {
		t.Fatal("whole:", err)
	}
	if err := rd.Close(); err != nil {
		t.Fatal(err)
	}
	d := stream.NewDigest()
	if err := stream.Walk(t.Context(), source{s}, back, func(e stream.Extent) error {
		if e.Hole() {
			d.Hole(e.Len)
		} else {
			d.Data(e.Child.ID, e.Len)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

func TestSinkAndReaderErrorsEndIngest(t *testing.T) {
	s := newStore()
	s.fail = errors.New("disk full")
	p := stream.NewPipeline(s, table(t, chunk.ProfileFiles), 2)
	pend, err := p.Ingest(t.Context(), bytes.NewReader([]byte("x")))
	if err == nil {
		_, err = pend.Wait(t.Context())
	}
	if !errors.Is(err, s.fail) {
		t.Fatal(err)
	}
	broken := errors.New("connection reset")
	s.fail = nil
	if _, err := p.Ingest(t.Context(), io.MultiReader(bytes.NewReader(make([]byte, 100)), failing{broken})); !errors.Is(err, broken) {
		t.Fatal(err)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func FuzzParseRecipe(f *testing.F) {
	f.Add(stream.Recipe{}.Render())
	f.Add(stream.Recipe{{Len: 5}, {Len: 9, Child: node.Child{ID: chunk.ID{1}, Kind: chunk.KindRecipe, Length: 70, Key: 3}}}.Render())
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := stream.ParseRecipe(b)
		if err == nil && !bytes.Equal(r.Render(), b) {
			t.Fatal("what parses must render to the same bytes")
		}
	})
}
