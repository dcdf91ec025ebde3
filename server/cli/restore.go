package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"holdfast/server/client"
	"holdfast/server/client/pull"
	"holdfast/server/wire"
)

func (s *shell) restoreCommand() *cobra.Command {
	var at, prefix, into string
	var exact, merge bool
	var o pull.Options
	cmd := &cobra.Command{
		Use: "restore SNAPSHOT|VOLUME[@TIME] [DIR|FILE|-]", Short: "Bring a snapshot, or any moment of the undo window, back", Args: cobra.RangeArgs(1, 2),
		Long: "Bring files back into DIR, a stream into FILE or to standard output (-), or with --into either into a volume on\n" +
			"the server, where no byte is copied.\n\n" +
			"DIR must be new or empty unless --merge is given; with it files of the same names are replaced. What comes is\n" +
			"verified with the tenant's own key, and has a temporary name until it is whole. Interrupt it anywhere, run it again,\n" +
			"and it goes on. Nothing is ever written outside DIR: names with .., absolute names, links that lead out and devices\n" +
			"are refused and named. What no longer verifies is named too, and the rest comes back.\n" +
			"TIME is a time (2026-01-31T15:04:05Z, \"2026-01-31 15:04\") or how long ago (15m).",
		Example: "  holdfast restore snp_… ./back\n  holdfast restore documents@15m ./back\n  holdfast restore documents --at 15m --into documents\n" +
			"  holdfast restore dumps ./dumps.sql\n  holdfast restore tank@2h - | zfs receive tank/back",
	}
	cmd.Flags().StringVar(&at, "at", "", "a moment of the undo window: a time, or a duration ago")
	cmd.Flags().StringVar(&prefix, "prefix", "", "only what lies below this path")
	cmd.Flags().StringVar(&into, "into", "", "restore into this volume, on the server")
	cmd.Flags().BoolVar(&exact, "exact", false, "with --into: also delete what the restored point does not have")
	cmd.Flags().BoolVar(&o.Owner, "owner", os.Geteuid() == 0, "restore owners as well (needs privileges)")
	cmd.Flags().BoolVar(&o.ForeignLinks, "foreign-links", false, "make symbolic links that lead out of DIR, as they were; they are not followed")
	cmd.Flags().BoolVar(&merge, "merge", false, "restore into a directory that is not empty, or over a file")
	cmd.RunE = s.with(func(ctx context.Context, c *client.Client, args []string) error {
		name := args[0]
		if volume, moment, ok := strings.Cut(name, "@"); ok {
			if at != "" {
				return fmt.Errorf("%w: the moment is given twice: as @%s and as --at", errUsage, plain(moment))
			}
			name, at = volume, moment
		}
		from, err := source(name, at)
		if err != nil {
			return err
		}
		switch {
		case into != "" && len(args) == 2:
			return fmt.Errorf("%w: give either DIR or --into", errUsage)
		case into != "":
			return s.restoreInto(ctx, c, from, into, prefix, exact)
		case exact:
			return fmt.Errorf("%w: --exact goes with --into: a restore never deletes anything of yours", errUsage)
		case len(args) < 2:
			return fmt.Errorf("%w: say where to: a directory, a file for a stream, or --into VOLUME", errUsage)
		}
		o.Prefix, o.Merge = prefix, merge
		return s.restoreTo(ctx, c, from, args[1], o)
	})
	return cmd
}

// restored is what a restore into a directory or a file did.
type restored struct {
	Entries  int64    `json:"entries"`
	Bytes    int64    `json:"bytes"`
	Verified int64    `json:"verified_bytes"`
	Kept     int64    `json:"kept_entries,omitempty"`
	Refused  []string `json:"refused,omitempty"`
}

