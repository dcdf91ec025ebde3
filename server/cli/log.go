package cli

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"holdfast/internal/durable"
	"holdfast/quorum/audit"
	tiles "holdfast/quorum/audit/source"
	"holdfast/quorum/charter"
	"holdfast/quorum/warrant"
	"holdfast/server/client"
)

func (s *shell) logCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "log", Short: "Check the transparency log, and read it",
		Long: "The log is public: every gated step is a leaf in it, as a salted commitment. Whoever has its key (from a\n" +
			"charter, not from the service) checks it without trusting anyone.",
	}
	cmd.AddCommand(s.logVerifyCommand(), s.logExportCommand(), s.logShowCommand(), s.logProveCommand())
	return cmd
}

// logKeys are the flags that say whose word counts.
type logKeys struct {
	key       string
	witnesses []string
	charter   string
}

func (k *logKeys) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&k.key, "key", "", "the log's key, name+id+base64 (default: what the service says, which proves less)")
	cmd.Flags().StringSliceVar(&k.witnesses, "witness", nil, "key of a witness whose cosignature counts")
	cmd.Flags().StringVar(&k.charter, "charter", "", "take the log's and the witnesses' keys from this charter file")
}

// load returns the keys, and whether they come from the service that is checked.
func (k *logKeys) load(ctx context.Context, base string) (keys *audit.Keys, borrowed bool, err error) {
	if k.charter != "" {
		if k.key != "" || len(k.witnesses) > 0 {
			return nil, false, fmt.Errorf("%w: give either --charter, or --key and --witness", errUsage)
		}
		c, err := readCharter(k.charter)
		if err != nil {
			return nil, false, err
		}
		keys, err = warrant.Keys(c)
		return keys, false, err
	}
	key := k.key
	if key == "" {
		if base == "" {
			return nil, false, fmt.Errorf("%w: a directory does not say whose log it is: give --key or --charter", errUsage)
		}
		if key, err = fetchKey(ctx, base); err != nil {
			return nil, false, err
		}
	}
	keys, err = audit.NewKeys(key, k.witnesses...)
	return keys, k.key == "", err
}

// fetchKey asks a service for its log's key. Trusting it only shows that the
// service agrees with itself.
func fetchKey(ctx context.Context, base string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, logTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimRight(base, "/")+"/log/key", nil)
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", fmt.Errorf("no answer from %s: %w", base, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
	if err != nil {
		return "", err
	}
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s does not tell its log's key: give --key or --charter", base)
	}
	line, _, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
	return line, nil
}

// openLog opens a log at a URL or in a directory. base is the URL, or empty.
func openLog(where string) (src audit.Source, base string, closing func() error, err error) {
	if strings.HasPrefix(where, "http://") || strings.HasPrefix(where, "https://") {
		h, err := tiles.NewHTTP(&http.Client{Timeout: logTimeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}, where)
		return h, where, func() error { return nil }, err
	}
	d, err := tiles.OpenDir(where)
	if err != nil {
		return nil, "", nil, err
	}
	return d, "", d.Close, nil
}

// verified is what `log verify` prints.
type verified struct {
	Origin     string           `json:"origin"`
	Size       int64            `json:"size"`
	Root       string           `json:"root"`
	At         time.Time        `json:"at"`
	Witnesses  []string         `json:"witnesses"`
	Leaves     int64            `json:"leaves"`
	Kinds      map[string]int64 `json:"kinds"`
	Unknown    int64            `json:"unknown"`
	Continues  *int64           `json:"continues,omitempty"`
	KeyFromLog bool             `json:"key_from_log"`
}

func (s *shell) logVerifyCommand() *cobra.Command {
	var k logKeys
	var from, event string
	cmd := &cobra.Command{
		Use: "verify [URL|DIR]", Short: "Check the whole log, that it continues an earlier checkpoint, or one event's proof", Args: cobra.MaximumNArgs(1),
		Long: "Recompute the whole log from its leaves and compare it with the signed checkpoint; with --from also check that\n" +
			"it continues an earlier checkpoint, so that nothing was rewritten in between. With --event check, without any\n" +
			"network, the proof file of one event (from log prove, or out of a warrant). The default is --server.",
		Example: "  holdfast log verify https://backup.example.org --charter charter.txt --from yesterday.checkpoint\n  holdfast log verify ./exported --key log.example+1a2b3c4d+AQ…\n  holdfast log verify --event event.proof --charter charter.txt",
	}
	k.add(cmd)
	cmd.Flags().StringVar(&from, "from", "", "file with an earlier signed checkpoint that the log must continue")
	cmd.Flags().StringVar(&event, "event", "", "file with the proof of one event, instead of a log")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		ctx := cmd.Context()
		if event != "" {
			return s.verifyEvent(ctx, &k, event, args)
		}
		where := s.base()
		if len(args) == 1 {
			where = args[0]
		}
		src, base, closing, err := openLog(where)
		if err != nil {
			return err
		}
		v, err := s.verifyLog(ctx, src, base, &k, from)
		if err := errors.Join(err, closing()); err != nil {
			return err
		}
		return s.print(v, func(w io.Writer) { showVerified(w, v) })
	}
	return cmd
}

