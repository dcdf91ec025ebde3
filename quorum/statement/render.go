package statement

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	"holdfast/quorum/internal/plain"
)

const firstLine = "holdfast statement v1"

// Normalise returns a copy with copies and volumes in the order of the text and times in whole microseconds of UTC.
// Render does the same.
func (s *Statement) Normalise() Statement {
	n := *s
	n.OpenedAt, n.VoteUntil, n.ExecuteUntil = plain.Instant(s.OpenedAt), plain.Instant(s.VoteUntil), plain.Instant(s.ExecuteUntil)
	n.Copies = slices.Clone(s.Copies)
	for i := range n.Copies {
		n.Copies[i].TakenAt = plain.Instant(n.Copies[i].TakenAt)
	}
	slices.SortFunc(n.Copies, compareCopies)
	n.Volumes = slices.Clone(s.Volumes)
	for i := range n.Volumes {
		if n.Volumes[i].NewestLeft != "" {
			n.Volumes[i].NewestLeftAt = plain.Instant(n.Volumes[i].NewestLeftAt)
		}
	}
	slices.SortFunc(n.Volumes, func(a, b Volume) int { return cmp.Compare(a.ID, b.ID) })
	n.Subjects, n.Facts = slices.Clone(s.Subjects), slices.Clone(s.Facts)
	if s.Rule != nil {
		r := *s.Rule
		n.Rule = &r
	}
	return n
}

func compareCopies(a, b Copy) int {
	return cmp.Or(cmp.Compare(a.Volume, b.Volume), a.TakenAt.Compare(b.TakenAt),
		cmp.Compare(a.Snapshot, b.Snapshot), cmp.Compare(a.Site, b.Site))
}

// Render checks the statement and spells it. Errors wrap ErrInvalid.
func (s *Statement) Render() (Text, error) {
	n := s.Normalise()
	if err := n.check(); err != nil {
		return nil, err
	}
	t := n.render()
	if len(t) > MaxText {
		return nil, fmt.Errorf("%w: text longer than %d bytes", ErrInvalid, MaxText)
	}
	return t, nil
}

func (s *Statement) render() Text {
	body := s.body()
	var b strings.Builder
	line := func(format string, args ...any) {
		fmt.Fprintf(&b, format, args...)
		b.WriteByte('\n')
	}
	line(firstLine)
	line("action %s", s.Action)
	line("request %s", s.Request)
	if s.Tenant.ID == "" {
		line("tenant none")
	} else {
		line("tenant %s %s", s.Tenant.ID, plain.Name(s.Tenant.Name))
	}
	line("charter %d %s", s.Charter.Number, plain.Digest(s.Charter.Hash))
	switch s.Selection {
	case ByHand:
		line("selection by-hand")
	case ByRule:
		line("selection by-rule %s leaf %s %s", s.Rule.ID, plain.Digest(s.Rule.Leaf), plain.Name(s.Rule.Text))
	}
	line("reason %s", plain.Name(s.Reason))
	line("requester %s %s %s", s.Requester.Kind, s.Requester.ID, plain.Name(s.Requester.Name))
	line("opened-by %s %s %s", s.OpenedBy.Kind, s.OpenedBy.ID, plain.Name(s.OpenedBy.Name))
	line("opened-at %s", plain.Time(s.OpenedAt))
	line("vote-until %s", plain.Time(s.VoteUntil))
	line("execute-until %s", plain.Time(s.ExecuteUntil))
	if s.Action == DeleteCopies {
		t := s.Totals()
		line("totals copies %d snapshots %d sites %d volumes %d bytes %d files %d",
			t.Copies, t.Snapshots, t.Sites, t.Volumes, t.Bytes, t.Files)
		byVolume := map[string][]Copy{}
		for _, c := range s.Copies {
			byVolume[c.Volume] = append(byVolume[c.Volume], c)
		}
		for _, v := range s.Volumes {
			cs := byVolume[v.ID]
			u := sum(cs)
			left := "none"
			if v.NewestLeft != "" {
				left = v.NewestLeft + " " + plain.Time(v.NewestLeftAt)
			}
			line("volume %s %s copies %d bytes %d files %d from %s to %s newest-left %s", v.ID, plain.Name(v.Name),
				u.Copies, u.Bytes, u.Files, plain.Time(cs[0].TakenAt), plain.Time(cs[len(cs)-1].TakenAt), left)
		}
	}
	for _, u := range s.Subjects {
		line("subject %s %s %s", u.Kind, u.ID, plain.Name(u.Name))
	}
	for _, f := range s.Facts {
		line("fact %s %s", f.Key, plain.Quote(f.Value))
	}
	line("body %s lines %d", plain.Digest(sha256.Sum256([]byte(body))), len(s.Copies))
	line("")
	b.WriteString(body)
	return Text(b.String())
}

func (s *Statement) body() string {
	var b strings.Builder
	for _, c := range s.Copies {
		fmt.Fprintf(&b, "copy %s %s %s %s %s bytes %d files %d last %s\n", c.Site, c.Volume, c.Snapshot,
			plain.Time(c.TakenAt), plain.Digest(c.Digest), c.Bytes, c.Files, c.Last)
	}
	return b.String()
}
