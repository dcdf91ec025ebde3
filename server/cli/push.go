package cli

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"runtime/debug"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"holdfast/server/client"
	"holdfast/server/client/push"
)

func (s *shell) pushCommand() *cobra.Command {
	var o push.Options
	var afresh bool
	cmd := &cobra.Command{
		Use:   "push DIR|- VOLUME",
		Short: "Send a directory, or standard input, into a volume",
		Long: "Send a directory into a volume of kind files, keeping modes, owners, times, links, holes and\n" +
			"extended attributes; or with - standard input into a volume of kind stream:\n\n" +
			"    pg_dump mydb | holdfast push - dumps\n\n" +
			"Only what the volume does not have travels. It returns when everything is durable. If it is\n" +
			"interrupted anywhere, run it again: it goes on where it was. A service that goes away meanwhile is waited for.",
		Args: cobra.ExactArgs(2),
		RunE: s.with(func(ctx context.Context, c *client.Client, args []string) error {
			if o.Connections < 1 || o.Connections > push.MaxConnections {
				return fmt.Errorf("%w: --connections is 1 to %d", errUsage, push.MaxConnections)
			}
			if s.Env("GOMEMLIMIT") == "" {
				debug.SetMemoryLimit(pushMemory)
			}
			bar := s.progress("Reading")
			o.Now, o.Progress = now, progressTo(bar)
			o.Waiting = func(err error) { fmt.Fprintf(s.Err, "Waiting for the service: %s\n", plain(err.Error())) }
			if args[0] == "-" {
				res, err := push.Stream(ctx, c, s.In, args[1], o)
				finish(bar)
				if err != nil {
					return err
				}
				return s.print(res, func(w io.Writer) {
					fmt.Fprintf(w, "Sent %s, of which %s had to travel. Durable at %s.\n", size(res.Read), size(res.Sent), local(res.At))
				})
			}
			if !afresh {
				o.Cache = s.cacheDir()
			}
			res, reports, err := push.Tree(ctx, c, args[0], args[1], o)
			finish(bar)
			if err != nil {
				return err
			}
			if err := s.print(res, func(w io.Writer) { pushed(w, args[0], res) }); err != nil {
				return err
			}
			if len(res.Refused) > 0 {
				return fmt.Errorf("%d entries were refused, the first, %s: %s", len(res.Refused), plain(res.Refused[0].Path), plain(res.Refused[0].Problem))
			}
			return reports
		}),
	}
	cmd.Flags().BoolVar(&o.Delete, "delete", false, "delete in the volume what DIR does not have")
	cmd.Flags().IntVar(&o.Connections, "connections", push.DefaultConnections, "how many segments are on their way at once")
	cmd.Flags().BoolVar(&afresh, "afresh", false, "compare with the volume itself, not with what is remembered of the last push")
	return cmd
}

// pushed says what a push of a directory has done.
func pushed(w io.Writer, dir string, r push.Result) {
	fmt.Fprintf(w, "%d entries, %s; %d were there already. %s were read, %s had to travel.\n",
		r.Entries, size(r.Bytes), r.Unchanged, size(r.Read), size(r.Sent))
	if r.Deleted > 0 {
		fmt.Fprintf(w, "Deleted %d entries that %s no longer has.\n", r.Deleted, plain(dir))
	}
	for _, x := range r.Refused {
		fmt.Fprintf(w, "Refused %s: %s\n", plain(x.Path), plain(x.Problem))
	}
	if !r.At.IsZero() {
		fmt.Fprintf(w, "Durable at %s.\n", local(r.At))
	}
}

// cacheDir is where pushes remember what they have sent; empty where there is no such place.
func (s *shell) cacheDir() string {
	dir := s.Env("XDG_CACHE_HOME")
	if !filepath.IsAbs(dir) {
		home := s.Env("HOME")
		if !filepath.IsAbs(home) {
			return ""
		}
		dir = filepath.Join(home, ".cache")
	}
	return filepath.Join(dir, "holdfast", "push")
}

// progress is a bar on a terminal, and nothing elsewhere.
func (s *shell) progress(what string) io.Writer {
	if _, ok := terminal(s.Err); !ok || s.asJSON {
		return io.Discard
	}
	return progressbar.NewOptions64(-1, progressbar.OptionSetWriter(s.Err), progressbar.OptionShowBytes(true),
		progressbar.OptionSetDescription(what), progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish())
}

// progressTo moves a bar to where the reading is.
func progressTo(w io.Writer) func(int64) {
	bar, ok := w.(*progressbar.ProgressBar)
	if !ok {
		return nil
	}
	return func(n int64) { _ = bar.Set64(n) } // only the terminal's picture
}

func finish(w io.Writer) {
	if bar, ok := w.(*progressbar.ProgressBar); ok {
		_ = bar.Finish() // only the terminal's picture
	}
}

// now is the command line's clock; nothing that the gate decides depends on it.
var now = time.Now
