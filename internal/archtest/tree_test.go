package archtest_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "holdfast"

// file is one Go file of the product: not a test, not of a package for tests.
type file struct {
	path string // slashes, from the root
	pkg  string // its directory; "" is the root
	ast  *ast.File
	fset *token.FileSet
}

// imports are the paths that f imports.
func (f file) imports() []string {
	var all []string
	for _, s := range f.ast.Imports {
		p, err := strconv.Unquote(s.Path.Value)
		if err != nil {
			panic(err)
		}
		all = append(all, p)
	}
	return all
}

func (f file) at(n ast.Node) string {
	return fmt.Sprintf("%s:%d", f.path, f.fset.Position(n.Pos()).Line)
}

// forTests reports whether a package is for tests by its name: authztest,
// blobtest/fault and so on.
func forTests(pkg string) bool {
	return slices.ContainsFunc(strings.Split(pkg, "/"), func(s string) bool { return strings.HasSuffix(s, "test") || s == "testdata" })
}

func source(t testing.TB, name, text string) file {
	t.Helper()
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, name, text, parser.SkipObjectResolution|parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	pkg := path.Dir(name)
	if pkg == "." {
		pkg = ""
	}
	return file{path: name, pkg: pkg, ast: f, fset: fset}
}

// root is the directory with go.mod.
func root(t testing.TB) string {
	t.Helper()
	dir, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "go.mod")); err != nil {
		t.Fatal(err)
	}
	return dir
}

// product reads every Go file that can end in the program, whatever its build
// constraints, and every SQL file.
func product(t testing.TB) (files []file, sql map[string]string) {
	t.Helper()
	top := root(t)
	sql = map[string]string{}
	err := filepath.WalkDir(top, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(top, p)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if d.IsDir() {
			if rel != "." && (strings.HasPrefix(d.Name(), ".") || forTests(rel)) {
				return fs.SkipDir
			}
			return nil
		}
		isGo := strings.HasSuffix(rel, ".go") && !strings.HasSuffix(rel, "_test.go")
		if !isGo && !strings.HasSuffix(rel, ".sql") {
			return nil
		}
		text, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		if isGo {
			files = append(files, source(t, rel, string(text)))
		} else {
			sql[rel] = string(text)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 10 {
		t.Fatalf("only %d files under %s: is this the module?", len(files), top)
	}
	return files, sql
}

// within reports whether pkg is one of the trees: "a/b" means that package
// alone, "a/b/..." it and all below.
func within(pkg string, trees []string) bool {
	return slices.ContainsFunc(trees, func(tree string) bool {
		if base, ok := strings.CutSuffix(tree, "/..."); ok {
			return pkg == base || strings.HasPrefix(pkg, base+"/")
		}
		return pkg == tree
	})
}

// literal joins every string literal inside a node.
func literal(n ast.Node) string {
	var parts []string
	ast.Inspect(n, func(n ast.Node) bool {
		if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			if s, err := strconv.Unquote(lit.Value); err == nil {
				parts = append(parts, s)
			}
		}
		return true
	})
	return strings.Join(parts, " ")
}

// allowed takes findings away whose file and last word are listed ("a/b.go Remove"),
// and reports what is listed and not found any more: an exception goes with its
// reason.
func allowed(found []string, list map[string]string) (left []string) {
	used := map[string]bool{}
	for _, f := range found {
		name := f[:strings.IndexByte(f, ':')] + f[strings.LastIndexByte(f, ' '):]
		if _, ok := list[name]; ok {
			used[name] = true
			continue
		}
		left = append(left, f)
	}
	for name, why := range list {
		if !used[name] {
			left = append(left, name+": is excused ("+why+") and needs no excuse: take it off the list")
		}
	}
	slices.Sort(left)
	return left
}

func report(t *testing.T, rule string, found []string) {
	t.Helper()
	for _, f := range found {
		t.Errorf("%s\n\tthe rule: %s", f, rule)
	}
}

// bites shows that a rule finds what it is for: each text, placed at its path,
// gives a finding, or none when the path begins with "ok ".
func bites(t *testing.T, check func([]file) []string, texts map[string]string) {
	t.Helper()
	for name, text := range texts {
		name, fine := strings.CutPrefix(name, "ok ")
		if i := strings.IndexByte(name, ' '); i >= 0 { // a word to tell cases of one path apart
			name = name[:i]
		}
		found := check([]file{source(t, name, "package p\n"+text)})
		if (len(found) == 0) != fine {
			t.Errorf("%s with %q: found %q", name, text, found)
		}
	}
}

var space = regexp.MustCompile(`\s+`)
