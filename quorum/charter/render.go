package charter

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"holdfast/quorum/internal/plain"
)

const firstLine = "holdfast charter v1"

// Normalise returns a copy with lists in the order of the text and times in whole microseconds of UTC. Render does the same.
func (c *Charter) Normalise() *Charter {
	n := *c
	n.CreatedAt = plain.Instant(c.CreatedAt)
	n.Origins = slices.Clone(c.Origins)
	slices.SortFunc(n.Origins, func(a, b Origin) int { return cmp.Compare(a.URL, b.URL) })
	n.Approvers = slices.Clone(c.Approvers)
	slices.SortFunc(n.Approvers, func(a, b Approver) int { return cmp.Compare(a.ID, b.ID) })
	for i := range n.Approvers {
		a := &n.Approvers[i]
		a.AdmittedAt = plain.Instant(a.AdmittedAt)
		a.Keys = slices.Clone(a.Keys)
		slices.SortFunc(a.Keys, func(x, y Key) int { return bytes.Compare(x.CredentialID, y.CredentialID) })
		for j := range a.Keys {
			a.Keys[j].AdmittedAt = plain.Instant(a.Keys[j].AdmittedAt)
		}
	}
	n.Attestations = slices.Clone(c.Attestations)
	slices.SortFunc(n.Attestations, func(a, b Signer) int { return cmp.Compare(a.ID, b.ID) })
	n.WitnessKeys = slices.Clone(c.WitnessKeys)
	slices.SortFunc(n.WitnessKeys, func(a, b Witness) int { return cmp.Compare(a.Name, b.Name) })
	n.Recipients = slices.Clone(c.Recipients)
	slices.SortFunc(n.Recipients, func(a, b Recipient) int { return cmp.Compare(a.Age, b.Age) })
	n.Mailboxes = slices.Clone(c.Mailboxes)
	slices.SortFunc(n.Mailboxes, func(a, b Mailbox) int { return cmp.Or(cmp.Compare(a.Site, b.Site), cmp.Compare(a.URL, b.URL)) })
	n.Sites = slices.Clone(c.Sites)
	slices.SortFunc(n.Sites, func(a, b Site) int { return cmp.Compare(a.Name, b.Name) })
	return &n
}

// Render validates the charter and spells it.
func (c *Charter) Render() ([]byte, error) {
	n := c.Normalise()
	if err := n.validate(); err != nil {
		return nil, err
	}
	t := n.render()
	if len(t) > MaxText {
		return nil, &InvalidError{"too-long", fmt.Sprintf("text longer than %d bytes", MaxText)}
	}
	return t, nil
}

func (c *Charter) render() []byte {
	var b bytes.Buffer
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	previous := "none"
	if c.Previous != [32]byte{} {
		previous = plain.Digest(c.Previous)
	}
	line(firstLine)
	line("number %d", c.Number)
	line("previous %s", previous)
	line("purpose %s", c.Purpose)
	line("created-at %s", plain.Time(c.CreatedAt))
	line("undo %s", plain.Duration(c.Undo))
	line("quarantine %s", plain.Duration(c.Quarantine))
	line("stagger %s", plain.Duration(c.Stagger))
	line("clocks %d", c.Clocks)
	line("witnesses %d", c.Witnesses)
	line("keep-rules %s", c.KeepRules)
	for _, o := range c.Origins {
		line("origin %s rp %s independent %s", o.URL, o.RP, plain.YesNo(o.Independent))
	}
	for _, a := range c.Approvers {
		line("approver %s %s team %s admitted-at %s", a.ID, plain.Name(a.Name), a.Team, plain.Time(a.AdmittedAt))
		for _, k := range a.Keys {
			line("key %s %s %s rp %s device-bound %s aaguid %s admitted-at %s", a.ID, plain.Bytes(k.CredentialID),
				plain.Key(string(k.Algorithm()), k.PublicKey), k.RP, plain.YesNo(k.Hardware), uuid(k.AAGUID), plain.Time(k.AdmittedAt))
		}
	}
	for _, s := range c.Attestations {
		line("attestation %s %s", s.ID, ed25519Key(s.Key))
	}
	line("log %s %s", c.Log.ID, ed25519Key(c.Log.Key))
	for _, w := range c.WitnessKeys {
		line("witness %s %s %s %s", w.Name, ed25519Key(w.Key), w.HolderKind, w.Holder)
	}
	for _, r := range c.Recipients {
		line("recipient %s %s", r.Age, plain.Name(r.Name))
	}
	for _, m := range c.Mailboxes {
		line("mailbox %s %s", m.Site, m.URL)
	}
	for _, s := range c.Sites {
		line("site %s %s key %s approvals %d teams %d hardware %d independent %d totp %s cooling %s grace %s last-extra %s "+
			"request-copies %d request-bytes %d day-copies %d day-bytes %d", s.Name, s.Role, ed25519Key(s.Key),
			s.Approvals, s.Teams, s.Hardware, s.Independent, plain.YesNo(s.TOTP), plain.Duration(s.Cooling),
			plain.Duration(s.Grace), plain.Duration(s.LastExtra), s.Caps.RequestCopies, s.Caps.RequestBytes,
			s.Caps.DayCopies, s.Caps.DayBytes)
	}
	return b.Bytes()
}

func ed25519Key(k [32]byte) string { return plain.Key(string(AlgEd25519), k[:]) }

func uuid(u [16]byte) string {
	h := hex.EncodeToString(u[:])
	return strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-")
}
