package statement

import (
	"fmt"
	"strings"

	"holdfast/quorum/internal/plain"
)

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrInvalid, fmt.Sprintf(format, args...))
}

// checker remembers the first error.
type checker struct{ err error }

func (c *checker) that(ok bool, format string, args ...any) {
	if c.err == nil && !ok {
		c.err = invalid(format, args...)
	}
}

func (c *checker) wrap(err error) {
	if c.err == nil && err != nil {
		c.err = fmt.Errorf("%w: %w", ErrInvalid, err)
	}
}

func (c *checker) id(what, s string) {
	c.that(plain.IsWord(s) && len(s) <= MaxID && s != "none", "%s is not an id", what)
}

func (c *checker) name(what, s string) {
	c.wrap(plain.Checked(what, s, MaxName))
	c.that(strings.TrimSpace(s) != "", "%s is empty", what)
}

// Check reports whether the statement is complete and inside the limits; errors wrap ErrInvalid. Render and Parse call it.
func (s *Statement) Check() error {
	n := s.Normalise()
	return n.check()
}

func (s *Statement) check() error {
	c := &checker{}
	sch, ok := schemas[s.Action]
	c.that(ok, "unknown action %s", plain.Quote(string(s.Action)))
	c.id("request", s.Request)
	if s.Tenant.ID != "" {
		c.id("tenant", s.Tenant.ID)
		c.name("tenant name", s.Tenant.Name)
		c.that(sch.tenant != never, "%s concerns no tenant", s.Action)
	} else {
		c.that(sch.tenant != always && s.Tenant.Name == "", "%s without a tenant", s.Action)
	}
	c.that(s.Charter.Number > 0 && s.Charter.Number < 1<<63 && s.Charter.Hash != [32]byte{}, "no charter")
	c.wrap(plain.Checked("reason", s.Reason, MaxReason))
	c.that(strings.TrimSpace(s.Reason) != "", "no reason")
	s.checkParties(c)
	c.wrap(plain.CheckTime("opened-at", s.OpenedAt))
	c.wrap(plain.CheckTime("vote-until", s.VoteUntil))
	c.wrap(plain.CheckTime("execute-until", s.ExecuteUntil))
	c.that(s.VoteUntil.After(s.OpenedAt) && s.VoteUntil.Sub(s.OpenedAt) <= MaxVoteWindow, "vote-until is not after opened-at, or too late")
	c.that(s.ExecuteUntil.After(s.VoteUntil) && s.ExecuteUntil.Sub(s.OpenedAt) <= MaxExecuteWindow, "execute-until is not after vote-until, or too late")
	if s.Action == DeleteCopies {
		s.checkDeletion(c)
	} else {
		s.checkOther(c, sch)
	}
	return c.err
}

func (s *Statement) checkParties(c *checker) {
	c.that(s.Requester.Kind == Member || s.Requester.Kind == Staff, "the requester is not a person")
	c.id("requester", s.Requester.ID)
	c.name("requester name", s.Requester.Name)
	switch s.OpenedBy.Kind {
	case Member, Staff, Token, System:
	default:
		c.that(false, "opened-by is of no known kind")
	}
	c.id("opened-by", s.OpenedBy.ID)
	c.name("opened-by name", s.OpenedBy.Name)
	if s.OpenedBy.ID == s.Requester.ID {
		c.that(s.OpenedBy == s.Requester, "requester and opened-by are one id with two descriptions")
	}
	c.that(s.Tenant.ID != "" || s.Requester.Kind == Staff, "a member acts for a tenant only")
}

