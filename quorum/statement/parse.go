package statement

import (
	"bytes"
	"fmt"
	"strings"

	"holdfast/quorum/internal/plain"
)

// Parse reads a text and accepts it only if Render of what it read gives the same bytes. Errors wrap ErrMalformed,
// ErrVersion or ErrInvalid.
func Parse(text []byte) (Statement, error) {
	if len(text) > MaxText {
		return Statement{}, fmt.Errorf("%w: longer than %d bytes", ErrMalformed, MaxText)
	}
	if first, _, _ := bytes.Cut(text, []byte{'\n'}); string(first) != firstLine {
		return Statement{}, ErrVersion
	}
	lines, err := plain.Lines(text, 32+MaxVolumes+MaxByRule)
	if err != nil {
		return Statement{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	p := parser{lines: lines[1:]}
	s := p.statement()
	if p.err != nil {
		return Statement{}, fmt.Errorf("%w: line %d: %w", ErrMalformed, len(lines)-len(p.lines), p.err)
	}
	if err := s.check(); err != nil {
		return Statement{}, err
	}
	if !bytes.Equal(s.render(), text) {
		return Statement{}, fmt.Errorf("%w: totals, order or body do not agree", ErrMalformed)
	}
	return s, nil
}

type parser struct {
	lines []string
	err   error
}

func (p *parser) peek(keyword string) bool {
	return p.err == nil && len(p.lines) > 0 && strings.HasPrefix(p.lines[0], keyword+" ")
}

// line reads the next line, which must begin with keyword.
func (p *parser) line(keyword string, read func(*plain.Reader)) {
	if p.err != nil {
		return
	}
	if len(p.lines) == 0 {
		p.err = fmt.Errorf("text ends before %s", keyword)
		return
	}
	l := p.lines[0]
	p.lines = p.lines[1:]
	if len(l) > MaxLine {
		p.err = fmt.Errorf("line longer than %d bytes", MaxLine)
		return
	}
	r := plain.Line(l)
	r.Keyword(keyword)
	read(r)
	p.err = r.End()
}

func (p *parser) statement() (s Statement) {
	p.line("action", func(r *plain.Reader) { s.Action = Action(r.Word()) })
	p.line("request", func(r *plain.Reader) { s.Request = r.Word() })
	p.line("tenant", func(r *plain.Reader) {
		if s.Tenant.ID = r.Word(); s.Tenant.ID == "none" && r.Left() == 0 {
			s.Tenant.ID = ""
			return
		}
		s.Tenant.Name = r.Name(MaxName)
	})
	p.line("charter", func(r *plain.Reader) { s.Charter = Charter{r.Uint(), r.Digest()} })
	if p.peek("selection") {
		p.line("selection", func(r *plain.Reader) {
			if s.Selection = Selection(r.Word()); s.Selection != ByRule {
				return
			}
			s.Rule = &KeepRule{ID: r.Word()}
			r.Keyword("leaf")
			s.Rule.Leaf, s.Rule.Text = r.Digest(), r.Name(MaxValue)
		})
	}
	p.line("reason", func(r *plain.Reader) { s.Reason = r.Name(MaxReason) })
	party := func(r *plain.Reader) Party { return Party{PartyKind(r.Word()), r.Word(), r.Name(MaxName)} }
	p.line("requester", func(r *plain.Reader) { s.Requester = party(r) })
	p.line("opened-by", func(r *plain.Reader) { s.OpenedBy = party(r) })
	p.line("opened-at", func(r *plain.Reader) { s.OpenedAt = r.Time() })
	p.line("vote-until", func(r *plain.Reader) { s.VoteUntil = r.Time() })
	p.line("execute-until", func(r *plain.Reader) { s.ExecuteUntil = r.Time() })
	if p.peek("totals") {
		p.line("totals", func(r *plain.Reader) { pairs(r, "copies", "snapshots", "sites", "volumes", "bytes", "files") })
	}
	for p.peek("volume") && len(s.Volumes) <= MaxVolumes {
		p.line("volume", func(r *plain.Reader) { s.Volumes = append(s.Volumes, volume(r)) })
	}
	for p.peek("subject") && len(s.Subjects) <= MaxSubjects {
		p.line("subject", func(r *plain.Reader) {
			s.Subjects = append(s.Subjects, Subject{r.Word(), r.Word(), r.Name(MaxName)})
		})
	}
	for p.peek("fact") && len(s.Facts) <= MaxSubjects {
		p.line("fact", func(r *plain.Reader) { s.Facts = append(s.Facts, Fact{r.Word(), r.Value(MaxValue)}) })
	}
	// Sums and hashes are computed, not stored: the comparison of bytes at the end of Parse checks them.
	p.line("body", func(r *plain.Reader) { r.Digest(); r.Keyword("lines"); r.Uint() })
	if p.err == nil && (len(p.lines) == 0 || p.lines[0] != "") {
		p.err = fmt.Errorf("no empty line after the header")
	}
	if p.err == nil {
		p.lines = p.lines[1:]
	}
	for p.err == nil && len(p.lines) > 0 && len(s.Copies) <= MaxByRule {
		p.line("copy", func(r *plain.Reader) { s.Copies = append(s.Copies, readCopy(r)) })
	}
	if p.err == nil && len(p.lines) > 0 {
		p.err = fmt.Errorf("too many lines")
	}
	return s
}

func pairs(r *plain.Reader, keys ...string) []uint64 {
	out := make([]uint64, len(keys))
	for i, k := range keys {
		r.Keyword(k)
		out[i] = r.Uint()
	}
	return out
}

func volume(r *plain.Reader) Volume {
	v := Volume{ID: r.Word(), Name: r.Name(MaxName)}
	pairs(r, "copies", "bytes", "files")
	r.Keyword("from")
	r.Time()
	r.Keyword("to")
	r.Time()
	r.Keyword("newest-left")
	if v.NewestLeft = r.Word(); v.NewestLeft == "none" && r.Left() == 0 {
		v.NewestLeft = ""
		return v
	}
	v.NewestLeftAt = r.Time()
	return v
}

func readCopy(r *plain.Reader) Copy {
	c := Copy{Site: r.Word(), Volume: r.Word(), Snapshot: r.Word(), TakenAt: r.Time(), Digest: r.Digest()}
	n := pairs(r, "bytes", "files")
	c.Bytes, c.Files = n[0], n[1]
	r.Keyword("last")
	c.Last = Last(r.Word())
	return c
}
