package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"holdfast/server/client"
)

// Main runs the command line and returns the exit status: 0 for success, 1 for
// a failure, 2 for a call that makes no sense.
func Main() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return Run(ctx, os.Args[1:], IO{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Env: os.Getenv})
}

// IO is what a command reads from and writes to.
type IO struct {
	In  io.Reader
	Out io.Writer
	Err io.Writer
	Env func(string) string
}

// errUsage marks what exits with 2.
var errUsage = errors.New("usage")

// Run runs one command.
func Run(ctx context.Context, args []string, stdio IO) int {
	s := &shell{IO: stdio}
	root := s.root()
	root.SetArgs(args)
	root.SetIn(stdio.In)
	root.SetOut(stdio.Out)
	root.SetErr(stdio.Err)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	s.explain(err)
	if errors.Is(err, errUsage) {
		return 2
	}
	return 1
}

// shell is one call of the command line.
type shell struct {
	IO
	server string
	asJSON bool
}

func (s *shell) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "holdfast",
		Short:         "A backup control plane in which nobody can destroy a snapshot alone",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return fmt.Errorf("%w: %w", errUsage, err) })
	root.PersistentFlags().StringVar(&s.server, "server", "", "address of the service (default $HOLDFAST_SERVER, else http://localhost:8080)")
	root.PersistentFlags().BoolVar(&s.asJSON, "json", false, "print JSON for machines")
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddGroup(
		&cobra.Group{ID: "run", Title: "Run a service:"},
		&cobra.Group{ID: "data", Title: "Keep data:"},
		&cobra.Group{ID: "gate", Title: "Ask, decide, stop:"},
		&cobra.Group{ID: "proof", Title: "Check what others say:"},
	)
	group := func(id string, commands ...*cobra.Command) {
		for _, c := range commands {
			c.GroupID = id
			root.AddCommand(c)
		}
	}
	group("run", s.serveCommand(), s.demoCommand(), s.tenantCommand(), s.staffCommand(), s.clockCommand(), s.scrubCommand(), s.rebuildCommand())
	group("data", s.loginCommand(), s.logoutCommand(), s.volumeCommand(), s.pushCommand(), s.listCommand(), s.diffCommand(), s.deletedCommand(), s.bringBackCommand(), s.catCommand(), s.removeCommand(), s.snapshotCommand(), s.restoreCommand(), s.tokenCommand())
	group("gate", s.requestCommand(), s.holdCommand(), s.freezeCommand(), s.charterCommand(), s.sitesCommand())
	group("proof", s.logCommand(), s.warrantCommand())
	return root
}

// client returns a client of the service with whatever credentials there are: a
// token from the environment or the session that login kept.
func (s *shell) client() (*client.Client, error) {
	options := []client.Option{client.WithProver(s)}
	if token := s.Env("HOLDFAST_TOKEN"); token != "" {
		return client.New(s.base(), client.WithToken(token)), nil
	}
	kept, err := s.loadSession()
	if err != nil {
		return nil, err
	}
	return client.New(s.base(), append(options, client.WithCookies(kept))...), nil
}

func (s *shell) base() string {
	switch {
	case s.server != "":
		return s.server
	case s.Env("HOLDFAST_SERVER") != "":
		return s.Env("HOLDFAST_SERVER")
	}
	return "http://localhost:8080"
}

// with runs f with a client and keeps the session's cookies, which change with
// every rise of privilege.
func (s *shell) with(f func(ctx context.Context, c *client.Client, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		c, err := s.client()
		if err != nil {
			return err
		}
		err = f(cmd.Context(), c, args)
		if s.Env("HOLDFAST_TOKEN") == "" {
			err = errors.Join(err, s.keepSession(c.Cookies()))
		}
		return err
	}
}

// print writes value as JSON, or lets text say it for people.
func (s *shell) print(value any, text func(w io.Writer)) error {
	if s.asJSON {
		e := json.NewEncoder(s.Out)
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		return e.Encode(value)
	}
	text(s.Out)
	return nil
}

// explain writes an error for people, with what to do next, or as JSON.
func (s *shell) explain(err error) {
	var e *client.Error
	if errors.As(err, &e) {
		if s.asJSON {
			_ = json.NewEncoder(s.Err).Encode(e.Problem) // nowhere left to report to
			return
		}
		fmt.Fprintf(s.Err, "holdfast: %s\n", plainText(e.Title))
		if e.Detail != "" {
			fmt.Fprintf(s.Err, "  %s\n", plainText(e.Detail))
		}
		if e.Ask != nil {
			fmt.Fprintf(s.Err, "  Ask for it: %s\n", plainText(e.Ask.Example))
		}
		if e.Status == 401 && e.StepUp == nil {
			fmt.Fprintf(s.Err, "  Sign in with: holdfast login --server %s\n", s.base())
		}
		return
	}
	fmt.Fprintf(s.Err, "holdfast: %s\n", plainText(err.Error()))
}

func terminal(f any) (int, bool) {
	file, ok := f.(*os.File)
	if !ok {
		return 0, false
	}
	fd := int(file.Fd())
	return fd, term.IsTerminal(fd)
}
