package cli

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"holdfast/server/app"
	"holdfast/server/config"
)

// settings are the flags of serve, by the name of the setting that each
// overrides. There is none for what may be destroyed: that stands in the charter
// alone (T24).
var settings = []struct{ flag, name, usage string }{
	{"dir", "dir", "data directory (default holdfast-data)"},
	{"listen", "listen", "address of the portal and the API (default localhost:8080)"},
	{"listen-console", "listen_console", "address of the staff console (default localhost:8081)"},
	{"portal-url", "portal_url", "origin under which people reach the portal (default http://localhost:PORT)"},
	{"console-url", "console_url", "origin under which staff reach the console"},
	{"rp-id", "rp_id", "domain that both origins end in, for passkeys (default: the portal's host)"},
	{"log-origin", "log_origin", "name of the transparency log (default: the portal's host and /log)"},
	{"site", "site", "name of the primary site (default primary)"},
	{"blob-dir", "blob_dir", "directory of the packs (default blobs below --dir)"},
	{"log-level", "log_level", "debug, info, warn or error (default info)"},
}

func (s *shell) serveCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "serve", Short: "Run the service: portal, console, API and jobs", Args: cobra.NoArgs,
		Long: "Run the service until it is told to stop. Settings come from flags, then from $HOLDFAST_… variables\n" +
			"(HOLDFAST_LISTEN for --listen), then from a TOML file. Databases and Redis may carry passwords, so their URLs\n" +
			"come from file or environment only: HOLDFAST_CONTROL_DSN, HOLDFAST_SITE_DSN (sqlite:PATH or postgres://…) and\n" +
			"HOLDFAST_REDIS_URL. Without them everything lives in the data directory.\n\n" +
			"No setting weakens what guards the copies: thresholds, delays, retention and caps stand in the charter, which\n" +
			"only a quorum changes.",
		Example: "  holdfast serve --dir /var/lib/holdfast\n  holdfast serve --config /etc/holdfast/holdfast.toml",
	}
	file := cmd.Flags().String("config", "", "TOML file with settings")
	for _, f := range settings {
		cmd.Flags().String(f.flag, "", f.usage)
	}
	proxies := cmd.Flags().StringSlice("trusted-proxy", nil, "network whose X-Forwarded-For is believed, such as 10.0.0.0/8 (default none)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		overrides := map[string]any{}
		for _, f := range settings {
			if flag := cmd.Flags().Lookup(f.flag); flag.Changed {
				overrides[f.name] = flag.Value.String()
			}
		}
		if cmd.Flags().Changed("trusted-proxy") {
			overrides["trusted_proxies"] = *proxies
		}
		cfg, err := config.Load(*file, os.Environ, overrides)
		if err != nil {
			return err
		}
		if err := s.logTo(cfg.WithDefaults().LogLevel); err != nil {
			return err
		}
		return app.Run(cmd.Context(), cfg, func(a app.Addresses) {
			// Whoever started the service reads where it is; nothing depends on it.
			_ = s.print(a, func(w io.Writer) {
				fmt.Fprintf(w, "Portal   %s\nConsole  %s\nHoldfast is ready. Stop it with Ctrl-C.\n", a.Portal, a.Console)
			})
		}, app.WithWorkers(s.tune()))
	}
	return cmd
}

// tune fits Go's runtime to a service that moves bytes, where the environment does
// not say otherwise, and answers how many goroutines may compute at the same time.
//
// What is alive is mostly buffers, which the collector passes over: to collect
// twice as often costs little and keeps the memory near what is in use. One
// processor more than may be busy with the data path is always free to take up a
// call of the API at once; the system then shares the real ones.
func (s *shell) tune() int {
	if s.Env("GOGC") == "" {
		debug.SetGCPercent(serveGarbage)
	}
	processors := runtime.GOMAXPROCS(0)
	if s.Env("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(processors + 1)
	}
	return processors
}

// serveGarbage is how much garbage may gather, in percent of what is alive.
const serveGarbage = 50

// logTo has the service log to standard error: text for people on a terminal,
// JSON for programs.
func (s *shell) logTo(level string) error {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return fmt.Errorf("%w: log_level is %q: write debug, info, warn or error", errUsage, level)
	}
	o := &slog.HandlerOptions{Level: l}
	if _, ok := terminal(s.Err); ok {
		slog.SetDefault(slog.New(slog.NewTextHandler(s.Err, o)))
	} else {
		slog.SetDefault(slog.New(slog.NewJSONHandler(s.Err, o)))
	}
	return nil
}
