package archtest_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

var (
	gateLeaves = []string{"quorum/statement", "quorum/charter", "quorum/warrant", "quorum/audit", "quorum/clock", "quorum/internal/..."}
	dataLeaves = []string{"snapshots/chunk", "snapshots/frame", "snapshots/key", "snapshots/node", "snapshots/pack", "snapshots/stream", "snapshots/blob", "snapshots/keep"}
	plumbing   = []string{"internal/id", "internal/sqldb", "internal/durable"}
	// mechanisms know nothing of the domain that uses them.
	mechanisms = []string{"authz/password", "authz/totp", "authz/passkey", "authz/apitoken", "authz/ticket", "authz/throttle"}
)

func join(lists ...[]string) []string { return slices.Concat(lists...) }

// mayImport says what of this module a package may import, besides what lies in
// its own internal directory. The longest name that is the package or above it counts.
var mayImport = map[string][]string{
	"":                 {"server/cli"},
	"internal":         plumbing,
	"internal/id":      {},
	"internal/durable": {},
	"internal/sqldb":   {"internal/durable"},

	"authz":                 join([]string{"internal/id"}, mechanisms),
	"authz/session":         {"authz", "internal/id"},
	"authz/sqlstore":        {"authz/...", "internal/id", "internal/sqldb"},
	"authz/redisstore":      {"authz/..."},
	"authz/password":        {},
	"authz/totp":            {},
	"authz/passkey":         {},
	"authz/passkey/softkey": {"authz/passkey"},
	"authz/apitoken":        {},
	"authz/ticket":          {},
	"authz/throttle":        {},

	"quorum":              join([]string{"internal/id"}, gateLeaves),
	"quorum/statement":    {"quorum/internal/..."},
	"quorum/audit":        {"quorum/internal/..."},
	"quorum/audit/source": {"quorum/audit"},
	"quorum/clock":        {"quorum/internal/..."},
	"quorum/internal":     {},
	"quorum/charter":      gateLeaves,
	"quorum/warrant":      gateLeaves,
	"quorum/sqlstore":     join([]string{"quorum"}, gateLeaves, plumbing),

	"snapshots":          join(dataLeaves, plumbing),
	"snapshots/chunk":    {},
	"snapshots/frame":    dataLeaves,
	"snapshots/key":      dataLeaves,
	"snapshots/keep":     {},
	"snapshots/node":     dataLeaves,
	"snapshots/pack":     dataLeaves,
	"snapshots/stream":   dataLeaves,
	"snapshots/blob":     {"internal/durable"},
	"snapshots/blob/fs":  {"snapshots/blob", "internal/durable"},
	"snapshots/blob/s3":  {"snapshots/blob"},
	"snapshots/blob/mem": {"snapshots/blob"},
	"snapshots/scrub":    join([]string{"snapshots"}, dataLeaves, plumbing),
	"snapshots/rebuild":  join([]string{"snapshots", "snapshots/scrub"}, dataLeaves, plumbing),
	// The adapter gives scrub and rebuild the tables of their own, too.
	"snapshots/sqlstore": join([]string{"snapshots", "snapshots/scrub", "snapshots/rebuild"}, dataLeaves, plumbing),
	"snapshots/sweep":    join([]string{"snapshots"}, dataLeaves, gateLeaves, plumbing),
	"snapshots/site":     join([]string{"snapshots", "snapshots/sweep"}, dataLeaves, gateLeaves, plumbing),

	"server/wire":           {},
	"server/wire/record":    {},
	"server/config":         {},
	"server/client":         {"server/wire"},
	"server/client/archive": {"server/client", "server/wire"},
	// Clients of the record streams cut and name chunks themselves.
	"server/client/pull": {"server/client", "server/wire", "server/wire/record", "snapshots/chunk", "snapshots/stream", "internal/durable"},
	"server/client/push": {"server/client", "server/wire", "server/wire/record", "snapshots/chunk"},
	// Only control joins domains.
	"server/control": join([]string{"authz/...", "quorum/...", "snapshots/...", "server/wire"}, plumbing),
	"server/api":     {"authz", "server/control", "server/wire"},
	// The streaming handlers share how api knows its caller and answers problems.
	"server/transfer": {"authz", "snapshots", "snapshots/chunk", "snapshots/frame", "server/control", "server/wire", "server/wire/record", "server/api"},
	"server/jobs":     {"server/control", "quorum/clock"},
	// Pages know their caller as the API does.
	"web":        {"authz", "server/api", "server/control", "server/wire", "web/page", "web/view", "web/static"},
	"web/view":   {"server/wire", "web/static"},
	"web/static": {},
	"server/app": {"authz/...", "quorum/...", "snapshots/...", "server/...", "web/...", "internal/..."},
	// The command line verifies charters, logs and warrants as a stranger would.
	"server/cli": join([]string{"server/app", "server/client/...", "server/config", "server/demo", "server/wire", "quorum/audit/source", "internal/durable", "internal/id"}, gateLeaves),
	// The bench calls the service like a stranger, and measures the primitives alone.
	"server/bench": {"server/client", "server/wire", "authz/passkey/softkey", "snapshots/chunk", "snapshots/frame", "snapshots/key"},
	// Stories are tests; what they share with each other may stand outside a test file.
	"server/e2e":  {},
	"server/demo": join([]string{"server/client/...", "server/wire", "authz/passkey/softkey", "authz/totp", "snapshots/stream/untar", "internal/durable"}, gateLeaves),
}

