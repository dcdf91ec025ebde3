package cli

import (
	"context"
	"fmt"
	"io"

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
	cmd.AddCommand(s.demoLogin(), s.demoCode(), s.demoDecision("approve"), s.demoDecision("deny"))
	return cmd
}

func demoDir(cmd *cobra.Command) *string {
	return cmd.Flags().String("dir", demo.DefaultDir, "directory of the running demonstration")
}

func (s *shell) demoLogin() *cobra.Command {
	cmd := &cobra.Command{Use: "login WHO", Short: "Sign in as somebody of the running demonstration, by first name or e-mail", Args: cobra.ExactArgs(1)}
	dir := demoDir(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		base, cookies, session, err := demo.SignIn(cmd.Context(), *dir, args[0])
		if err != nil {
			return err
		}
		if s.server == "" && s.Env("HOLDFAST_SERVER") == "" || s.base() != base {
			fmt.Fprintf(s.Err, "For this session use: export HOLDFAST_SERVER=%s\n", base)
		}
		s.server = base
		if err := s.keepSession(cookies); err != nil {
			return err
		}
		return s.print(session, func(w io.Writer) {
			fmt.Fprintf(w, "Signed in as %s (%s) at %s.\n", session.Person.Name, session.Person.Role, base)
		})
	}
	return cmd
}

func (s *shell) demoCode() *cobra.Command {
	cmd := &cobra.Command{Use: "code WHO", Short: "Print a fresh TOTP code of somebody of the demonstration", Args: cobra.ExactArgs(1)}
	dir := demoDir(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		code, err := demo.Code(cmd.Context(), *dir, args[0], func(format string, a ...any) { fmt.Fprintf(s.Err, format+"\n", a...) })
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(s.Out, code)
		return err
	}
	return cmd
}

func (s *shell) demoDecision(decision string) *cobra.Command {
	cmd := &cobra.Command{
		Use: decision + " WHO REQUEST", Short: "Let an approver of the demonstration " + decision + ", with a software passkey", Args: cobra.ExactArgs(2),
		Long: "Let an approver of the running demonstration " + decision + ", with the software passkey that the demonstration made for them:\n" +
			"no browser can reach it. It prints what was signed. It works on a demonstration's directory only, and only while\n" +
			"the charter in force says purpose demo.",
	}
	dir := demoDir(cmd)
	reason := cmd.Flags().String("reason", "as the tour says", "why")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		r, err := demo.Decide(cmd.Context(), *dir, args[0], args[1], decision, *reason)
		if err != nil {
			return err
		}
		return s.print(r, func(w io.Writer) {
			showSigned(w, r.Signed)
			showRequest(w, r.Request)
		})
	}
	return cmd
}

// showSigned prints the statement, and what the key has signed of it.
func showSigned(w io.Writer, s demo.Signed) {
	fmt.Fprintf(w, "%s has signed %s of exactly this:\n\n%s\n", plain(s.Approver), s.Decision, indent(plainText(s.Statement)))
	fmt.Fprintf(w, "fingerprint  %s\ndigest       %s\nnonce        %s\nchallenge    %s\nwith key     %s\nas page      %s\n\n",
		s.Fingerprint, s.Digest, s.Nonce, s.Challenge, plain(s.Key), plain(s.Origin))
}

// startDemo runs the service for a demonstration, which chooses no more than
// where it listens and keeps its state.
func startDemo(ctx context.Context, d demo.Setting, ready func(demo.Addresses)) error {
	return app.Run(ctx, config.Config{
		Dir: d.Dir, Listen: d.Listen, ListenConsole: d.ListenConsole,
		ControlDSN: d.ControlDSN, SiteDSN: d.SiteDSN, RedisURL: d.RedisURL,
	}, func(a app.Addresses) { ready(demo.Addresses(a)) }, app.WithGuide(d.Guide))
}
