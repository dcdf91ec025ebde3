package warrant

import (
	"fmt"
	"slices"
	"time"

	"holdfast/quorum/charter"
)

// VerifiedStop is a stop whose proof held. Its zero value is refused.
type VerifiedStop struct {
	stop Stop
	by   StopBy
}

// StopBy says whose word a stop is. The zero value is invalid.
type StopBy uint8

// Who may stop.
const (
	// ByApprover is an approver's passkey that the charter names.
	ByApprover StopBy = iota + 1
	// ByAttestation is the control plane's word for a member's or an approver's factor.
	ByAttestation
	// ByMember is a member's passkey whose enrolment the site knows from the log.
	ByMember
	// ByKeyboard is the site's own keyboard.
	ByKeyboard
)

// Stop is what was said.
func (v VerifiedStop) Stop() Stop { return v.stop }

// By is whose word it is.
func (v VerifiedStop) By() StopBy { return v.by }

// Valid says that VerifyStop made it.
func (v VerifiedStop) Valid() bool { return v.by >= ByApprover && v.by <= ByKeyboard }

// StopContext is what the verifier knows when a stop comes in.
type StopContext struct {
	// Charter is the newest in force.
	Charter *charter.Charter
	// Now is the verifier's time; zero leaves the date unchecked, for old stops in a log.
	Now time.Time
	// Suspended are approvers who cannot stop alone any more (T55).
	Suspended []string
	// Member finds a member's passkey, enrolled by the log, and the member's tenant; nil knows none.
	Member func(person string, credentialID []byte) (key PublicKey, tenant string, ok bool)
	// Keyboard says that the stop was typed at the site's own keyboard; only then may the proof be absent.
	Keyboard bool
}

// VerifyStop checks a stop by whatever route it came. Because stops only strengthen, a stop needs less than a vote: one
// factor, no quarantine (I5). A member's stop reaches no further than their tenant; suspends are for approvers alone.
func VerifyStop(s Stop, c StopContext) (VerifiedStop, error) {
	digest, err := s.Digest()
	if err != nil {
		return VerifiedStop{}, err
	}
	if c.Charter == nil {
		return VerifiedStop{}, fmt.Errorf("%w: missing", ErrCharter)
	}
	if !c.Now.IsZero() && s.At.After(c.Now.Add(MaxStopSkew)) {
		return VerifiedStop{}, fmt.Errorf("%w: stop dated in the future", ErrVoteTime)
	}
	_, approver := c.Charter.Approver(s.Person)
	suspended := slices.Contains(c.Suspended, s.Person)
	approver = approver && !suspended
	needsApprover := s.Kind == StopDeny || s.Kind == StopSuspend || s.Kind == StopFreeze && s.Tenant == Everywhere
	if s.Kind == StopSuspend {
		if _, ok := c.Charter.Approver(s.Subject); !ok {
			return VerifiedStop{}, fmt.Errorf("%w: %s is no approver", ErrNotAdmitted, s.Subject)
		}
	}
	switch {
	case c.Keyboard && s.Proof.IsZero():
		// The keyboard freezes, cancels and restores; it is nobody's vote and suspends nobody.
		if s.Kind == StopDeny || s.Kind == StopSuspend {
			return VerifiedStop{}, fmt.Errorf("%w: %s needs an approver", ErrNotAdmitted, s.Kind)
		}
		return VerifiedStop{stop: s, by: ByKeyboard}, nil
	case s.Proof.Attested != nil:
		a := *s.Proof.Attested
		if a.Person != s.Person || a.Purpose != PurposeStop {
			return VerifiedStop{}, fmt.Errorf("%w: attestation of another person or purpose", ErrSignature)
		}
		if a.Digest != digest {
			return VerifiedStop{}, fmt.Errorf("%w: attestation", ErrDigest)
		}
		if suspended {
			return VerifiedStop{}, fmt.Errorf("%w: suspended", ErrNotAdmitted)
		}
		if needsApprover && !approver {
			return VerifiedStop{}, fmt.Errorf("%w: %s needs an approver", ErrNotAdmitted, s.Kind)
		}
		if err := attestedBy(a, Charters{Named: c.Charter, Newest: c.Charter}); err != nil {
			return VerifiedStop{}, err
		}
		return VerifiedStop{stop: s, by: ByAttestation}, nil
	case s.Proof.Passkey != nil:
		return verifyPasskeyStop(s, c, digest, approver, needsApprover)
	}
	return VerifiedStop{}, fmt.Errorf("%w: stop without proof", ErrSignature)
}

func verifyPasskeyStop(s Stop, c StopContext, digest Digest, approver, needsApprover bool) (VerifiedStop, error) {
	p := s.Proof.Passkey
	challenge := StopChallenge(p.Nonce, digest)
	if owner, k, ok := c.Charter.Key(p.CredentialID); ok && owner.ID == s.Person {
		if !approver {
			return VerifiedStop{}, fmt.Errorf("%w: suspended", ErrNotAdmitted)
		}
		if _, err := p.Verify(charterKey(k), Parties(c.Charter), challenge); err != nil {
			return VerifiedStop{}, err
		}
		return VerifiedStop{stop: s, by: ByApprover}, nil
	}
	if c.Member == nil || needsApprover {
		return VerifiedStop{}, ErrUnknownKey
	}
	key, tenant, ok := c.Member(s.Person, p.CredentialID)
	if !ok {
		return VerifiedStop{}, ErrUnknownKey
	}
	if s.Tenant == "" || tenant != s.Tenant {
		return VerifiedStop{}, fmt.Errorf("%w: a member stops only their own tenant", ErrNotAdmitted)
	}
	if _, err := p.Verify(key, Parties(c.Charter), challenge); err != nil {
		return VerifiedStop{}, err
	}
	return VerifiedStop{stop: s, by: ByMember}, nil
}

// Concerns says whether the stop ends a request: it names the request and its statement, and if it names a tenant, the
// request's. A stop that names the request with another digest concerns nothing, and stops nothing.
func (v VerifiedStop) Concerns(request, tenant string, statement Digest) bool {
	s := v.stop
	return v.Valid() && s.Request == request && s.Statement == statement && (s.Tenant == "" || s.Tenant == tenant)
}
