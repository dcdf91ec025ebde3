package statement_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"holdfast/quorum/statement"
)

var (
	at    = time.Date(2026, 5, 4, 10, 30, 0, 0, time.UTC)
	write = flag.Bool("write", false, "write test vectors")
)

const vectors = "../../docs/spec/testdata"

func base(a statement.Action) statement.Statement {
	alice := statement.Party{Kind: statement.Member, ID: "per_alice", Name: "Alice Doe"}
	return statement.Statement{
		Action: a, Request: "req_1", Tenant: statement.Tenant{ID: "ten_1", Name: "Example Ltd"},
		Charter: statement.Charter{Number: 3, Hash: sha256.Sum256([]byte("charter"))},
		Reason:  "Customer asked, ticket 42", Requester: alice, OpenedBy: alice,
		OpenedAt: at, VoteUntil: at.Add(72 * time.Hour), ExecuteUntil: at.Add(30 * 24 * time.Hour),
	}
}

func deletion() statement.Statement {
	s := base(statement.DeleteCopies)
	s.Selection = statement.ByHand
	s.Volumes = []statement.Volume{
		{ID: "vol_a", Name: "home", NewestLeft: "snp_9", NewestLeftAt: at.Add(-time.Hour)},
		{ID: "vol_b", Name: "invoice\u202efdp.exe"},
	}
	s.Copies = []statement.Copy{
		{Site: "berlin", Volume: "vol_a", Snapshot: "snp_1", TakenAt: at.Add(-48*time.Hour + 5*time.Microsecond), Digest: sha256.Sum256([]byte("1")), Bytes: 1000, Files: 3, Last: statement.NotLast},
		{Site: "primary", Volume: "vol_a", Snapshot: "snp_1", TakenAt: at.Add(-48*time.Hour + 5*time.Microsecond), Digest: sha256.Sum256([]byte("1")), Bytes: 1000, Files: 3, Last: statement.LastCopy},
		{Site: "primary", Volume: "vol_b", Snapshot: "snp_2", TakenAt: at.Add(-24 * time.Hour), Digest: sha256.Sum256([]byte("2")), Bytes: 7, Files: 1, Last: statement.LastBoth},
	}
	return s
}

func other(a statement.Action) statement.Statement {
	s := base(a)
	sub := func(kinds ...string) {
		for i, k := range kinds {
			s.Subjects = append(s.Subjects, statement.Subject{Kind: k, ID: fmt.Sprintf("%s_%d", k, i), Name: "Name of " + k})
		}
	}
	staff := func() {
		s.Tenant = statement.Tenant{}
		s.Requester = statement.Party{Kind: statement.Staff, ID: "per_bob", Name: "Bob"}
		s.OpenedBy = s.Requester
	}
	h := sha256.Sum256([]byte("x"))
	switch a {
	case statement.ChangeCharter:
		staff()
		s.Facts = []statement.Fact{statement.NumberFact("next-number", 4), statement.DigestFact("next-hash", h)}
	case statement.ShortenUndo:
		sub("volume")
		s.Facts = []statement.Fact{statement.DurationFact("from", 14*24*time.Hour), statement.DurationFact("to", 36*time.Hour)}
	case statement.ShortenRetention:
		sub("volume")
		s.Facts = []statement.Fact{statement.TextFact("from", "daily 30"), statement.TextFact("to", "daily 7")}
	case statement.ReleaseHold:
		sub("hold")
		s.Facts = []statement.Fact{statement.TextFact("kind", "legal"), statement.TimeFact("placed-at", at)}
	case statement.LiftFreeze:
		sub("freeze")
		s.Facts = []statement.Fact{statement.TimeFact("placed-at", at)}
	case statement.ResetFactor:
		sub("person", "factor")
	case statement.CloseTenant:
		sub("tenant")
		s.Subjects[0].ID = s.Tenant.ID
		s.Facts = []statement.Fact{statement.NumberFact("volumes", 2), statement.NumberFact("copies", 0)}
	case statement.DestroyKey:
		sub("key")
		s.Facts = []statement.Fact{statement.DigestFact("commitment", h), statement.NumberFact("copies", 5)}
	case statement.DetachSite:
		staff()
		sub("site")
		s.Facts = []statement.Fact{statement.NumberFact("copies", 5), statement.NumberFact("bytes", 9)}
	case statement.EndSuspension:
		staff()
		sub("suspension", "person", "person")
		s.Facts = []statement.Fact{statement.TimeFact("since", at)}
	}
	return s
}

func sample(a statement.Action) statement.Statement {
	if a == statement.DeleteCopies {
		return deletion()
	}
	return other(a)
}

