package pull_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"holdfast/server/client"
	"holdfast/server/client/pull"
	"holdfast/server/wire"
	"holdfast/server/wire/record"
)

// flood is a service that lists entries without an end to speak of, and has none of their content.
type flood struct {
	n     int
	entry func(i int) record.Entry
}

func (f flood) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if filepath.Base(r.URL.Path) == "keys" {
		_ = json.NewEncoder(w).Encode(wire.ReadKeys{Keys: []wire.ReadKey{{Number: 1, Identity: bytes.Repeat([]byte{7}, 32)}}})
		return
	}
	var in wire.Pull
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	w.Header().Set(wire.PullKind, "files")
	e := record.NewEncoder(w)
	if in.List && len(in.Until) == 0 {
		for i := range f.n {
			n := f.entry(i)
			if e.Entry(&n) != nil || e.End(n.Size) != nil {
				return
			}
		}
	}
	_ = e.Stop()
}

// peak is by how much the memory in use grew at most while f ran.
func peak(f func()) int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	before, most := int64(m.HeapInuse), int64(0)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		t := time.NewTicker(10 * time.Millisecond)
		defer t.Stop()
		for {
			select {
			case <-stop:
				return
			case <-t.C:
				runtime.ReadMemStats(&m)
				most = max(most, int64(m.HeapInuse)-before)
			}
		}
	})
	f()
	close(stop)
	wg.Wait()
	return most
}

// A listing of a million entries costs no memory to speak of, and what is not there is counted, entry by entry.
func TestT50_AMillionEntriesAreBounded(t *testing.T) {
	const million = 1_000_000
	for name, entry := range map[string]func(i int) record.Entry{
		"files": func(i int) record.Entry {
			return record.Entry{Path: fmt.Sprintf("file-%07d", i), Type: 1, Mode: 0o644, Size: 1, HasDigest: true}
		},
		"hard links": func(i int) record.Entry {
			return record.Entry{Path: fmt.Sprintf("link-%07d", i), Type: 4, Mode: 0o644, Link: fmt.Sprintf("nothing-%07d", i)}
		},
		"devices": func(i int) record.Entry { return record.Entry{Path: fmt.Sprintf("device-%07d", i), Type: 6} },
	} {
		s := httptest.NewServer(flood{million, entry})
		m, err := pull.Open(t.Context(), client.New(s.URL), client.Source{Snapshot: "snp_x"})
		if err != nil {
			t.Fatal(err)
		}
		to := filepath.Join(t.TempDir(), "to")
		var sum pull.Summary
		grown := peak(func() { sum, err = m.Tree(t.Context(), to, pull.Options{}) })
		if err != nil || sum.Refused != million || sum.Entries != 0 {
			t.Errorf("%s: %+v %v", name, sum, err)
		}
		if grown > 64<<20 {
			t.Errorf("%s: the memory grew by %d MiB", name, grown>>20)
		}
		if list, err := os.ReadDir(to); err != nil || len(list) != 0 {
			t.Errorf("%s: left behind: %v %v", name, list, err)
		}
		s.Close()
	}
}

// What waits for the end comes back as it was also when there is more of it than memory holds.
func TestManyLinksAndDirectoriesComeBack(t *testing.T) {
	const links, dirs = 60_000, 500
	at := time.Date(2026, 1, 31, 12, 0, 0, 7000, time.UTC)
	entry := func(i int) record.Entry {
		switch {
		case i == 0:
			return record.Entry{Path: "a", Type: 2, Mode: 0o750, MTime: at.UnixNano()}
		case i <= dirs:
			return record.Entry{Path: fmt.Sprintf("a/d%03d", i), Type: 2, Mode: uint32(0o700 + i%8), MTime: at.Add(time.Duration(i) * time.Second).UnixNano()}
		}
		// Long targets fill the memory that there is for them.
		return record.Entry{Path: fmt.Sprintf("b%07d", i), Type: 4, Link: fmt.Sprintf("%0200d", i)}
	}
	s := httptest.NewServer(flood{1 + dirs + links, entry})
	defer s.Close()
	m, err := pull.Open(t.Context(), client.New(s.URL), client.Source{Snapshot: "snp_x"})
	if err != nil {
		t.Fatal(err)
	}
	to := t.TempDir()
	seen := map[string]bool{}
	sum, err := m.Tree(t.Context(), to, pull.Options{Refused: func(e pull.EntryError) { seen[e.Path] = true }})
	if err != nil || sum.Refused != links || sum.Entries != 1+dirs || len(seen) != links {
		t.Fatalf("%+v %v, %d named", sum, err, len(seen))
	}
	for i := range 1 + dirs {
		e := entry(i)
		info, err := os.Stat(filepath.Join(to, e.Path))
		if err != nil || uint32(info.Mode().Perm()) != e.Mode || info.ModTime().UnixNano() != e.MTime {
			t.Fatalf("%s: %v %v", e.Path, info, err)
		}
	}
}
