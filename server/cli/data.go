package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"holdfast/server/client"
	"holdfast/server/wire"
)

func (s *shell) volumeCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "volume", Short: "Make, list and delete volumes"}
	var kind, profile, compression string
	create := &cobra.Command{
		Use: "create NAME", Short: "Make a volume", Args: cobra.ExactArgs(1),
		RunE: s.with(func(ctx context.Context, c *client.Client, args []string) error {
			v, err := c.CreateVolume(ctx, wire.CreateVolume{Name: args[0], Kind: kind, Profile: profile, Compression: compression})
			if err != nil {
				return err
			}
			return s.print(v, func(w io.Writer) { fmt.Fprintf(w, "Made volume %s (%s).\n", plain(v.Name), v.ID) })
		}),
	}
	create.Flags().StringVar(&kind, "kind", "files", "files (a tree) or stream (a disk image, zfs send, pg_dump)")
	create.Flags().StringVar(&profile, "profile", "", "chunk profile (default: what suits the kind)")
	create.Flags().StringVar(&compression, "compression", "zstd", "what uploads try: zstd, s2 (faster, larger) or none")
	list := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List volumes", Args: cobra.NoArgs,
		RunE: s.with(func(ctx context.Context, c *client.Client, _ []string) error {
			volumes, err := c.Volumes(ctx)
			if err != nil {
				return err
			}
			return s.print(volumes, func(w io.Writer) {
				if len(volumes) == 0 {
					fmt.Fprintln(w, "No volumes yet. Make one with: holdfast volume create NAME")
					return
				}
				table(w, "NAME | KIND | FILES | SIZE | ID", func(row func(...any)) {
					for _, v := range volumes {
						name := plain(v.Name)
						if v.Deleted {
							name += " (deleted; its snapshots stay)"
						}
						row(name, v.Kind, v.Files, size(v.Bytes), v.ID)
					}
				})
			})
		}),
	}
	remove := &cobra.Command{
		Use: "delete VOLUME", Short: "Delete a volume's primary data; its snapshots stay", Args: cobra.ExactArgs(1),
		RunE: s.with(func(ctx context.Context, c *client.Client, args []string) error {
			r, err := c.DeleteVolume(ctx, args[0])
			if err != nil {
				return err
			}
			return s.print(r, func(w io.Writer) { s.removed(w, r) })
		}),
	}
	cmd.AddCommand(create, list, s.retentionCommand(), remove)
	return cmd
}

func (s *shell) removed(w io.Writer, r wire.Removed) {
	fmt.Fprintf(w, "Deleted %d files. Every moment before can be restored until %s; snapshots stay longer.\n", r.Files, local(r.Recoverable))
}

func (s *shell) listCommand() *cobra.Command {
	var at string
	cmd := &cobra.Command{
		Use: "ls VOLUME|SNAPSHOT [PREFIX]", Short: "List a volume, a moment of it, or a snapshot", Args: cobra.RangeArgs(1, 2),
		RunE: s.with(func(ctx context.Context, c *client.Client, args []string) error {
			prefix := ""
			if len(args) == 2 {
				prefix = args[1]
			}
			moment, err := parseTime(at, now())
			if err != nil {
				return err
			}
			for cursor := ""; ; {
				var page wire.Entries
				if isSnapshot(args[0]) {
					page, err = c.SnapshotEntries(ctx, args[0], prefix, cursor)
				} else {
					page, err = c.Entries(ctx, args[0], prefix, cursor, moment)
				}
				if err != nil {
					return err
				}
				if err := s.print(page, func(w io.Writer) {
					for _, e := range page.Entries {
						target := ""
						if e.Target != "" {
							target = " -> " + plain(e.Target)
						}
						fmt.Fprintf(w, "%s %10s  %s  %s%s\n", os.FileMode(e.Mode).Perm(), size(e.Size), local(e.ModTime), plain(e.Path), target)
					}
				}); err != nil {
					return err
				}
				if cursor = page.Next; cursor == "" {
					return nil
				}
			}
		}),
	}
	cmd.Flags().StringVar(&at, "at", "", "a moment of the undo window: a time, or a duration ago")
	return cmd
}

func (s *shell) catCommand() *cobra.Command {
	var at string
	cmd := &cobra.Command{
		Use: "cat VOLUME|SNAPSHOT [PATH]", Short: "Write a file, or a stream, to standard output", Args: cobra.RangeArgs(1, 2),
		RunE: s.with(func(ctx context.Context, c *client.Client, args []string) error {
			from, err := source(args[0], at)
			if err != nil {
				return err
			}
			var body io.ReadCloser
			if len(args) == 2 {
				body, err = c.GetFile(ctx, from, args[1])
			} else {
				body, err = c.GetStream(ctx, from)
			}
			if err != nil {
				return err
			}
			_, err = io.Copy(s.Out, body)
			return errors.Join(err, body.Close())
		}),
	}
	cmd.Flags().StringVar(&at, "at", "", "a moment of the undo window: a time, or a duration ago")
	return cmd
}

func (s *shell) removeCommand() *cobra.Command {
	var recursive bool
	cmd := &cobra.Command{
		Use: "rm VOLUME PATH", Short: "Delete primary data; snapshots and the undo window keep it", Args: cobra.ExactArgs(2),
		RunE: s.with(func(ctx context.Context, c *client.Client, args []string) error {
			r, err := c.RemoveFile(ctx, args[0], args[1], recursive)
			if err != nil {
				return err
			}
			return s.print(r, func(w io.Writer) { s.removed(w, r) })
		}),
	}
	cmd.Flags().BoolVarP(&recursive, "recursive", "r", false, "everything below PATH")
	return cmd
}

