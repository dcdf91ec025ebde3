package warrant

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"time"

	"holdfast/quorum/audit"
	"holdfast/quorum/charter"
	"holdfast/quorum/statement"
)

// Charters are the two that a warrant must satisfy: the one that its statement names and the newest that the verifier
// knows to be in force. They may be the same.
type Charters struct {
	Named, Newest *charter.Charter
}

// LogView is what the verifier knows from the log beyond the warrant. A stranger leaves it zero; a site fills all of it
// from its own replay.
type LogView struct {
	// Consistent refuses a checkpoint that is not of the verifier's own replayed log; nil trusts log and witnesses.
	Consistent func(audit.Checkpoint) error
	// InForceAt says when the first charter that names the person and key came in force; nil if that is not known.
	InForceAt func(person string, credentialID []byte) time.Time
	// Counter is the greatest signature counter of a key in leaves before index; nil if that is not known.
	Counter func(credentialID []byte, before int64) uint32
	// Suspended are approvers who are suspended now.
	Suspended []string
	// Excluded are other people of the requester's accounts: they never vote on this request.
	Excluded []string
}

// Verified is a warrant that passed the stranger's check. Its zero value is refused.
type Verified struct {
	ok         bool
	statement  statement.Statement
	digest     Digest
	charters   Charters
	approvals  []charter.Approval
	unproven   bool
	openedAt   time.Time
	lastVote   int64
	checkpoint audit.Opened
}

// Statement is what was decided.
func (v Verified) Statement() statement.Statement { return v.statement }

// Digest is the statement's.
func (v Verified) Digest() Digest { return v.digest }

// Checkpoint is the one that the warrant carries.
func (v Verified) Checkpoint() audit.Opened { return v.checkpoint }

// Approvers are the people whose approvals count, in the order of their votes.
func (v Verified) Approvers() []string {
	var out []string
	for _, a := range v.approvals {
		out = append(out, a.Person)
	}
	return out
}

// Cooling is the delay that a site must let pass, and Grace that between tombstone and erasure, by the stricter of both
// charters and with the surcharges that the statement states.
func (v Verified) Cooling(site string) (cooling, grace time.Duration, err error) {
	if !v.ok {
		return 0, 0, ErrNotVerified
	}
	r, err := v.requirement(site)
	return r.Cooling, r.Grace, err
}

// Verify is the stranger's check, pure: every byte of evidence, by both charters, against the log. What it cannot check
// by its nature (this site's delays, holds, caps, inventory) is Authorise's. Any doubt is an error.
func Verify(w Warrant, cs Charters, log LogView) (Verified, error) {
	if cs.Named == nil || cs.Newest == nil {
		return Verified{}, fmt.Errorf("%w: missing", ErrCharter)
	}
	s, err := statement.Parse(w.Statement)
	if err != nil {
		return Verified{}, fmt.Errorf("%w: %w", ErrSyntax, err)
	}
	v := Verified{statement: s, digest: sha256.Sum256(w.Statement), charters: cs}
	if err := v.checkCharters(w); err != nil {
		return Verified{}, err
	}
	if v.checkpoint, err = openCheckpoint(w.Checkpoint, cs.Newest, log); err != nil {
		return Verified{}, err
	}
	if err := v.checkRequester(w); err != nil {
		return Verified{}, err
	}
	if err := v.checkVotes(w, log); err != nil {
		return Verified{}, err
	}
	v.ok = true
	for _, site := range v.sites() {
		if err := v.checkQuorum(site); err != nil {
			return Verified{}, err
		}
	}
	return v, nil
}

func (v *Verified) checkCharters(w Warrant) error {
	named, err := v.charters.Named.Hash()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrCharter, err)
	}
	newest, err := v.charters.Newest.Hash()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrCharter, err)
	}
	c := v.statement.Charter
	switch {
	case c.Number != v.charters.Named.Number || c.Hash != named || w.CharterNumber != c.Number || w.CharterHash != c.Hash:
		return fmt.Errorf("%w: the statement names another", ErrCharter)
	case v.charters.Newest.Number < c.Number:
		return fmt.Errorf("%w: the newest known is older than the named one", ErrCharter)
	case v.charters.Newest.Number == c.Number && newest != named:
		return fmt.Errorf("%w: two of number %d", ErrCharter, c.Number)
	}
	return nil
}

