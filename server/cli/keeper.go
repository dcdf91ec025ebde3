package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"holdfast/server/app"
	"holdfast/server/client"
	"holdfast/server/config"
	"holdfast/server/wire"
)

// scrubPoll is how often a running service is asked how far it is.
const scrubPoll = time.Second

// errRot is the end of a scrub that found something: exit status 1.
var errRot = errors.New("not everything can be read as it was written")

// onDir loads the settings of a service's directory: environment and file, as serve does.
func onDir(file, dir string, more map[string]any) (config.Config, error) {
	overrides := map[string]any{"dir": dir}
	for k, v := range more {
		if v != "" {
			overrides[k] = v
		}
	}
	cfg, err := config.Load(file, os.Environ, overrides)
	return cfg.WithDefaults(), err
}

func (s *shell) scrubCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "scrub", Short: "Read everything that the site keeps again and name what is rotten (on the service's host)", Args: cobra.NoArgs,
		Long: "Read every pack and every frame again, compare them with their hashes and, with the keys, with what they were\n" +
			"made from. Rot is quarantined: new uploads of the same bytes are stored afresh, and heal it. Snapshots and paths\n" +
			"that need rotten bytes are named, and such copies do not count as restore points. Nothing is ever removed.\n\n" +
			"Where the service runs on --dir it is asked to do it, through its API, and goes on if you interrupt this command.\n" +
			"Where it does not, this command opens the directory under its lock and does it itself; interrupted, the next call\n" +
			"goes on behind the last pack that was read.\n\nThe exit status is 1 when something is rotten or missing.",
	}
	dir := dirFlag(cmd)
	file := cmd.Flags().String("config", "", "the service's TOML file, where it has one")
	rate := cmd.Flags().String("rate", "", "how fast to read, such as 50MiB/s (default: the service's setting)")
	all := cmd.Flags().Bool("all", false, "begin anew, also where a pass is under way")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		var bytes int64
		if *rate != "" {
			var err error
			if bytes, err = config.ParseRate(*rate); err != nil {
				return fmt.Errorf("%w: %w", errUsage, err)
			}
		}
		cfg, err := onDir(*file, *dir, nil)
		if err != nil {
			return err
		}
		out, err := app.Scrub(cmd.Context(), cfg, bytes, *all, s.scrubbed)
		if errors.Is(err, app.ErrDirInUse) {
			out, err = s.scrubService(cmd.Context(), *dir, wire.BeginScrub{Rate: bytes, All: *all})
		}
		if err != nil {
			return err
		}
		if err := s.print(out, func(w io.Writer) { scrubText(w, out) }); err != nil {
			return err
		}
		if !out.Clean {
			return errRot
		}
		return nil
	}
	return cmd
}

// scrubService asks a running service and waits until the pass is finished.
func (s *shell) scrubService(ctx context.Context, dir string, in wire.BeginScrub) (out wire.Scrub, err error) {
	secret, err := app.ReadOperator(dir)
	if err != nil {
		return out, err
	}
	c := client.New(s.base(), client.WithToken(secret))
	if out, err = c.BeginScrub(ctx, in); err != nil {
		return out, err
	}
	pass := out.Pass
	for out.Pass == pass && out.State == "running" {
		select {
		case <-ctx.Done():
			return out, ctx.Err()
		case <-time.After(scrubPoll):
		}
		if out, err = c.Scrub(ctx); err != nil {
			return out, err
		}
		s.scrubbed(out)
	}
	return out, nil
}

// scrubbed shows progress to who watches.
func (s *shell) scrubbed(p wire.Scrub) {
	if _, tty := terminal(s.Err); tty {
		fmt.Fprintf(s.Err, "\r%d of %d packs, %s, %d frames quarantined ", p.Packs, p.OfPacks, size(p.Bytes), p.Quarantined)
	}
}

