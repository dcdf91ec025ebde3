package pack_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"flag"
	"io"
	"os"
	"reflect"
	"strings"
	"testing"

	"holdfast/snapshots/chunk"
	"holdfast/snapshots/frame"
	"holdfast/snapshots/key"
	"holdfast/snapshots/node"
	"holdfast/snapshots/pack"

	"filippo.io/age"
)

// update writes the vectors anew: only when a format gets a new version, for the stored ones show that what was written
// once can still be read.
var update = flag.Bool("update", false, "write docs/spec/pack.vectors.json anew")

const vectorFile = "../../docs/spec/pack.vectors.json"

type vectors struct {
	Note     string         `json:"note"`
	Identity string         `json:"age_identity"`
	Wraps    string         `json:"wraps"`
	Keys     keyVector      `json:"keys"`
	IDs      []idVector     `json:"ids"`
	Chunks   []chunkVector  `json:"chunks"`
	Frames   []frameVector  `json:"frames"`
	Nodes    []nodeVector   `json:"nodes"`
	Packs    []packedVector `json:"packs"`
}

type keyVector struct {
	Tenant     string     `json:"tenant"`
	Number     key.Number `json:"number"`
	Chunking   string     `json:"chunking"`
	ID         string     `json:"id"`
	Encryption string     `json:"encryption"`
	Commitment string     `json:"commitment"`
}

type idVector struct {
	Kind      chunk.Kind `json:"kind"`
	Plaintext string     `json:"plaintext"`
	ID        string     `json:"id"`
}

type chunkVector struct {
	Profile  string  `json:"profile"`
	Bytes    int     `json:"bytes"`
	ZeroFrom int     `json:"zero_from"`
	ZeroTo   int     `json:"zero_to"`
	Pieces   []int64 `json:"pieces"` // a negative length is a hole
}

type frameVector struct {
	Kind      chunk.Kind `json:"kind"`
	ID        string     `json:"id"`
	Plaintext string     `json:"plaintext"`
	Frame     string     `json:"frame"`
	Hash      string     `json:"sha256"`
}

type childVector struct {
	ID     string     `json:"id"`
	Hash   string     `json:"sha256"`
	Length uint32     `json:"length"`
	Key    key.Number `json:"key"`
	Kind   chunk.Kind `json:"kind"`
}

type nodeVector struct {
	Kind     chunk.Kind    `json:"kind"`
	ID       string        `json:"id"`
	Children []childVector `json:"children"`
	Payload  string        `json:"payload"`
	Node     string        `json:"node"`
	Hash     string        `json:"sha256"`
}

type packedVector struct {
	Tenant   string   `json:"tenant"`
	Pack     string   `json:"pack"`
	Records  []string `json:"records"` // type, kind, id, payload
	Finished bool     `json:"finished"`
	Bytes    string   `json:"bytes"`
}