func TestI4_EveryActionHasAStatement(t *testing.T) {
	for _, a := range statement.Actions() {
		t.Run(string(a), func(t *testing.T) {
			s := sample(a)
			text, err := s.Render()
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(vectors, "statement-"+string(a)+".txt")
			if *write {
				if err := os.WriteFile(path, text, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(text, want) {
				t.Fatalf("differs from the vector:\n%s", text)
			}
			got, err := statement.Parse(want)
			if err != nil {
				t.Fatal(err)
			}
			if n := s.Normalise(); !reflect.DeepEqual(got, n) {
				t.Fatalf("parsed\n%+v\nwant\n%+v", got, n)
			}
		})
	}
}

// TestI3_OneChangedByte changes every byte of a text in several ways: none is a statement with the same digest, and what
// still parses says something else.
func TestI3_OneChangedByte(t *testing.T) {
	s := deletion()
	text, err := s.Render()
	if err != nil {
		t.Fatal(err)
	}
	want := s.Normalise()
	for i := range text {
		for _, b := range []byte{text[i] ^ 1, text[i] ^ 0x20, ' ', '\n', '0'} {
			if b == text[i] {
				continue
			}
			changed := bytes.Clone(text)
			changed[i] = b
			if statement.Text(changed).Digest() == text.Digest() {
				t.Fatal("same digest")
			}
			if got, err := statement.Parse(changed); err == nil && reflect.DeepEqual(got, want) {
				t.Fatalf("byte %d: two texts with one meaning", i)
			}
		}
	}
}

func TestI3_OneSpelling(t *testing.T) {
	s := deletion()
	text, err := s.Render()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range [][2]string{
		{"statement v1", "statement v2"}, {"statement v1", "statement  v1"}, {"\n", "\r\n"},
		{"charter 3", "charter 03"}, {"charter 3", "charter +3"}, {"copies 3", "copies 4"}, {"bytes 2007", "bytes 2008"},
		{"lines 3", "lines 2"}, {"\\u{202e}", "\\u{202E}"}, {"\\u{202e}", "\\u{0202e}"}, {"\\u{202e}", "\u202e"},
		{"\"home\"", "home"}, {"\"home\"", "\"ho\\u{6d}e\""}, {"10:30:00Z", "10:30:00.000000Z"}, {"10:30:00Z", "10:30:00+00:00"},
		{"reason ", "colour red\nreason "}, {"reason ", "reason  "}, {" last no", " last none"}, {" last no", " last no extra"},
		{"selection by-hand\n", ""}, {"selection by-hand", "selection by-hand twice"}, {"\n\ncopy", "\n\n\ncopy"},
		{"tenant ten_1", "tenant none"}, {"requester member", "requester token"},
	} {
		changed := strings.ReplaceAll(string(text), r[0], r[1])
		if changed == string(text) {
			t.Fatalf("%q is not in the text", r[0])
		}
		if _, err := statement.Parse([]byte(changed)); err == nil {
			t.Errorf("%q for %q accepted", r[1], r[0])
		}
	}
	for _, cut := range []int{0, 1, 10, len(text) - 1} {
		if _, err := statement.Parse(text[:cut]); err == nil {
			t.Errorf("first %d bytes accepted", cut)
		}
	}
	if _, err := statement.Parse(append(bytes.Clone(text), "copy\n"...)); err == nil {
		t.Error("a line more accepted")
	}
}

func TestT50_HostileNamesAreVisible(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{
			"\u202egnp.exe", "a\u200bb", "p\u0430ypal", "<b>x</b>", "\x1b[2J", "x\nfact approved yes", "\"", "\\u{41}", "\u2066\u2069", "\ufeff", "é", "e\u0301",
		})).Draw(t, "name")
		s := deletion()
		s.Volumes[0].Name, s.Reason, s.Tenant.Name, s.Requester.Name = name, name, name, name
		s.OpenedBy = s.Requester
		text, err := s.Render()
		if strings.TrimSpace(name) == "" || len(name) > statement.MaxName {
			if !errors.Is(err, statement.ErrInvalid) {
				t.Fatalf("empty or long name: %v", err)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range text {
			if b != '\n' && (b < 0x20 || b > 0x7e) {
				t.Fatalf("byte 0x%02x in the text", b)
			}
		}
		plain := deletion()
		plainText, _ := plain.Render()
		if bytes.Count(text, []byte{'\n'}) != bytes.Count(plainText, []byte{'\n'}) {
			t.Fatal("a name made a line")
		}
		got, err := statement.Parse(text)
		if err != nil || got.Volumes[0].Name != name || got.Reason != name {
			t.Fatalf("round trip: %v", err)
		}
	})
	s := deletion()
	s.Reason = "bad \xff utf-8"
	if _, err := s.Render(); !errors.Is(err, statement.ErrInvalid) {
		t.Fatalf("invalid UTF-8: %v", err)
	}
}

