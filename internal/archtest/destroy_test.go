package archtest_test

import (
	"fmt"
	"go/ast"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// sweepers are the packages that may destroy, and they only with a permit.
var sweepers = []string{"snapshots/sweep/internal/..."}

// mayRemove excuses uses, by file and name, whose removing or overwriting touches no copy, chunk,
// pack or key, each with what it touches instead.
var mayRemove = map[string]string{
	"internal/durable/durable.go Remove":     "its own temporary file",
	"internal/durable/durable.go Rename":     "publishes that file under its name",
	"snapshots/stream/untar/untar.go Remove": "temporary files of an extraction on the user's machine",
	"snapshots/stream/untar/untar.go Rename": "files of that extraction",
	"quorum/audit/source/export.go Rename":   "publishes the checkpoint of an exported log",
	"server/client/push/cache.go Remove":     "its own temporary file on the user's machine",
	"server/client/push/cache.go Rename":     "publishes that file, which is a cache",
	"server/client/pull/file.go Unlinkat":    "temporary files of a restore on the user's machine",
	"server/client/pull/file.go Renameat":    "publishes those files under their names",
	"server/client/pull/meta.go Unlinkat":    "temporary links of that restore",
	"server/client/pull/held.go Unlinkat":    "the name of a file that this restore has made for itself",
	"server/client/pull/mark.go Unlinkat":    "the mark of that restore, when it is finished",
	"server/demo/scenario.go RemoveAll":      "a scenario's scratch directory on the user's machine",
	"server/demo/guide.go Truncate":          "rounds a time to a step of a code",
	"server/control/terms.go Remove":         "the name of a field: approvers whom a proposed charter no longer has",
	"server/bench/scratch.go RemoveAll":      "the bench's scratch directory, and nothing outside it",
}

// destroying are names of functions and methods that take bytes away: by name,
// and in whatever package, so that no wrapper hides one.
var destroying = regexp.MustCompile(`^(Remove|RemoveAll|RemoveObjects?|RemoveObjectsWithResult|RemoveIncompleteUpload|RemoveBucket.*|DeleteObjects?|Unlink|Unlinkat|Rmdir|Rename|Renameat2?|Ftruncate|Truncate|Fallocate|O_TRUNC|SYS_UNLINK.*|SYS_RENAME.*|SYS_.*TRUNCATE.*)$`)

// overwriting are functions of package os that truncate what they find.
var overwriting = []string{"Create", "WriteFile"}

func removals(files []file) (found []string) {
	for _, f := range files {
		if within(f.pkg, sweepers) {
			continue
		}
		rounding := map[ast.Node]bool{}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				// time.Time.Truncate and time.Duration.Truncate round.
				if s, ok := n.Fun.(*ast.SelectorExpr); ok && s.Sel.Name == "Truncate" && len(n.Args) == 1 && ofTime(n.Args[0]) {
					rounding[s] = true
				}
			case *ast.SelectorExpr:
				x, _ := n.X.(*ast.Ident)
				bad := destroying.MatchString(n.Sel.Name) && !rounding[n]
				if x != nil && x.Name == "os" && slices.Contains(overwriting, n.Sel.Name) {
					bad = true
				}
				if bad {
					found = append(found, fmt.Sprintf("%s: uses %s", f.at(n), n.Sel.Name))
				}
			case *ast.Comment:
				if strings.HasPrefix(n.Text, "//go:linkname") {
					found = append(found, fmt.Sprintf("%s: goes round the language with go:linkname", f.at(n)))
				}
			}
			return true
		})
		for _, s := range f.ast.Imports {
			if s.Name != nil && s.Name.Name != "_" && (s.Path.Value == `"os"` || s.Path.Value == `"time"`) {
				found = append(found, fmt.Sprintf("%s: imports %s under another name", f.at(s), s.Path.Value))
			}
		}
	}
	return found
}