// onlyIn says where a package of this module or a module of others may be
// imported; anywhere else it is an error, whatever mayImport says.
var onlyIn = map[string][]string{
	"holdfast/server/demo/...":             {"server/cli", "server/demo/..."},
	"holdfast/server/app/...":              {"server/cli", "server/app/..."},
	"holdfast/server/cli/...":              {"", "server/cli/..."},
	"holdfast/authz/redisstore/...":        {"server/app"},
	"holdfast/snapshots/blob/fs/...":       {"server/app"},
	"holdfast/snapshots/blob/s3/...":       {"server/app"},
	"holdfast/snapshots/blob/mem/...":      {},
	"holdfast/authz/passkey/softkey/...":   {"server/demo/...", "server/bench"},
	"holdfast/server/bench/...":            {},
	"github.com/labstack/echo/v4/...":      {"server/api/...", "server/transfer/...", "server/app", "web/..."},
	"github.com/danielgtaylor/huma/v2/...": {"server/api/..."},
	"github.com/redis/go-redis/v9/...":     {"authz/redisstore", "server/app"},
	"github.com/go-redis/redis_rate/...":   {"authz/redisstore"},
	"github.com/alicebob/miniredis/...":    {"server/app"},
	"github.com/jackc/pgx/v5/...":          {"internal/sqldb"},
	"modernc.org/sqlite/...":               {"internal/sqldb"},
	"github.com/pressly/goose/v3/...":      {"internal/sqldb"},
	"github.com/minio/minio-go/v7/...":     {"snapshots/blob/s3", "snapshots/sweep/internal/..."},
	"github.com/chromedp/...":              {},
	"github.com/spf13/cobra/...":           {"server/cli"},
	"testing/...":                          {},
	"C":                                    {}, // a binary without cgo
	"unsafe":                               {},
	"plugin":                               {},
}

// pure are the packages that anyone must be able to read in an evening: no I/O.
var (
	pure   = []string{"quorum", "quorum/statement", "quorum/charter", "quorum/warrant", "quorum/audit", "quorum/internal/...", "authz", "snapshots/chunk", "snapshots/node", "snapshots/frame"}
	impure = []string{"os/...", "net", "net/http/...", "syscall", "database/sql/...", "golang.org/x/sys/..."}
)

