package audit_test

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"testing"
	"time"

	"holdfast/quorum/audit"
)

const origin = "log.example/holdfast"

var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// signer makes a key that depends only on the name.
func signer(t testing.TB, name string) *audit.Signer {
	t.Helper()
	seed := sha256.Sum256([]byte("test key " + name))
	s, err := audit.NewSigner(name, ed25519.NewKeyFromSeed(seed[:]))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func keysOf(t testing.TB, log *audit.Signer, witnesses ...*audit.Signer) *audit.Keys {
	t.Helper()
	var vkeys []string
	for _, w := range witnesses {
		vkeys = append(vkeys, w.WitnessKey().String())
	}
	k, err := audit.NewKeys(log.LogKey().String(), vkeys...)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// counter is a predictable stand-in for crypto/rand.
type counter struct{ n int }

func (c *counter) Read(p []byte) (int, error) {
	for i := range p {
		c.n++
		p[i] = byte(c.n * 7)
	}
	return len(p), nil
}

// memLog is a log in memory: the arithmetic of the SQL store without it.
type memLog struct {
	t       testing.TB
	signer  *audit.Signer
	entries []audit.Entry
	hashes  []audit.Hash
	random  counter
	signed  []byte
}

func newLog(t testing.TB, n int) *memLog {
	l := &memLog{t: t, signer: signer(t, origin)}
	for range n {
		l.append(fmt.Appendf(nil, "body %d", len(l.entries)))
	}
	return l
}

func (l *memLog) append(body []byte) audit.Entry {
	l.t.Helper()
	i := int64(len(l.entries))
	e, err := audit.Draft{
		Kind: audit.KindSnapshotTaken, At: epoch.Add(time.Duration(i) * time.Second), Tenant: "ten_x", Body: body,
	}.Enter(i, &l.random)
	if err != nil {
		l.t.Fatal(err)
	}
	l.push(e)
	return e
}

func (l *memLog) push(e audit.Entry) {
	l.t.Helper()
	_, hs, err := audit.NewHashes(context.Background(), e.Index, e.Leaf, l)
	if err != nil {
		l.t.Fatal(err)
	}
	l.entries, l.hashes = append(l.entries, e), append(l.hashes, hs...)
}

func (l *memLog) ReadHashes(_ context.Context, ix []int64) ([]audit.Hash, error) {
	out := make([]audit.Hash, len(ix))
	for i, x := range ix {
		if x >= int64(len(l.hashes)) {
			return nil, fmt.Errorf("no hash %d", x)
		}
		out[i] = l.hashes[x]
	}
	return out, nil
}

func (l *memLog) ReadLeaves(_ context.Context, from int64, n int) ([][]byte, error) {
	var out [][]byte
	for _, e := range l.entries[from:min(from+int64(n), int64(len(l.entries)))] {
		out = append(out, e.Leaf)
	}
	return out, nil
}

// head is the tree head at a size, by the plain definition of RFC 6962.
func (l *memLog) head(size int) audit.Checkpoint {
	var rec func(es []audit.Entry) audit.Hash
	rec = func(es []audit.Entry) audit.Hash {
		if len(es) == 1 {
			return sha256.Sum256(append([]byte{0}, es[0].Leaf...))
		}
		k := 1
		for k*2 < len(es) {
			k *= 2
		}
		left, right := rec(es[:k]), rec(es[k:])
		return sha256.Sum256(append(append([]byte{1}, left[:]...), right[:]...))
	}
	root := audit.Hash(sha256.Sum256(nil))
	if size > 0 {
		root = rec(l.entries[:size])
	}
	return audit.Checkpoint{Origin: origin, Size: int64(size), Root: root}
}

func (l *memLog) sign(size int, at time.Time) []byte {
	l.t.Helper()
	signed, err := l.signer.SignCheckpoint(l.head(size), at)
	if err != nil {
		l.t.Fatal(err)
	}
	return signed
}

func (l *memLog) consistency(from, to int) []audit.Hash {
	l.t.Helper()
	p, err := audit.ProveConsistency(context.Background(), int64(to), int64(from), l)
	if err != nil {
		l.t.Fatal(err)
	}
	return p
}

// Checkpoint and Tile make memLog an audit.Source over what sign last gave to publish.
func (l *memLog) publish(at time.Time) { l.signed = l.sign(len(l.entries), at) }

func (l *memLog) Checkpoint(context.Context) ([]byte, error) { return l.signed, nil }

func (l *memLog) Tile(ctx context.Context, path string) ([]byte, error) {
	return audit.ReadTile(ctx, int64(len(l.entries)), l, l, path)
}
