package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"holdfast/server/client"
	"holdfast/server/wire"
)

func (s *shell) requestCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "request", Short: "Ask for what nobody can do alone, decide, and follow"}
	var reason, site, byRule string
	deletion := &cobra.Command{
		Use: "delete SNAPSHOT...", Short: "Ask for the deletion of snapshots' copies, or with --by-rule of what a volume's keep rule does not keep",
		Args: func(_ *cobra.Command, args []string) error {
			if (len(args) == 0) == (byRule == "") {
				return errors.New("name snapshots, or with --by-rule a volume")
			}
			return nil
		},
		RunE: s.with(func(ctx context.Context, c *client.Client, args []string) error {
			ask := wire.AskRequest{Action: "delete-copies", ByRule: byRule, Reason: reason}
			for _, snapshot := range args {
				ask.Copies = append(ask.Copies, wire.CopyRef{Snapshot: snapshot, Site: site})
			}
			return s.askFor(ctx, c, ask)
		}),
	}
	deletion.Flags().StringVar(&site, "site", "", "only the copies at this site")
	deletion.Flags().StringVar(&byRule, "by-rule", "", "the volume whose keep rule names the snapshots")
	var facts map[string]string
	var subject string
	action := &cobra.Command{
		Use: "ask ACTION", Short: "Ask for another gated action (release-hold, lift-freeze, shorten-retention, shorten-undo, close-tenant, …)", Args: cobra.ExactArgs(1),
		RunE: s.with(func(ctx context.Context, c *client.Client, args []string) error {
			return s.askFor(ctx, c, wire.AskRequest{Action: args[0], Subject: subject, Facts: facts, Reason: reason})
		}),
	}
	action.Flags().StringVar(&subject, "subject", "", "whom or what it is about: a hold, freeze, person, volume, key, site")
	action.Flags().StringToStringVar(&facts, "fact", nil, "what it asks for, as name=value")
	for _, c := range []*cobra.Command{deletion, action} {
		c.Flags().StringVar(&reason, "reason", "", "why; everyone who decides reads it")
		if err := c.MarkFlagRequired("reason"); err != nil {
			panic(err) // the flag is defined above
		}
	}
	confirm := &cobra.Command{
		Use: "confirm REQUEST", Short: "Open a draft, for example one that a token made, with your second factor", Args: cobra.ExactArgs(1),
		RunE: s.with(func(ctx context.Context, c *client.Client, args []string) error {
			r, err := c.ConfirmRequest(ctx, args[0])
			if err != nil {
				return err
			}
			return s.print(r, func(w io.Writer) { showRequest(w, r) })
		}),
	}
	var state string
	list := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List requests, most urgent first", Args: cobra.NoArgs,
		RunE: s.with(func(ctx context.Context, c *client.Client, _ []string) error {
			requests, err := c.Requests(ctx, state)
			if err != nil {
				return err
			}
			return s.print(requests, func(w io.Writer) {
				if len(requests) == 0 {
					fmt.Fprintln(w, "No requests.")
					return
				}
				table(w, "REQUEST | STATE | ACTION | VOTES | VOTE UNTIL | REASON", func(row func(...any)) {
					for _, r := range requests {
						row(r.ID, r.State, r.Action, fmt.Sprintf("%d/%d", r.Need.Got, r.Need.Approvals), local(r.VoteUntil), plain(r.Reason))
					}
				})
			})
		}),
	}
	list.Flags().StringVar(&state, "state", "", "only requests in this state")
	show := &cobra.Command{
		Use: "show REQUEST", Short: "Show a request: what would be gone, who decided, what is missing", Args: cobra.ExactArgs(1),
		RunE: s.with(func(ctx context.Context, c *client.Client, args []string) error {
			r, err := c.Request(ctx, args[0])
			if err != nil {
				return err
			}
			return s.print(r, func(w io.Writer) { showRequest(w, r) })
		}),
	}
	statement := &cobra.Command{
		Use: "statement REQUEST", Short: "Print the whole statement, exactly as it is signed", Args: cobra.ExactArgs(1),
		RunE: s.with(func(ctx context.Context, c *client.Client, args []string) error {
			text, err := c.Statement(ctx, args[0])
			if err != nil {
				return err
			}
			_, err = io.WriteString(s.Out, text)
			return err
		}),
	}
	cmd.AddCommand(deletion, action, confirm, list, show, s.briefCommand(), statement,
		s.decision("approve", "Approve a request with a TOTP code, where the charter allows it"),
		s.decision("deny", "Deny a request"),
		s.stopRequest("cancel", "Stop a request", (*client.Client).CancelRequest),
		s.stopRequest("undo", "Bring back what a request has tombstoned", (*client.Client).UndoRequest))
	return cmd
}

