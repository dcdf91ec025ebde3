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
}

// SetRetention lengthens what is kept. What is left out stays as it is; what would
// be shorter is refused, and is a request.
type SetRetention struct {
	Rule string `json:"rule,omitempty" maxLength:"200" doc:"such as: keep last 10, daily 14, weekly 8, monthly 12, yearly 5"`
	Undo string `json:"undo,omitempty" maxLength:"20" doc:"such as 30d"`
}