func (s *Statement) checkDeletion(c *checker) {
	limit := MaxByHand
	switch s.Selection {
	case ByHand:
		c.that(s.Rule == nil, "by-hand with a keep rule")
	case ByRule:
		limit = MaxByRule
		if s.Rule == nil {
			c.that(false, "by-rule without a keep rule")
			return
		}
		c.id("keep rule", s.Rule.ID)
		c.that(s.Rule.Leaf != [32]byte{}, "the keep rule is not logged")
		c.wrap(plain.Checked("keep rule", s.Rule.Text, MaxValue))
		c.that(strings.TrimSpace(s.Rule.Text) != "", "the keep rule is empty")
	default:
		c.that(false, "selection is neither by-hand nor by-rule")
	}
	c.that(len(s.Subjects) == 0 && len(s.Facts) == 0, "a deletion has copies, not subjects or facts")
	c.that(len(s.Copies) > 0, "no copy")
	c.that(len(s.Copies) <= limit, "more than %d copies", limit)
	c.that(len(s.Volumes) > 0 && len(s.Volumes) <= MaxVolumes, "no volume, or more than %d", MaxVolumes)
	if c.err != nil {
		return
	}
	named := map[string]bool{}
	for i, v := range s.Volumes {
		c.id("volume", v.ID)
		c.name("volume name", v.Name)
		c.that(i == 0 || s.Volumes[i-1].ID < v.ID, "volumes out of order or twice")
		if v.NewestLeft == "" {
			c.that(v.NewestLeftAt.IsZero(), "a time of no restore point")
		} else {
			c.id("newest point left", v.NewestLeft)
			c.wrap(plain.CheckTime("newest point left", v.NewestLeftAt))
		}
		named[v.ID] = false
	}
	var bytes, files uint64
	seen := map[[2]string]bool{}
	for i, k := range s.Copies {
		c.id("site", k.Site)
		c.id("volume", k.Volume)
		c.id("snapshot", k.Snapshot)
		c.wrap(plain.CheckTime("taken-at", k.TakenAt))
		c.that(k.Digest != [32]byte{}, "copy without digest")
		switch k.Last {
		case NotLast, LastCopy, LastPoint, LastBoth:
		default:
			c.that(false, "last is of no known value")
		}
		c.that(i == 0 || compareCopies(s.Copies[i-1], k) < 0, "copies out of order or twice")
		at := [2]string{k.Site, k.Snapshot}
		c.that(!seen[at], "copy named twice")
		seen[at] = true
		_, ok := named[k.Volume]
		c.that(ok, "copy of a volume that the header does not name")
		named[k.Volume] = true
		bytes, files = addUp(c, bytes, k.Bytes), addUp(c, files, k.Files)
	}
	for _, v := range s.Volumes {
		c.that(named[v.ID], "the header names a volume without copies")
	}
	s.checkSnapshots(c)
}

// checkSnapshots refuses two descriptions of one snapshot, and a last restore point where the header says one is left.
func (s *Statement) checkSnapshots(c *checker) {
	type what struct {
		volume, at string
		digest     [32]byte
	}
	snaps := map[string]what{}
	lastPoint := map[string]bool{}
	for _, k := range s.Copies {
		w := what{k.Volume, plain.Time(k.TakenAt), k.Digest}
		if seen, ok := snaps[k.Snapshot]; ok {
			c.that(seen == w, "one snapshot with two descriptions")
		}
		snaps[k.Snapshot] = w
		if k.Last == LastPoint || k.Last == LastBoth {
			lastPoint[k.Volume] = true
		}
	}
	for _, v := range s.Volumes {
		c.that((v.NewestLeft == "") == lastPoint[v.ID], "newest-left none must go with a last restore point, and only then")
	}
}

func addUp(c *checker, a, b uint64) uint64 {
	c.that(b < 1<<63 && a+b < 1<<63, "a total is too large")
	return a + b
}

func (s *Statement) checkOther(c *checker, sch schema) {
	c.that(s.Selection == "" && s.Rule == nil && len(s.Copies) == 0 && len(s.Volumes) == 0, "%s has no copies", s.Action)
	c.that(len(s.Subjects) == len(sch.subjects), "%s has %d subjects", s.Action, len(sch.subjects))
	c.that(len(s.Facts) == len(sch.facts), "%s has %d facts", s.Action, len(sch.facts))
	if c.err != nil {
		return
	}
	for i, u := range s.Subjects {
		c.that(u.Kind == sch.subjects[i], "subject %d of %s is not of kind %s", i+1, s.Action, sch.subjects[i])
		c.id("subject", u.ID)
		c.name("subject name", u.Name)
	}
	for i, f := range s.Facts {
		c.that(f.Key == sch.facts[i].key, "fact %d of %s is not %s", i+1, s.Action, sch.facts[i].key)
		c.wrap(sch.facts[i].check(f.Value))
	}
	if c.err != nil {
		return
	}
	switch s.Action {
	case ChangeCharter:
		next, _ := s.Number("next-number")
		c.that(next == s.Charter.Number+1, "next-number is not the number after the charter's")
	case CloseTenant:
		c.that(s.Subjects[0].ID == s.Tenant.ID, "the subject is not the tenant")
	case ShortenUndo:
		from, _ := s.Duration("from")
		to, _ := s.Duration("to")
		c.that(to < from, "the undo window does not shrink")
	case EndSuspension:
		c.that(s.Subjects[1].ID != s.Subjects[2].ID, "a suspension concerns two people")
	}
}
