package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"filippo.io/age"
	"github.com/spf13/cobra"

	"holdfast/internal/durable"
	"holdfast/server/app"
	"holdfast/server/client"
	"holdfast/server/wire"
)

// operator runs f as the host's operator, whose secret lies in the data
// directory. It can make tenants, invite staff and propose the first charter;
// it reads no data and destroys nothing.
func (s *shell) operator(dir *string, f func(ctx context.Context, c *client.Client, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		secret, err := app.ReadOperator(*dir)
		if err != nil {
			return fmt.Errorf("%w (run this on the service's host, as its user, with --dir)", err)
		}
		return f(cmd.Context(), client.New(s.base(), client.WithToken(secret)), args)
	}
}

func dirFlag(cmd *cobra.Command) *string {
	return cmd.Flags().String("dir", "holdfast-data", "the service's data directory")
}

func (s *shell) tenantCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "tenant", Short: "Make tenants (on the service's host)"}
	create := &cobra.Command{Use: "create NAME", Short: "Make a tenant and invite its owner", Args: cobra.ExactArgs(1)}
	dir := dirFlag(create)
	name := create.Flags().String("owner-name", "", "the owner's name")
	email := create.Flags().String("owner-email", "", "the owner's e-mail address")
	create.RunE = s.operator(dir, func(ctx context.Context, c *client.Client, args []string) error {
		if *name == "" || *email == "" {
			return errors.New(`a tenant begins with its first owner: say --owner-name "Full Name" and --owner-email name@example.org`)
		}
		t, err := c.CreateTenant(ctx, wire.CreateTenant{Name: args[0], OwnerName: *name, OwnerEmail: *email})
		if err != nil {
			return err
		}
		return s.print(t, func(w io.Writer) {
			fmt.Fprintf(w, "Made tenant %s (%s).\n", plain(t.Tenant.Name), t.Tenant.ID)
			s.invitation(w, t.Invitation)
		})
	})
	cmd.AddCommand(create)
	return cmd
}

func (s *shell) staffCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "staff", Short: "Invite support people (on the service's host), and see what happened to accounts"}
	invite := &cobra.Command{
		Use: "invite NAME EMAIL", Short: "Invite an approver or auditor; a vote comes only with a charter", Args: cobra.ExactArgs(2),
	}
	dir := dirFlag(invite)
	role := invite.Flags().String("role", "approver", "approver or auditor")
	invite.RunE = s.operator(dir, func(ctx context.Context, c *client.Client, args []string) error {
		i, err := c.InviteStaff(ctx, wire.Invite{Name: args[0], Email: args[1], Role: *role})
		if err != nil {
			return err
		}
		return s.print(i, func(w io.Writer) { s.invitation(w, i) })
	})
	reissue := &cobra.Command{
		Use: "reissue PERSON", Short: "Print a fresh ticket for who has not answered an invitation, or whose factors a quorum has reset", Args: cobra.ExactArgs(1),
	}
	where := dirFlag(reissue)
	reissue.RunE = s.operator(where, func(ctx context.Context, c *client.Client, args []string) error {
		i, err := c.ReissueEnrolment(ctx, args[0])
		if err != nil {
			return err
		}
		return s.print(i, func(w io.Writer) { s.invitation(w, i) })
	})
	cmd.AddCommand(s.accountChangesCommand(), invite, reissue)
	return cmd
}

func (s *shell) clockCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "clock", Short: "Look after a jump of the clocks (on the service's host)"}
	trust := &cobra.Command{
		Use: "trust", Short: "Say that somebody looked and the clocks are right again: timers go on, nothing is credited", Args: cobra.NoArgs,
	}
	dir := dirFlag(trust)
	trust.RunE = s.operator(dir, func(ctx context.Context, c *client.Client, _ []string) error {
		r, err := c.TrustClocks(ctx)
		if err != nil {
			return err
		}
		return s.print(r, func(w io.Writer) {
			fmt.Fprintf(w, "Destruction is no longer suspended; the timers of %d requests go on.\n", r.Requests)
		})
	})
	cmd.AddCommand(trust)
	return cmd
}

