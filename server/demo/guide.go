package demo

import (
	"strings"
	"sync/atomic"
	"time"

	"holdfast/authz/totp"
	"holdfast/server/wire"
)

// guide is what the start page shows, once everything is there.
type guide struct{ of atomic.Pointer[wire.Guide] }

// publish makes the state known to the start page. dir is as the user gave it.
func (g *guide) publish(s *state, dir string) {
	out := &wire.Guide{Portal: s.Addresses.Portal, Console: s.Addresses.Console, Volume: s.Volumes["sources"], Snapshot: s.Snapshots["first"]}
	for _, p := range s.People {
		face := "portal"
		if p.staff() {
			face = "console"
		}
		line := wire.GuidePerson{Name: p.Name, Role: p.Role, Team: p.Team, Face: face, Email: p.Email, Password: p.Password, TOTP: p.TOTP}
		if p.Role == "approver" {
			line.Approve, line.Deny = decideCommand("approve", p, dir), decideCommand("deny", p, dir)
		}
		out.People = append(out.People, line)
	}
	g.of.Store(out)
}

// decideCommand lets a person's software key decide, once the request's id stands behind it.
func decideCommand(decision string, p *person, dir string) string {
	first, _, _ := strings.Cut(p.Name, " ")
	return command() + " demo " + decision + dirFlag(dir) + " " + strings.ToLower(first)
}

// dirFlag names a directory to the demonstration's commands, where they would not find it alone.
func dirFlag(dir string) string {
	if dir == DefaultDir {
		return ""
	}
	return " --dir " + quoted(dir)
}

// now is the guide with the codes of this moment; false until there is one.
func (g *guide) now() (wire.Guide, bool) {
	kept := g.of.Load()
	if kept == nil {
		return wire.Guide{}, false
	}
	out, at := *kept, time.Now()
	out.People = make([]wire.GuidePerson, len(kept.People))
	for i, p := range kept.People {
		out.People[i] = withCodes(p, at)
	}
	return out, true
}

func withCodes(p wire.GuidePerson, at time.Time) wire.GuidePerson {
	s, err := totp.ParseSecret(p.TOTP)
	if err != nil {
		return p
	}
	next := at.Truncate(totp.Period).Add(totp.Period)
	// A code that cannot be made is not shown; the secret above it still is.
	p.Code, _ = totp.Code(s, at)
	p.Next, _ = totp.Code(s, next)
	p.Turns = next
	return p
}
