package quorumtest

import (
	"fmt"
	"reflect"
	"time"

	"pgregory.net/rapid"

	"holdfast/quorum"
	"holdfast/quorum/clock/clocktest"
)

// Move draws a next event, lawful or not, and moves the clock along. Restarts, reboots and jumps are among the moves.
func Move(rt *rapid.T, s quorum.State, c *clocktest.Fake) quorum.Event {
	person := rapid.SampledFrom(append([]string{"per_m1", "per_stranger"}, People...)).Draw(rt, "person")
	site := rapid.SampledFrom([]string{"primary", "berlin", "nowhere"}).Draw(rt, "site")
	stop := rapid.SampledFrom([]string{"sto_1", "sto_2"}).Draw(rt, "stop")
	digest := s.Digest
	if rapid.IntRange(0, 19).Draw(rt, "digest") == 0 {
		digest[0] ^= 1
	}
	now := c.Now()
	kind := rapid.SampledFrom([]string{"approve", "approve", "approve", "approve", "deny", "totp", "cancel", "expire", "freeze", "thaw", "thaw", "hold", "release", "release",
		"tick", "tick", "tick", "tick", "tick", "tick", "late", "jump", "restart", "trust", "begin", "begin", "begin", "hide", "hide", "erase", "restore", "suspend", "reinstate"}).Draw(rt, "kind")
	vote := quorum.VoteCast{Person: person, Decision: quorum.Approve, Digest: digest, Method: quorum.Passkey, Key: "key of " + person, At: now}
	switch kind {
	case "approve":
		return vote
	case "deny":
		vote.Decision = quorum.Deny
		if rapid.IntRange(0, 3).Draw(rt, "rare") > 0 {
			vote.Decision = quorum.Approve
		}
		return vote
	case "totp":
		vote.Method = quorum.TOTP
		return vote
	case "cancel":
		if rapid.IntRange(0, 3).Draw(rt, "rare") > 0 {
			return vote
		}
		return quorum.CancelCast{Person: person, At: now}
	case "expire":
		return quorum.ExpiryReached{At: now}
	case "freeze":
		return quorum.FreezeSet{Stop: stop, At: now}
	case "thaw":
		return quorum.FreezeLifted{Stop: stop, At: now}
	case "hold":
		return quorum.HoldPlaced{Hold: stop, At: now}
	case "release":
		return quorum.HoldReleased{Hold: stop, At: now}
	case "late":
		c.Advance(20 * time.Minute)
	case "jump":
		if rapid.IntRange(0, 9).Draw(rt, "rare") == 0 {
			c.JumpWall(rapid.SampledFrom([]time.Duration{-time.Hour, time.Hour}).Draw(rt, "by"))
		}
	case "restart":
		c.Restart(time.Duration(rapid.IntRange(1, 100).Draw(rt, "down")) * time.Second)
	case "trust":
		return quorum.ClockTrusted{Reading: c.Reading(), At: now}
	case "begin":
		return quorum.ExecutionBegan{Site: site, Digest: digest, At: now}
	case "hide":
		return quorum.SiteTombstoned{Site: site, Digest: digest, At: now}
	case "erase":
		return quorum.SiteErased{Site: site, Digest: digest, At: now}
	case "restore":
		return quorum.CopiesRestored{Person: person, At: now}
	case "suspend", "reinstate":
		r := Roster()
		for i := range r {
			r[i].Suspended = kind == "suspend" && r[i].Person == person
		}
		return quorum.RulesTightened{Requirement: s.Requirement, Roster: r, At: now}
	}
	c.Advance(time.Duration(rapid.IntRange(1, 10).Draw(rt, "seconds")) * time.Second)
	return quorum.Ticked{Reading: c.Reading()}
}

var lawful = map[quorum.Phase][]quorum.Phase{
	quorum.Open:       {quorum.Cooling, quorum.Denied, quorum.Expired, quorum.Cancelled},
	quorum.Cooling:    {quorum.Executing, quorum.Denied, quorum.Expired, quorum.Cancelled},
	quorum.Executing:  {quorum.Tombstoned, quorum.Denied, quorum.Expired, quorum.Cancelled, quorum.Restored, quorum.Applied},
	quorum.Tombstoned: {quorum.Erased, quorum.Restored},
}

// Invariants says what is wrong with a step, or nothing.
func Invariants(before, after quorum.State, e quorum.Event, err error) string {
	if err != nil && !reflect.DeepEqual(before, after) {
		return "a refused event changed the state"
	}
	if before.Phase != after.Phase {
		ok := false
		for _, p := range lawful[before.Phase] {
			ok = ok || p == after.Phase
		}
		if !ok {
			return "an arrow that the design does not draw"
		}
	}
	people := map[string]bool{}
	for _, v := range after.Votes {
		if v.Person == "per_m1" || v.Person == "per_a5" {
			return "I2: the requester's side voted"
		}
		if v.Decision == quorum.Approve {
			if v.Person == "per_a6" {
				return "I5: an approver newer than the request approved"
			}
			if people[v.Person] {
				return "I2: one person approved twice"
			}
			people[v.Person] = true
		}
	}
	if t := after.Tally(); t.Approvals > len(people) {
		return fmt.Sprintf("I2: %d approvals of %d people", t.Approvals, len(people))
	}
	if before.Phase == quorum.Open && after.Phase == quorum.Cooling && !after.Met() {
		return "I6: cooling without quorum"
	}
	if b, ok := e.(quorum.ExecutionBegan); ok && err == nil && before.Sites[b.Site] == 0 {
		switch {
		case !before.Met():
			return "I6: execution without quorum"
		case before.Stopped() != nil:
			return "T27: execution under a stop"
		case before.Timer.Accrued < Cooling || before.Timer.Suspended:
			return "I6: execution before the delay"
		case !b.At.Before(before.ExecuteUntil):
			return "T28: execution too late"
		}
	}
	return ""
}