func (s *shell) invitation(w io.Writer, i wire.Invitation) {
	fmt.Fprintf(w, "Invited %s <%s> as %s (%s).\n", plain(i.Person.Name), plain(i.Person.Email), i.Person.Role, i.Person.ID)
	fmt.Fprintf(w, "Their invitation, valid once and until %s:\n  %s\n", local(i.ExpiresAt), i.Secret)
	where := "the console's address"
	if i.Person.Tenant != "" {
		where = strings.TrimSuffix(s.base(), "/")
	}
	fmt.Fprintf(w, "They answer it at %s/invitation, where they type it in.\n", where)
}

func (s *shell) charterCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "charter", Short: "Read the charter, hold the ceremony, propose a change"}
	show := &cobra.Command{
		Use: "show", Short: "Print the charter in force", Args: cobra.NoArgs,
	}
	number := show.Flags().Int64("number", 0, "an earlier charter")
	show.RunE = s.with(func(ctx context.Context, c *client.Client, _ []string) error {
		get := c.Charter
		if *number > 0 {
			get = func(ctx context.Context) (wire.Charter, error) { return c.CharterNumber(ctx, *number) }
		}
		t, err := get(ctx)
		if err != nil {
			return err
		}
		return s.print(t, func(w io.Writer) {
			fmt.Fprint(w, t.Text)
			showChanges(s.Err, t.Changes)
		})
	})
	propose := &cobra.Command{
		Use: "propose FILE", Short: "Ask the approvers for the next charter, whose whole text is in FILE", Args: cobra.ExactArgs(1),
	}
	reason := propose.Flags().String("reason", "", "why")
	propose.RunE = s.with(func(ctx context.Context, c *client.Client, args []string) error {
		text, err := os.ReadFile(args[0])
		if err != nil {
			return err
		}
		return s.askFor(ctx, c, wire.AskRequest{Action: "change-charter", Charter: string(text), Reason: *reason})
	})
	ceremony := &cobra.Command{
		Use: "ceremony FILE", Short: "Propose the first charter from FILE (JSON), on the service's host", Args: cobra.ExactArgs(1),
		Long: "Propose the first charter. FILE is JSON: purpose, approvers (person, team), recipients (the recovery keys' age\n" +
			"recipients) and lines that differ from the defaults. Every approver then signs it with every key that it names;\n" +
			"the last signature puts it in force.",
	}
	dir := dirFlag(ceremony)
	ceremony.RunE = s.operator(dir, func(ctx context.Context, c *client.Client, args []string) error {
		text, err := os.ReadFile(args[0])
		if err != nil {
			return err
		}
		var p wire.ProposeGenesis
		// A misspelt name must not found a charter with the default in its place.
		d := json.NewDecoder(bytes.NewReader(text))
		d.DisallowUnknownFields()
		if err := d.Decode(&p); err != nil {
			return fmt.Errorf("%s: %w", args[0], err)
		}
		if _, err := d.Token(); err != io.EOF {
			return fmt.Errorf("%s: more than one JSON value", args[0])
		}
		state, err := c.ProposeGenesis(ctx, p)
		if err != nil {
			return err
		}
		return s.print(state, func(w io.Writer) {
			fmt.Fprintf(w, "%s\nhash %s\nMissing signatures:\n", state.Text, state.Hash)
			for _, who := range state.Missing {
				fmt.Fprintf(w, "  %s (%s)\n", plain(who.Name), who.ID)
			}
		})
	})
	recovery := &cobra.Command{
		Use: "recovery-key FILE", Short: "Make a recovery key, offline: FILE gets the key, standard output its recipient", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if _, err := os.Lstat(args[0]); err == nil {
				return fmt.Errorf("%s exists: a recovery key is never overwritten", args[0])
			}
			identity, err := age.GenerateX25519Identity()
			if err != nil {
				return err
			}
			if err := durable.WriteFile(args[0], []byte("# Holdfast recovery key. Keep it offline, in two places.\n"+identity.String()+"\n"), 0o600); err != nil {
				return err
			}
			_, err = fmt.Fprintln(s.Out, identity.Recipient())
			return err
		},
	}
	cmd.AddCommand(s.approversCommand(), s.termsCommand(), s.composeCommand(), show, propose, ceremony, recovery)
	return cmd
}