func (s *shell) restoreTo(ctx context.Context, c *client.Client, from client.Source, to string, o pull.Options) error {
	m, err := pull.Open(ctx, c, from)
	if err != nil {
		return err
	}
	var r restored
	o.Refused = func(e pull.EntryError) {
		if len(r.Refused) < maxRefused {
			r.Refused = append(r.Refused, plain(e.Path)+": "+plain(e.Err.Error()))
		}
	}
	bar := s.progress("Restoring")
	if p, ok := bar.(*progressbar.ProgressBar); ok {
		o.Progress = func(n int64) { _ = p.Add64(n) } // only the terminal's picture
		o.Total = p.ChangeMax64
	}
	var sum pull.Summary
	switch {
	case to == "-":
		sum, err = m.Copy(ctx, s.Out, o)
	case m.Kind == pull.KindStream:
		sum, err = m.File(ctx, to, o)
	default:
		sum, err = m.Tree(ctx, to, o)
	}
	finish(bar)
	r.Entries, r.Bytes, r.Verified, r.Kept = sum.Entries, sum.Bytes, sum.Verified, sum.Kept
	switch {
	case errors.Is(err, pull.ErrNotEmpty):
		return fmt.Errorf("%w: %s: %w: choose another directory, or --merge", errUsage, plain(to), err)
	case errors.Is(err, pull.ErrExists) && m.Kind == pull.KindStream:
		return fmt.Errorf("%w: %w: choose another name, or --merge to replace it", errUsage, err)
	case errors.Is(err, pull.ErrKind):
		return fmt.Errorf("%w: %w", errUsage, err)
	case errors.Is(err, pull.ErrDamaged):
		return fmt.Errorf("the restore is not complete: %w", err)
	case err != nil:
		return fmt.Errorf("the restore is not complete, run it again to go on: %w", err)
	}
	if to == "-" {
		if !s.asJSON { // standard output is the stream's
			fmt.Fprintf(s.Err, "Restored %s, all of it verified.\n", size(r.Bytes))
		}
		return nil
	}
	if err := s.print(r, func(w io.Writer) {
		fmt.Fprintf(w, "Restored %d entries, %s; verified %s.\n", r.Entries, size(r.Bytes), size(r.Verified))
		if r.Kept > 0 {
			fmt.Fprintf(w, "%d of them had come back before the interruption.\n", r.Kept)
		}
		for _, text := range r.Refused {
			fmt.Fprintf(w, "  refused %s\n", text)
		}
	}); err != nil {
		return err
	}
	if o.Prefix != "" && sum.Entries == 0 && sum.Refused == 0 {
		return nothingBelow(o.Prefix)
	}
	if sum.Refused > 0 {
		return fmt.Errorf("%d entries were not restored as they were; the first %d are named above", sum.Refused, len(r.Refused))
	}
	return nil
}

// restoring says on a terminal how far a restore on the server is.
func (s *shell) restoring(r wire.Restored) {
	if _, ok := terminal(s.Err); ok && !s.asJSON {
		fmt.Fprintf(s.Err, "\r%d entries brought back, %d as they should be", r.Files, r.Unchanged)
	}
}

func (s *shell) restoreInto(ctx context.Context, c *client.Client, from client.Source, into, prefix string, exact bool) error {
	in := wire.Restore{Snapshot: from.Snapshot, Prefix: prefix, Into: into, Exact: exact}
	volume := from.Volume
	if from.Snapshot != "" {
		x, err := c.Snapshot(ctx, from.Snapshot)
		if err != nil {
			return err
		}
		volume = x.Volume
	} else {
		if from.At.IsZero() {
			return fmt.Errorf("%w: say which moment: VOLUME@15m, --at TIME, or a snapshot", errUsage)
		}
		in.At = &from.At
	}
	r, err := c.Restore(ctx, volume, in, s.restoring)
	if _, ok := terminal(s.Err); ok && !s.asJSON {
		fmt.Fprintln(s.Err)
	}
	if err != nil {
		return err
	}
	if prefix != "" && r.Files+r.Unchanged+r.Deleted == 0 {
		return nothingBelow(prefix)
	}
	return s.print(r, func(w io.Writer) {
		fmt.Fprintf(w, "Brought %d entries back into %s; %d were as they should be, %d deleted.\n", r.Files, plain(into), r.Unchanged, r.Deleted)
	})
}

// nothingBelow is the error of a restore that found nothing: a script must not take a name with a slip for a success.
func nothingBelow(prefix string) error {
	return fmt.Errorf("nothing was restored: there is nothing below %q at that point (holdfast ls shows what is there)", plain(prefix))
}
