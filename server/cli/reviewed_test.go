package cli_test

import (
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"holdfast/server/cli"
	"holdfast/server/config"
)

// reviewed is every command that there is. Who adds one says here why it cannot
// destroy a copy (T49): "reads", "adds", "stops" (strengthens), "asks" (the gate
// decides), "primary" (deletes primary data only, which stays in the undo window
// and in snapshots), "local" (touches only the caller's own files), "runs".
var reviewed = map[string]string{
	"serve": "runs", "demo": "runs",
	// A demonstration's own people, with their own factors, through the same API.
	"demo login": "local", "demo code": "local", "demo approve": "asks", "demo deny": "stops",
	// A ticket opens no account that has a factor; trusted clocks credit no time.
	"tenant create": "adds", "staff invite": "adds", "staff reissue": "adds", "clock trust": "runs",
	// Reading changes no byte; a rebuild makes a new database and never writes over one, and adopting it lets go on what
	// a quorum decides, with every older warrant spent.
	"scrub": "reads", "rebuild": "adds", "rebuild adopt": "runs",
	"login": "local", "logout": "local",
	// What would keep less is refused by the service: it is a request.
	"volume retention": "adds",
	"volume create":    "adds", "volume list": "reads", "volume delete": "primary",
	"push": "primary", "ls": "reads", "cat": "reads", "rm": "primary",
	"snapshot take": "adds", "snapshot list": "reads", "snapshot show": "reads", "snapshot delete": "asks",
	"restore":      "primary",
	"token create": "adds", "token list": "reads", "token revoke": "stops",
	"request delete": "asks", "request ask": "asks", "request confirm": "asks", "request list": "reads", "request show": "reads",
	"request brief": "reads", "staff changes": "reads", "charter approvers": "reads", "charter terms": "reads", "charter compose": "reads", "sites": "reads",
	"diff": "reads", "deleted": "reads", "bring-back": "primary",
	"request statement": "reads", "request approve": "asks", "request deny": "stops", "request cancel": "stops", "request undo": "stops",
	"hold place": "stops", "hold list": "reads", "freeze now": "stops", "freeze list": "reads",
	"charter show": "reads", "charter propose": "asks", "charter ceremony": "asks", "charter recovery-key": "local",
	"log verify": "reads", "log export": "local", "log show": "reads", "log prove": "local",
	"warrant verify": "reads", "warrant fetch": "local",
}

func root() *cobra.Command {
	return cli.Root(cli.IO{In: strings.NewReader(""), Out: io.Discard, Err: io.Discard, Env: func(string) string { return "" }})
}

// walk visits every command that does something.
func walk(c *cobra.Command, visit func(path string, c *cobra.Command)) {
	for _, sub := range c.Commands() {
		if sub.Runnable() {
			visit(strings.TrimPrefix(sub.CommandPath(), "holdfast "), sub)
		}
		walk(sub, visit)
	}
}

// T49: a new command is not in the binary before somebody has said what it can
// destroy; none may say "copies".
func TestT49_EveryCommandIsReviewed(t *testing.T) {
	found := map[string]bool{}
	walk(root(), func(path string, c *cobra.Command) {
		found[path] = true
		switch reviewed[path] {
		case "reads", "adds", "stops", "asks", "primary", "local", "runs":
		default:
			t.Errorf("%q is not reviewed: can it destroy a copy?", path)
		}
		if c.Short == "" {
			t.Errorf("%q does not say what it does", path)
		}
	})
	for path := range reviewed {
		if !found[path] {
			t.Errorf("%q is reviewed but gone", path)
		}
	}
}

// T24: no flag of any command weakens a rule or leaves a check out.
func TestT24_NoFlagWeakensTheGate(t *testing.T) {
	forbidden := []string{"force", "yes", "skip", "unsafe", "insecure", "no-", "approvals", "threshold", "quorum", "teams", "cooling", "grace", "undo", "quarantine", "retention", "witnesses", "clocks", "caps", "totp", "bypass", "purge", "prune"}
	walk(root(), func(path string, c *cobra.Command) {
		c.Flags().VisitAll(func(f *pflag.Flag) {
			for _, word := range forbidden {
				if strings.HasPrefix(f.Name, word) {
					t.Errorf("%s --%s", path, f.Name)
				}
			}
			if f.Usage == "" {
				t.Errorf("%s --%s is not explained", path, f.Name)
			}
		})
	})
}

// T24: each flag of serve is a setting that config knows, and config refuses the rest.
func TestT24_ServeFlagsAreSettings(t *testing.T) {
	serve, _, err := root().Find([]string{"serve"})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	serve.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	for _, name := range names {
		if slices.Contains([]string{"config", "help", "json", "server"}, name) {
			continue
		}
		setting := strings.ReplaceAll(name, "-", "_")
		if setting == "trusted_proxy" {
			setting = "trusted_proxies"
		}
		if _, err := config.Load("", func() []string { return nil }, map[string]any{setting: "x"}); err != nil {
			t.Errorf("--%s: %v", name, err)
		}
	}
	// Secrets never come by argv, where every process of the host reads them.
	for _, name := range names {
		for _, word := range []string{"dsn", "redis", "password", "token", "secret"} {
			if strings.Contains(name, word) {
				t.Errorf("--%s would show a secret in the process list", name)
			}
		}
	}
}