func (s *shell) verifyLog(ctx context.Context, src audit.Source, base string, k *logKeys, from string) (v verified, err error) {
	keys, borrowed, err := k.load(ctx, base)
	if err != nil {
		return v, err
	}
	var progress func(done, total int64)
	if _, ok := terminal(s.Err); ok && !s.asJSON {
		progress = func(done, total int64) { fmt.Fprintf(s.Err, "\rChecking leaf %d of %d", done, total) }
		defer fmt.Fprintln(s.Err)
	}
	r, err := audit.VerifyAll(ctx, src, keys, progress)
	if err != nil {
		return v, fmt.Errorf("the log is NOT what it says: %w", err)
	}
	v = verified{Origin: keys.Origin(), Size: r.Size, Root: hex.EncodeToString(r.Root[:]), At: r.At, Leaves: r.Leaves, Unknown: r.Unknown,
		Kinds: map[string]int64{}, Witnesses: []string{}, KeyFromLog: borrowed}
	for kind, n := range r.Kinds {
		v.Kinds[string(kind)] = n
	}
	for _, c := range r.Cosignatures {
		v.Witnesses = append(v.Witnesses, c.Witness)
	}
	if from == "" {
		return v, nil
	}
	text, err := readBounded(from, audit.MaxSignedCheckpoint)
	if err != nil {
		return v, err
	}
	earlier, err := keys.Open(text)
	if err != nil {
		return v, fmt.Errorf("%s: %w", from, err)
	}
	if err := continues(ctx, src, earlier.Checkpoint, r.Checkpoint); err != nil {
		return v, fmt.Errorf("the log does NOT continue %s: %w", from, err)
	}
	v.Continues = &earlier.Size
	return v, nil
}

// continues proves, from the log's own tiles, that next continues seen.
func continues(ctx context.Context, src audit.Source, seen, next audit.Checkpoint) error {
	if seen.Size > next.Size {
		return audit.ErrRollback
	}
	proof, err := audit.ProveConsistency(ctx, next.Size, seen.Size, audit.SourceHashes(src, next))
	if err != nil {
		return err
	}
	return audit.VerifyConsistency(seen, next, proof)
}

func showVerified(w io.Writer, v verified) {
	fmt.Fprintf(w, "The log %s is whole: %d leaves, root %s.\n", plain(v.Origin), v.Leaves, v.Root)
	fmt.Fprintf(w, "Signed at %s", local(v.At))
	if len(v.Witnesses) > 0 {
		fmt.Fprintf(w, ", cosigned by %s", plain(strings.Join(v.Witnesses, ", ")))
	} else {
		fmt.Fprint(w, ", cosigned by no witness that you named")
	}
	fmt.Fprintln(w, ".")
	if v.Continues != nil {
		fmt.Fprintf(w, "It continues the checkpoint of %d leaves: nothing was rewritten.\n", *v.Continues)
	}
	if v.KeyFromLog {
		fmt.Fprintln(w, "The key came from the service itself: this shows that it agrees with itself. Give --charter to show more.")
	}
	kinds := make([]string, 0, len(v.Kinds))
	for kind := range v.Kinds {
		kinds = append(kinds, kind)
	}
	sort.Strings(kinds)
	for _, kind := range kinds {
		fmt.Fprintf(w, "%8d %s\n", v.Kinds[kind], plain(kind))
	}
	if v.Unknown > 0 {
		fmt.Fprintf(w, "%d leaves are of kinds that this program does not know.\n", v.Unknown)
	}
}

// proved is what checking one event shows.
type proved struct {
	Origin    string    `json:"origin"`
	Index     int64     `json:"index"`
	Size      int64     `json:"size"`
	Kind      string    `json:"kind"`
	At        time.Time `json:"at"`
	Witnesses []string  `json:"witnesses"`
	Leaf      string    `json:"leaf"`
}

func (s *shell) verifyEvent(ctx context.Context, k *logKeys, file string, args []string) error {
	base := ""
	if len(args) == 1 {
		base = args[0]
	}
	text, err := readBounded(file, audit.MaxProofText)
	if err != nil {
		return err
	}
	p, err := audit.ParseProof(text)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	keys, _, err := k.load(ctx, base)
	if err != nil {
		return err
	}
	return s.showProof(p, keys)
}

func (s *shell) showProof(p audit.Proof, keys *audit.Keys) error {
	o, leaf, err := p.Verify(keys)
	if err != nil {
		return fmt.Errorf("the event is NOT proven: %w", err)
	}
	v := proved{Origin: keys.Origin(), Index: p.Index, Size: o.Size, Kind: string(leaf.Kind), At: leaf.At, Witnesses: []string{}, Leaf: string(p.Leaf)}
	for _, c := range o.Cosignatures {
		v.Witnesses = append(v.Witnesses, c.Witness)
	}
	return s.print(v, func(w io.Writer) {
		fmt.Fprintf(w, "Entry %d of %s is in the log of %d leaves, signed at %s.\n\n%s", v.Index, plain(v.Origin), v.Size, local(o.At), indent(plainText(v.Leaf)))
	})
}