// askFor drafts a request, shows what would be gone, and opens it with the
// caller's second factor; a token leaves a draft for a person to confirm.
func (s *shell) askFor(ctx context.Context, c *client.Client, ask wire.AskRequest) error {
	draft, err := c.Draft(ctx, ask)
	if err != nil {
		return err
	}
	if s.Env("HOLDFAST_TOKEN") != "" {
		return s.print(draft, func(w io.Writer) {
			showRequest(w, draft)
			fmt.Fprintf(w, "A token only drafts. A person opens it with: holdfast request confirm %s\n", draft.ID)
		})
	}
	if !s.asJSON {
		showImpact(s.Err, draft.Impact)
	}
	r, err := c.ConfirmRequest(ctx, draft.ID)
	if err != nil {
		return err
	}
	return s.print(r, func(w io.Writer) { showRequest(w, r) })
}

func (s *shell) decision(decision, short string) *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use: decision + " REQUEST", Short: short, Args: cobra.ExactArgs(1),
		RunE: s.with(func(ctx context.Context, c *client.Client, args []string) error {
			r, err := c.Request(ctx, args[0])
			if err != nil {
				return err
			}
			fmt.Fprintf(s.Err, "You are about to %s exactly this:\n\n%s\nFingerprint: %s\n", decision, indent(r.Statement), r.Fingerprint)
			code, err := s.ask("TOTP code: ", "HOLDFAST_CODE", false)
			if err != nil {
				return err
			}
			if r, err = c.CastVote(ctx, args[0], wire.CastVote{Decision: decision, Reason: reason, Code: code}); err != nil {
				return err
			}
			return s.print(r, func(w io.Writer) { showRequest(w, r) })
		}),
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why")
	return cmd
}

func (s *shell) stopRequest(name, short string, call func(*client.Client, context.Context, string, string) (wire.Request, error)) *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use: name + " REQUEST", Short: short, Args: cobra.ExactArgs(1),
		RunE: s.with(func(ctx context.Context, c *client.Client, args []string) error {
			r, err := call(c, ctx, args[0], reason)
			if err != nil {
				return err
			}
			return s.print(r, func(w io.Writer) { showRequest(w, r) })
		}),
	}
	cmd.Flags().StringVar(&reason, "reason", name, "why")
	return cmd
}

func showRequest(w io.Writer, r wire.Request) {
	fmt.Fprintf(w, "request      %s\nstate        %s\naction       %s\nreason       %s\nasked by     %s %s\nvote until   %s\nfingerprint  %s\n",
		r.ID, r.State, r.Action, plain(r.Reason), plain(r.Requester.Name), r.Requester.Kind, local(r.VoteUntil), r.Fingerprint)
	fmt.Fprintf(w, "votes        %d of %d", r.Need.Got, r.Need.Approvals)
	if r.Need.Teams > 1 {
		fmt.Fprintf(w, ", from %d teams", r.Need.Teams)
	}
	if len(r.Need.Surcharges) > 0 {
		fmt.Fprintf(w, " (more because: %s)", strings.Join(r.Need.Surcharges, ", "))
	}
	fmt.Fprintln(w)
	for _, v := range r.Votes {
		fmt.Fprintf(w, "             %s %s, %s, %s", plain(v.Approver.Name), voted(v.Decision), v.Method, local(v.At))
		if !v.Counts {
			fmt.Fprintf(w, " (does not count: %s)", v.Why)
		}
		fmt.Fprintln(w)
	}
	if r.Timer != nil {
		fmt.Fprintf(w, "%-12s %.0f of %.0f seconds", r.Timer.Of, r.Timer.Accrued, r.Timer.Seconds)
		if r.Timer.Stopped != "" {
			fmt.Fprintf(w, " (stopped: %s)", r.Timer.Stopped)
		}
		fmt.Fprintln(w)
	}
	for _, b := range r.Blocked {
		fmt.Fprintf(w, "waiting      %s\n", b)
	}
	showImpact(w, r.Impact)
	showChanges(w, r.Changes)
}

// voted is a decision as what somebody did.
func voted(decision string) string {
	if decision == "deny" {
		return "denied"
	}
	return strings.TrimSuffix(decision, "d") + "d"
}