// counterStream is SHA-256(0) ‖ SHA-256(1) ‖ … with the counter in 8 bytes, big-endian.
func counterStream(n int) []byte {
	b := make([]byte, 0, n+32)
	for i := uint64(0); len(b) < n; i++ {
		sum := sha256.Sum256(binary.BigEndian.AppendUint64(nil, i))
		b = append(b, sum[:]...)
	}
	return b[:n]
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func parseID(t *testing.T, s string) chunk.ID {
	t.Helper()
	id, err := chunk.ParseID(s)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func cutVector(t *testing.T, k *key.Tenant, v chunkVector) (out []int64) {
	t.Helper()
	p, err := chunk.ParseProfile(v.Profile)
	if err != nil {
		t.Fatal(err)
	}
	tab, err := k.Table(p)
	if err != nil {
		t.Fatal(err)
	}
	in := counterStream(v.Bytes)
	clear(in[v.ZeroFrom:v.ZeroTo])
	c := chunk.NewChunker(tab, bytes.NewReader(in))
	defer c.Close()
	for {
		piece, err := c.Next()
		if err == io.EOF {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, int64(len(piece.Data))-piece.Hole)
	}
}

func TestVectors(t *testing.T) {
	if *update {
		writeVectors(t)
	}
	raw, err := os.ReadFile(vectorFile)
	if err != nil {
		t.Fatal(err)
	}
	var v vectors
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	identity, err := age.ParseX25519Identity(v.Identity)
	if err != nil {
		t.Fatal(err)
	}
	w, err := key.ParseWraps([]byte(v.Wraps))
	if err != nil {
		t.Fatal(err)
	}
	k, err := w.Open(identity)
	if err != nil {
		t.Fatal(err)
	}
	if got := keysOf(k); got != v.Keys {
		t.Errorf("keys: %+v", got)
	}
	for _, x := range v.IDs {
		if got := k.Identifier().ID(x.Kind, []byte(x.Plaintext)).String(); got != x.ID {
			t.Errorf("id of %q: %s", x.Plaintext, got)
		}
	}
	for _, x := range v.Chunks {
		if got := cutVector(t, k, x); !reflect.DeepEqual(got, x.Pieces) {
			t.Errorf("%s: %v", x.Profile, got)
		}
	}
	for i, x := range v.Frames {
		f := unhex(t, x.Frame)
		got, err := frame.Open(nil, k, parseID(t, x.ID), x.Kind, f, 1<<20)
		if err != nil || string(got) != x.Plaintext || frame.HashOf(f).String() != x.Hash {
			t.Errorf("frame %d: %q, %v", i, got, err)
		}
	}
	for i, x := range v.Nodes {
		b := unhex(t, x.Node)
		n, err := node.Open(k, parseID(t, x.ID), x.Kind, b)
		if err != nil || !reflect.DeepEqual(childVectors(n.Children), x.Children) || string(n.Payload) != x.Payload || frame.HashOf(b).String() != x.Hash {
			t.Errorf("node %d: %+v, %v", i, n, err)
		}
	}
	for i, x := range v.Packs {
		var got []string
		rep, err := pack.Scan(bytes.NewReader(unhex(t, x.Bytes)), func(e pack.Entry, p []byte) error {
			got = append(got, recordText(e, p))
			return nil
		})
		if err != nil || rep.Header != (pack.Header{Tenant: x.Tenant, Pack: x.Pack}) || rep.Finished != x.Finished || rep.Torn || !reflect.DeepEqual(got, x.Records) {
			t.Errorf("pack %d: %+v, %v", i, rep, err)
		}
	}
	if len(v.IDs)*len(v.Chunks)*len(v.Frames)*len(v.Nodes)*len(v.Packs) == 0 {
		t.Error("a list of vectors is empty")
	}
}

func keysOf(k *key.Tenant) keyVector {
	c := k.Client()
	return keyVector{k.Tenant(), k.Number(), hex.EncodeToString(c.Chunking.Bytes()), hex.EncodeToString(c.Identity.Bytes()),
		hex.EncodeToString(k.Encryption().Bytes()), k.Commitment().String()}
}

func childVectors(cs []node.Child) (out []childVector) {
	for _, c := range cs {
		out = append(out, childVector{c.ID.String(), c.Hash.String(), c.Length, c.Key, c.Kind})
	}
	return out
}

func recordText(e pack.Entry, p []byte) string {
	kind := "-"
	if e.Kind != 0 {
		kind = e.Kind.String()
	}
	return strings.Join([]string{e.Type.String(), kind, e.ID.String(), hex.EncodeToString(p)}, " ")
}

func writeVectors(t *testing.T) {
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	k, err := key.Generate("ten_vectors")
	if err != nil {
		t.Fatal(err)
	}
	w, err := key.Wrap(k, identity.Recipient().String())
	if err != nil {
		t.Fatal(err)
	}
	v := vectors{Note: "Test vectors of docs/spec/pack.md. The keys are for tests alone.", Identity: identity.String(), Wraps: string(w.Render()), Keys: keysOf(k)}
	var out [2]buffer
	var packs [2]*pack.Writer
	for i, name := range []string{"pck_finished", "pck_unfinished"} {
		v.Packs = append(v.Packs, packedVector{Tenant: "ten_vectors", Pack: name, Finished: i == 0})
		if packs[i], err = pack.NewWriter(&out[i], pack.Header{Tenant: "ten_vectors", Pack: name}); err != nil {
			t.Fatal(err)
		}
	}
	add := func(r pack.Record) {
		for i := range packs {
			e, err := packs[i].Append(r)
			if err != nil {
				t.Fatal(err)
			}
			v.Packs[i].Records = append(v.Packs[i].Records, recordText(e, r.Payload))
		}
	}
	add(pack.Record{Type: pack.TypeWraps, Payload: w.Render()})
	var children []node.Child
	for _, plain := range []string{"", "a short content", strings.Repeat("this one compresses. ", 20)} {
		id := k.Identifier().ID(chunk.KindData, []byte(plain))
		v.IDs = append(v.IDs, idVector{chunk.KindData, plain, id.String()}, idVector{chunk.KindJournal, plain, k.Identifier().ID(chunk.KindJournal, []byte(plain)).String()})
		f, err := frame.Seal(nil, k, id, chunk.KindData, []byte(plain))
		if err != nil {
			t.Fatal(err)
		}
		v.Frames = append(v.Frames, frameVector{chunk.KindData, id.String(), plain, hex.EncodeToString(f), frame.HashOf(f).String()})
		children = append(children, node.Child{ID: id, Hash: frame.HashOf(f), Length: uint32(len(f)), Key: 1, Kind: chunk.KindData})
		add(pack.Record{Type: pack.TypeChunk, Kind: chunk.KindData, ID: id, Payload: f})
	}
	for _, n := range []node.Node{
		{Kind: chunk.KindRecipe, Children: append(children, children[1]), Payload: []byte("opaque")},
		{Kind: chunk.KindRoot},
	} {
		s, err := node.Seal(k, n)
		if err != nil {
			t.Fatal(err)
		}
		v.Nodes = append(v.Nodes, nodeVector{n.Kind, s.ID.String(), childVectors(n.Children), string(n.Payload), hex.EncodeToString(s.Bytes), s.Hash.String()})
		add(pack.Record{Type: pack.TypeNode, Kind: n.Kind, ID: s.ID, Payload: s.Bytes})
	}
	for _, c := range []chunkVector{
		{Profile: "files", Bytes: 8 << 20, ZeroFrom: 3_000_000, ZeroTo: 4_000_000},
		{Profile: "disk", Bytes: 1 << 20, ZeroFrom: 500_000, ZeroTo: 600_000},
		{Profile: "pages", Bytes: 400_000, ZeroFrom: 150_000, ZeroTo: 300_000},
		{Profile: "files", Bytes: 1000},
	} {
		c.Pieces = cutVector(t, k, c)
		v.Chunks = append(v.Chunks, c)
	}
	if err := packs[0].Finish(); err != nil {
		t.Fatal(err)
	}
	if err := packs[1].Sync(); err != nil {
		t.Fatal(err)
	}
	for i := range out {
		v.Packs[i].Bytes = hex.EncodeToString(out[i].Bytes())
	}
	raw, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(vectorFile, append(raw, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}