func (s *shell) snapshotCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "snapshot", Short: "Take and list snapshots"}
	var name string
	take := &cobra.Command{
		Use: "take VOLUME", Short: "Capture a volume as it is now", Args: cobra.ExactArgs(1),
		RunE: s.with(func(ctx context.Context, c *client.Client, args []string) error {
			snapshot, err := c.TakeSnapshot(ctx, args[0], name)
			if err != nil {
				return err
			}
			return s.print(snapshot, func(w io.Writer) {
				fmt.Fprintf(w, "Took snapshot %s at %s.\n", snapshot.ID, local(snapshot.At))
			})
		}),
	}
	take.Flags().StringVar(&name, "name", "", "a name for people")
	list := &cobra.Command{
		Use: "list VOLUME", Aliases: []string{"ls"}, Short: "List a volume's snapshots and their copies", Args: cobra.ExactArgs(1),
		RunE: s.with(func(ctx context.Context, c *client.Client, args []string) error {
			snapshots, err := c.Snapshots(ctx, args[0])
			if err != nil {
				return err
			}
			return s.print(snapshots, func(w io.Writer) {
				table(w, "SNAPSHOT | AT | STATE | FILES | SIZE | COPIES | NAME", func(row func(...any)) {
					for _, x := range snapshots {
						copies := ""
						for _, k := range x.Copies {
							copies += k.Site + " " + k.State + " "
						}
						row(x.ID, local(x.At), x.State, x.Files, size(x.Bytes), copies, plain(x.Name))
					}
				})
			})
		}),
	}
	remove := &cobra.Command{
		Use: "delete SNAPSHOT", Short: "Refused: says how to ask for a snapshot's deletion", Args: cobra.ExactArgs(1),
		RunE: s.with(func(ctx context.Context, c *client.Client, args []string) error {
			return c.DeleteSnapshot(ctx, args[0])
		}),
	}
	show := &cobra.Command{
		Use: "show SNAPSHOT", Short: "Show one snapshot", Args: cobra.ExactArgs(1),
		RunE: s.with(func(ctx context.Context, c *client.Client, args []string) error {
			x, err := c.Snapshot(ctx, args[0])
			if err != nil {
				return err
			}
			return s.print(x, func(w io.Writer) {
				fmt.Fprintf(w, "snapshot  %s %s\nvolume    %s\nat        %s\nstate     %s\ndigest    %s\nholds     %d files, %s\n", x.ID, plain(x.Name), x.Volume, local(x.At), x.State, x.Digest, x.Files, size(x.Bytes))
				for _, k := range x.Copies {
					fmt.Fprintf(w, "copy      %s: %s since %s\n", k.Site, k.State, local(k.Since))
				}
			})
		}),
	}
	cmd.AddCommand(take, list, show, remove)
	return cmd
}

func (s *shell) tokenCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "token", Short: "Make, list and revoke API tokens"}
	var scopes, volumes []string
	var life time.Duration
	create := &cobra.Command{
		Use: "create NAME", Short: "Make an API token; its secret is printed once", Args: cobra.ExactArgs(1),
		RunE: s.with(func(ctx context.Context, c *client.Client, args []string) error {
			t, err := c.MintToken(ctx, wire.MintToken{Name: args[0], Scopes: scopes, Volumes: volumes, ExpiresAt: now().Add(life)})
			if err != nil {
				return err
			}
			return s.print(t, func(w io.Writer) {
				fmt.Fprintf(w, "%s\n", t.Secret)
				fmt.Fprintf(s.Err, "This is shown once. It expires %s and can %v. Use it as $HOLDFAST_TOKEN.\n", local(t.ExpiresAt), t.Scopes)
			})
		}),
	}
	create.Flags().StringSliceVar(&scopes, "scope", []string{"volume:read", "volume:write", "snapshot:create", "snapshot:read"}, "what it may do")
	create.Flags().StringSliceVar(&volumes, "volume", nil, "only these volumes (default: all)")
	create.Flags().DurationVar(&life, "life", 90*24*time.Hour, "how long it lives")
	list := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List API tokens", Args: cobra.NoArgs,
		RunE: s.with(func(ctx context.Context, c *client.Client, _ []string) error {
			tokens, err := c.Tokens(ctx)
			if err != nil {
				return err
			}
			return s.print(tokens, func(w io.Writer) {
				table(w, "TOKEN | NAME | SCOPES | EXPIRES | STATE", func(row func(...any)) {
					for _, t := range tokens {
						state := "in force"
						if t.RevokedAt != nil {
							state = "revoked " + local(*t.RevokedAt)
						}
						row(t.ID, plain(t.Name), t.Scopes, local(t.ExpiresAt), state)
					}
				})
			})
		}),
	}
	revoke := &cobra.Command{
		Use: "revoke TOKEN", Short: "End an API token", Args: cobra.ExactArgs(1),
		RunE: s.with(func(ctx context.Context, c *client.Client, args []string) error { return c.RevokeToken(ctx, args[0]) }),
	}
	cmd.AddCommand(create, list, revoke)
	return cmd
}

// source reads a command's first argument: a snapshot's id, or a volume and
// perhaps a moment.
func source(name, at string) (client.Source, error) {
	moment, err := parseTime(at, now())
	if err != nil {
		return client.Source{}, err
	}
	if isSnapshot(name) {
		if at != "" {
			return client.Source{}, fmt.Errorf("%w: a snapshot is one moment already: leave --at out", errUsage)
		}
		return client.Source{Snapshot: name}, nil
	}
	return client.Source{Volume: name, At: moment}, nil
}

func isSnapshot(name string) bool { return len(name) > 4 && name[:4] == "snp_" }
