package snapshots_test

import (
	"io"
	"math/rand/v2"
	"runtime"
	"testing"

	"holdfast/internal/sqldb/sqldbtest"
	"holdfast/snapshots"
	"holdfast/snapshots/blob"
	"holdfast/snapshots/blob/fs"
	"holdfast/snapshots/snapshotstest"
	"holdfast/snapshots/sqlstore"
)

// peak reads a stream and looks at the memory that the process has taken from the system, every few megabytes.
type peak struct {
	io.Reader
	since int
	most  uint64
}

func (p *peak) Read(b []byte) (int, error) {
	n, err := p.Reader.Read(b)
	if p.since += n; p.since >= 8<<20 || err != nil {
		p.since = 0
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		p.most = max(p.most, m.HeapInuse+m.StackInuse)
	}
	return n, err
}

// repeated is a stream of so many bytes: a core that does not compress, over and over. Only its first round is stored.
func repeated(core []byte, size int64) io.Reader {
	return io.LimitReader(&loop{core: core}, size)
}

type loop struct {
	core []byte
	at   int
}

func (l *loop) Read(b []byte) (int, error) {
	n := copy(b, l.core[l.at:])
	l.at = (l.at + n) % len(l.core)
	return n, nil
}

// TestIngestAndRestoreInFlatMemory puts and reads a small stream and one of 2 GiB, of which a part is new: the latter
// takes no more memory, and neither much.
func TestIngestAndRestoreInFlatMemory(t *testing.T) {
	var blobs blob.Store
	blobs, err := fs.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	e := snapshotstest.New(t, sqldbtest.Open(t, sqldbtest.SQLiteDSN(t), sqlstore.Migrations()), blobs)
	v := e.Volume(t, "v", snapshots.Files)
	core := make([]byte, 192<<20)
	_, _ = rand.NewChaCha8([32]byte{3}).Read(core)
	run := func(name string, size int64) (in, out uint64) {
		t.Helper()
		runtime.GC()
		var before runtime.MemStats
		runtime.ReadMemStats(&before)
		p := &peak{Reader: repeated(core, size)}
		if _, err := e.Put(t.Context(), snapshots.PutRequest{Tenant: tenant, Volume: v.ID, Path: name}, p); err != nil {
			t.Fatal(err)
		}
		o, err := e.Open(t.Context(), tenant, v.ID, name, snapshots.Moment{})
		if err != nil {
			t.Fatal(err)
		}
		defer o.Close()
		r, err := o.Range(t.Context(), 0, -1)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		q := &peak{Reader: r}
		// Not by WriteTo, so that the memory is looked at.
		if n, err := io.Copy(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{q}); err != nil || n != size {
			t.Fatal(n, err)
		}
		base := before.HeapInuse + before.StackInuse
		return p.most - min(base, p.most), q.most - min(base, q.most)
	}
	smallIn, smallOut := run("small", 256<<20)
	largeIn, largeOut := run("large", 2<<30)
	t.Logf("MiB: in %d and %d, out %d and %d", smallIn>>20, largeIn>>20, smallOut>>20, largeOut>>20)
	const most = 160 << 20 // of 256 MiB for the whole process
	if largeIn > most || largeOut > most {
		t.Errorf("2 GiB took %d MiB in and %d MiB out", largeIn>>20, largeOut>>20)
	}
	if largeIn > smallIn+64<<20 || largeOut > smallOut+64<<20 {
		t.Errorf("memory grows with the stream: in %d and %d MiB, out %d and %d MiB", smallIn>>20, largeIn>>20, smallOut>>20, largeOut>>20)
	}
}
