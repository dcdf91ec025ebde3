package cli

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"holdfast/internal/durable"
	"holdfast/quorum/audit"
	"holdfast/quorum/charter"
	"holdfast/quorum/statement"
	"holdfast/quorum/warrant"
	"holdfast/server/client"
)

func (s *shell) warrantCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "warrant", Short: "Check, as a stranger, who decided a deletion and on exactly what",
		Long: "A warrant carries a statement, the requester's proof, every vote and the log's proofs. Checking it needs the\n" +
			"charters and nothing else: no service, no network, no trust in whoever handed it over.",
	}
	cmd.AddCommand(s.warrantVerifyCommand(), s.warrantFetchCommand())
	return cmd
}

// decided is what a verified warrant says.
type decided struct {
	Request    string        `json:"request"`
	Action     string        `json:"action"`
	Tenant     string        `json:"tenant"`
	Reason     string        `json:"reason"`
	Digest     string        `json:"digest"`
	Charter    uint64        `json:"charter"`
	Requester  string        `json:"requester"`
	Votes      []decidedVote `json:"votes"`
	Sites      []decidedSite `json:"sites,omitempty"`
	Checkpoint int64         `json:"checkpoint"`
	SignedAt   time.Time     `json:"signed_at"`
	Witnesses  []string      `json:"witnesses"`
	Statement  string        `json:"statement"`
}

type decidedVote struct {
	Person string    `json:"person"`
	Name   string    `json:"name"`
	Team   string    `json:"team"`
	Method string    `json:"method"`
	Counts bool      `json:"counts"`
	At     time.Time `json:"at"`
	Leaf   int64     `json:"leaf"`
}

type decidedSite struct {
	Site    string  `json:"site"`
	Copies  int     `json:"copies"`
	Cooling float64 `json:"cooling_seconds"`
	Grace   float64 `json:"grace_seconds"`
}

func (s *shell) warrantVerifyCommand() *cobra.Command {
	var files []string
	cmd := &cobra.Command{
		Use: "verify FILE", Short: "Check a warrant offline, against the charters in the given files", Args: cobra.ExactArgs(1),
		Long: "Check every byte of evidence in FILE by the charter that its statement names and by the newest that you give,\n" +
			"and print the statement and who signed it. Exit status 0 means: this many distinct people signed exactly this.",
		Example: "  holdfast warrant verify req.warrant --charter charter-3.txt --charter charter-4.txt",
	}
	cmd.Flags().StringSliceVar(&files, "charter", nil, "file with a charter; give the one that the statement names and the newest that you know")
	if err := cmd.MarkFlagRequired("charter"); err != nil {
		panic(err) // the flag is defined above
	}
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		text, err := readBounded(args[0], warrant.MaxWarrantBytes)
		if err != nil {
			return err
		}
		w, err := warrant.Parse(text)
		if err != nil {
			return fmt.Errorf("%s: %w", args[0], err)
		}
		charters, err := readCharters(files, w)
		if err != nil {
			return err
		}
		v, err := warrant.Verify(w, charters, warrant.LogView{})
		if err != nil {
			return fmt.Errorf("the warrant is NOT valid: %w", err)
		}
		d, err := describe(w, v, charters)
		if err != nil {
			return err
		}
		return s.print(d, func(out io.Writer) { showDecided(out, d) })
	}
	return cmd
}

// readCharters finds, among the given charters, the one that the warrant names
// and the newest. Two of one number are a fork, and nothing is valid then.
func readCharters(files []string, w warrant.Warrant) (cs warrant.Charters, err error) {
	byNumber := map[uint64]*charter.Charter{}
	for _, file := range files {
		c, err := readCharter(file)
		if err != nil {
			return cs, err
		}
		if have := byNumber[c.Number]; have != nil {
			a, errA := have.Hash()
			b, errB := c.Hash()
			if err := errors.Join(errA, errB); err != nil {
				return cs, err
			}
			if a != b {
				return cs, fmt.Errorf("%w: number %d", charter.ErrFork, c.Number)
			}
		}
		byNumber[c.Number] = c
		if cs.Newest == nil || c.Number > cs.Newest.Number {
			cs.Newest = c
		}
	}
	if cs.Named = byNumber[w.CharterNumber]; cs.Named == nil {
		return cs, fmt.Errorf("the warrant rests on charter %d: give its file with --charter", w.CharterNumber)
	}
	return cs, nil
}

