package wire

import "time"

// Retention says what is kept of a volume: which snapshots its keep rule does not
// propose for deletion, and how long deleted and overwritten data can be brought back.
type Retention struct {
	Volume         string     `json:"volume"`
	Rule           string     `json:"rule" doc:"such as: keep last 10, daily 14; keep all: nothing is ever proposed"`
	RuleNumber     int64      `json:"rule_number" doc:"0: nobody has set one"`
	RuleBy         string     `json:"rule_by,omitempty" doc:"a person, or the request by which it was shortened"`
	RuleSetAt      *time.Time `json:"rule_set_at,omitempty"`
	UndoSeconds    int64      `json:"undo_seconds" doc:"the undo window that holds: the longest of the charter's, the tenant's and the volume's own"`
	OwnUndoSeconds int64      `json:"own_undo_seconds,omitempty"`
	UndoBy         string     `json:"undo_by,omitempty"`
	UndoSetAt      *time.Time `json:"undo_set_at,omitempty"`
	LeastSeconds   int64      `json:"least_undo_seconds" doc:"the charter's and the tenant's undo window: no volume's is shorter"`
	Authority      string     `json:"authority" doc:"who sets longer rules at once: owner; operator: owners and operators; quorum: nobody" enum:"owner,operator,quorum"`
}

// SetRetention lengthens what is kept. What is left out stays as it is; what would
// be shorter is refused, and is a request.
type SetRetention struct {
	Rule string `json:"rule,omitempty" maxLength:"200" doc:"such as: keep last 10, daily 14, weekly 8, monthly 12, yearly 5"`
	Undo string `json:"undo,omitempty" maxLength:"20" doc:"such as 30d"`
}

// KeepPreview says what keep rules make of the snapshots of a volume that its
// primary site holds. Nothing of it deletes anything: what a rule does not keep goes
// only by a request of its own.
type KeepPreview struct {
	Volume string    `json:"volume"`
	Now    KeepTally `json:"now" doc:"by the rule in force"`
	// Next and Effect are absent when no other rule was asked about.
	Next      *KeepTally    `json:"next,omitempty" doc:"by the rule that was asked about"`
	Effect    string        `json:"effect,omitempty" doc:"of setting that rule: same; at-once; request: it is a shortening, and a quorum's decision" enum:"same,at-once,request"`
	Matching  int64         `json:"matching" doc:"snapshots that the selection has in all"`
	Snapshots []KeepVerdict `json:"snapshots" doc:"a page of them, newest first"`
	NextFrom  int64         `json:"next_from,omitempty" doc:"from of the page after; absent: none"`
}

// KeepTally counts what a rule makes of a volume's snapshots.
type KeepTally struct {
	Rule        string `json:"rule"`
	Kept        int64  `json:"kept"`
	Unkept      int64  `json:"unkept" doc:"restore points that the rule does not keep: they can be asked for by rule"`
	UnkeptBytes int64  `json:"unkept_bytes" doc:"what they hold, shared with others or not"`
	Uncounted   int64  `json:"uncounted" doc:"kept without counting: too young, not proven, suspect, pinned or held"`
}

// KeepVerdict is what the rules make of one snapshot.
type KeepVerdict struct {
	Snapshot string    `json:"snapshot"`
	Name     string    `json:"name,omitempty"`
	TakenAt  time.Time `json:"taken_at"`
	Bytes    int64     `json:"bytes"`
	Counts   bool      `json:"counts" doc:"it is a restore point that a rule can choose"`
	Why      string    `json:"why,omitempty" doc:"why it does not count: young, not-proven, suspect, protected" enum:"young,not-proven,suspect,protected"`
	Kept     bool      `json:"kept" doc:"by the rule in force"`
	By       []string  `json:"by,omitempty" doc:"the measures of the rule in force that keep it"`
	NextKept *bool     `json:"next_kept,omitempty" doc:"by the rule that was asked about"`
	NextBy   []string  `json:"next_by,omitempty"`
}
