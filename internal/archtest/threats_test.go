package archtest_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	testFunc  = regexp.MustCompile(`(?m)^func Test((?:[TI]\d+_)+)`)
	andThreat = regexp.MustCompile(`(?m)^func Test[A-Za-z0-9_]*And(T\d\d)_`)
	threat    = regexp.MustCompile(`T\d\d`)
	tableRow  = regexp.MustCompile(`(?m)^\| (T\d\d) \|.*\| ([^|]*) \|$`)
)

// TestThreatModelIsTrue holds docs/threat-model.md against the tests that exist:
// its last column names exactly the packages that have a test of the row's number.
func TestThreatModelIsTrue(t *testing.T) {
	have := map[string][]string{}
	err := filepath.WalkDir(root(t), func(path string, d os.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root(t), filepath.Dir(path))
		if err != nil {
			return err
		}
		pkg := "`" + filepath.ToSlash(rel) + "`"
		for _, re := range []*regexp.Regexp{testFunc, andThreat} {
			for _, m := range re.FindAllSubmatch(text, -1) {
				for _, n := range threat.FindAllString(string(m[1]), -1) {
					if !slices.Contains(have[n], pkg) {
						have[n] = append(have[n], pkg)
					}
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root(t), "docs", "threat-model.md"))
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]string{}
	for _, m := range tableRow.FindAllStringSubmatch(string(text), -1) {
		rows[m[1]] = m[2]
	}
	for i := 1; i <= 60; i++ {
		n := fmt.Sprintf("T%02d", i)
		want := "—"
		if len(have[n]) > 0 {
			slices.SortFunc(have[n], func(a, b string) int { return strings.Compare(strings.Trim(a, "`"), strings.Trim(b, "`")) })
			want = strings.Join(have[n], ", ")
		}
		if rows[n] != want {
			t.Errorf("docs/threat-model.md, row %s: the tests are in %s, the row says %s", n, want, rows[n])
		}
	}
}
