package snapshots_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"testing"
	"time"

	"holdfast/snapshots"
	"holdfast/snapshots/chunk"
	"holdfast/snapshots/node"
	"holdfast/snapshots/stream"
)

var updateVectors = flag.Bool("update", false, "write docs/spec/tree.vectors.json anew: only when a format gets a new version")

const treeVectors = "../docs/spec/tree.vectors.json"

// treeVector is one encoding of docs/spec/pack.md, sections 8 to 11: bytes in hexadecimal, texts as they are.
type treeVector struct {
	Name     string   `json:"name"`
	Hex      string   `json:"hex,omitempty"`
	Text     string   `json:"text,omitempty"`
	Children []string `json:"children,omitempty"` // ids, in the writer's order
}

func vectorSeal() snapshots.SealRecord {
	r := sampleRecord()
	root := node.Child{ID: chunk.ID{7}, Hash: [32]byte{8}, Length: 400, Key: 1, Kind: chunk.KindRoot}
	return snapshots.SealRecord{Tenant: "ten_test", Volume: r.Volume, Snapshot: r.Commits[1].Mutations[3].Snapshot, Site: "primary",
		Seal: snapshots.Seal{Digest: root.Hash, Root: root, Files: 2, Bytes: 7, KeyNo: 1, At: time.UnixMicro(1700000000000001).UTC()}, Wraps: [][]byte{{1, 2, 3}}}
}

func makeVectors() (out []treeVector) {
	e := sampleEntry()
	dir := snapshots.Entry{Path: "a", Type: snapshots.TypeDir, Meta: snapshots.Meta{Mode: 0o755}}
	seal := vectorSeal()
	erased := snapshots.ErasedRecord{Request: "req_0123456789abcdefghjkmnpqrs", At: 1700000000000002, Seal: seal}
	ids := func(n node.Node) (out []string) {
		for _, c := range n.Children {
			out = append(out, c.ID.String())
		}
		return out
	}
	page := snapshots.PageNode([]snapshots.Entry{dir, e})
	root := snapshots.RootNode(snapshots.Root{Tenant: "ten_test", Volume: seal.Volume, VolumeName: "v", Kind: snapshots.Files, Profile: chunk.ProfileFiles,
		Snapshot: seal.Snapshot, Seq: 2, TakenAt: time.UnixMicro(1700000000000000), TakenBy: "me", Note: "n", Files: 2, Bytes: 7,
		Commitments: []snapshots.KeyCommitment{{Number: 1, Commitment: [32]byte{5}}}, Top: []node.Child{{ID: chunk.ID{6}, Hash: [32]byte{6}, Length: 300, Key: 1, Kind: chunk.KindCataloguePage}}})
	return []treeVector{
		{Name: "metadata", Hex: hex.EncodeToString(e.Meta.Render())},
		{Name: "recipe", Hex: hex.EncodeToString(e.Recipe.Render())},
		{Name: "catalogue page", Hex: hex.EncodeToString(page.Payload), Children: ids(page)},
		{Name: "root", Hex: hex.EncodeToString(root.Payload), Children: ids(root)},
		{Name: "journal record", Hex: hex.EncodeToString(sampleRecord().Render())},
		{Name: "seal", Text: string(seal.Render())},
		{Name: "erased", Text: string(erased.Render())},
	}
}

// What was written once can still be read, and is still written so.
func TestTreeVectors(t *testing.T) {
	made := makeVectors()
	if *updateVectors {
		b, err := json.MarshalIndent(made, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(treeVectors, append(b, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	in, err := os.ReadFile(treeVectors)
	if err != nil {
		t.Fatal(err)
	}
	var stored []treeVector
	if err := json.Unmarshal(in, &stored); err != nil || len(stored) < len(made) {
		t.Fatal(len(stored), err)
	}
	for i, v := range stored[:len(made)] {
		if v.Name != made[i].Name || v.Hex != made[i].Hex || v.Text != made[i].Text {
			t.Errorf("%s is written otherwise: %s%s", v.Name, made[i].Hex, made[i].Text)
		}
		b, err := hex.DecodeString(v.Hex)
		if err != nil {
			t.Fatal(err)
		}
		switch v.Name {
		case "metadata":
			m, err := snapshots.ParseMeta(b)
			check(t, v.Name, err == nil && m.Mode == 0o4755 && len(m.Xattrs) == 1 && m.MTime == -5)
		case "recipe":
			r, err := stream.ParseRecipe(b)
			check(t, v.Name, err == nil && len(r) == 2 && r[0].Hole() && r.Size() == 7)
		case "catalogue page":
			list, err := snapshots.ParsePage(node.Node{Kind: chunk.KindCataloguePage, Payload: b, Children: sampleEntry().Recipe.Children()})
			check(t, v.Name, err == nil && len(list) == 2 && list[1].Path == "a/b" && list[1].Recipe.Size() == 7)
		case "root":
			r, err := snapshots.ParseRoot(node.Node{Kind: chunk.KindRoot, Payload: b})
			check(t, v.Name, err == nil && r.VolumeName == "v" && r.Seq == 2 && r.Files == 2 && len(r.Commitments) == 1)
		case "journal record":
			r, err := snapshots.ParseRecord(b)
			check(t, v.Name, err == nil && r.Number == 3 && len(r.Commits) == 2 && bytes.Equal(r.Render(), b))
		case "seal":
			s, err := snapshots.ParseSealRecord([]byte(v.Text))
			check(t, v.Name, err == nil && s.Seal.Files == 2 && len(s.Wraps) == 1)
		case "erased":
			s, err := snapshots.ParseErasedRecord([]byte(v.Text))
			check(t, v.Name, err == nil && s.At == 1700000000000002 && s.Seal.Seal.Bytes == 7)
		}
	}
}

func check(t *testing.T, what string, ok bool) {
	t.Helper()
	if !ok {
		t.Errorf("%s is read otherwise", what)
	}
}
