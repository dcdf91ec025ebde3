package cli

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"holdfast/server/client"
	"holdfast/server/wire"
)

// What staff look at before they decide, at the keyboard.

func (s *shell) briefCommand() *cobra.Command {
	return &cobra.Command{
		Use: "brief REQUEST", Short: "Show who asked and how, what is worth a phone call, who may vote, what would remain (staff)", Args: cobra.ExactArgs(1),
		RunE: s.with(func(ctx context.Context, c *client.Client, args []string) error {
			b, err := c.Brief(ctx, args[0])
			if err != nil {
				return err
			}
			return s.print(b, func(w io.Writer) { showBrief(w, b) })
		}),
	}
}

func showBrief(w io.Writer, b wire.Brief) {
	fmt.Fprintf(w, "asked by     %s <%s>, %s, at %s with a %s\n", plain(b.Asked.By.Name), plain(b.Asked.Email), plain(b.Asked.Role), local(b.Asked.At), b.Asked.Factor)
	if b.Asked.Address != "" {
		fmt.Fprintf(w, "from         %s, %s\n", plain(b.Asked.Address), plain(b.Asked.Agent))
	}
	if b.Drafted != nil {
		fmt.Fprintf(w, "drafted by   %s (%s)\n", plain(b.Drafted.Name), b.Drafted.Kind)
	}
	for _, x := range b.Signals {
		fmt.Fprintf(w, "SIGNAL       %s\n", plain(x))
	}
	for _, e := range b.Electors {
		fmt.Fprintf(w, "elector      %s: %s", plain(e.Approver.Name), e.Standing)
		if e.Why != "" {
			fmt.Fprintf(w, " (%s)", plain(e.Why))
		}
		fmt.Fprintln(w)
	}
	for _, r := range b.Remains {
		fmt.Fprintf(w, "volume       %s: %d go, %d restore points remain of those listed\n", plain(r.Name), r.Going, r.Remaining)
		for _, p := range r.Points {
			fmt.Fprintf(w, "             %s  %s  %s\n", local(p.TakenAt), p.State, p.Snapshot)
		}
		if r.More {
			fmt.Fprintln(w, "             and older ones")
		}
	}
	showAccountChanges(w, b.Changes)
}

func showAccountChanges(w io.Writer, list []wire.AccountChange) {
	if len(list) == 0 {
		fmt.Fprintln(w, "No account was changed in the last 30 days.")
		return
	}
	table(w, "AT | WHOSE | WHAT | DETAIL | BY", func(row func(...any)) {
		for _, x := range list {
			row(local(x.At), plain(x.Person.Name), x.What, plain(x.Detail), plain(x.By.Name))
		}
	})
}

func (s *shell) accountChangesCommand() *cobra.Command {
	return &cobra.Command{
		Use: "changes [TENANT]", Short: "Show what happened to a tenant's accounts, or to the staff's, in the last 30 days (staff)", Args: cobra.MaximumNArgs(1),
		RunE: s.with(func(ctx context.Context, c *client.Client, args []string) error {
			list, err := c.AccountChanges(ctx, strings.Join(args, ""))
			if err != nil {
				return err
			}
			return s.print(list, func(w io.Writer) { showAccountChanges(w, list) })
		}),
	}
}

func (s *shell) approversCommand() *cobra.Command {
	return &cobra.Command{
		Use: "approvers", Short: "List whom the charter names, with keys, quarantine and suspensions (staff)", Args: cobra.NoArgs,
		RunE: s.with(func(ctx context.Context, c *client.Client, _ []string) error {
			list, err := c.Approvers(ctx)
			if err != nil {
				return err
			}
			return s.print(list, func(w io.Writer) {
				table(w, "PERSON | NAME | TEAM | KEYS | MAY APPROVE FROM | SUSPENDED", func(row func(...any)) {
					for _, a := range list {
						suspended := ""
						if a.Suspension != nil {
							suspended = "by " + plain(a.Suspension.By.Name)
						}
						row(a.Person.ID, plain(a.Person.Name), plain(a.Person.Team), len(a.Keys), local(a.UsableFrom), suspended)
					}
				})
			})
		}),
	}
}

