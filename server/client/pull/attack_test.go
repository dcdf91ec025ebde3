package pull_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"holdfast/authz"
	"holdfast/authz/apitoken"
	"holdfast/server/client"
	"holdfast/server/client/pull"
	"holdfast/server/wire"
	"holdfast/server/wire/record"
	"holdfast/snapshots/chunk"
	"holdfast/snapshots/stream"
)

// liar is a service that sends whatever it likes, with keys that fit.
type liar struct {
	ids     *chunk.Identifier
	key     []byte
	entries []record.Entry
	bodies  map[string]string
	// records, when not nil, writes the content that is sent for one file instead.
	records func(e *record.Encoder, n record.Entry, body string)
	stream  bool
}

func (l *liar) file(path, body string) {
	l.entry(record.Entry{Path: path, Type: 1, Mode: 0o644}, body)
}

func (l *liar) entry(e record.Entry, body string) {
	if e.Type == 1 {
		d := stream.NewDigest()
		if body != "" {
			d.Data(l.ids.ID(chunk.KindData, []byte(body)), int64(len(body)))
		}
		e.Size, e.HasDigest, e.Digest = int64(len(body)), true, d.Sum()
	}
	l.entries = append(l.entries, e)
	l.bodies[e.Path] = body
}

func (l *liar) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasSuffix(r.URL.Path, "/keys") {
		_ = json.NewEncoder(w).Encode(wire.ReadKeys{Keys: []wire.ReadKey{{Number: 1, Identity: l.key}}})
		return
	}
	var in wire.Pull
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	kind := "files"
	if l.stream {
		kind = "stream"
	}
	w.Header().Set(wire.PullKind, kind)
	e := record.NewEncoder(w)
	for _, n := range l.entries {
		if n.Path <= string(in.After) || len(in.Until) > 0 && n.Path > string(in.Until) || len(in.Path) > 0 && n.Path != string(in.Path) {
			continue
		}
		_ = e.Entry(&n)
		if !in.List && n.Type == 1 {
			body := l.bodies[n.Path]
			if l.records != nil {
				l.records(e, n, body)
				continue
			}
			if body != "" {
				_ = e.Data(l.ids.ID(chunk.KindData, []byte(body)), record.Raw, len(body), []byte(body))
			}
		}
		_ = e.End(n.Size)
	}
	_ = e.Stop()
}

func newLiar(t *testing.T) (*liar, *client.Client) {
	t.Helper()
	key := bytes.Repeat([]byte{7}, 32)
	ids, err := chunk.NewIdentifier(key)
	if err != nil {
		t.Fatal(err)
	}
	l := &liar{ids: ids, key: key, bodies: map[string]string{}}
	s := httptest.NewServer(l)
	t.Cleanup(s.Close)
	return l, client.New(s.URL)
}

// restore restores everything that a liar has below outer/target, and says what was refused.
func restore(t *testing.T, c *client.Client, outer string, o pull.Options) ([]string, error) {
	t.Helper()
	m, err := pull.Open(t.Context(), c, client.Source{Snapshot: "snp_x"})
	if err != nil {
		t.Fatal(err)
	}
	var refused []string
	o.Refused = func(e pull.EntryError) { refused = append(refused, e.Path) }
	_, err = m.Tree(t.Context(), filepath.Join(outer, "target"), o)
	return refused, err
}

