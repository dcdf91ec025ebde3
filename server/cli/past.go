package cli

import (
	"context"
	"errors"
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
	var acts bool
	cmd := &cobra.Command{
		Use: "deleted VOLUME", Short: "List what was deleted and can be brought back, newest first", Args: cobra.ExactArgs(1),
		RunE: s.with(func(ctx context.Context, c *client.Client, args []string) error {
			if acts {
				return s.listActs(ctx, c, args[0])
			}
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
	cmd.Flags().BoolVar(&acts, "acts", false, "as acts: what was deleted within a minute of each other is one")
	return cmd
}

func (s *shell) listActs(ctx context.Context, c *client.Client, volume string) error {
	return pages(func(cursor string) (string, error) {
		page, err := c.Acts(ctx, volume, cursor)
		if err != nil {
			return "", err
		}
		return page.Next, s.print(page, func(w io.Writer) {
			for _, a := range page.Acts {
				least := "at least "
				if a.Whole() {
					least = ""
				}
				fmt.Fprintf(w, "%s  %s%d files, %d folders, %s  (bring-back --act %s)\n", local(a.Until), least, a.Files, a.Folders, size(a.Bytes), a.Until.UTC().Format(time.RFC3339Nano))
				for _, p := range a.Parts {
					fmt.Fprintf(w, "    %s\n", plain(p.Entry.Path))
				}
				if a.MoreParts > 0 {
					fmt.Fprintf(w, "    and %d more\n", a.MoreParts)
				}
			}
		})
	})
}

func (s *shell) bringBackCommand() *cobra.Command {
	var until string
	cmd := &cobra.Command{
		Use: "bring-back VOLUME [PATH]", Short: "Bring back what was deleted last; overwrites nothing", Args: cobra.RangeArgs(1, 2),
		Long: "Bring back what one act of deletion deleted, the newest one unless --act names another, or what of it lies below\n" +
			"PATH. The act stands in holdfast deleted VOLUME --acts. What somebody has put there since stays as it is.",
		Example: "  holdfast deleted documents --acts\n  holdfast bring-back documents\n  holdfast bring-back documents photos/2026/",
		RunE: s.with(func(ctx context.Context, c *client.Client, args []string) error {
			ask, err := findAct(ctx, c, args[0], until)
			if err != nil {
				return err
			}
			if len(args) == 2 {
				ask.Prefix = args[1]
			}
			sum, err := c.BringBack(ctx, args[0], ask, func(b wire.Brought) {
				if !s.asJSON {
					fmt.Fprintf(s.Err, "%d files so far\n", b.Files)
				}
			})
			if err != nil {
				return fmt.Errorf("%w (%d files are back; the same command goes on)", err, sum.Files)
			}
			return s.print(sum, func(w io.Writer) {
				fmt.Fprintf(w, "Brought back %d files and %d folders, %s.\n", sum.Files, sum.Folders, size(sum.Bytes))
				if sum.Differ > 0 {
					fmt.Fprintf(w, "%d paths have something else now, and stay as they are.\n", sum.Differ)
				}
			})
		}),
	}
	cmd.Flags().StringVar(&until, "act", "", "the act that ended at this moment, as deleted --acts shows it")
	return cmd
}

// findAct is the act that ended at a moment, or else the newest.
func findAct(ctx context.Context, c *client.Client, volume, until string) (ask wire.BringBack, err error) {
	var at time.Time
	if until != "" {
		if at, err = time.Parse(time.RFC3339Nano, until); err != nil {
			return ask, fmt.Errorf("%w: %q is no act's moment: holdfast deleted %s --acts shows them", errUsage, plain(until), plain(volume))
		}
	}
	found := false
	err = pages(func(cursor string) (string, error) {
		page, err := c.Acts(ctx, volume, cursor)
		if err != nil {
			return "", err
		}
		for _, a := range page.Acts {
			if at.IsZero() || a.Until.Equal(at) {
				ask, found = wire.BringBack{Until: a.Until, From: a.From}, true
				return "", nil
			}
		}
		return page.Next, nil
	})
	if err == nil && !found {
		err = errNothingDeleted
	}
	return ask, err
}

// errNothingDeleted is the answer where no act can be brought back.
var errNothingDeleted = errors.New("nothing that was deleted within the undo window is missing now; an older state is in a snapshot: holdfast snapshot list VOLUME")

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