func TestI6_InvalidStatementsAreRefused(t *testing.T) {
	for name, spoil := range map[string]func(*statement.Statement){
		"no action":              func(s *statement.Statement) { s.Action = "" },
		"unknown action":         func(s *statement.Statement) { s.Action = "paint" },
		"no request":             func(s *statement.Statement) { s.Request = "" },
		"no tenant":              func(s *statement.Statement) { s.Tenant = statement.Tenant{} },
		"no charter":             func(s *statement.Statement) { s.Charter.Hash = [32]byte{} },
		"no reason":              func(s *statement.Statement) { s.Reason = " " },
		"token as requester":     func(s *statement.Statement) { s.Requester.Kind = statement.Token },
		"one id, two accounts":   func(s *statement.Statement) { s.OpenedBy.Name = "Somebody" },
		"vote before opening":    func(s *statement.Statement) { s.VoteUntil = s.OpenedAt },
		"execute before votes":   func(s *statement.Statement) { s.ExecuteUntil = s.VoteUntil },
		"votes without end":      func(s *statement.Statement) { s.VoteUntil = s.OpenedAt.Add(statement.MaxVoteWindow + 1) },
		"no selection":           func(s *statement.Statement) { s.Selection = "" },
		"by-rule without a rule": func(s *statement.Statement) { s.Selection = statement.ByRule },
		"no copies":              func(s *statement.Statement) { s.Copies = nil },
		"copy twice":             func(s *statement.Statement) { s.Copies = append(s.Copies, s.Copies[0]) },
		"foreign volume":         func(s *statement.Statement) { s.Copies[0].Volume = "vol_c" },
		"idle volume":            func(s *statement.Statement) { s.Volumes = append(s.Volumes, statement.Volume{ID: "vol_z", Name: "z"}) },
		"hidden last point":      func(s *statement.Statement) { s.Copies[2].Last = statement.LastCopy },
		"two digests":            func(s *statement.Statement) { s.Copies[0].Digest[0] ^= 1 },
		"facts on a deletion":    func(s *statement.Statement) { s.Facts = []statement.Fact{statement.TextFact("a", "b")} },
		"id with a space":        func(s *statement.Statement) { s.Copies[0].Site = "ber lin" },
		"sums overflow":          func(s *statement.Statement) { s.Copies[0].Bytes, s.Copies[1].Bytes = 1<<63-1, 1<<63-1 },
	} {
		s := deletion()
		spoil(&s)
		if _, err := s.Render(); !errors.Is(err, statement.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, a := range statement.Actions() {
		if a == statement.DeleteCopies || a == statement.ResetFactor {
			continue
		}
		s := other(a)
		s.Facts = s.Facts[1:]
		if _, err := s.Render(); !errors.Is(err, statement.ErrInvalid) {
			t.Errorf("%s without its first fact: %v", a, err)
		}
		s = other(a)
		s.Facts[0].Value = "\u202e"
		if _, err := s.Render(); err == nil && a != statement.ShortenRetention && a != statement.ReleaseHold {
			t.Errorf("%s with a fact of another type accepted", a)
		}
	}
}

func TestT58_ByHandIsSmall(t *testing.T) {
	many := func(n int) statement.Statement {
		s := deletion()
		s.Volumes, s.Copies = s.Volumes[:1], nil
		for i := range n {
			s.Copies = append(s.Copies, statement.Copy{Site: "primary", Volume: "vol_a", Snapshot: fmt.Sprintf("snp_%05d", i), TakenAt: at, Digest: sha256.Sum256([]byte{1}), Last: statement.NotLast})
		}
		return s
	}
	s := many(statement.MaxByHand)
	if _, err := s.Render(); err != nil {
		t.Fatal(err)
	}
	s = many(statement.MaxByHand + 1)
	if _, err := s.Render(); !errors.Is(err, statement.ErrInvalid) {
		t.Fatal(err)
	}
	s = many(statement.MaxByRule)
	s.Selection, s.Rule = statement.ByRule, &statement.KeepRule{ID: "kr_1", Leaf: sha256.Sum256(nil), Text: "daily 7"}
	text, err := s.Render()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := statement.Parse(text); err != nil || len(got.Copies) != statement.MaxByRule {
		t.Fatal(err)
	}
	if text.BodyLines() != statement.MaxByRule || len(text.Page(0, 1<<30)) != statement.PageLines || len(text.Page(statement.MaxByRule-3, 100)) != 3 || text.Page(-1, 5) != nil {
		t.Fatal("pages")
	}
	if !strings.Contains(text.Header(), "totals copies 10000 ") || strings.Contains(text.Header(), "\ncopy ") {
		t.Fatal("header")
	}
	s = many(statement.MaxByRule + 1)
	s.Selection, s.Rule = statement.ByRule, &statement.KeepRule{ID: "kr_1", Leaf: sha256.Sum256(nil), Text: "daily 7"}
	if _, err := s.Render(); !errors.Is(err, statement.ErrInvalid) {
		t.Fatal(err)
	}
}

func TestFingerprint(t *testing.T) {
	if got := statement.Fingerprint(sha256.Sum256(nil)); got != "4OYM-IQUY-7QOB-JGX3-6TEJ-S35Z-EQT2-4QPE" {
		t.Fatal(got)
	}
}

func FuzzParse(f *testing.F) {
	for _, a := range statement.Actions() {
		s := sample(a)
		text, err := s.Render()
		if err != nil {
			f.Fatal(err)
		}
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := statement.Parse(text)
		if err != nil {
			return
		}
		again, err := s.Render()
		if err != nil || !bytes.Equal(again, text) {
			t.Fatalf("accepted text renders otherwise: %v", err)
		}
	})
}