func TestT38_HostileStreamNeverLeavesTheTarget(t *testing.T) {
	link := func(path, to string) record.Entry { return record.Entry{Path: path, Type: 3, Mode: 0o777, Link: to} }
	hard := func(path, to string) record.Entry { return record.Entry{Path: path, Type: 4, Mode: 0o644, Link: to} }
	file := func(path string) record.Entry { return record.Entry{Path: path, Type: 1, Mode: 0o644} }
	dir := func(path string) record.Entry { return record.Entry{Path: path, Type: 2, Mode: 0o755} }
	for name, c := range map[string]struct {
		entries []record.Entry
		refused []string
	}{
		"dot-dot":                {[]record.Entry{file("../victim")}, []string{"../victim"}},
		"dot-dot inside":         {[]record.Entry{file("a/../../victim")}, []string{"a/../../victim"}},
		"absolute":               {[]record.Entry{file("/victim")}, []string{"/victim"}},
		"NUL":                    {[]record.Entry{file("vic\x00tim")}, []string{"vic\x00tim"}},
		"empty part":             {[]record.Entry{file("a//victim")}, []string{"a//victim"}},
		"dot":                    {[]record.Entry{file("./victim")}, []string{"./victim"}},
		"slash at the end":       {[]record.Entry{dir("a/")}, []string{"a/"}},
		"long name":              {[]record.Entry{file(strings.Repeat("x", 256))}, []string{strings.Repeat("x", 256)}},
		"symlink out":            {[]record.Entry{link("l", "../victim")}, []string{"l"}},
		"symlink absolute":       {[]record.Entry{link("l", "/etc/passwd")}, []string{"l"}},
		"symlink of nothing":     {[]record.Entry{link("l", "")}, []string{"l"}},
		"symlink out by another": {[]record.Entry{link("a/b/up", "../.."), link("out", "a/b/up/../victim")}, []string{"out"}},
		"the restore's own mark": {[]record.Entry{file(".holdfast-restore")}, []string{".holdfast-restore"}},
		"below its own mark":     {[]record.Entry{file(".holdfast-restore/x")}, []string{".holdfast-restore/x"}},
		"through a link":         {[]record.Entry{link("l", "d"), file("l/victim")}, []string{"l/victim"}},
		"directory by a link":    {[]record.Entry{link("l", "d"), dir("l/d"), file("l/d/victim")}, []string{"l/d", "l/d/victim"}},
		"through a file":         {[]record.Entry{file("f"), file("f/victim")}, []string{"f"}},
		"hard link out":          {[]record.Entry{hard("l", "../victim")}, []string{"l"}},
		"hard link absolute":     {[]record.Entry{hard("l", "/etc/passwd")}, []string{"l"}},
		"hard link by a link":    {[]record.Entry{link("a", "."), hard("l", "a/x"), file("x")}, []string{"l"}},
		"hard link to symlink":   {[]record.Entry{hard("l", "s"), link("s", "x")}, []string{"l"}},
		"hard link to nothing":   {[]record.Entry{hard("l", "s")}, []string{"l"}},
		"FIFO":                   {[]record.Entry{{Path: "p", Type: 5}}, []string{"p"}},
		"character device":       {[]record.Entry{{Path: "c", Type: 6, Major: 1, Minor: 3}}, []string{"c"}},
		"block device":           {[]record.Entry{{Path: "b", Type: 7, Major: 8}}, []string{"b"}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, foreign := range []bool{false, true} {
				l, client := newLiar(t)
				for _, e := range c.entries {
					l.entry(e, "evil")
				}
				outer := t.TempDir()
				victim := filepath.Join(outer, "victim")
				write(t, victim, []byte("good"))
				refused, err := restore(t, client, outer, pull.Options{ForeignLinks: foreign})
				if foreign && strings.HasPrefix(name, "symlink") && c.entries[0].Link != "" {
					if err != nil || len(refused) != 0 {
						t.Fatal("a link that may be made was refused:", refused, err)
					}
				} else if slices.Sort(refused); err == nil && !slices.Equal(refused, c.refused) {
					t.Fatalf("refused %q, want %q", refused, c.refused)
				}
				if b, err := os.ReadFile(victim); err != nil || string(b) != "good" {
					t.Fatalf("the file outside changed: %q %v", b, err)
				}
				if list, err := os.ReadDir(outer); err != nil || len(list) != 2 {
					t.Fatalf("something new stands outside: %v %v", list, err)
				}
			}
		})
	}
}

func TestT38_ListingAndContentMustBeTheSame(t *testing.T) {
	good := func(e *record.Encoder, l *liar, n record.Entry, body string) {
		_ = e.Data(l.ids.ID(chunk.KindData, []byte(body)), record.Raw, len(body), []byte(body))
		_ = e.End(int64(len(body)))
	}
	for name, send := range map[string]func(e *record.Encoder, l *liar, n record.Entry, body string){
		"another chunk": func(e *record.Encoder, l *liar, n record.Entry, body string) {
			_ = e.Data(l.ids.ID(chunk.KindData, []byte(body)), record.Raw, len(body), []byte(strings.ToUpper(body)))
			_ = e.End(n.Size)
		},
		"another chunk with its own id": func(e *record.Encoder, l *liar, n record.Entry, body string) {
			good(e, l, n, strings.ToUpper(body))
		},
		"less":    func(e *record.Encoder, l *liar, n record.Entry, body string) { good(e, l, n, body[:len(body)-1]) },
		"more":    func(e *record.Encoder, l *liar, n record.Entry, body string) { good(e, l, n, body+body) },
		"nothing": func(e *record.Encoder, _ *liar, n record.Entry, _ string) { _ = e.End(n.Size) },
		"a hole":  func(e *record.Encoder, _ *liar, n record.Entry, _ string) { _ = e.Hole(n.Size); _ = e.End(n.Size) },
		"a chunk by id": func(e *record.Encoder, l *liar, n record.Entry, b string) {
			_ = e.Ref(l.ids.ID(chunk.KindData, []byte(b)), n.Size)
			_ = e.End(n.Size)
		},
		"no end": func(*record.Encoder, *liar, record.Entry, string) {},
		"not zstd": func(e *record.Encoder, l *liar, n record.Entry, b string) {
			_ = e.Data(l.ids.ID(chunk.KindData, []byte(b)), record.Zstd, len(b), []byte("x"))
			_ = e.End(n.Size)
		},
		"it is damaged": func(e *record.Encoder, _ *liar, _ record.Entry, _ string) {
			_ = e.Error("damaged: its stored content has rotted")
		},
		"a record of push": func(e *record.Encoder, _ *liar, _ record.Entry, _ string) { _ = e.Delete("file") },
	} {
		t.Run(name, func(t *testing.T) {
			l, c := newLiar(t)
			l.file("file", "the content")
			l.records = func(e *record.Encoder, n record.Entry, body string) { send(e, l, n, body) }
			outer := t.TempDir()
			refused, err := restore(t, c, outer, pull.Options{Patience: 1})
			if err == nil && len(refused) == 0 {
				t.Fatal("it was taken for restored")
			}
			list, err := os.ReadDir(filepath.Join(outer, "target"))
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range list {
				if d.Name() != ".holdfast-restore" {
					t.Errorf("left behind: %s", d.Name())
				}
			}
		})
	}
}