func scrubText(w io.Writer, p wire.Scrub) {
	fmt.Fprintf(w, "Read %d packs, %s, %d frames.\n", p.Packs, size(p.Bytes), p.Frames)
	if p.Clean {
		fmt.Fprintln(w, "Everything is as it was written.")
	}
	for _, f := range p.Findings {
		fmt.Fprintf(w, "%s pack %s (%s): %s\n", f.State, f.Pack, f.Tenant, plain(f.Detail))
	}
	if len(p.Affected) > 0 {
		fmt.Fprintln(w, "These need bytes that cannot be read:")
	}
	for _, a := range p.Affected {
		where, path := a.Snapshot, plain(a.Path)
		if where == "" {
			where = "live tree or undo window"
		}
		if path == "" {
			path = "(catalogue)"
		}
		fmt.Fprintf(w, "  %s  %s  %s\n", a.Volume, where, path)
	}
	if p.Quarantined > 0 {
		fmt.Fprintf(w, "%d frames are quarantined. Nothing was removed. Upload the same data again to heal what can be healed, then scrub once more.\n", p.Quarantined)
	}
}

func (s *shell) rebuildCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "rebuild", Short: "Make a lost site database again from the packs and the recovery key (on the service's host)", Args: cobra.NoArgs,
		Long: "Make the site's database again from its packs: tenants, keys, volumes, the live tree and the undo window,\n" +
			"snapshots, and the index. The service must not run. No database is ever written over: move a damaged one away\n" +
			"first. No pack is changed. Torn and damaged packs are reported and gone past; what is missing is named.\n\n" +
			"The service then starts and serves, but destroys nothing until you have looked at the report and said so:\n" +
			"holdfast rebuild adopt. Every deletion that was under way has then to be asked for again.\n\n" +
			"With PostgreSQL, HOLDFAST_SITE_DSN names the new, empty database.",
		Example: "  holdfast rebuild --blobs /var/lib/holdfast/blobs --key recovery.key --charter charter.txt --out /var/lib/holdfast",
	}
	blobs := cmd.Flags().String("blobs", "", "directory of the packs (default blobs below --out)")
	key := cmd.Flags().String("key", "", "file of the recovery key, or of the site's own (keys/primary.age)")
	law := cmd.Flags().String("charter", "", "file of the charter in force (holdfast charter show); leave it out only if none was ever sealed")
	out := cmd.Flags().String("out", "holdfast-data", "the service's data directory")
	file := cmd.Flags().String("config", "", "the service's TOML file, where it has one")
	site := cmd.Flags().String("site", "", "name of the site (default primary)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if *key == "" {
			return fmt.Errorf("%w: --key is missing", errUsage)
		}
		cfg, err := onDir(*file, *out, map[string]any{"blob_dir": *blobs, "site": *site})
		if err != nil {
			return err
		}
		began := time.Now()
		report, notes, err := app.Rebuild(cmd.Context(), cfg, app.RebuildFrom{Key: *key, Charter: *law}, s.rebuilding)
		if err != nil {
			return err
		}
		if _, tty := terminal(s.Err); tty {
			fmt.Fprintln(s.Err)
		}
		for _, n := range notes {
			fmt.Fprintf(s.Err, "Note: %s\n", n)
		}
		if err := s.print(report, func(w io.Writer) { rebuildText(w, report, time.Since(began)) }); err != nil {
			return err
		}
		if !report.Whole() {
			return errRot
		}
		return nil
	}
	adopt := &cobra.Command{
		Use: "adopt", Short: "Say that you have looked at a rebuilt database: what was suspended for it goes on", Args: cobra.NoArgs,
		Long: "Take a rebuilt database for the site's. The service must run; the site gets its charters and reads the log again, which must reach as far\n" +
			"as the marks outside the database say. Every warrant of the life before counts as spent from then on.",
	}
	dir := dirFlag(adopt)
	adopt.RunE = s.operator(dir, func(ctx context.Context, c *client.Client, _ []string) error {
		a, err := c.AdoptRebuilt(ctx)
		if err != nil {
			return err
		}
		return s.print(a, func(w io.Writer) {
			fmt.Fprintf(w, "Site %s goes on with the rebuilt database (epoch %d). %d warrants of the life before are spent.\n", plain(a.Site), a.Epoch, a.Spent)
		})
	})
	cmd.AddCommand(adopt)
	return cmd
}
