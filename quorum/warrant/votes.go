package warrant

import (
	"fmt"
	"slices"

	"holdfast/quorum/audit"
	"holdfast/quorum/charter"
	"holdfast/quorum/statement"
)

// checkVotes re-verifies every vote. Bad evidence voids the warrant; a vote of somebody who has since been removed or
// suspended only does not count (T18).
func (v *Verified) checkVotes(w Warrant, log LogView) error {
	people, keys, nonces := map[string]bool{}, map[string]bool{}, map[Nonce]bool{}
	if !w.Confirm.IsZero() {
		nonces[w.Confirm.Nonce()] = true
	}
	for _, b := range w.Votes {
		if b.Decision != Approve {
			return fmt.Errorf("%w: %s", ErrDenied, b.Person)
		}
		if v.statement.Opened(b.Person) || slices.Contains(log.Excluded, b.Person) {
			return fmt.Errorf("%w: %s is of the requester's side", ErrSamePerson, b.Person)
		}
		key := keyOf(b)
		if people[b.Person] || keys[key] || nonces[b.Proof.Nonce()] {
			return fmt.Errorf("%w: %s votes twice, or with another's key", ErrSamePerson, b.Person)
		}
		people[b.Person], keys[key], nonces[b.Proof.Nonce()] = true, true, true
		a, counts, err := v.checkVote(b, log)
		if err != nil {
			return fmt.Errorf("vote of %s: %w", b.Person, err)
		}
		if counts {
			v.approvals = append(v.approvals, a)
		}
	}
	return nil
}

// keyOf is distinct for every passkey; one attested person has one secret.
func keyOf(b Ballot) string {
	if b.Proof.Passkey != nil {
		return "passkey " + string(b.Proof.Passkey.CredentialID)
	}
	return "totp " + b.Person
}

func (v *Verified) checkVote(b Ballot, log LogView) (charter.Approval, bool, error) {
	a := charter.Approval{Person: b.Person}
	body, err := VoteBody(v.statement.Request, v.digest, b)
	if err != nil {
		return a, false, err
	}
	leaf, err := v.record(b.Record, audit.KindRequestVoted, body)
	if err != nil {
		return a, false, err
	}
	if b.Record.Index <= v.lastVote {
		return a, false, fmt.Errorf("%w: out of the log's order", ErrVoteTime)
	}
	v.lastVote = b.Record.Index
	if leaf.At.Before(v.openedAt) || leaf.At.After(v.statement.VoteUntil) {
		return a, false, fmt.Errorf("%w: %s", ErrVoteTime, leaf.At.Format(timeLayout))
	}
	var credential []byte
	if p := b.Proof.Passkey; p != nil {
		credential = p.CredentialID
		presence, err := checkPasskeyVote(v.charters.Named, b.Person, p, b.Decision, v.digest)
		if err != nil {
			return a, false, err
		}
		if log.Counter != nil {
			if last := log.Counter(credential, b.Record.Index); (last > 0 || presence.Count > 0) && presence.Count <= last {
				return a, false, ErrRewound
			}
		}
		a.Hardware, a.Independent = presence.Hardware, presence.Independent
	} else {
		if v.statement.Action != statement.DeleteCopies {
			return a, false, fmt.Errorf("%w: %s", ErrTOTP, v.statement.Action)
		}
		if err := v.checkAttestation(*b.Proof.Attested, b.Person, PurposeApprove, v.openedAt, leaf.At); err != nil {
			return a, false, err
		}
		a.TOTP = true
	}
	ballot := charter.Ballot{OpenedAt: v.statement.OpenedAt}
	if log.InForceAt != nil {
		ballot.InForceAt = log.InForceAt(b.Person, credential)
	}
	if err := v.charters.Named.Eligible(b.Person, credential, ballot, leaf.At); err != nil {
		return a, false, fmt.Errorf("%w: %w", ErrNotAdmitted, err)
	}
	ballot.Excluded = log.Suspended
	if v.charters.Newest.Eligible(b.Person, credential, ballot, leaf.At) != nil {
		return a, false, nil
	}
	if p := b.Proof.Passkey; p != nil {
		// The newest charter may have withdrawn an origin, or the mark that made it independent or the key hardware.
		presence, err := checkPasskeyVote(v.charters.Newest, b.Person, p, b.Decision, v.digest)
		if err != nil {
			return a, false, nil
		}
		a.Hardware, a.Independent = a.Hardware && presence.Hardware, a.Independent && presence.Independent
	}
	return a, true, nil
}

func checkPasskeyVote(c *charter.Charter, person string, p *Passkey, d Decision, digest Digest) (Presence, error) {
	owner, k, ok := c.Key(p.CredentialID)
	if !ok || owner.ID != person {
		return Presence{}, ErrUnknownKey
	}
	challenge, err := VoteChallenge(p.Nonce, d, digest)
	if err != nil {
		return Presence{}, err
	}
	return p.Verify(charterKey(k), Parties(c), challenge)
}

// CheckVote verifies one vote as it is cast, before it is recorded: the passkey's assertion against the charter. What
// depends on the request's life (time, quarantine, distinct people) is quorum.Apply's.
func CheckVote(c *charter.Charter, person string, p Passkey, d Decision, digest Digest) (Presence, error) {
	if c == nil {
		return Presence{}, fmt.Errorf("%w: missing", ErrCharter)
	}
	return checkPasskeyVote(c, person, &p, d, digest)
}

func (v Verified) circumstance() charter.Circumstance {
	return charter.Circumstance{LastCopy: v.statement.LastCopy(), LastPoint: v.statement.LastPoint(),
		StaffOpened: v.statement.StaffOpened(), UnprovenPasskey: v.unproven}
}

func (v Verified) requirement(site string) (charter.Requirement, error) {
	if v.statement.Action != statement.DeleteCopies {
		site = ""
	}
	r, err := charter.StricterOf(v.charters.Named, v.charters.Newest, v.statement.Action, v.circumstance(), site)
	if err != nil {
		return charter.Requirement{}, fmt.Errorf("%w: %w", ErrCharter, err)
	}
	return r, nil
}

func (v Verified) checkQuorum(site string) error {
	r, err := v.requirement(site)
	if err != nil {
		return err
	}
	for _, c := range []*charter.Charter{v.charters.Named, v.charters.Newest} {
		if t := c.Count(r, v.approvals); !r.Met(t) {
			return fmt.Errorf("%w: have %d approvals of %d teams, %d hardware, %d independent; need %d, %d, %d, %d", ErrQuorum,
				t.Approvals, t.Teams, t.Hardware, t.Independent, r.Approvals, r.Teams, r.Hardware, r.Independent)
		}
	}
	return nil
}