func openCheckpoint(signed []byte, c *charter.Charter, log LogView) (audit.Opened, error) {
	keys, err := Keys(c)
	if err != nil {
		return audit.Opened{}, err
	}
	o, err := keys.Open(signed)
	if err != nil {
		return audit.Opened{}, fmt.Errorf("%w: %w", ErrLog, err)
	}
	if n := Witnessed(o, c, time.Time{}); n < c.Witnesses {
		return audit.Opened{}, fmt.Errorf("%w: %d of %d", ErrWitnesses, n, c.Witnesses)
	}
	if log.Consistent != nil {
		if err := log.Consistent(o.Checkpoint); err != nil {
			return audit.Opened{}, fmt.Errorf("%w: %w", ErrLog, err)
		}
	}
	return o, nil
}

// Keys are the log's and the witnesses' keys that a charter names.
func Keys(c *charter.Charter) (*audit.Keys, error) {
	var witnesses []string
	for _, w := range c.WitnessKeys {
		witnesses = append(witnesses, w.VKey())
	}
	keys, err := audit.NewKeys(c.Log.VKey(), witnesses...)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCharter, err)
	}
	return keys, nil
}

// Witnessed counts the independent parties that cosigned strictly after a time: witnesses of one holder count once.
func Witnessed(o audit.Opened, c *charter.Charter, after time.Time) int {
	holders := map[string]bool{}
	for _, cs := range o.Cosignatures {
		if w, ok := c.Witness(cs.Witness); ok && (after.IsZero() || cs.At.After(after)) {
			holders[w.HolderKind+" "+w.Holder] = true
		}
	}
	return len(holders)
}

// record checks that body stands in the log under kind and returns the leaf.
func (v *Verified) record(r Record, kind audit.Kind, body []byte) (audit.Leaf, error) {
	leaf, err := (audit.Opening{Index: r.Index, Salt: r.Salt, Body: body}).Check(r.Leaf)
	if err != nil {
		return leaf, fmt.Errorf("%w: %w", ErrLog, err)
	}
	if leaf.Kind != kind {
		return leaf, fmt.Errorf("%w: a leaf of kind %s, not %s", ErrLog, leaf.Kind, kind)
	}
	if err := audit.VerifyInclusion(r.Index, r.Leaf, v.checkpoint.Checkpoint, r.Hashes); err != nil {
		return leaf, fmt.Errorf("%w: %w", ErrLog, err)
	}
	return leaf, nil
}

func (v *Verified) checkRequester(w Warrant) error {
	s := v.statement
	if s.Requester.Kind != statement.Member && s.Requester.Kind != statement.Staff {
		return fmt.Errorf("%w: a %s is no person", ErrRequester, s.Requester.Kind)
	}
	body, err := OpeningBody(s.Request, v.digest, w.Confirm)
	if err != nil {
		return err
	}
	leaf, err := v.record(w.Opening, audit.KindRequestOpened, body)
	if err != nil {
		return err
	}
	// The statement is rendered first, then confirmed, then logged, all within the life of a step-up.
	if leaf.At.Before(s.OpenedAt) || leaf.At.Sub(s.OpenedAt) > MaxProofAge {
		return fmt.Errorf("%w: logged at %s, opened at %s", ErrRequester, leaf.At.Format(timeLayout), s.OpenedAt.Format(timeLayout))
	}
	v.openedAt, v.lastVote = leaf.At, w.Opening.Index
	switch {
	case w.Confirm.Attested != nil:
		a := *w.Confirm.Attested
		if w.Enrolment != nil {
			return fmt.Errorf("%w: enrolment without a passkey", ErrRequester)
		}
		v.unproven = true
		return v.checkAttestation(a, s.Requester.ID, PurposeConfirm, s.OpenedAt, leaf.At)
	case w.Confirm.Passkey != nil:
		key, proven, err := v.requesterKey(w, leaf.At)
		if err != nil {
			return err
		}
		v.unproven = !proven
		challenge := ConfirmChallenge(w.Confirm.Passkey.Nonce, v.digest)
		if _, err := w.Confirm.Passkey.Verify(key, Parties(v.charters.Newest), challenge); err != nil {
			return fmt.Errorf("%w: %w", ErrRequester, err)
		}
		return nil
	}
	return fmt.Errorf("%w: none", ErrRequester)
}

