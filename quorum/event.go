package quorum

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"holdfast/quorum/clock"
	"holdfast/quorum/statement"
)

// EventKind names a kind of event. The zero value is invalid.
type EventKind string

// The events of a request.
const (
	KindOpened         EventKind = "opened"
	KindVoteCast       EventKind = "vote-cast"
	KindRulesTightened EventKind = "rules-tightened"
	KindCancelled      EventKind = "cancelled"
	KindExpired        EventKind = "expired"
	KindFrozen         EventKind = "frozen"
	KindThawed         EventKind = "thawed"
	KindHeld           EventKind = "held"
	KindReleased       EventKind = "released"
	KindTicked         EventKind = "ticked"
	KindMatured        EventKind = "timer-matured"
	KindTrusted        EventKind = "clock-trusted"
	KindExecuted       EventKind = "execution-began"
	KindTombstoned     EventKind = "site-tombstoned"
	KindErased         EventKind = "site-erased"
	KindApplied        EventKind = "applied"
	KindRestored       EventKind = "restored"
)

// Event is a verified fact that happened to a request. The set is closed: Apply refuses any other type.
type Event interface {
	// Kind names the event.
	Kind() EventKind
	// Time is when it happened by the control plane's clock, UTC.
	Time() time.Time
}

// Opened begins a request. Its facts come from the statement that the requester confirmed.
type Opened struct {
	Request string           `json:"request"`
	Tenant  string           `json:"tenant"`
	Action  statement.Action `json:"action"`
	Digest  [32]byte         `json:"digest"`
	// Requester confirmed, Drafter drafted; often the same.
	Requester string `json:"requester"`
	Drafter   string `json:"drafter"`
	// Excluded are other people of the requester's and the drafter's accounts: they never vote here (I2).
	Excluded []string `json:"excluded,omitempty"`
	// Subjects are the people whose own cause this is: removed approvers, the suspended and the one who suspended, who
	// froze. Their deny does not count (T55).
	Subjects     []string    `json:"subjects,omitempty"`
	Sites        []string    `json:"sites"`
	Requirement  Requirement `json:"requirement"`
	Roster       []Approver  `json:"roster"`
	VoteUntil    time.Time   `json:"vote_until"`
	ExecuteUntil time.Time   `json:"execute_until"`
	At           time.Time   `json:"at"`
}

// Decision of a vote. The zero value is invalid.
type Decision string

// Approve and Deny are the decisions.
const (
	Approve Decision = "approve"
	Deny    Decision = "deny"
)

// Method is how a vote was proved. The zero value is invalid.
type Method string

// Passkey and TOTP are the methods.
const (
	Passkey Method = "passkey"
	TOTP    Method = "totp"
)

// VoteCast is a vote whose proof was verified.
type VoteCast struct {
	Person   string   `json:"person"`
	Decision Decision `json:"decision"`
	Digest   [32]byte `json:"digest"`
	Method   Method   `json:"method"`
	// Key identifies the key or secret that proved it, the same text for the same key.
	Key         string    `json:"key"`
	Hardware    bool      `json:"hardware"`
	Independent bool      `json:"independent"`
	At          time.Time `json:"at"`
}

// RulesTightened brings what the newest charter, the suspensions and the site's circumstances demand now. The stricter
// of each line holds; the roster is of people in both charters.
type RulesTightened struct {
	Requirement Requirement `json:"requirement"`
	Roster      []Approver  `json:"roster"`
	At          time.Time   `json:"at"`
}

// CancelCast ends a request before it is executed. The person is concerned: requester, a member, an approver, the keyboard.
type CancelCast struct {
	Person string    `json:"person"`
	At     time.Time `json:"at"`
}

// ExpiryReached says that vote-until passed without quorum, or execute-until without execution.
type ExpiryReached struct {
	At time.Time `json:"at"`
}

// FreezeSet says that the freeze Stop applies; timers stop.
type FreezeSet struct {
	Stop string    `json:"stop"`
	At   time.Time `json:"at"`
}

// FreezeLifted ends a freeze.
type FreezeLifted struct {
	Stop string    `json:"stop"`
	At   time.Time `json:"at"`
}

// HoldPlaced says that the hold applies to a target.
type HoldPlaced struct {
	Hold string    `json:"hold"`
	At   time.Time `json:"at"`
}

// HoldReleased ends a hold by a gated decision.
type HoldReleased struct {
	Hold string    `json:"hold"`
	At   time.Time `json:"at"`
}

// Ticked brings the timer in force to a reading.
type Ticked struct {
	Reading clock.Reading `json:"reading"`
}

// TimerMatured says that the timer in force has accrued. It is recorded, ticks are not, so that a request folds from its
// events alone.
type TimerMatured struct {
	// Timer is the matured timer as clock.Timer.Encode spells it.
	Timer string    `json:"timer"`
	At    time.Time `json:"at"`
}

// ClockTrusted ends the suspension after a clock's jump: a person looked, and the clocks of Reading agree.
type ClockTrusted struct {
	Reading clock.Reading `json:"reading"`
	At      time.Time     `json:"at"`
}

// ExecutionBegan is the first step at a site. It may come again for the same site.
type ExecutionBegan struct {
	Site   string    `json:"site"`
	Digest [32]byte  `json:"digest"`
	At     time.Time `json:"at"`
}

// SiteTombstoned is a site's receipt: its copies are hidden.
type SiteTombstoned struct {
	Site   string    `json:"site"`
	Digest [32]byte  `json:"digest"`
	At     time.Time `json:"at"`
}

// SiteErased is a site's receipt: its copies are gone. The site counts its own grace.
type SiteErased struct {
	Site   string    `json:"site"`
	Digest [32]byte  `json:"digest"`
	At     time.Time `json:"at"`
}

