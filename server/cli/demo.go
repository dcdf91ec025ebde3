package cli

import (
	"context"

	"github.com/spf13/cobra"

	"holdfast/server/app"
	"holdfast/server/config"
	"holdfast/server/demo"
)

func (s *shell) demoCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "demo", Short: "Run a seeded service to look at, with software authenticators and short delays", Args: cobra.NoArgs,
		Long: "Run a service that is filled with a tenant, support people, volumes and snapshots, and print how to sign in.\n" +
			"Its charter's purpose is demo: the delays are seconds long and every page says so. Never use it for real data.\n" +
			"Started again on the same directory it carries on.\n\n" +
			"With --scenario code-spaces it plays, unattended and in a temporary directory, what happened to Code Spaces in\n" +
			"2014 against the real service: a stolen member, a stolen token, a stolen support account. It ends with status 0\n" +
			"only if every attack was refused, everything could be restored byte for byte, and the one lawful deletion worked.",
		Example: "  holdfast demo\n  holdfast demo --scenario code-spaces --data ~/src\n  holdfast demo --scenario code-spaces --json",
	}
	o := demo.Options{Out: s.Out, Start: startDemo, Operator: app.ReadOperator}
	cmd.Flags().StringVar(&o.Dir, "dir", "", "data directory (default ./holdfast-demo; a temporary one for a scenario)")
	cmd.Flags().StringVar(&o.Listen, "listen", "", "address of the portal; port 0 picks one (default localhost:8080, any port for a scenario)")
	cmd.Flags().StringVar(&o.ListenConsole, "listen-console", "", "address of the console (default localhost:8081, any port for a scenario)")
	cmd.Flags().StringVar(&o.Data, "data", "", "directory to back up (default: the Go toolchain's sources, else the working directory)")
	cmd.Flags().StringVar(&o.Scenario, "scenario", "", "play this scenario and end: "+demo.CodeSpaces)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		o.JSON = s.asJSON
		o.ControlDSN, o.SiteDSN, o.RedisURL = s.Env("HOLDFAST_CONTROL_DSN"), s.Env("HOLDFAST_SITE_DSN"), s.Env("HOLDFAST_REDIS_URL")
		if err := s.logTo("error"); err != nil {
			return err
		}
		return demo.Run(cmd.Context(), o)
	}
	return cmd
}

// startDemo runs the service for a demonstration, which chooses no more than
// where it listens and keeps its state.
func startDemo(ctx context.Context, d demo.Setting, ready func(demo.Addresses)) error {
	return app.Run(ctx, config.Config{
		Dir: d.Dir, Listen: d.Listen, ListenConsole: d.ListenConsole,
		ControlDSN: d.ControlDSN, SiteDSN: d.SiteDSN, RedisURL: d.RedisURL,
	}, func(a app.Addresses) { ready(demo.Addresses(a)) })
}