// showChanges prints in what a charter differs from the one before it.
func showChanges(w io.Writer, changes []wire.CharterChange) {
	value := func(s string) string {
		if s == "" {
			return "nothing"
		}
		return plain(s)
	}
	for _, x := range changes {
		note := ""
		if x.Weakens {
			note = "  (WEAKENS)"
		}
		fmt.Fprintf(w, "changes      %s: from %s to %s%s\n", plain(x.What), value(x.From), value(x.To), note)
	}
}

func showImpact(w io.Writer, i *wire.Impact) {
	if i == nil {
		return
	}
	fmt.Fprintf(w, "would go     %d copies, %d files, %s", i.Copies, i.Files, size(i.Bytes))
	if i.Frees > 0 {
		more := ""
		if i.FreesMore {
			more = "at least "
		}
		fmt.Fprintf(w, "; really freed: %s%s", more, size(i.Frees))
	}
	fmt.Fprintln(w)
	for _, v := range i.Volumes {
		left := "NOTHING"
		if v.NewestLeft != nil {
			left = local(*v.NewestLeft)
		}
		fmt.Fprintf(w, "             %s: %d copies; newest restore point left: %s\n", plain(v.Name), v.Copies, left)
		for _, last := range v.LastCopies {
			fmt.Fprintf(w, "             %s: this is its LAST copy\n", last)
		}
	}
}

func (s *shell) holdCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "hold", Short: "Keep something from deletion, at once"}
	var volume, snapshot, reason string
	place := &cobra.Command{
		Use: "place", Short: "Hold a snapshot, a volume, or the whole tenant", Args: cobra.NoArgs,
		RunE: s.with(func(ctx context.Context, c *client.Client, _ []string) error {
			h, err := c.PlaceHold(ctx, wire.PlaceHold{Volume: volume, Snapshot: snapshot, Reason: reason})
			if err != nil {
				return err
			}
			return s.print(h, func(w io.Writer) {
				fmt.Fprintf(w, "Placed hold %s. Releasing it takes a quorum: holdfast request ask release-hold --subject %s\n", h.ID, h.ID)
			})
		}),
	}
	place.Flags().StringVar(&volume, "volume", "", "hold this volume")
	place.Flags().StringVar(&snapshot, "snapshot", "", "hold this snapshot")
	place.Flags().StringVar(&reason, "reason", "", "why")
	list := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List holds", Args: cobra.NoArgs,
		RunE: s.with(func(ctx context.Context, c *client.Client, _ []string) error {
			holds, err := c.Holds(ctx)
			if err != nil {
				return err
			}
			return s.print(holds, func(w io.Writer) {
				table(w, "HOLD | ON | BY | SINCE | REASON", func(row func(...any)) {
					for _, h := range holds {
						on := h.Tenant
						if h.Volume != "" {
							on = h.Volume
						}
						row(h.ID, on, plain(h.By.Name), local(h.PlacedAt), plain(h.Reason))
					}
				})
			})
		}),
	}
	cmd.AddCommand(place, list)
	return cmd
}

func (s *shell) freezeCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "freeze", Short: "Stop everything destructive, at once"}
	var reason string
	var lockdown, everywhere bool
	now := &cobra.Command{
		Use: "now", Short: "Freeze your tenant; with --lockdown also end young sessions, tokens and factors", Args: cobra.NoArgs,
		RunE: s.with(func(ctx context.Context, c *client.Client, _ []string) error {
			f, err := c.Freeze(ctx, wire.PlaceFreeze{Lockdown: lockdown, Everywhere: everywhere, Reason: reason})
			if err != nil {
				return err
			}
			return s.print(f, func(w io.Writer) {
				fmt.Fprintf(w, "Frozen (%s). Lifting it takes a quorum: holdfast request ask lift-freeze --subject %s\n", f.ID, f.ID)
			})
		}),
	}
	now.Flags().StringVar(&reason, "reason", "", "why")
	now.Flags().BoolVar(&lockdown, "lockdown", false, "also revoke young sessions, tokens and factors (owners)")
	now.Flags().BoolVar(&everywhere, "everywhere", false, "the whole service (approvers)")
	list := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List freezes", Args: cobra.NoArgs,
		RunE: s.with(func(ctx context.Context, c *client.Client, _ []string) error {
			freezes, err := c.Freezes(ctx)
			if err != nil {
				return err
			}
			return s.print(freezes, func(w io.Writer) {
				table(w, "FREEZE | OF | BY | SINCE | REASON", func(row func(...any)) {
					for _, f := range freezes {
						of := f.Tenant
						if of == "" {
							of = "everything"
						}
						row(f.ID, of, plain(f.By.Name), local(f.At), plain(f.Reason))
					}
				})
			})
		}),
	}
	cmd.AddCommand(now, list)
	return cmd
}