// ofTime reports whether an expression is made of constants of package time.
func ofTime(e ast.Expr) (ok bool) {
	ast.Inspect(e, func(n ast.Node) bool {
		if s, is := n.(*ast.SelectorExpr); is {
			if x, is := s.X.(*ast.Ident); is && x.Name == "time" {
				ok = true
			}
		}
		return true
	})
	return ok
}

// Tables whose rows stand for copies, bytes or keys. Of the second kind only
// deletion destroys: a version dies by an UPDATE and lives on in its snapshots.
var (
	guarded = `copies|chunks|edges|refs|packs|pack_ends|seals|proofs|snapshots|tenant_keys|keys`
	listed  = guarded + `|versions|commits|journal|volumes|condemned|tenants`

	deletes = regexp.MustCompile(`(?i)\b(DELETE\s+FROM|TRUNCATE(\s+TABLE)?|DROP\s+TABLE(\s+IF\s+EXISTS)?)\s+(ONLY\s+)?"?(\w+\.)?(` + listed + `)\b`)
	updates = regexp.MustCompile(`(?i)\b(UPDATE(\s+OR\s+\w+)?|REPLACE\s+INTO|INSERT\s+OR\s+REPLACE\s+INTO|MERGE\s+INTO|ALTER\s+TABLE)\s+(ONLY\s+)?"?(\w+\.)?(` + guarded + `)\b`)
	upserts = regexp.MustCompile(`(?is)\bINSERT\s+INTO\s+"?(` + guarded + `)\b.*\bDO\s+UPDATE\b`)
	// A table's name that is put together at run time cannot be checked.
	dynamic = regexp.MustCompile(`(?i)\b(DELETE\s+FROM|TRUNCATE\s+TABLE|DROP\s+TABLE)\s*(%|$|"?\s*\+)|\bUPDATE\s+%`)
	cascade = regexp.MustCompile(`(?i)\bON\s+(DELETE|UPDATE)\s+(CASCADE|SET\s+(NULL|DEFAULT))`)
)

// mayWrite excuses statements that touch a guarded table and destroy nothing:
// file, then a part of the statement.
var mayWrite = map[[2]string]string{
	{"snapshots/sqlstore/chunk.go", "INSERT INTO refs (tenant, id, frame_hash, refs) ON CONFLICT (tenant, id, frame_hash) DO UPDATE SET refs = refs.refs + excluded.refs"}:                                                                           "counts references up",
	{"snapshots/sqlstore/rebuild.go", "INSERT INTO refs (tenant, id, frame_hash, refs) ON CONFLICT (tenant, id, frame_hash) DO UPDATE SET refs = refs.refs + excluded.refs"}:                                                                         "counts references up, in a database that is being made",
	{"snapshots/sqlstore/chunk.go", "DELETE FROM condemned WHERE tenant = $1 AND id = $2 AND frame_hash = $3"}:                                                                                                                                       "resurrects a condemned chunk that is needed again",
	{"snapshots/sqlstore/migrations/0027_clustered.sql", "SELECT tenant, id, frame_hash, kind, pack, pos, length, plain_len, key_no FROM chunks ORDER BY tenant, id, frame_hash; DROP TABLE chunks; ALTER TABLE chunks_clustered RENAME TO chunks;"}: "the same rows in a table that lies on the disk in another way",
	{"snapshots/sqlstore/migrations/0027_clustered.sql", "SELECT tenant, id, frame_hash, refs FROM refs ORDER BY tenant, id, frame_hash; DROP TABLE refs; ALTER TABLE refs_clustered RENAME TO refs;"}:                                               "the same rows in a table that lies on the disk in another way",
}