// requesterKey finds the public key behind the requester's passkey: in the log for a member, in the charter for an
// approver. It is proven when it was there a quarantine before the request.
func (v *Verified) requesterKey(w Warrant, openedAt time.Time) (PublicKey, bool, error) {
	quarantine := max(v.charters.Named.Quarantine, v.charters.Newest.Quarantine)
	if e := w.Enrolment; e != nil {
		if e.Person != v.statement.Requester.ID {
			return PublicKey{}, false, fmt.Errorf("%w: enrolment of another person", ErrRequester)
		}
		body, err := EnrolmentBody(*e)
		if err != nil {
			return PublicKey{}, false, err
		}
		leaf, err := v.record(e.Record, audit.KindFactorEnrolled, body)
		if err != nil {
			return PublicKey{}, false, err
		}
		if e.Record.Index >= w.Opening.Index {
			return PublicKey{}, false, fmt.Errorf("%w: enrolled after the request", ErrRequester)
		}
		proven := !leaf.At.Add(quarantine).After(openedAt)
		return PublicKey{CredentialID: e.CredentialID, RP: e.RP, COSE: e.COSE}, proven, nil
	}
	owner, k, ok := v.charters.Newest.Key(w.Confirm.Passkey.CredentialID)
	if !ok || owner.ID != v.statement.Requester.ID {
		return PublicKey{}, false, fmt.Errorf("%w: %w", ErrRequester, ErrUnknownKey)
	}
	proven := !k.AdmittedAt.Add(quarantine).After(openedAt)
	return charterKey(k), proven, nil
}

func charterKey(k charter.Key) PublicKey {
	return PublicKey{CredentialID: k.CredentialID, RP: k.RP, COSE: k.PublicKey, DeviceBound: k.Hardware}
}

// Parties are the origins that a charter allows.
func Parties(c *charter.Charter) RelyingParty {
	var rp RelyingParty
	for _, o := range c.Origins {
		rp.Origins = append(rp.Origins, Origin{URL: o.URL, RP: o.RP, Independent: o.Independent})
	}
	return rp
}

// checkAttestation accepts the word of a key that both charters name, for this person, purpose, text and time.
func (v *Verified) checkAttestation(a Attestation, person string, p Purpose, from, to time.Time) error {
	if a.Person != person || a.Purpose != p {
		return fmt.Errorf("%w: attestation of another person or purpose", ErrSignature)
	}
	if a.Digest != v.digest {
		return fmt.Errorf("%w: attestation", ErrDigest)
	}
	if a.At.Before(from.Add(-MaxProofAge)) || a.At.After(to) {
		return fmt.Errorf("%w: attested at %s", ErrVoteTime, a.At.Format(timeLayout))
	}
	return attestedBy(a, v.charters)
}

func attestedBy(a Attestation, cs Charters) error {
	for _, c := range []*charter.Charter{cs.Named, cs.Newest} {
		k, ok := c.Attestation(a.Key)
		if !ok {
			return fmt.Errorf("%w: attestation key %s", ErrUnknownKey, a.Key)
		}
		if err := a.Verify(k.Key[:]); err != nil {
			return err
		}
	}
	return nil
}

func (v *Verified) sites() []string {
	if v.statement.Action != statement.DeleteCopies {
		return []string{""}
	}
	var out []string
	for _, c := range v.statement.Copies {
		if !slices.Contains(out, c.Site) {
			out = append(out, c.Site)
		}
	}
	return out
}
