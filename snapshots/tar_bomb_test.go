package snapshots_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"holdfast/snapshots"
	"holdfast/snapshots/snapshotstest"
)

// member is an archive's member with these records before it, written by hand: the writer of archive/tar refuses some.
func member(name string, records ...string) []byte {
	var pax strings.Builder
	for _, r := range records {
		n := len(r) + 2
		for n != len(fmt.Sprint(n))+len(r)+2 {
			n = len(fmt.Sprint(n)) + len(r) + 2
		}
		fmt.Fprintf(&pax, "%d %s\n", n, r)
	}
	block := func(name string, kind byte, size int) []byte {
		h := make([]byte, 512)
		copy(h, name)
		copy(h[100:], "0000644\x000000000\x000000000\x00"+fmt.Sprintf("%011o\x00%011o\x00        ", size, 0)+string(kind))
		copy(h[257:], "ustar\x0000")
		sum := 0
		for _, c := range h {
			sum += int(c)
		}
		copy(h[148:], fmt.Sprintf("%06o\x00 ", sum))
		return h
	}
	text := pax.String()
	out := append(block("pax", tar.TypeXHeader, len(text)), text...)
	out = append(out, make([]byte, (512-len(text)%512)%512)...)
	return append(out, block(name, tar.TypeReg, 0)...)
}

// Two KiB that say to be an exbibyte of zeroes keep no processor busy for years, also not when whoever sent them is gone.
func TestT50_AnArchiveOfZeroesEnds(t *testing.T) {
	each(t, func(t *testing.T, e *snapshotstest.Env) {
		v := e.Volume(t, "v", snapshots.Files)
		sparse := func(size string) io.Reader {
			return bytes.NewReader(append(member("f", "GNU.sparse.major=0", "GNU.sparse.minor=1", "GNU.sparse.name=f", "GNU.sparse.size="+size,
				"GNU.sparse.realsize="+size, "GNU.sparse.numblocks=0", "GNU.sparse.map="), make([]byte, 1024)...))
		}
		put := snapshots.PutTarRequest{Tenant: tenant, Volume: v.ID}
		if sum, err := e.PutTar(t.Context(), put, sparse("100000000")); err != nil || sum.Bytes != 100_000_000 {
			t.Fatal("what is honest is refused:", sum, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if _, err := e.PutTar(ctx, put, sparse("1152921504606846975")); err == nil || ctx.Err() == nil {
			t.Error(err)
		}
		zeroes := snapshots.NearlyTooManyZeroes(t.Context(), io.LimitReader(zero{}, 3<<20), 2<<20)
		if n, err := io.Copy(io.Discard, zeroes); !errors.Is(err, snapshots.ErrSparse) || n > 2<<20 {
			t.Error(n, err)
		}
		if n, err := e.Head(t.Context(), tenant, v.ID, "f", snapshots.Moment{}); err != nil || n.Size != 100_000_000 {
			t.Error("the bomb took the place of what was there:", n.Size, err)
		}
	})
}

type zero struct{}

func (zero) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// members is an archive of many members with much that is not kept of them.
type members struct {
	n    int
	rest []byte
	most uint64 // the heap, at its most
}

func (m *members) Read(p []byte) (int, error) {
	if len(m.rest) == 0 {
		if m.n == 0 {
			return 0, io.EOF
		}
		m.n--
		m.rest = member("f", "SCHILY.xattr.user.small="+fmt.Sprint(m.n), "comment="+strings.Repeat("x", 1<<20-200))
		if m.n%100 == 0 {
			runtime.GC()
			var s runtime.MemStats
			runtime.ReadMemStats(&s)
			m.most = max(m.most, s.HeapAlloc)
		}
	}
	n := copy(p, m.rest)
	m.rest = m.rest[n:]
	return n, nil
}

// A small attribute keeps not all of the header that it came with in memory.
func TestT50_HeadersOfAnArchiveAreNotKept(t *testing.T) {
	each(t, func(t *testing.T, e *snapshotstest.Env) {
		v := e.Volume(t, "v", snapshots.Files)
		m := &members{n: 301}
		if _, err := e.PutTar(t.Context(), snapshots.PutTarRequest{Tenant: tenant, Volume: v.ID}, m); err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatal(err)
		}
		if m.most > 150<<20 {
			t.Errorf("%d MiB for 301 small members", m.most>>20)
		}
	})
}