func statement(where, path, text string) (found []string) {
	text = strings.TrimSpace(space.ReplaceAllString(text, " "))
	for pass := range 2 { // excuses are looked at only when something was found
		found = nil
		for what, re := range map[string]*regexp.Regexp{"deletes": deletes, "updates": updates, "updates on conflict": upserts, "writes a table named at run time": dynamic, "cascades": cascade} {
			if m := re.FindString(text); m != "" {
				found = append(found, fmt.Sprintf("%s: %s: %.80s", where, what, m))
			}
		}
		if len(found) == 0 || pass == 1 {
			return found
		}
		for excuse := range mayWrite {
			if excuse[0] == path {
				text = strings.ReplaceAll(text, excuse[1], "")
			}
		}
	}
	return found
}

func writes(files []file) (found []string) {
	for _, f := range files {
		if within(f.pkg, sweepers) {
			continue
		}
		// Each call with all its literals, for a statement may be given in parts;
		// and each declaration, for a statement may be a constant.
		ast.Inspect(f.ast, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				var args []string
				for _, a := range n.Args {
					if _, isFunc := a.(*ast.FuncLit); !isFunc {
						args = append(args, literal(a))
					}
				}
				found = append(found, statement(f.at(n), f.path, strings.Join(args, " "))...)
			case *ast.GenDecl, *ast.CompositeLit, *ast.AssignStmt, *ast.ReturnStmt:
				var direct []string
				ast.Inspect(n, func(m ast.Node) bool {
					switch m := m.(type) {
					case *ast.CallExpr, *ast.FuncLit:
						return false
					case *ast.BasicLit:
						direct = append(direct, literal(m))
					}
					return true
				})
				found = append(found, statement(f.at(n), f.path, strings.Join(direct, " "))...)
			}
			return true
		})
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// blobNames are what a method of a blob store must not be called.
var blobNames = regexp.MustCompile(`(?i)remove|delete|unlink|erase|truncate|purge|destroy|overwrite|replace|rename`)

func blobMethods(files []file) (found []string) {
	for _, f := range files {
		if !within(f.pkg, []string{"snapshots/blob/..."}) {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				if blobNames.MatchString(n.Name.Name) {
					found = append(found, fmt.Sprintf("%s: func %s", f.at(n), n.Name.Name))
				}
			case *ast.InterfaceType:
				for _, m := range n.Methods.List {
					for _, name := range m.Names {
						if blobNames.MatchString(name.Name) {
							found = append(found, fmt.Sprintf("%s: method %s", f.at(m), name.Name))
						}
					}
				}
			}
			return true
		})
	}
	return found
}

