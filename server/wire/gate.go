package wire

import "time"

// AskRequest drafts a request for a gated action. A draft binds nobody; a
// person confirms it with a second factor used for exactly its statement.
type AskRequest struct {
	Action  string            `json:"action"`
	Tenant  string            `json:"tenant,omitempty" doc:"staff only: for whom"`
	Copies  []CopyRef         `json:"copies,omitempty" doc:"delete-copies: what to delete"`
	ByRule  string            `json:"by_rule,omitempty" doc:"delete-copies, in place of copies: the volume whose keep rule names them"`
	Subject string            `json:"subject,omitempty" doc:"other actions: whom or what it is about: a hold, freeze, suspension, person, volume, key or site"`
	Facts   map[string]string `json:"facts,omitempty" doc:"other actions: what it asks for; shorten-retention and shorten-undo: to"`
	Charter string            `json:"charter,omitempty" doc:"change-charter: the next charter's text"`
	Reason  string            `json:"reason" minLength:"1" maxLength:"500"`
}

// CopyRef names a copy. An empty site means every copy of the snapshot.
type CopyRef struct {
	Snapshot string `json:"snapshot"`
	Site     string `json:"site,omitempty"`
}

// Request is a request for a gated action with all that was said about it.
type Request struct {
	ID           string           `json:"id"`
	Tenant       string           `json:"tenant,omitempty"`
	Action       string           `json:"action"`
	State        string           `json:"state" doc:"draft, open, cooling, executing, tombstoned, erased, denied, expired, cancelled, restored, applied (what hides no copy ends so)"`
	Reason       string           `json:"reason"`
	Requester    Actor            `json:"requester"`
	OpenedAt     time.Time        `json:"opened_at"`
	VoteUntil    time.Time        `json:"vote_until"`
	ExecuteUntil time.Time        `json:"execute_until"`
	Digest       string           `json:"digest"`
	Fingerprint  string           `json:"fingerprint"`
	Statement    string           `json:"statement" doc:"the header, exactly as it is signed"`
	BodyLines    int              `json:"body_lines"`
	Impact       *Impact          `json:"impact,omitempty"`
	Need         Need             `json:"need"`
	Votes        []Vote           `json:"votes"`
	Timer        *Timer           `json:"timer,omitempty"`
	Blocked      []string         `json:"blocked,omitempty" doc:"why nothing happens now, in words"`
	Changes      []CharterChange  `json:"changes,omitempty" doc:"change-charter: in what the next charter differs from the one that the statement names"`
	Ending       *Ending          `json:"ending,omitempty" doc:"denied or cancelled: by whom, when and why"`
	Confirm      *StepUpChallenge `json:"confirm,omitempty" doc:"drafts: what to prove presence for"`
}

// Ending is how one person ended a request.
type Ending struct {
	By     Actor     `json:"by"`
	At     time.Time `json:"at"`
	Reason string    `json:"reason"`
}

// Actor is who did something.
type Actor struct {
	Kind string `json:"kind"`
	ID   string `json:"id"`
	Name string `json:"name"`
	Team string `json:"team,omitempty"`
}

// Need is what the charter demands for a request, surcharges included.
type Need struct {
	Approvals   int      `json:"approvals"`
	Teams       int      `json:"teams"`
	Hardware    int      `json:"hardware"`
	Independent int      `json:"independent"`
	Got         int      `json:"got"`
	TOTP        bool     `json:"totp" doc:"one-time codes count"`
	Surcharges  []string `json:"surcharges,omitempty"`
}

// Vote is one approver's decision.
type Vote struct {
	Approver Actor     `json:"approver"`
	Decision string    `json:"decision" enum:"approve,deny"`
	Method   string    `json:"method"`
	At       time.Time `json:"at"`
	Counts   bool      `json:"counts"`
	Why      string    `json:"why,omitempty"`
}

// Timer is an accrued duration: it counts only while clocks agree and nothing stops it.
type Timer struct {
	Of      string  `json:"of" doc:"cooling or grace"`
	Seconds float64 `json:"seconds"`
	Accrued float64 `json:"accrued"`
	Stopped string  `json:"stopped,omitempty"`
}

// Impact is what would be gone.
type Impact struct {
	Copies int   `json:"copies"`
	Bytes  int64 `json:"bytes"`
	Files  int64 `json:"files"`
	Frees  int64 `json:"frees,omitempty" doc:"bytes that no other snapshot, undo moment or live file needs; 0 also where that is not known"`
	// FreesMore says that Frees is not all.
	FreesMore bool           `json:"frees_more,omitempty" doc:"at least frees: there was more to look at than one estimate looks at"`
	Volumes   []VolumeImpact `json:"volumes"`
}

// VolumeImpact is the part of an impact that concerns one volume.
type VolumeImpact struct {
	Volume     string     `json:"volume"`
	Name       string     `json:"name"`
	Copies     int        `json:"copies"`
	NewestLeft *time.Time `json:"newest_left,omitempty" doc:"newest restore point that remains; absent: none"`
	LastCopies []string   `json:"last_copies,omitempty" doc:"snapshots whose last proven copy this is"`
	// What follows stands in no statement: the service says it, of one request at a time.
	Snapshot     string     `json:"snapshot,omitempty" doc:"the one that goes, where it is one"`
	SnapshotName string     `json:"snapshot_name,omitempty"`
	TakenAt      *time.Time `json:"taken_at,omitempty" doc:"when that one was taken"`
	Younger      int        `json:"younger,omitempty" doc:"where no restore point is left that counts: newest proven snapshots that stay, younger than the undo window when this was asked"`
	YoungerAt    *time.Time `json:"younger_at,omitempty" doc:"when the newest of those was taken"`
	UndoSeconds  float64    `json:"undo_seconds,omitempty" doc:"the volume's undo window, where no restore point is left"`
}

