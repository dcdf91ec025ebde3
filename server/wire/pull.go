package wire

import "time"

// Pull selects what a pull of a volume, of a moment of it, or of a snapshot sends.
// Paths are bytes, which JSON has not: they are base64.
type Pull struct {
	At     *time.Time `json:"at,omitempty" doc:"a moment of the undo window; not for snapshots"`
	Prefix []byte     `json:"prefix,omitempty" doc:"only paths that begin so"`
	After  []byte     `json:"after,omitempty" doc:"only paths greater than this, bytewise"`
	Until  []byte     `json:"until,omitempty" doc:"only paths not greater than this, bytewise"`
	List   bool       `json:"list,omitempty" doc:"entries without their content"`
	Path   []byte     `json:"path,omitempty" doc:"only this entry"`
	Offset int64      `json:"offset,omitempty" doc:"of the path's content, what lies before comes as ids and lengths alone"`
}

// ReadKeys is what a reader checks with what he was sent. They are secrets of the
// tenant: with an id key and a chunk's id one can tell whether a guess of the
// chunk's content is right.
type ReadKeys struct {
	Keys []ReadKey `json:"keys"`
}

// ReadKey is the id key of one key set, and of older ones that have the same.
type ReadKey struct {
	Number   uint32 `json:"number"`
	Identity []byte `json:"identity" doc:"HMAC-SHA-256 key of the chunks' ids, base64"`
}

// The headers of a pull's answer. PullAt is a moment that gives the same pull
// again, and none where the volume is empty or the source a snapshot; PullKind is
// the volume's kind, files or stream.
const (
	PullAt   = "Holdfast-At"
	PullKind = "Holdfast-Kind"
)
