package charter

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"holdfast/quorum/internal/plain"
)

// Parse reads a text, validates the charter and accepts it only if Render of what it read gives the same bytes. Errors
// wrap ErrMalformed, ErrVersion or ErrInvalid.
func Parse(text []byte) (*Charter, error) {
	if len(text) > MaxText {
		return nil, fmt.Errorf("%w: longer than %d bytes", ErrMalformed, MaxText)
	}
	if first, _, _ := bytes.Cut(text, []byte{'\n'}); string(first) != firstLine {
		return nil, ErrVersion
	}
	lines, err := plain.Lines(text, MaxLines)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	p := parser{lines: lines[1:]}
	c := p.charter()
	if p.err != nil {
		return nil, fmt.Errorf("%w: line %d: %w", ErrMalformed, len(lines)-len(p.lines), p.err)
	}
	if err := c.validate(); err != nil {
		return nil, err
	}
	if !bytes.Equal(c.render(), text) {
		return nil, fmt.Errorf("%w: not in its canonical spelling", ErrMalformed)
	}
	return c, nil
}

type parser struct {
	lines []string
	err   error
}

func (p *parser) one(keyword string, read func(*plain.Reader)) {
	if p.err != nil {
		return
	}
	if len(p.lines) == 0 {
		p.err = fmt.Errorf("text ends before %s", keyword)
		return
	}
	r := plain.Line(p.lines[0])
	p.lines = p.lines[1:]
	r.Keyword(keyword)
	read(r)
	p.err = r.End()
}

func (p *parser) peek(keyword string) bool {
	return p.err == nil && len(p.lines) > 0 && strings.HasPrefix(p.lines[0], keyword+" ")
}

func (p *parser) many(keyword string, read func(*plain.Reader)) {
	for p.peek(keyword) {
		p.one(keyword, read)
	}
}

func (p *parser) charter() *Charter {
	c := &Charter{}
	p.one("number", func(r *plain.Reader) { c.Number = r.Uint() })
	p.one("previous", func(r *plain.Reader) {
		w := r.Word()
		if w == "none" {
			return
		}
		d, err := plain.ParseDigest(w)
		r.Fail(err)
		c.Previous = d
	})
	p.one("purpose", func(r *plain.Reader) { c.Purpose = Purpose(r.Word()) })
	p.one("created-at", func(r *plain.Reader) { c.CreatedAt = r.Time() })
	p.one("undo", func(r *plain.Reader) { c.Undo = r.Duration() })
	p.one("quarantine", func(r *plain.Reader) { c.Quarantine = r.Duration() })
	p.one("stagger", func(r *plain.Reader) { c.Stagger = r.Duration() })
	p.one("clocks", func(r *plain.Reader) { c.Clocks = r.Int() })
	p.one("witnesses", func(r *plain.Reader) { c.Witnesses = r.Int() })
	p.one("keep-rules", func(r *plain.Reader) { c.KeepRules = KeepAuthority(r.Word()) })
	p.many("origin", func(r *plain.Reader) {
		o := Origin{URL: r.Word()}
		r.Keyword("rp")
		o.RP = r.Word()
		r.Keyword("independent")
		o.Independent = r.YesNo()
		c.Origins = append(c.Origins, o)
	})
	for p.peek("approver") {
		p.approver(c)
	}
	p.many("attestation", func(r *plain.Reader) { c.Attestations = append(c.Attestations, Signer{r.Word(), edKey(r)}) })
	p.one("log", func(r *plain.Reader) { c.Log = Signer{r.Word(), edKey(r)} })
	p.many("witness", func(r *plain.Reader) {
		c.WitnessKeys = append(c.WitnessKeys, Witness{r.Word(), edKey(r), r.Word(), r.Word()})
	})
	p.many("recipient", func(r *plain.Reader) {
		age := r.Word()
		c.Recipients = append(c.Recipients, Recipient{r.Name(MaxName), age})
	})
	p.many("mailbox", func(r *plain.Reader) { c.Mailboxes = append(c.Mailboxes, Mailbox{r.Word(), r.Word()}) })
	p.many("site", func(r *plain.Reader) { c.Sites = append(c.Sites, site(r)) })
	if p.err == nil && len(p.lines) > 0 {
		p.lines = p.lines[1:]
		p.err = fmt.Errorf("unknown line, or out of order")
	}
	return c
}

func (p *parser) approver(c *Charter) {
	var a Approver
	p.one("approver", func(r *plain.Reader) {
		a.ID, a.Name = r.Word(), r.Name(MaxName)
		r.Keyword("team")
		a.Team = r.Word()
		r.Keyword("admitted-at")
		a.AdmittedAt = r.Time()
	})
	p.many("key", func(r *plain.Reader) {
		r.Keyword(a.ID)
		k := Key{CredentialID: r.Bytes()}
		alg, raw, err := plain.ParseKey(r.Word())
		r.Fail(err)
		k.PublicKey = raw
		if err == nil && (k.Algorithm() == "" || string(k.Algorithm()) != alg) {
			r.Fail(errCOSE)
		}
		r.Keyword("rp")
		k.RP = r.Word()
		r.Keyword("device-bound")
		k.Hardware = r.YesNo()
		r.Keyword("aaguid")
		raw, err = hex.DecodeString(strings.ReplaceAll(r.Word(), "-", ""))
		if err != nil || len(raw) != 16 {
			r.Fail(fmt.Errorf("malformed aaguid"))
		} else {
			copy(k.AAGUID[:], raw)
		}
		r.Keyword("admitted-at")
		k.AdmittedAt = r.Time()
		a.Keys = append(a.Keys, k)
	})
	c.Approvers = append(c.Approvers, a)
}

func edKey(r *plain.Reader) (k [32]byte) {
	alg, raw, err := plain.ParseKey(r.Word())
	r.Fail(err)
	if err == nil && (alg != string(AlgEd25519) || len(raw) != 32) {
		r.Fail(fmt.Errorf("not an ed25519 key"))
		return k
	}
	copy(k[:], raw)
	return k
}

func site(r *plain.Reader) Site {
	s := Site{Name: r.Word(), Role: Role(r.Word())}
	number := func(key string) int { r.Keyword(key); return r.Int() }
	delay := func(key string) time.Duration { r.Keyword(key); return r.Duration() }
	size := func(key string) uint64 { r.Keyword(key); return r.Uint() }
	r.Keyword("key")
	s.Key = edKey(r)
	s.Approvals, s.Teams, s.Hardware = number("approvals"), number("teams"), number("hardware")
	s.Independent = number("independent")
	r.Keyword("totp")
	s.TOTP = r.YesNo()
	s.Cooling, s.Grace, s.LastExtra = delay("cooling"), delay("grace"), delay("last-extra")
	s.Caps = Caps{size("request-copies"), size("request-bytes"), size("day-copies"), size("day-bytes")}
	return s
}
