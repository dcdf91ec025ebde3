package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"holdfast/server/client"
	"holdfast/server/client/archive"
	"holdfast/server/wire"
)

func (s *shell) pushCommand() *cobra.Command {
	var remove bool
	cmd := &cobra.Command{
		Use:   "push DIR|- VOLUME",
		Short: "Send a directory, or standard input, into a volume",
		Long: "Send a directory into a volume of kind files, keeping modes, owners, times, links and\n" +
			"extended attributes; or with - standard input into a volume of kind stream:\n\n" +
			"    pg_dump mydb | holdfast push - dumps\n\nIt returns when everything is durable.",
		Args: cobra.ExactArgs(2),
		RunE: s.with(func(ctx context.Context, c *client.Client, args []string) error {
			if args[0] == "-" {
				bar := s.progress("Sending")
				u, err := c.PutStream(ctx, args[1], io.TeeReader(s.In, bar))
				finish(bar)
				if err != nil {
					return err
				}
				return s.print(u, func(w io.Writer) {
					fmt.Fprintf(w, "Sent %s. Durable at %s.\n", size(u.Size), local(u.At))
				})
			}
			bar := s.progress("Sending")
			u, changed, err := pushTree(ctx, c, args[0], args[1], remove, bar)
			finish(bar)
			if err != nil {
				return err
			}
			if err := s.print(u, func(w io.Writer) {
				fmt.Fprintf(w, "Sent %d entries, %s; %d were there already. Durable at %s.\n", u.Entries, size(u.Bytes), u.Unchanged, local(u.At))
				if u.Deleted > 0 {
					fmt.Fprintf(w, "Deleted %d entries that %s no longer has.\n", u.Deleted, plain(args[0]))
				}
			}); err != nil {
				return err
			}
			return changed
		}),
	}
	cmd.Flags().BoolVar(&remove, "delete", false, "delete in the volume what DIR does not have")
	return cmd
}

// pushTree streams dir as a pax archive into volume. changed names the files
// that changed while they were read: what was stored of them is a mixture.
func pushTree(ctx context.Context, c *client.Client, dir, volume string, remove bool, progress io.Writer) (u wire.UploadedTree, changed, err error) {
	info, err := os.Stat(dir)
	if err != nil {
		return u, nil, err
	}
	if !info.IsDir() {
		return u, nil, fmt.Errorf("%w: %s is not a directory: use push - to send one file as a stream", errUsage, dir)
	}
	return archive.Push(ctx, c, dir, volume, archive.Options{Remove: remove, Progress: progress})
}

// progress is a bar on a terminal, and nothing elsewhere.
func (s *shell) progress(what string) io.Writer {
	if _, ok := terminal(s.Err); !ok || s.asJSON {
		return io.Discard
	}
	return progressbar.NewOptions64(-1, progressbar.OptionSetWriter(s.Err), progressbar.OptionShowBytes(true),
		progressbar.OptionSetDescription(what), progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish())
}

func finish(w io.Writer) {
	if bar, ok := w.(*progressbar.ProgressBar); ok {
		_ = bar.Finish() // only the terminal's picture
	}
}

// now is the command line's clock; nothing that the gate decides depends on it.
var now = time.Now