func imports(files []file) (found []string) {
	for _, f := range files {
		may, ok := ruleFor(f.pkg)
		if !ok {
			found = append(found, fmt.Sprintf("%s: no rule says what package %q may import", f.path, f.pkg))
			continue
		}
		for _, p := range f.imports() {
			if own, ok := strings.CutPrefix(p, module+"/"); ok {
				if !within(own, may) && !strings.HasPrefix(own, f.pkg+"/internal/") || forTests(own) {
					found = append(found, fmt.Sprintf("%s: imports %s", f.path, own))
				}
			}
			for what, where := range onlyIn {
				if within(p, []string{what}) && !within(f.pkg, where) {
					found = append(found, fmt.Sprintf("%s: imports %s, which is for %q only", f.path, p, where))
				}
			}
			if within(f.pkg, pure) && within(p, impure) {
				found = append(found, fmt.Sprintf("%s: imports %s, and %s is to be pure", f.path, p, f.pkg))
			}
		}
	}
	return found
}

func ruleFor(pkg string) ([]string, bool) {
	if pkg == "" {
		return mayImport[""], true
	}
	for p := pkg; p != ""; {
		if may, ok := mayImport[p]; ok {
			return may, true
		}
		i := strings.LastIndexByte(p, '/')
		if i < 0 {
			break
		}
		p = p[:i]
	}
	return nil, false
}

func TestImportsPointOneWay(t *testing.T) {
	files, _ := product(t)
	report(t, "design, the house: main → server/cli → server/app → edges → server/control → domains → leaves", imports(files))
	bites(t, imports, map[string]string{
		"main.go":                          `import _ "holdfast/server/app"`,
		"ok main.go":                       `import _ "holdfast/server/cli"`,
		"server/cli/x.go":                  `import _ "holdfast/server/control"`,
		"server/api/x.go":                  `import _ "holdfast/quorum"`,
		"server/api/x.go redis":            `import _ "github.com/redis/go-redis/v9"`,
		"ok server/api/x.go":               `import (_ "holdfast/server/control"; _ "github.com/labstack/echo/v4")`,
		"server/control/x.go":              `import _ "github.com/labstack/echo/v4/middleware"`,
		"server/control/x.go adapter":      `import _ "holdfast/authz/redisstore"`,
		"server/control/x.go up":           `import _ "holdfast/server/api"`,
		"server/control/x.go demo":         `import _ "holdfast/server/demo"`,
		"server/control/x.go cgo":          `import "C"`,
		"authz/x.go":                       `import _ "holdfast/quorum/statement"`,
		"authz/totp/x.go":                  `import _ "holdfast/authz"`,
		"authz/session/x.go":               `import _ "github.com/redis/go-redis/v9"`,
		"authz/sqlstore/x.go":              `import _ "github.com/jackc/pgx/v5"`,
		"quorum/x.go":                      `import _ "holdfast/authz"`,
		"quorum/x.go io":                   `import _ "database/sql"`,
		"quorum/statement/x.go":            `import _ "holdfast/quorum"`,
		"quorum/warrant/x.go":              `import _ "os"`,
		"quorum/sqlstore/x.go":             `import _ "holdfast/snapshots"`,
		"snapshots/x.go":                   `import _ "holdfast/quorum/warrant"`,
		"snapshots/x.go sweep":             `import _ "holdfast/snapshots/sweep"`,
		"snapshots/sweep/x.go":             `import _ "holdfast/quorum"`,
		"snapshots/blob/fs/x.go":           `import _ "holdfast/snapshots/pack"`,
		"ok snapshots/site/x.go":           `import (_ "holdfast/quorum/warrant"; _ "holdfast/snapshots/sweep")`,
		"ok snapshots/sweep/internal/x.go": `import _ "holdfast/quorum/warrant"`,
		"internal/id/x.go":                 `import _ "holdfast/internal/sqldb"`,
		"server/app/x.go":                  `import _ "holdfast/authz/authztest"`,
		"newdomain/x.go":                   ``,
		"web/portal/x.go":                  `import _ "holdfast/quorum/sqlstore"`,
	})
}