func (s *shell) termsCommand() *cobra.Command {
	return &cobra.Command{
		Use: "terms", Short: "Show the rules of the charter in force as data; its text alone is what counts", Args: cobra.NoArgs,
		RunE: s.with(func(ctx context.Context, c *client.Client, _ []string) error {
			t, err := c.Terms(ctx)
			if err != nil {
				return err
			}
			return s.print(t, func(w io.Writer) {
				span := func(seconds float64) time.Duration { return time.Duration(seconds * float64(time.Second)) }
				fmt.Fprintf(w, "charter      %d, %d approvers in teams %s\nundo window  %s\nquarantine   %s\nkeep rules   set at once by: %s\n",
					t.Number, t.Approvers, plain(strings.Join(t.Teams, ", ")), span(t.Undo), span(t.Quarantine), t.KeepRules)
				table(w, "SITE | ROLE | APPROVALS | TEAMS | HARDWARE | COOLING | GRACE | TOTP", func(row func(...any)) {
					for _, x := range t.Sites {
						row(plain(x.Site), x.Role, x.Approvals, x.Teams, x.Hardware, span(x.Cooling), span(x.Grace), x.TOTP)
					}
				})
			})
		}),
	}
}

func (s *shell) composeCommand() *cobra.Command {
	var lines, admit map[string]string
	var dismiss []string
	cmd := &cobra.Command{
		Use: "compose", Short: "Write the text of a next charter; proposes nothing (charter propose does)", Args: cobra.NoArgs,
		RunE: s.with(func(ctx context.Context, c *client.Client, _ []string) error {
			in := wire.ComposeCharter{Lines: lines, Remove: dismiss}
			for person, team := range admit {
				in.Add = append(in.Add, wire.GenesisApprover{Person: person, Team: team})
			}
			t, err := c.ComposeCharter(ctx, in)
			if err != nil {
				return err
			}
			return s.print(t, func(w io.Writer) {
				fmt.Fprint(w, t.Text)
				showChanges(s.Err, t.Changes)
			})
		}),
	}
	cmd.Flags().StringToStringVar(&lines, "line", nil, "a line that differs, as name=value, such as cooling=72h")
	cmd.Flags().StringToStringVar(&admit, "admit", nil, "an approver with all passkeys of now, as PERSON=TEAM")
	cmd.Flags().StringSliceVar(&dismiss, "dismiss", nil, "an approver who is one no longer")
	return cmd
}

func (s *shell) sitesCommand() *cobra.Command {
	return &cobra.Command{
		Use: "sites", Short: "Show how the sites stand: clocks, marks, alarms (staff)", Args: cobra.NoArgs,
		RunE: s.with(func(ctx context.Context, c *client.Client, _ []string) error {
			list, err := c.Sites(ctx)
			if err != nil {
				return err
			}
			return s.print(list, func(w io.Writer) {
				for _, x := range list {
					fmt.Fprintf(w, "%s (%s)\n", plain(x.Name), plain(x.Role))
					if !x.Here {
						fmt.Fprintln(w, "  elsewhere: only the charter's line is known here")
						continue
					}
					fmt.Fprintf(w, "  charter %d, log read to %d, %d warrants spent\n", x.Charter, x.LogSize, x.Spent)
					if x.Suspended != "" {
						fmt.Fprintf(w, "  NOTHING IS DESTROYED NOW: %s\n", plain(x.Suspended))
					}
					if x.Clock != nil {
						agree := "agree"
						if !x.Clock.Agree {
							agree = "DO NOT AGREE"
						}
						fmt.Fprintf(w, "  clocks %s: %s, outside clocks %d of %d needed\n", agree, local(x.Clock.Wall), len(x.Clock.Outside), x.Clock.Needed)
					}
					for _, a := range x.Alarms {
						fmt.Fprintf(w, "  alarm: entry %d of the log\n", a.Index)
					}
				}
			})
		}),
	}
}
