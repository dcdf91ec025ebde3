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

// retentionCommand shows what is kept of a volume and lengthens it. Shortening is
// refused by the service, with the words for the request.
func (s *shell) retentionCommand() *cobra.Command {
	var rule, undo, try string
	cmd := &cobra.Command{
		Use: "retention VOLUME", Short: "Show what is kept of a volume, or keep more of it (--keep, --window); --try a rule first", Args: cobra.ExactArgs(1),
		RunE: s.with(func(ctx context.Context, c *client.Client, args []string) error {
			var r wire.Retention
			var err error
			if tried := strings.TrimSpace(try); tried != "" {
				if rule != "" || undo != "" {
					return fmt.Errorf("%w: --try sets nothing, and goes with neither --keep nor --window", errUsage)
				}
				if !strings.HasPrefix(tried, "keep ") {
					tried = "keep " + tried
				}
				p, err := c.PreviewRetention(ctx, args[0], tried, "unkept", 0)
				if err != nil {
					return err
				}
				return s.print(p, func(w io.Writer) { showPreview(w, p) })
			}
			if rule == "" && undo == "" {
				r, err = c.Retention(ctx, args[0])
			} else {
				if rule != "" && !strings.HasPrefix(rule, "keep ") {
					rule = "keep " + rule
				}
				r, err = c.SetRetention(ctx, args[0], wire.SetRetention{Rule: rule, Undo: undo})
			}
			if err != nil {
				return err
			}
			return s.print(r, func(w io.Writer) { showRetention(w, r) })
		}),
	}
	cmd.Flags().StringVar(&rule, "keep", "", `keep rule: "last 10, daily 14, weekly 8, monthly 12, yearly 5", or "all"`)
	cmd.Flags().StringVar(&try, "try", "", "say what a keep rule would keep and what not, and set nothing")
	cmd.Flags().StringVar(&undo, "window", "", "undo window, such as 30d")
	return cmd
}

func showRetention(w io.Writer, r wire.Retention) {
	fmt.Fprintf(w, "volume       %s\nkeep rule    %s", r.Volume, plain(r.Rule))
	if r.RuleSetAt != nil {
		fmt.Fprintf(w, " (set %s by %s)", local(*r.RuleSetAt), plain(r.RuleBy))
	}
	fmt.Fprintf(w, "\nundo window  %s", time.Duration(r.UndoSeconds)*time.Second)
	if r.UndoSetAt != nil {
		fmt.Fprintf(w, " (own: %s, set %s by %s)", time.Duration(r.OwnUndoSeconds)*time.Second, local(*r.UndoSetAt), plain(r.UndoBy))
	}
	fmt.Fprintln(w)
}
