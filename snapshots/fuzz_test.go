package snapshots_test

import (
	"bytes"
	"testing"
	"time"

	"holdfast/snapshots"
	"holdfast/snapshots/chunk"
	"holdfast/snapshots/node"
	"holdfast/snapshots/stream"
)

func sampleEntry() snapshots.Entry {
	return snapshots.Entry{Path: "a/b", Type: snapshots.TypeFile, Size: 7, ETag: [32]byte{9},
		Meta:   snapshots.Meta{Mode: 0o4755, UID: 1, GID: 2, User: "u", MTime: -5, Xattrs: []snapshots.Xattr{{Name: "user.x", Value: "y"}}},
		Recipe: stream.Recipe{{Len: 3}, {Len: 4, Child: node.Child{ID: chunk.ID{1}, Hash: [32]byte{2}, Length: 50, Key: 1, Kind: chunk.KindData}}}}
}

func sampleRecord() snapshots.Record {
	at := time.Unix(1700000000, 0)
	var v snapshots.VolumeID
	if err := v.UnmarshalText([]byte("vol_0123456789abcdefghjkmnpqrs")); err != nil {
		panic(err)
	}
	s, err := snapshots.ParseSnapshotID("snp_0123456789abcdefghjkmnpqrs")
	if err != nil {
		panic(err)
	}
	return snapshots.Record{Tenant: "ten_test", Volume: v, Number: 3, Prev: [32]byte{1}, WrittenAt: at.UnixMicro(), Commits: []snapshots.Commit{
		{Seq: 1, At: 5, Final: true, Mutations: []snapshots.Mutation{{Op: snapshots.OpCreate, Name: "v", Kind: snapshots.Files, Profile: chunk.ProfileFiles, By: "me"}}},
		{Seq: 2, At: 6, Mutations: []snapshots.Mutation{{Op: snapshots.OpPut, Entry: sampleEntry()}, {Op: snapshots.OpDelete, Path: "x"},
			{Op: snapshots.OpDeletePrefix, Path: ""}, {Op: snapshots.OpSnapshot, Snapshot: s, By: "me", Note: "n"}, {Op: snapshots.OpDeleteVolume, By: "x"}, {Op: snapshots.OpUndelete, Name: "v", By: "x"}}},
	}}
}

func FuzzParseRecord(f *testing.F) {
	f.Add(sampleRecord().Render())
	f.Add([]byte{1})
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := snapshots.ParseRecord(b)
		if err == nil && !bytes.Equal(r.Render(), b) {
			t.Fatal("what parses must render to the same bytes")
		}
	})
}

func FuzzParseMeta(f *testing.F) {
	f.Add(sampleEntry().Meta.Render())
	f.Add(snapshots.Meta{}.Render())
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := snapshots.ParseMeta(b)
		if err == nil && !bytes.Equal(m.Render(), b) {
			t.Fatal("what parses must render to the same bytes")
		}
	})
}

func FuzzParseSealRecord(f *testing.F) {
	r := sampleRecord()
	f.Add(snapshots.SealRecord{Tenant: "t", Volume: r.Volume, Snapshot: r.Commits[1].Mutations[3].Snapshot, Site: "primary",
		Seal: snapshots.Seal{Files: 1, Bytes: 2, KeyNo: 1, At: time.Unix(1700000000, 0)}, Wraps: [][]byte{{1, 2}}}.Render())
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := snapshots.ParseSealRecord(b)
		if err == nil && !bytes.Equal(r.Render(), b) {
			t.Fatal("what parses must render to the same bytes")
		}
	})
}

func FuzzParsePage(f *testing.F) {
	f.Add([]byte{1, 1, 1, 'a', 2, 13, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		// Any payload must be refused or be entries that could be stored.
		list, err := snapshots.ParsePage(node.Node{Kind: chunk.KindCataloguePage, Payload: b, Children: []node.Child{{ID: chunk.ID{1}, Length: 9, Kind: chunk.KindData}}})
		for _, n := range list {
			if err == nil && n.Check() != nil {
				t.Fatal("an entry that could not be stored")
			}
		}
		if _, err := snapshots.ParseRoot(node.Node{Kind: chunk.KindRoot, Payload: b}); err == nil && len(b) < 60 {
			t.Fatal("a root out of nothing")
		}
	})
}

func TestRecordRoundTrip(t *testing.T) {
	b := sampleRecord().Render()
	r, err := snapshots.ParseRecord(b)
	if err != nil || !bytes.Equal(r.Render(), b) || len(r.Commits[1].Mutations) != 6 {
		t.Fatal(err)
	}
	for cut := range b {
		if _, err := snapshots.ParseRecord(b[:cut]); err == nil {
			t.Fatalf("cut at %d was taken", cut)
		}
	}
}

func FuzzParseErasedRecord(f *testing.F) {
	r := sampleRecord()
	f.Add(snapshots.ErasedRecord{Request: "req_1", At: 5, Seal: snapshots.SealRecord{Tenant: "t", Volume: r.Volume, Snapshot: r.Commits[1].Mutations[3].Snapshot,
		Site: "primary", Seal: snapshots.Seal{Files: 1, Bytes: 2, KeyNo: 1, At: time.Unix(1700000000, 0)}}}.Render())
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := snapshots.ParseErasedRecord(b)
		if err == nil && !bytes.Equal(r.Render(), b) {
			t.Fatal("what parses must render to the same bytes")
		}
	})
}

func FuzzParseIndex(f *testing.F) {
	f.Add([]byte{1, 1, 1, 'a', 2, 3})
	f.Add([]byte{1, 255, 255, 255, 255, 255, 255, 255, 255, 127})
	f.Fuzz(func(t *testing.T, b []byte) {
		n := node.Node{Kind: chunk.KindCatalogueIndex, Payload: b, Children: []node.Child{{ID: chunk.ID{1}, Length: 90, Kind: chunk.KindCataloguePage}}}
		if got, err := snapshots.ParseIndex(n); err == nil && got != 1 {
			t.Fatal("children that the node does not have")
		}
	})
}

// T50: encodings that claim millions of entries are refused by their bounds, before anything is allocated for them.
func TestT50_CountsAreBoundedBeforeTheyCost(t *testing.T) {
	huge := []byte{255, 255, 255, 255, 255, 255, 255, 255, 127} // 2^63 - 1
	for name, parse := range map[string]func() error{
		"page": func() error {
			_, err := snapshots.ParsePage(node.Node{Kind: chunk.KindCataloguePage, Payload: append([]byte{1}, huge...)})
			return err
		},
		"index": func() error {
			_, err := snapshots.ParseIndex(node.Node{Kind: chunk.KindCatalogueIndex, Payload: append([]byte{1}, huge...)})
			return err
		},
		"recipe":  func() error { _, err := stream.ParseRecipe(append([]byte{1}, huge...)); return err },
		"lengths": func() error { _, _, _, err := stream.ParseLengths(huge, nil, stream.Fanout); return err },
		"record": func() error {
			b := sampleRecord().Render()
			_, err := snapshots.ParseRecord(append(b[:len("0ten_test")+1], huge...))
			return err
		},
		"seal": func() error {
			_, err := snapshots.ParseSealRecord(bytes.Repeat([]byte("wraps AAAA\n"), 1<<20))
			return err
		},
	} {
		var err error
		if n := testing.AllocsPerRun(1, func() { err = parse() }); err == nil || n > 1<<11 {
			t.Errorf("%s: %v after %.0f allocations", name, err, n)
		}
	}
}