// CastVote decides: with a TOTP code where the charter allows, or with the
// answer to the options of the vote's begin call.
type CastVote struct {
	Decision string         `json:"decision" enum:"approve,deny"`
	Reason   string         `json:"reason,omitempty" maxLength:"500"`
	Code     string         `json:"code,omitempty" maxLength:"16"`
	Passkey  *PasskeyAnswer `json:"passkey,omitempty"`
}

// BeginVote asks for passkey options for one decision.
type BeginVote struct {
	Decision string `json:"decision" enum:"approve,deny"`
}

// VoteOptions carry the passkey options and what exactly will be signed.
type VoteOptions struct {
	PasskeyOptions
	Nonce  string `json:"nonce"`
	Digest string `json:"digest"`
}

// PlaceHold asks that nothing of a target can be deleted or reclaimed.
type PlaceHold struct {
	Volume   string `json:"volume,omitempty"`
	Snapshot string `json:"snapshot,omitempty" doc:"with neither volume nor snapshot: the whole tenant; a hold on a snapshot lies on its whole volume"`
	Tenant   string `json:"tenant,omitempty" doc:"staff only"`
	Reason   string `json:"reason" minLength:"1" maxLength:"500"`
}

// Hold protects a tenant, volume or snapshot until a quorum releases it.
type Hold struct {
	ID       string    `json:"id"`
	Tenant   string    `json:"tenant"`
	Volume   string    `json:"volume,omitempty"`
	Reason   string    `json:"reason"`
	By       Actor     `json:"by"`
	PlacedAt time.Time `json:"placed_at"`
}

// PlaceFreeze stops everything destructive for a tenant, or everywhere.
type PlaceFreeze struct {
	Everywhere bool   `json:"everywhere,omitempty" doc:"approvers only"`
	Tenant     string `json:"tenant,omitempty" doc:"staff only"`
	Lockdown   bool   `json:"lockdown,omitempty" doc:"owners: also revoke young sessions, tokens and factors"`
	Reason     string `json:"reason" minLength:"1" maxLength:"500"`
}

// Freeze is in force until a quorum lifts it.
type Freeze struct {
	ID       string     `json:"id"`
	Tenant   string     `json:"tenant,omitempty" doc:"empty: everywhere"`
	Reason   string     `json:"reason"`
	By       Actor      `json:"by"`
	At       time.Time  `json:"at"`
	LiftedAt *time.Time `json:"lifted_at,omitempty"`
}

// Charter is the constitution in force or an earlier one.
type Charter struct {
	Number    int64     `json:"number"`
	Hash      string    `json:"hash"`
	Purpose   string    `json:"purpose"`
	Text      string    `json:"text"`
	InForceAt time.Time `json:"in_force_at"`
	// Changes are against the charter before.
	Changes []CharterChange `json:"changes,omitempty" doc:"against the charter before"`
}

// CharterChange is one line in which two charters differ.
type CharterChange struct {
	What    string `json:"what" doc:"the line and field, such as: site primary cooling"`
	From    string `json:"from,omitempty" doc:"absent: the line is new"`
	To      string `json:"to,omitempty" doc:"absent: the line is gone"`
	Weakens bool   `json:"weakens" doc:"fewer or other people, or less time, suffice; when in doubt true"`
}

// Ceremony is the state of the genesis ceremony.
type Ceremony struct {
	State   string  `json:"state" doc:"none, signing, sealed"`
	Text    string  `json:"text,omitempty"`
	Hash    string  `json:"hash,omitempty"`
	Missing []Actor `json:"missing,omitempty"`
	Signed  []Actor `json:"signed,omitempty"`
}

// ProposeGenesis drafts charter number 1. The service completes it with the
// approvers' enrolled keys and its own.
type ProposeGenesis struct {
	Purpose    string            `json:"purpose" enum:"production,demo"`
	Approvers  []GenesisApprover `json:"approvers"`
	Recipients []string          `json:"recipients" doc:"age recipients of the recovery keys"`
	Lines      map[string]string `json:"lines,omitempty" doc:"charter lines that differ from the defaults of the purpose"`
}

// GenesisApprover puts a staff member into a team.
type GenesisApprover struct {
	Person string `json:"person"`
	Team   string `json:"team"`
}

// LogEntry is a leaf with its body, for those who may read it.
type LogEntry struct {
	Index int64     `json:"index"`
	Kind  string    `json:"kind"`
	At    time.Time `json:"at"`
	Leaf  string    `json:"leaf"`
	Salt  string    `json:"salt,omitempty"`
	Body  string    `json:"body,omitempty"`
}

// LogEntries is a page of the log.
type LogEntries struct {
	Entries []LogEntry `json:"entries"`
	Next    string     `json:"next,omitempty"`
}

// LogProof shows that a leaf is in the log: an inclusion proof against a signed checkpoint.
type LogProof struct {
	Index      int64  `json:"index"`
	Checkpoint string `json:"checkpoint"`
	Proof      string `json:"proof"`
}

// Reason says why.
type Reason struct {
	Reason string `json:"reason" minLength:"1" maxLength:"500"`
}

// Suspension suspends two approvers, the one named and the one who did it, until
// a gated decision ends it.
type Suspension struct {
	ID      string    `json:"id"`
	Subject Actor     `json:"subject"`
	By      Actor     `json:"by"`
	Reason  string    `json:"reason"`
	At      time.Time `json:"at"`
}

// Resumed says how many requests' timers go on after a jump of the clocks.
type Resumed struct {
	Requests int `json:"requests"`
}
