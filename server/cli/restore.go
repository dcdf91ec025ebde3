package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"holdfast/internal/durable"
	"holdfast/server/client"
	"holdfast/server/wire"
	"holdfast/snapshots/stream/untar"
)

func (s *shell) restoreCommand() *cobra.Command {
	var at, prefix, into string
	var exact, owner, foreign, merge bool
	cmd := &cobra.Command{
		Use: "restore SNAPSHOT|VOLUME[@TIME] [DIR]", Short: "Bring a snapshot, or any moment of the undo window, back", Args: cobra.RangeArgs(1, 2),
		Long: "Bring files back into DIR, or with --into into a volume on the server, where no byte is copied.\n\n" +
			"DIR must be new or empty unless --merge is given; with it files of the same names are replaced. Nothing is ever\n" +
			"written outside DIR: names with .., absolute names, links that lead out and devices are refused and named.\n" +
			"TIME is a time (2026-01-31T15:04:05Z, \"2026-01-31 15:04\") or how long ago (15m). A volume of kind stream\n" +
			"comes back with: holdfast cat SNAPSHOT|VOLUME > FILE",
		Example: "  holdfast restore snp_… ./back\n  holdfast restore documents@15m ./back\n  holdfast restore documents --at 15m --into documents",
	}
	cmd.Flags().StringVar(&at, "at", "", "a moment of the undo window: a time, or a duration ago")
	cmd.Flags().StringVar(&prefix, "prefix", "", "only what lies below this path")
	cmd.Flags().StringVar(&into, "into", "", "restore into this volume, on the server")
	cmd.Flags().BoolVar(&exact, "exact", false, "with --into: also delete what the restored point does not have")
	cmd.Flags().BoolVar(&owner, "owner", false, "restore owners as well (needs privileges)")
	cmd.Flags().BoolVar(&foreign, "foreign-links", false, "make symbolic links that lead out of DIR, as they were; they are not followed")
	cmd.Flags().BoolVar(&merge, "merge", false, "restore into a directory that is not empty")
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
			return fmt.Errorf("%w: say where to: a directory, or --into VOLUME", errUsage)
		}
		root, err := openTarget(args[1], merge)
		if err != nil {
			return err
		}
		err = s.restoreTo(ctx, c, from, prefix, root, untar.Options{Owner: owner, ForeignLinks: foreign})
		return errors.Join(err, root.Close())
	})
	return cmd
}

// openTarget makes or opens the directory that a restore writes into.
func openTarget(dir string, merge bool) (*os.Root, error) {
	if err := durable.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	if merge {
		return root, nil
	}
	d, err := root.Open(".")
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	names, err := d.Readdirnames(1)
	if err := errors.Join(d.Close()); err != nil {
		return nil, errors.Join(err, root.Close())
	}
	if len(names) > 0 || !errors.Is(err, io.EOF) {
		return nil, errors.Join(fmt.Errorf("%w: %s is not empty: choose another directory, or --merge", errUsage, plain(dir)), root.Close())
	}
	return root, nil
}

// restored is what a restore into a directory did.
type restored struct {
	Entries int64    `json:"entries"`
	Bytes   int64    `json:"bytes"`
	Refused []string `json:"refused,omitempty"`
}

func (s *shell) restoreTo(ctx context.Context, c *client.Client, from client.Source, prefix string, root *os.Root, o untar.Options) error {
	body, err := c.GetTar(ctx, from, prefix)
	if err != nil {
		return err
	}
	var r restored
	refused := 0
	o.Done = func(_ string, size int64) { r.Entries, r.Bytes = r.Entries+1, r.Bytes+size }
	o.Refused = func(m untar.MemberError) {
		if refused++; len(r.Refused) < maxRefused {
			r.Refused = append(r.Refused, plain(m.Name)+": "+m.Err.Error())
		}
	}
	bar := s.progress("Restoring")
	err = untar.Extract(root, io.TeeReader(body, bar), o)
	finish(bar)
	if err := errors.Join(err, body.Close()); err != nil {
		return fmt.Errorf("the restore is not complete: %w", err)
	}
	if err := s.print(r, func(w io.Writer) {
		fmt.Fprintf(w, "Restored %d entries, %s.\n", r.Entries, size(r.Bytes))
		for _, text := range r.Refused {
			fmt.Fprintf(w, "  refused %s\n", text)
		}
	}); err != nil {
		return err
	}
	if refused > 0 {
		return fmt.Errorf("%d entries were not restored, for they would have left the directory or are devices", refused)
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
	return s.print(r, func(w io.Writer) {
		fmt.Fprintf(w, "Brought %d entries back into %s; %d were as they should be, %d deleted.\n", r.Files, plain(into), r.Unchanged, r.Deleted)
	})
}
