package cli

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"holdfast/server/client"
	"holdfast/server/wire"
)

// What has changed in a volume, and what was deleted from it. With --json each page is one object.

func (s *shell) diffCommand() *cobra.Command {
	var at, snapshot string
	cmd := &cobra.Command{
		Use: "diff VOLUME [PREFIX]", Short: "List what differs from a snapshot, or from a moment, to now", Args: cobra.RangeArgs(1, 2),
		RunE: s.with(func(ctx context.Context, c *client.Client, args []string) error {
			prefix := ""
			if len(args) == 2 {
				prefix = args[1]
			}
			var moment time.Time
			var err error
			if (at == "") == (snapshot == "") {
				return fmt.Errorf("%w: say since when: --snapshot or --at", errUsage)
			}
			if at != "" {
				if moment, err = parseTime(at, now()); err != nil {
					return err
				}
			}
			return pages(func(cursor string) (string, error) {
				page, err := c.Differences(ctx, args[0], snapshot, moment, prefix, cursor)
				if err != nil {
					return "", err
				}
				return page.Next, s.print(page, func(w io.Writer) {
					for _, x := range page.Changes {
						fmt.Fprintf(w, "%-8s %s\n", x.Kind, plain(x.Path().Path))
					}
				})
			})
		}),
	}
	cmd.Flags().StringVar(&snapshot, "snapshot", "", "since this snapshot")
	cmd.Flags().StringVar(&at, "at", "", "since a moment of the undo window: a time, or a duration ago")
	return cmd
}

func (s *shell) deletedCommand() *cobra.Command {
	return &cobra.Command{
		Use: "deleted VOLUME", Short: "List what was deleted and can be brought back, newest first", Args: cobra.ExactArgs(1),
		RunE: s.with(func(ctx context.Context, c *client.Client, args []string) error {
			return pages(func(cursor string) (string, error) {
				page, err := c.Deletions(ctx, args[0], cursor)
				if err != nil {
					return "", err
				}
				return page.Next, s.print(page, func(w io.Writer) {
					for _, x := range page.Deletions {
						fmt.Fprintf(w, "%s  %s  (restore --at %s)\n", local(x.At), plain(x.Entry.Path), x.Before.UTC().Format(time.RFC3339Nano))
					}
				})
			})
		}),
	}
}

// pages calls next with the cursor that it answered before, until that is empty.
func pages(next func(cursor string) (string, error)) error {
	for cursor := ""; ; {
		after, err := next(cursor)
		if err != nil || after == "" {
			return err
		}
		cursor = after
	}
}

func showPreview(w io.Writer, p wire.KeepPreview) {
	line := func(name string, t wire.KeepTally) {
		fmt.Fprintf(w, "%-9s %s: keeps %d restore points, not %d (%s), %d do not count\n", name, plain(t.Rule), t.Kept, t.Unkept, size(t.UnkeptBytes), t.Uncounted)
	}
	line("in force", p.Now)
	if p.Next != nil {
		line("tried", *p.Next)
		effects := map[string]string{"same": "This is the rule in force.", "at-once": "It keeps at least as much: set it with --keep.",
			"request": "It keeps less: only a request shortens (holdfast request ask shorten-retention)."}
		fmt.Fprintln(w, effects[p.Effect])
	}
	for _, x := range p.Snapshots {
		fmt.Fprintf(w, "not kept  %s  %s  %s\n", x.Snapshot, local(x.TakenAt), plain(x.Name))
	}
	if p.NextFrom > 0 {
		fmt.Fprintf(w, "and %d more\n", p.Matching-p.NextFrom)
	}
}
