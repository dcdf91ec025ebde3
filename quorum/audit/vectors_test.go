package audit_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"holdfast/quorum/audit"
)

type vectors struct {
	Comment string `json:"comment"`
	Leaves  []struct {
		Kind, Salt, Body, Leaf, Hash string
		At                           time.Time
		Facts                        []string
	} `json:"leaves"`
	Roots       []string          `json:"roots"`
	LogSeed     string            `json:"log_seed"`
	LogVkey     string            `json:"log_vkey"`
	WitnessSeed string            `json:"witness_seed"`
	WitnessVkey string            `json:"witness_vkey"`
	LogTime     int64             `json:"log_time"`
	WitnessTime int64             `json:"witness_time"`
	Signed      string            `json:"signed"`
	WitnessLine string            `json:"witness_line"`
	ProofOf2    string            `json:"proof_of_2"`
	OpeningOf2  string            `json:"opening_of_2"`
	Submission  string            `json:"submission_from_3"`
	Replay      string            `json:"replay"`
	Tiles       map[string]string `json:"tiles"`
	NotLeaves   []string          `json:"not_leaves"`
	NotSigned   []string          `json:"not_signed"`
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func vectorSigner(t *testing.T, vkey, seed string) *audit.Signer {
	t.Helper()
	k, err := audit.ParseVerifierKey(vkey)
	if err != nil {
		t.Fatal(err)
	}
	s, err := audit.NewSigner(k.Name, ed25519.NewKeyFromSeed(unhex(t, seed)))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// The vectors of docs/spec/log.md were made by another implementation; ours makes the same bytes of them and reads them.
func TestSpecVectors(t *testing.T) {
	raw, err := os.ReadFile("../../docs/spec/log.vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var v vectors
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&v); err != nil {
		t.Fatal(err)
	}
	log, wit := vectorSigner(t, v.LogVkey, v.LogSeed), vectorSigner(t, v.WitnessVkey, v.WitnessSeed)
	if log.LogKey().String() != v.LogVkey || wit.WitnessKey().String() != v.WitnessVkey {
		t.Error("verifier keys differ")
	}
	l := &memLog{t: t, signer: log}
	for i, leaf := range v.Leaves {
		d := audit.Draft{Kind: audit.Kind(leaf.Kind), At: leaf.At, Body: unhex(t, leaf.Body)}
		for _, f := range leaf.Facts {
			name, value, _ := strings.Cut(f, " ")
			d.Facts = append(d.Facts, audit.Fact{Name: name, Value: value})
		}
		e, err := d.Enter(int64(i), bytes.NewReader(unhex(t, leaf.Salt)))
		if err != nil || string(e.Leaf) != leaf.Leaf {
			t.Fatalf("leaf %d is %q, %v", i, e.Leaf, err)
		}
		if h := audit.LeafHash(e.Leaf); hex.EncodeToString(h[:]) != leaf.Hash {
			t.Errorf("hash of leaf %d", i)
		}
		l.push(e)
	}
	ctx := context.Background()
	for n, want := range v.Roots {
		if root, err := audit.Root(ctx, int64(n), l); err != nil || hex.EncodeToString(root[:]) != want {
			t.Errorf("root of %d: %x, %v", n, root[:], err)
		}
	}
	head := audit.Checkpoint{Origin: log.Name(), Size: 5, Root: audit.Hash(unhex(t, v.Roots[5]))}
	signed, err := log.SignCheckpoint(head, time.Unix(v.LogTime, 0))
	if err != nil || string(signed) != v.Signed {
		t.Errorf("signed %q, %v", signed, err)
	}
	line, err := wit.Cosign(head, time.Unix(v.WitnessTime, 0))
	if err != nil || line != v.WitnessLine {
		t.Errorf("cosigned %q, %v", line, err)
	}
	keys := keysOf(t, log, wit)
	o, err := keys.Open([]byte(v.Signed + v.WitnessLine))
	if err != nil || o.Checkpoint != head || o.At.Unix() != v.LogTime || len(o.Cosignatures) != 1 || o.Cosignatures[0].At.Unix() != v.WitnessTime {
		t.Errorf("%+v, %v", o, err)
	}
	p, err := audit.ParseProof([]byte(v.ProofOf2))
	if err != nil {
		t.Fatal(err)
	}
	op, err := audit.ParseOpening(unhex(t, v.OpeningOf2))
	if err != nil {
		t.Fatal(err)
	}
	if _, leaf, err := p.Disclose(keys, op); err != nil || leaf.Kind != audit.KindRequestVoted {
		t.Errorf("%+v, %v", leaf, err)
	}
	s, err := audit.ParseSubmission([]byte(v.Submission))
	if err != nil {
		t.Fatal(err)
	}
	old := audit.Checkpoint{Origin: log.Name(), Size: s.Old, Root: audit.Hash(unhex(t, v.Roots[3]))}
	if err := audit.VerifyConsistency(old, head, s.Proof); err != nil {
		t.Error(err)
	}
	r, err := audit.NewReplay(log.Name())
	if err != nil {
		t.Fatal(err)
	}
	if r, err = r.Continue(head, l.entries); err != nil {
		t.Fatal(err)
	}
	if text, err := r.MarshalText(); err != nil || string(text) != v.Replay {
		t.Errorf("replay %q, %v", text, err)
	}
	for path, want := range v.Tiles {
		if data, err := audit.ReadTile(ctx, 5, l, l, path); err != nil || hex.EncodeToString(data) != want {
			t.Errorf("%s: %x, %v", path, data, err)
		}
	}
	for i, bad := range v.NotLeaves {
		if _, err := audit.ParseLeaf([]byte(bad)); err == nil {
			t.Errorf("not_leaves[%d] parses", i)
		}
	}
	for i, bad := range v.NotSigned {
		if _, err := keys.Open([]byte(bad)); err == nil {
			t.Errorf("not_signed[%d] opens", i)
		}
	}
}