func (s *shell) logExportCommand() *cobra.Command {
	var k logKeys
	cmd := &cobra.Command{
		Use: "export DIR [URL]", Short: "Copy the public log into a directory, to keep and to verify later", Args: cobra.RangeArgs(1, 2),
		Long: "Copy checkpoint and tiles into DIR. An export again into the same directory adds what is new and refuses a log\n" +
			"that is another history.",
	}
	k.add(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		where := s.base()
		if len(args) == 2 {
			where = args[1]
		}
		src, base, closing, err := openLog(where)
		if err != nil {
			return err
		}
		defer closing() // read only
		keys, _, err := k.load(cmd.Context(), base)
		if err != nil {
			return err
		}
		if err := durable.MkdirAll(args[0], 0o755); err != nil {
			return err
		}
		o, err := tiles.Export(cmd.Context(), src, keys, args[0])
		if err != nil {
			return err
		}
		return s.print(map[string]any{"origin": keys.Origin(), "size": o.Size}, func(w io.Writer) {
			fmt.Fprintf(w, "Exported %d leaves of %s. Check them with: holdfast log verify %s --key %s\n", o.Size, plain(keys.Origin()), args[0], keys.Log())
		})
	}
	return cmd
}

func (s *shell) logShowCommand() *cobra.Command {
	var limit int
	cmd := &cobra.Command{
		Use: "show [INDEX]", Short: "Read the entries that concern you, with their bodies", Args: cobra.MaximumNArgs(1),
	}
	cmd.Flags().IntVar(&limit, "limit", 50, "at most so many entries")
	cmd.RunE = s.with(func(ctx context.Context, c *client.Client, args []string) error {
		if len(args) == 1 {
			index, err := parseIndex(args[0])
			if err != nil {
				return err
			}
			e, err := c.LogEntry(ctx, index)
			if err != nil {
				return err
			}
			return s.print(e, func(w io.Writer) {
				fmt.Fprintf(w, "%s", plainText(e.Leaf))
				if e.Body != "" {
					fmt.Fprintf(w, "\nbody:\n%s", indent(plainText(e.Body)))
				}
			})
		}
		for cursor, shown := "", 0; shown < limit; {
			page, err := c.Log(ctx, cursor)
			if err != nil {
				return err
			}
			page.Entries = page.Entries[:min(len(page.Entries), limit-shown)]
			shown += len(page.Entries)
			if err := s.print(page, func(w io.Writer) {
				for _, e := range page.Entries {
					fmt.Fprintf(w, "%8d  %s  %-20s %s\n", e.Index, local(e.At), plain(e.Kind), plain(e.Body))
				}
			}); err != nil {
				return err
			}
			if cursor = page.Next; cursor == "" {
				return nil
			}
		}
		return nil
	})
	return cmd
}

func (s *shell) logProveCommand() *cobra.Command {
	var k logKeys
	var out string
	cmd := &cobra.Command{
		Use: "prove INDEX", Short: "Fetch and check the proof that one event is in the log", Args: cobra.ExactArgs(1),
	}
	k.add(cmd)
	cmd.Flags().StringVar(&out, "out", "", "keep the proof in this file, for log verify --event")
	cmd.RunE = s.with(func(ctx context.Context, c *client.Client, args []string) error {
		index, err := parseIndex(args[0])
		if err != nil {
			return err
		}
		answer, err := c.LogProof(ctx, index)
		if err != nil {
			return err
		}
		p, err := audit.ParseProof([]byte(answer.Proof))
		if err != nil {
			return err
		}
		if p.Index != index {
			return fmt.Errorf("the service proved entry %d instead", p.Index)
		}
		keys, _, err := k.load(ctx, s.base())
		if err != nil {
			return err
		}
		if out != "" {
			if err := durable.WriteFile(out, []byte(answer.Proof), 0o644); err != nil {
				return err
			}
		}
		return s.showProof(p, keys)
	})
	return cmd
}

func parseIndex(text string) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%w: %q is not the index of an entry", errUsage, text)
	}
	return n, nil
}

// readCharter reads the text of a charter.
func readCharter(path string) (*charter.Charter, error) {
	text, err := readBounded(path, maxKeyFile)
	if err != nil {
		return nil, err
	}
	c, err := charter.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// readBounded reads a file of at most limit bytes; "-" is not special.
func readBounded(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(text)) > limit {
		return nil, fmt.Errorf("%s is larger than %s: that is not such a file", path, size(limit))
	}
	return text, nil
}

// plainText is plain for text of several lines.
func plainText(text string) string {
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		lines[i] = plain(l)
	}
	return strings.Join(lines, "\n")
}
