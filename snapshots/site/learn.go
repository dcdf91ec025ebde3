package site

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"time"

	"holdfast/internal/sqldb"
	"holdfast/quorum/audit"
	"holdfast/quorum/charter"
	"holdfast/quorum/warrant"
)

// learn takes from one leaf what the site's facts rest on. A body that is not in its form teaches nothing: it can neither
// weaken a rule nor stop the replay.
func (p *Primary) learn(ctx context.Context, tx *sqldb.Tx, c *charter.Charter, l audit.Leaf, e audit.Entry) error {
	switch l.Kind {
	case audit.KindCharterSealed, audit.KindCharterChanged:
		return learnCharter(ctx, tx, l, e.Index)
	case audit.KindFactorEnrolled:
		if x, ok := parseEnrolment(e.Body); ok {
			_, err := tx.Exec(ctx, `INSERT INTO gate_passkeys (person, credential, rp, cose, leaf, at) VALUES ($1,$2,$3,$4,$5,$6) ON CONFLICT (person, credential) DO NOTHING`,
				x.Person, x.CredentialID, x.RP, x.COSE, e.Index, sqldb.Micros(l.At))
			return err
		}
		return nil
	case audit.KindKeepRuleSet:
		return learnKeepRule(ctx, tx, e)
	case audit.KindRequestOpened, audit.KindRequestVoted:
		return learnCounter(ctx, tx, e)
	case audit.KindStop, audit.KindHoldPlaced, audit.KindFreeze, audit.KindLockdown, audit.KindApproverSuspended, audit.KindRequestCancelled, audit.KindRequestDenied:
		return p.learnStop(ctx, tx, c, e)
	}
	if eventKinds[l.Kind] {
		return p.learnEvent(ctx, tx, c, l, e)
	}
	return nil
}

// learnStop takes a stop that comes by the log: any route will do.
func (p *Primary) learnStop(ctx context.Context, tx *sqldb.Tx, c *charter.Charter, e audit.Entry) error {
	s, err := warrant.ParseStop(e.Body)
	if err != nil {
		return nil
	}
	v, err := p.verifyStop(ctx, tx, c, s, false, time.Time{})
	if err != nil {
		return alarm(ctx, tx, p.now(), "stop", "a stop in the log does not verify: "+s.ID)
	}
	_, err = p.take(ctx, tx, v, false, true)
	return err
}

func learnCharter(ctx context.Context, tx *sqldb.Tx, l audit.Leaf, index int64) error {
	var number uint64
	var hash []byte
	var err error
	for _, f := range l.Facts {
		switch f.Name {
		case audit.FactCharter:
			number, err = strconv.ParseUint(f.Value, 10, 63)
		case audit.FactCharterHash:
			_, err = fmt.Sscanf(f.Value, "%x", &hash)
		}
		if err != nil {
			return err
		}
	}
	_, err = tx.Exec(ctx, `INSERT INTO gate_charter_leaves (leaf, number, hash, at) VALUES ($1,$2,$3,$4) ON CONFLICT (leaf) DO NOTHING`,
		index, int64(number), hash, sqldb.Micros(l.At))
	return err
}

// parseEnrolment reads the body that warrant.EnrolmentBody writes.
func parseEnrolment(body []byte) (e warrant.Enrolment, ok bool) {
	var cred, key string
	if _, err := fmt.Sscanf(string(body), "holdfast passkey enrolled v1\nperson %s\ncredential %s\nrp %s\nkey %s\n", &e.Person, &cred, &e.RP, &key); err != nil {
		return e, false
	}
	var err1, err2 error
	e.CredentialID, err1 = base64.RawURLEncoding.DecodeString(cred)
	e.COSE, err2 = base64.RawURLEncoding.DecodeString(key)
	if err1 != nil || err2 != nil {
		return e, false
	}
	again, err := warrant.EnrolmentBody(e)
	return e, err == nil && bytes.Equal(again, body)
}

// counterAt is where WebAuthn's authenticator data has the signature counter (Level 3, section 6.1).
const counterAt = 33

// learnCounter remembers the signature counter of the passkey in an opening or a vote.
func learnCounter(ctx context.Context, tx *sqldb.Tx, e audit.Entry) error {
	for line := range strings.Lines(string(e.Body)) {
		rest, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "proof ")
		if !ok {
			if rest, ok = strings.CutPrefix(strings.TrimSuffix(line, "\n"), "confirm "); !ok {
				continue
			}
		}
		proof, err := warrant.ParseProof(rest)
		if err != nil || proof.Passkey == nil || len(proof.Passkey.AuthenticatorData) < counterAt+4 {
			return nil
		}
		_, err = tx.Exec(ctx, `INSERT INTO gate_counters (credential, leaf, count) VALUES ($1,$2,$3) ON CONFLICT (credential, leaf) DO NOTHING`,
			proof.Passkey.CredentialID, e.Index, int64(binary.BigEndian.Uint32(proof.Passkey.AuthenticatorData[counterAt:])))
		return err
	}
	return nil
}

// learnEvent takes what a site says, if it signed it: this site finds its own words, others tell of their copies.
func (p *Primary) learnEvent(ctx context.Context, tx *sqldb.Tx, c *charter.Charter, l audit.Leaf, e audit.Entry) error {
	name, ok := EventSite(e.Body)
	if !ok {
		return nil
	}
	line, ok := c.Site(name)
	if !ok {
		return nil
	}
	ev, err := ParseEvent(e.Body, line.Key)
	if err != nil || ev.Kind != l.Kind {
		return alarm(ctx, tx, p.now(), "event", fmt.Sprintf("leaf %d is not what site %s signed", e.Index, name))
	}
	if name == p.c.Name {
		if err := remember(ctx, tx, ev, e.Index); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `UPDATE gate_events SET leaf = $1 WHERE body = $2 AND leaf < 0`, e.Index, e.Body)
		return err
	}
	state := map[audit.Kind]string{audit.KindRequestIntent: "executing", audit.KindRequestTombstoned: "tombstoned", audit.KindRequestErased: "erased",
		audit.KindRequestRestored: "held", audit.KindReplicaHeld: "held", audit.KindSnapshotProven: "proven"}[ev.Kind]
	if state == "" {
		return nil
	}
	for _, s := range ev.Snapshots {
		if _, err := tx.Exec(ctx, `INSERT INTO gate_copies (site, snapshot, state, request, leaf, at) VALUES ($1,$2,$3,$4,$5,$6)
			ON CONFLICT (site, snapshot) DO UPDATE SET state = excluded.state, request = excluded.request, leaf = excluded.leaf, at = excluded.at`,
			name, s, state, ev.Request, e.Index, sqldb.Micros(l.At)); err != nil {
			return err
		}
	}
	return nil
}