func TestT38_EntriesOutOfOrderEndTheRestore(t *testing.T) {
	l, c := newLiar(t)
	l.file("b", "x")
	l.file("a", "y")
	if _, err := restore(t, c, t.TempDir(), pull.Options{}); !errors.Is(err, pull.ErrStream) {
		t.Fatal(err)
	}
}

// T11, T51: the keys with which ids are computed are given to who may read that volume, and to nobody else; keys that
// open anything to nobody.
func TestT11_KeysAndPullsAreForReadersOfThatVolume(t *testing.T) {
	r := newRig(t)
	write(t, filepath.Join(t.TempDir(), "x"), nil)
	dir := t.TempDir()
	write(t, filepath.Join(dir, "secret"), []byte("of this tenant"))
	r.push(dir)
	stranger := r.Member(t, r.Tenant(t), authz.RoleOwner)
	snap, err := r.TakeSnapshot(t.Context(), r.owner.Caller, r.files.ID, wire.TakeSnapshot{})
	if err != nil {
		t.Fatal(err)
	}
	ask := func(c *client.Client, from client.Source) (keys, records error) {
		k, keys := c.ReadKeys(t.Context(), from)
		if keys != nil && len(k.Keys) != 0 {
			t.Error("a refusal with keys")
		}
		p, records := c.Pull(t.Context(), from, wire.Pull{})
		if records == nil {
			if b, err := io.ReadAll(p); err != nil || !bytes.Contains(b, []byte("of this tenant")) && len(b) < 100 {
				t.Error("an empty answer", err)
			}
			p.Close()
		}
		return keys, records
	}
	of := func(who []authz.Scope, volumes ...string) *client.Client {
		return client.New(r.server.URL, client.WithToken(r.Token(t, r.owner, volumes, who...).Credentials.Bearer))
	}
	for _, from := range []client.Source{{Volume: r.files.ID}, {Volume: r.files.Name}, {Snapshot: snap.ID}} {
		if k, p := ask(r.c, from); k != nil || p != nil {
			t.Error("its own reader is refused:", k, p)
		}
		for name, c := range map[string]*client.Client{
			"another tenant's":    r.client(stranger),
			"of another volume":   r.client(r.owner, r.stream.ID),
			"that only writes":    of([]authz.Scope{apitoken.VolumeWrite}),
			"that is none":        client.New(r.server.URL, client.WithToken("hft_nonsense")),
			"of nobody":           client.New(r.server.URL),
			"that takes, no more": of([]authz.Scope{apitoken.SnapshotCreate}),
		} {
			if k, p := ask(c, from); k == nil || p == nil {
				t.Errorf("a token %s reads %+v: keys %v, pull %v", name, from, k, p)
			}
		}
		// To a stranger it is as if there were nothing.
		k, _ := ask(r.client(stranger), from)
		n, _ := ask(r.client(stranger), client.Source{Volume: "nothing-of-the-kind"})
		if k == nil || n == nil || k.Error() != n.Error() {
			t.Errorf("a stranger can tell: %v, %v", k, n)
		}
	}
	keys, err := r.c.ReadKeys(t.Context(), client.Source{Volume: r.files.ID})
	if err != nil || len(keys.Keys) != 1 || len(keys.Keys[0].Identity) != 32 {
		t.Fatal(keys, err)
	}
	ring, err := r.Engine.OpenKeys(t.Context(), r.files.Tenant)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(keys.Keys[0].Identity, ring.Current().Encryption().Bytes()) || !bytes.Equal(keys.Keys[0].Identity, ring.Current().Client().Identity.Bytes()) {
		t.Error("that is not the id key")
	}
}