func describe(w warrant.Warrant, v warrant.Verified, cs warrant.Charters) (decided, error) {
	st, digest, o := v.Statement(), v.Digest(), v.Checkpoint()
	d := decided{
		Request: st.Request, Action: string(st.Action), Tenant: st.Tenant.ID, Reason: st.Reason, Digest: hex.EncodeToString(digest[:]),
		Charter: w.CharterNumber, Requester: st.Requester.ID, Checkpoint: o.Size, SignedAt: o.At, Witnesses: []string{}, Statement: string(w.Statement),
	}
	for _, c := range o.Cosignatures {
		d.Witnesses = append(d.Witnesses, c.Witness)
	}
	counted := map[string]bool{}
	for _, person := range v.Approvers() {
		counted[person] = true
	}
	for _, b := range w.Votes {
		leaf, err := audit.ParseLeaf(b.Record.Leaf)
		if err != nil {
			return d, err
		}
		vote := decidedVote{Person: b.Person, Method: "passkey", Counts: counted[b.Person], At: leaf.At, Leaf: b.Record.Index}
		if a, ok := cs.Named.Approver(b.Person); ok {
			vote.Name, vote.Team = a.Name, a.Team
		}
		if b.Proof.Passkey == nil {
			vote.Method = "totp, attested by the control plane"
		}
		d.Votes = append(d.Votes, vote)
	}
	for _, site := range cs.Named.Sites {
		copies := len(st.At(site.Name))
		if copies == 0 {
			continue
		}
		cooling, grace, err := v.Cooling(site.Name)
		if err != nil {
			return d, err
		}
		d.Sites = append(d.Sites, decidedSite{site.Name, copies, cooling.Seconds(), grace.Seconds()})
	}
	return d, nil
}

func showDecided(w io.Writer, d decided) {
	fmt.Fprintf(w, "The warrant is valid.\n\nStatement (fingerprint %s):\n\n%s\n", fingerprint(d.Digest), indent(plainText(d.Statement)))
	counts := 0
	for _, v := range d.Votes {
		if v.Counts {
			counts++
		}
	}
	fmt.Fprintf(w, "Asked for by %s. Approved by %d distinct people:\n", plain(d.Requester), counts)
	for _, v := range d.Votes {
		fmt.Fprintf(w, "  %s (%s, team %s) by %s at %s, leaf %d", plain(v.Name), plain(v.Person), plain(v.Team), v.Method, local(v.At), v.Leaf)
		if !v.Counts {
			fmt.Fprint(w, " - does not count")
		}
		fmt.Fprintln(w)
	}
	for _, site := range d.Sites {
		fmt.Fprintf(w, "At %s: %d copies, cooling-off %s, grace %s.\n", plain(site.Site), site.Copies, seconds(site.Cooling), seconds(site.Grace))
	}
	fmt.Fprintf(w, "All of it stands in the log of %d leaves signed at %s", d.Checkpoint, local(d.SignedAt))
	for _, name := range d.Witnesses {
		fmt.Fprintf(w, ", cosigned by %s", plain(name))
	}
	fmt.Fprintf(w, ".\nHolds, caps and last copies are each site's own to check.\n")
}

func seconds(s float64) string { return time.Duration(s * float64(time.Second)).String() }

func fingerprint(digest string) string {
	raw, err := hex.DecodeString(digest)
	if err != nil || len(raw) != 32 {
		return digest
	}
	return statement.Fingerprint([32]byte(raw))
}

func (s *shell) warrantFetchCommand() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use: "fetch REQUEST", Short: "Fetch the warrant of a decided request", Args: cobra.ExactArgs(1),
	}
	cmd.Flags().StringVar(&out, "out", "", "file to write (default: standard output)")
	cmd.RunE = s.with(func(ctx context.Context, c *client.Client, args []string) error {
		text, err := c.Warrant(ctx, args[0])
		if err != nil {
			return err
		}
		if out != "" {
			return durable.WriteFile(out, []byte(text), 0o644)
		}
		_, err = io.WriteString(s.Out, text)
		return err
	})
	return cmd
}
