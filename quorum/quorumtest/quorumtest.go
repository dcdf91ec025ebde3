// Package quorumtest owns ready-made facts for tests of requests, and the moves of the model test that the pure machine
// and the SQL store share. It must never be imported by anything but tests.
package quorumtest

import (
	"crypto/sha256"
	"time"

	"holdfast/quorum"
	"holdfast/quorum/clock/clocktest"
	"holdfast/quorum/statement"
)

// At is when requests open.
var At = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// Cooling is the delay of Opened's requirement: short, so that ticks of ten seconds reach its end.
const Cooling = 30 * time.Second

// People are the approvers of Opened, in teams of two; per_a5 is the requester's colleague and excluded, per_a6 too new.
var People = []string{"per_a1", "per_a2", "per_a3", "per_a4", "per_a5", "per_a6"}

// Roster is everyone in People.
func Roster() []quorum.Approver {
	teams := []string{"red", "red", "green", "green", "blue", "blue"}
	var out []quorum.Approver
	for i, p := range People {
		a := quorum.Approver{Person: p, Team: teams[i], Admitted: At.Add(-30 * 24 * time.Hour)}
		if p == "per_a6" {
			a.Admitted = At.Add(time.Minute)
		}
		out = append(out, a)
	}
	return out
}

// Opened opens a deletion at two sites that needs two approvals of two teams, changed by the edits.
func Opened(request string, edit ...func(*quorum.Opened)) quorum.Opened {
	o := quorum.Opened{
		Request: request, Tenant: "ten_1", Action: statement.DeleteCopies, Digest: sha256.Sum256(Text(request)),
		Requester: "per_m1", Drafter: "per_m1", Excluded: []string{"per_a5"}, Sites: []string{"primary", "berlin"}, Roster: Roster(),
		Requirement: quorum.Requirement{Approvals: 2, Teams: 2, TOTP: true, Cooling: Cooling, Grace: Cooling, Clocks: 1, Quarantine: 24 * time.Hour},
		VoteUntil:   At.Add(time.Hour), ExecuteUntil: At.Add(2 * time.Hour), At: At,
	}
	for _, e := range edit {
		e(&o)
	}
	return o
}

// Text stands in for a request's statement.
func Text(request string) []byte { return []byte("statement of " + request) }

// Vote is a passkey vote by the person on the request.
func Vote(request, person string, d quorum.Decision, at time.Time) quorum.VoteCast {
	return quorum.VoteCast{Person: person, Decision: d, Digest: sha256.Sum256(Text(request)), Method: quorum.Passkey, Key: "key of " + person, At: at}
}

// Clock is a fake clock at At with one outside clock.
func Clock() *clocktest.Fake { return clocktest.New(At, "ntp") }
