package pull_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	"golang.org/x/sys/unix"

	"holdfast/authz"
	"holdfast/authz/apitoken"
	"holdfast/server/api"
	"holdfast/server/client"
	"holdfast/server/client/archive"
	"holdfast/server/client/pull"
	"holdfast/server/control/controltest"
	"holdfast/server/transfer"
	"holdfast/server/wire"
)

// rig is a service over a real connection, with its client.
type rig struct {
	*controltest.Env
	t             testing.TB
	server        *httptest.Server
	owner         controltest.Login
	c             *client.Client
	files, stream wire.Volume
}

var everything = []authz.Scope{apitoken.VolumeRead, apitoken.VolumeWrite, apitoken.SnapshotCreate, apitoken.SnapshotRead, apitoken.SnapshotRestore}

func newRig(t testing.TB) *rig {
	t.Helper()
	r := &rig{Env: controltest.New(t), t: t}
	x := echo.New()
	x.Use(api.Middleware(authz.FacePortal))
	if err := transfer.Mount(x, r.Control, transfer.Options{Now: time.Now, Log: slog.New(slog.DiscardHandler)}); err != nil {
		t.Fatal(err)
	}
	r.server = httptest.NewServer(x)
	t.Cleanup(r.server.Close)
	r.owner = r.Member(t, r.Tenant(t), authz.RoleOwner)
	r.c = r.client(r.owner)
	r.files, r.stream = r.volume("docs", "files"), r.volume("dump", "stream")
	return r
}

// client is one with a token of somebody, for some volumes or all.
func (r *rig) client(who controltest.Login, volumes ...string) *client.Client {
	return client.New(r.server.URL, client.WithToken(r.Token(r.t, who, volumes, everything...).Credentials.Bearer))
}

func (r *rig) volume(name, kind string) wire.Volume {
	r.t.Helper()
	v, err := r.CreateVolume(r.t.Context(), r.owner.Caller, wire.CreateVolume{Name: name, Kind: kind})
	if err != nil {
		r.t.Fatal(err)
	}
	return v
}

func (r *rig) push(dir string) {
	r.t.Helper()
	if _, changed, err := archive.Push(r.t.Context(), r.c, dir, r.files.ID, archive.Options{}); err != nil || changed != nil {
		r.t.Fatal(err, changed)
	}
	r.Clock.Advance(time.Second)
}

func (r *rig) open(from client.Source) *pull.Moment {
	r.t.Helper()
	m, err := pull.Open(r.t.Context(), r.c, from)
	if err != nil {
		r.t.Fatal(err)
	}
	return m
}

// tree restores the live files and fails the test if anything was refused.
func (r *rig) tree(dir string, o pull.Options) pull.Summary {
	r.t.Helper()
	o.Refused = func(e pull.EntryError) { r.t.Errorf("refused: %v", &e) }
	sum, err := r.open(client.Source{Volume: r.files.ID}).Tree(r.t.Context(), dir, o)
	if err != nil {
		r.t.Fatal(err)
	}
	return sum
}

// noise is n bytes that no compression and no repetition make small.
func noise(n int, seed byte) []byte {
	out := make([]byte, n)
	x := uint64(seed) + 0x9E3779B97F4A7C15
	for i := range out {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		out[i] = byte(x >> 32)
	}
	return out
}

func write(t testing.TB, name string, body []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, body, 0o644); err != nil {
		t.Fatal(err)
	}
}

// describe lists everything that is kept of a tree, one line an entry.
func describe(t testing.TB, dir string) string {
	t.Helper()
	var lines []string
	links := map[uint64]string{}
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || p == dir {
			return err
		}
		name, _ := filepath.Rel(dir, p)
		st, err := os.Lstat(p)
		if err != nil {
			return err
		}
		sys := st.Sys().(*syscall.Stat_t)
		line := fmt.Sprintf("%q %v %d:%d %d", name, st.Mode(), sys.Uid, sys.Gid, st.ModTime().UnixNano())
		switch {
		case st.Mode()&fs.ModeSymlink != 0:
			to, err := os.Readlink(p)
			if err != nil {
				return err
			}
			line += " -> " + to
		case st.Mode().IsRegular():
			b, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			line += fmt.Sprintf(" %d %x", len(b), sum(b))
			if first := links[sys.Ino]; first != "" {
				line += " same as " + first
			} else {
				links[sys.Ino] = name
			}
		}
		if st.Mode()&fs.ModeSymlink == 0 {
			var names [4096]byte
			if n, err := unix.Llistxattr(p, names[:]); err == nil {
				for x := range bytes.SplitSeq(bytes.Trim(names[:n], "\x00"), []byte{0}) {
					if len(x) > 0 {
						var value [4096]byte
						n, err := unix.Lgetxattr(p, string(x), value[:])
						line += fmt.Sprintf(" %s=%q %v", x, value[:max(n, 0)], err)
					}
				}
			}
		}
		lines = append(lines, line)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	sort.Strings(lines)
	return strings.Join(lines, "\n")
}

func same(t testing.TB, want, got string) {
	t.Helper()
	a, b := describe(t, want), describe(t, got)
	if a != b {
		la, lb := strings.Split(a, "\n"), strings.Split(b, "\n")
		for i := range max(len(la), len(lb)) {
			x, y := "", ""
			if i < len(la) {
				x = la[i]
			}
			if i < len(lb) {
				y = lb[i]
			}
			if x != y {
				t.Fatalf("the trees differ (%d and %d entries):\nwant %s\ngot  %s", len(la), len(lb), x, y)
			}
		}
	}
}

func sum(b []byte) uint64 {
	h := uint64(14695981039346656037)
	for _, c := range b {
		h = (h ^ uint64(c)) * 1099511628211
	}
	return h
}
