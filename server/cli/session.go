package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"holdfast/internal/durable"
	"holdfast/server/client"
	"holdfast/server/wire"
)

func (s *shell) loginCommand() *cobra.Command {
	var email string
	cmd := &cobra.Command{
		Use:   "login",
		Short: "Sign in with password and TOTP code, and keep the session",
		Long: "Sign in with password and TOTP code, and keep the session in a file that only you can read.\n" +
			"Without a terminal the password comes from $HOLDFAST_PASSWORD and the code from $HOLDFAST_CODE.\n" +
			"Programs use an API token in $HOLDFAST_TOKEN instead.",
		Args: cobra.NoArgs,
		RunE: s.with(func(ctx context.Context, c *client.Client, _ []string) error {
			if email == "" {
				var err error
				if email, err = s.ask("E-mail: ", "", false); err != nil {
					return err
				}
			}
			password, err := s.ask("Password: ", "HOLDFAST_PASSWORD", true)
			if err != nil {
				return err
			}
			session, err := c.SignIn(ctx, email, password)
			if err != nil {
				return err
			}
			if !session.Enrolled {
				return fmt.Errorf("%s has no second factor yet: enrol one at %s", email, s.base())
			}
			code, err := s.ask("TOTP code: ", "HOLDFAST_CODE", false)
			if err != nil {
				return err
			}
			if session, err = c.VerifyTOTP(ctx, code); err != nil {
				return err
			}
			return s.print(session, func(w io.Writer) {
				fmt.Fprintf(w, "Signed in as %s (%s) until %s.\n", session.Person.Name, session.Person.Role, local(session.ExpiresAt))
			})
		}),
	}
	cmd.Flags().StringVar(&email, "email", "", "e-mail address of the account")
	return cmd
}

func (s *shell) logoutCommand() *cobra.Command {
	return &cobra.Command{
		Use: "logout", Short: "End the session", Args: cobra.NoArgs,
		RunE: s.with(func(ctx context.Context, c *client.Client, _ []string) error { return c.SignOut(ctx) }),
	}
}

// Prove answers a step-up challenge with a TOTP code, after showing what it is for.
func (s *shell) Prove(_ context.Context, challenge wire.StepUpChallenge, _ func(context.Context) (wire.PasskeyOptions, error)) (wire.StepUp, error) {
	fmt.Fprintf(s.Err, "This needs your second factor for exactly the following:\n\n%s\n", indent(challenge.Text))
	code, err := s.ask("TOTP code: ", "HOLDFAST_CODE", false)
	if err != nil {
		return wire.StepUp{}, err
	}
	return wire.StepUp{Code: code}, nil
}

// ask reads a line from the terminal, hidden or not, or from a variable.
func (s *shell) ask(prompt, variable string, hidden bool) (string, error) {
	if variable != "" {
		if value := s.Env(variable); value != "" {
			return value, nil
		}
	}
	fd, ok := terminal(s.In)
	if !ok {
		if variable == "" {
			return "", fmt.Errorf("%w: no terminal to ask on: give it as a flag", errUsage)
		}
		return "", fmt.Errorf("%w: no terminal to ask on: set $%s", errUsage, variable)
	}
	fmt.Fprint(s.Err, prompt)
	if hidden {
		line, err := term.ReadPassword(fd)
		fmt.Fprintln(s.Err)
		return string(line), err
	}
	line, err := bufio.NewReader(s.In).ReadString('\n')
	if err != nil {
		return "", err
	}
	return strings.TrimSpace(line), nil
}

// sessionsFile holds the cookies of each service, readable by its owner only.
func (s *shell) sessionsFile() (string, error) {
	dir := s.Env("XDG_CONFIG_HOME")
	if dir == "" {
		home := s.Env("HOME")
		if home == "" {
			return "", fmt.Errorf("%w: neither XDG_CONFIG_HOME nor HOME is set: where should the session be kept?", errUsage)
		}
		dir = filepath.Join(home, ".config")
	}
	return filepath.Join(dir, "holdfast", "sessions.json"), nil
}

func (s *shell) loadSessions() (map[string]map[string]string, string, error) {
	path, err := s.sessionsFile()
	if err != nil {
		return nil, "", err
	}
	all := map[string]map[string]string{}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return all, path, nil
	}
	if err != nil {
		return nil, "", err
	}
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, "", fmt.Errorf("%s is damaged: delete it and sign in again", path)
	}
	return all, path, nil
}

func (s *shell) loadSession() (map[string]string, error) {
	all, _, err := s.loadSessions()
	return all[s.base()], err
}

func (s *shell) keepSession(cookies map[string]string) error {
	all, path, err := s.loadSessions()
	if err != nil {
		return err
	}
	if len(cookies) == 0 && len(all[s.base()]) == 0 {
		return nil
	}
	all[s.base()] = cookies
	text, err := json.Marshal(all)
	if err != nil {
		return err
	}
	if err := durable.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return durable.WriteFile(path, text, 0o600)
}
