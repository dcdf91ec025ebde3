package archtest_test

import (
	"fmt"
	"go/ast"
	"testing"
)

// clockReaders are the packages that hand a clock to the others, and programs at
// the user's end.
var clockReaders = []string{"quorum/clock", "server/app", "server/cli", "server/demo/...", "server/bench"}

var mayReadClock = map[string]string{
	"server/jobs/jobs.go time.Now":   "measures how long a job took, on the monotonic clock, for a metric",
	"server/jobs/jobs.go time.Since": "measures how long a job took, on the monotonic clock, for a metric",
}

func clocks(files []file) (found []string) {
	for _, f := range files {
		if within(f.pkg, clockReaders) {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok {
				if x, ok := s.X.(*ast.Ident); ok && x.Name == "time" {
					switch s.Sel.Name {
					case "Now", "Since", "Until":
						found = append(found, fmt.Sprintf("%s: reads the clock by time.%s", f.at(n), s.Sel.Name))
					}
				}
			}
			return true
		})
	}
	return found
}

func TestOneClockInjected(t *testing.T) {
	files, _ := product(t)
	report(t, "one clock, injected: take Now func() time.Time or a clock.Clock", allowed(clocks(files), mayReadClock))
	bites(t, clocks, map[string]string{
		"quorum/x.go":          `import "time"; var x = time.Now()`,
		"snapshots/x.go":       `import "time"; var now = time.Now`,
		"authz/totp/x.go":      `import "time"; func f(t time.Time) time.Duration { return time.Since(t) }`,
		"ok quorum/clock/x.go": `import "time"; var x = time.Now()`,
		"ok authz/x.go":        `import "time"; var Now func() time.Time`,
	})
}