func TestI1_OnlySweepDestroys(t *testing.T) {
	files, sql := product(t)
	t.Run("files", func(t *testing.T) {
		report(t, "only snapshots/sweep/internal removes, truncates or replaces files and objects", allowed(removals(files), mayRemove))
		bites(t, removals, map[string]string{
			"snapshots/x.go":                   `import "os"; var f = os.Remove`,
			"snapshots/blob/fs/x.go":           `import "os"; func f(r *os.Root) { r.Remove("x") }`,
			"snapshots/x.go all":               `import "os"; func f() { os.RemoveAll("x") }`,
			"server/app/x.go":                  `import "os"; func f() { os.Truncate("x", 0) }`,
			"server/app/x.go file":             `import "os"; func f(x *os.File) { x.Truncate(0) }`,
			"server/app/x.go flag":             `import "os"; var x = os.O_TRUNC | os.O_RDWR`,
			"server/app/x.go create":           `import "os"; func f() { os.Create("x") }`,
			"server/app/x.go write":            `import "os"; func f() { os.WriteFile("x", nil, 0) }`,
			"server/app/x.go rename":           `import "os"; func f() { os.Rename("x", "y") }`,
			"server/app/x.go alias":            `import sys "os"; func f() { sys.Exit(1) }`,
			"quorum/x.go":                      `import "golang.org/x/sys/unix"; func f() { unix.Unlinkat(0, "x", 0) }`,
			"snapshots/sweep/x.go":             `import "os"; func f() { os.Remove("x") }`,
			"snapshots/blob/s3/x.go":           `func f(c interface{ RemoveObject(a string) }) { c.RemoveObject("x") }`,
			"ok snapshots/sweep/internal/x.go": `import "os"; func f() { os.Remove("x") }`,
			"ok authz/x.go":                    `import "time"; func f(t time.Time) time.Time { return t.Truncate(time.Microsecond) }`,
		})
	})
	t.Run("rows", func(t *testing.T) {
		found := writes(files)
		for path, text := range sql {
			up, _, _ := strings.Cut(text, "-- +goose Down")
			found = append(found, statement(path+":1", path, up)...)
		}
		report(t, "only snapshots/sweep/internal deletes or updates rows of copies, chunks, packs, edges and keys", found)
		bites(t, writes, map[string]string{
			"snapshots/sqlstore/x.go":          "func f(x func(string)) { x(`DELETE  FROM chunks WHERE id = $1`) }",
			"snapshots/sqlstore/x.go concat":   "func f(x func(string), w string) { x(`UPDATE copies ` + w) }",
			"snapshots/sqlstore/x.go const":    "const q = `update packs set size = 0`",
			"snapshots/sqlstore/x.go var":      "func f() string { q := `DELETE FROM refs`; return q }",
			"snapshots/sqlstore/x.go return":   "func f() string { return `DELETE FROM tenant_keys` }",
			"snapshots/sqlstore/x.go list":     "var q = []string{`DELETE FROM seals`}",
			"snapshots/sqlstore/x.go upsert":   "func f(x func(string)) { x(`INSERT INTO chunks (id) VALUES ($1) ON CONFLICT (id) DO UPDATE SET pack = $2`) }",
			"snapshots/sqlstore/x.go parts":    "func f(x func(a, b string)) { x(`INSERT INTO copies (id)`, `ON CONFLICT (id) DO UPDATE SET state = 1`) }",
			"snapshots/sqlstore/x.go dynamic":  "func f(x func(string), table string) { x(`DELETE FROM ` + table) }",
			"snapshots/sqlstore/x.go printf":   "func f(x func(a, b string)) { x(`UPDATE %s SET n = 0`, `chunks`) }",
			"server/control/x.go":              "func f(x func(string)) { x(`WITH a AS (SELECT 1) DELETE FROM snapshots`) }",
			"snapshots/sweep/x.go":             "func f(x func(string)) { x(`DELETE FROM chunks`) }",
			"quorum/sqlstore/x.go":             "func f(x func(string)) { x(`REPLACE INTO copies VALUES (1)`) }",
			"ok snapshots/sqlstore/x.go":       "func f(x func(string)) { x(`UPDATE versions SET died = $1`); x(`INSERT INTO chunks (id) VALUES ($1) ON CONFLICT (id) DO NOTHING`) }",
			"ok quorum/sqlstore/x.go":          "func f(x func(string)) { x(`UPDATE requests SET phase = $1`) }",
			"ok snapshots/sweep/internal/x.go": "func f(x func(string)) { x(`DELETE FROM chunks`) }",
		})
		for _, bad := range []string{"REFERENCES snapshots (id) ON DELETE CASCADE", "DROP TABLE copies;", "CREATE TRIGGER t AFTER INSERT ON pins BEGIN DELETE FROM chunks; END;"} {
			if len(statement("x.sql:1", "x.sql", bad)) == 0 {
				t.Errorf("%q in a migration is not found", bad)
			}
		}
	})
	t.Run("blobs", func(t *testing.T) {
		report(t, "blob.Store cannot take a blob away", blobMethods(files))
		bites(t, blobMethods, map[string]string{
			"snapshots/blob/x.go":    `type Store interface { Remove(name string) error }`,
			"snapshots/blob/fs/x.go": `type s struct{}; func (s) deleteAll() {}`,
			"ok snapshots/blob/x.go": `type Store interface { Create(name string) error }`,
		})
		if !slices.ContainsFunc(files, func(f file) bool { return f.pkg == "snapshots/blob" }) {
			t.Error("there is no snapshots/blob to look at")
		}
	})
}