// ActionApplied says that an action without tombstone was done.
type ActionApplied struct {
	Digest [32]byte  `json:"digest"`
	At     time.Time `json:"at"`
}

// CopiesRestored brings back what is not erased yet. It needs no quorum and runs during a freeze.
type CopiesRestored struct {
	Person string    `json:"person"`
	At     time.Time `json:"at"`
}

// Kind is KindOpened.
func (Opened) Kind() EventKind { return KindOpened }

// Time is when it happened.
func (e Opened) Time() time.Time { return e.At }

// Kind is KindVoteCast.
func (VoteCast) Kind() EventKind { return KindVoteCast }

// Time is when it happened.
func (e VoteCast) Time() time.Time { return e.At }

// Kind is KindRulesTightened.
func (RulesTightened) Kind() EventKind { return KindRulesTightened }

// Time is when it happened.
func (e RulesTightened) Time() time.Time { return e.At }

// Kind is KindCancelled.
func (CancelCast) Kind() EventKind { return KindCancelled }

// Time is when it happened.
func (e CancelCast) Time() time.Time { return e.At }

// Kind is KindExpired.
func (ExpiryReached) Kind() EventKind { return KindExpired }

// Time is when it happened.
func (e ExpiryReached) Time() time.Time { return e.At }

// Kind is KindFrozen.
func (FreezeSet) Kind() EventKind { return KindFrozen }

// Time is when it happened.
func (e FreezeSet) Time() time.Time { return e.At }

// Kind is KindThawed.
func (FreezeLifted) Kind() EventKind { return KindThawed }

// Time is when it happened.
func (e FreezeLifted) Time() time.Time { return e.At }

// Kind is KindHeld.
func (HoldPlaced) Kind() EventKind { return KindHeld }

// Time is when it happened.
func (e HoldPlaced) Time() time.Time { return e.At }

// Kind is KindReleased.
func (HoldReleased) Kind() EventKind { return KindReleased }

// Time is when it happened.
func (e HoldReleased) Time() time.Time { return e.At }

// Kind is KindExecuted.
func (ExecutionBegan) Kind() EventKind { return KindExecuted }

// Time is when it happened.
func (e ExecutionBegan) Time() time.Time { return e.At }

// Kind is KindTombstoned.
func (SiteTombstoned) Kind() EventKind { return KindTombstoned }

// Time is when it happened.
func (e SiteTombstoned) Time() time.Time { return e.At }

// Kind is KindErased.
func (SiteErased) Kind() EventKind { return KindErased }

// Time is when it happened.
func (e SiteErased) Time() time.Time { return e.At }

// Kind is KindApplied.
func (ActionApplied) Kind() EventKind { return KindApplied }

// Time is when it happened.
func (e ActionApplied) Time() time.Time { return e.At }

// Kind is KindRestored.
func (CopiesRestored) Kind() EventKind { return KindRestored }

// Time is when it happened.
func (e CopiesRestored) Time() time.Time { return e.At }

// Kind is KindMatured.
func (TimerMatured) Kind() EventKind { return KindMatured }

// Time is when it happened.
func (e TimerMatured) Time() time.Time { return e.At }

// Kind is KindTrusted.
func (ClockTrusted) Kind() EventKind { return KindTrusted }

// Time is when it happened.
func (e ClockTrusted) Time() time.Time { return e.At }

// Kind is KindTicked.
func (Ticked) Kind() EventKind { return KindTicked }

// Time is the reading's wall clock.
func (e Ticked) Time() time.Time { return e.Reading.Wall }

// EncodeEvent spells an event for durable storage: JSON, the same bytes for the same event.
func EncodeEvent(e Event) ([]byte, error) {
	if e == nil {
		return nil, ErrEvent
	}
	if _, err := DecodeEvent(e.Kind(), nil); err != errNoBody {
		return nil, fmt.Errorf("%w: kind %q", ErrEvent, e.Kind())
	}
	return json.Marshal(e)
}

var errNoBody = fmt.Errorf("%w: no body", ErrEvent)

// DecodeEvent reads what EncodeEvent wrote. An unknown kind or field is refused.
func DecodeEvent(k EventKind, body []byte) (Event, error) {
	switch k {
	case KindOpened:
		return decode[Opened](body)
	case KindVoteCast:
		return decode[VoteCast](body)
	case KindRulesTightened:
		return decode[RulesTightened](body)
	case KindCancelled:
		return decode[CancelCast](body)
	case KindExpired:
		return decode[ExpiryReached](body)
	case KindFrozen:
		return decode[FreezeSet](body)
	case KindThawed:
		return decode[FreezeLifted](body)
	case KindHeld:
		return decode[HoldPlaced](body)
	case KindReleased:
		return decode[HoldReleased](body)
	case KindExecuted:
		return decode[ExecutionBegan](body)
	case KindTombstoned:
		return decode[SiteTombstoned](body)
	case KindErased:
		return decode[SiteErased](body)
	case KindApplied:
		return decode[ActionApplied](body)
	case KindRestored:
		return decode[CopiesRestored](body)
	case KindMatured:
		return decode[TimerMatured](body)
	case KindTrusted:
		return decode[ClockTrusted](body)
	case KindTicked:
		return decode[Ticked](body)
	}
	return nil, fmt.Errorf("%w: kind %q", ErrEvent, k)
}

func decode[E Event](body []byte) (Event, error) {
	if len(body) == 0 {
		return nil, errNoBody
	}
	var e E
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&e); err != nil {
		return nil, fmt.Errorf("%w: %s", ErrEvent, e.Kind())
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("%w: %s", ErrEvent, e.Kind())
	}
	return e, nil
}
