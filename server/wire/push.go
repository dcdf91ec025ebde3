package wire

import "time"

// Push is a session in which a client sends chunks that it has cut itself. The
// keys are secrets of the tenant: with them one can tell whether a guess of some
// content is right, but open nothing.
type Push struct {
	Session     string `json:"session"`
	Profile     string `json:"profile" doc:"how content is cut: files, disk, pages"`
	Kind        string `json:"kind"`
	KeyNumber   uint32 `json:"key_number"`
	ChunkingKey []byte `json:"chunking_key" doc:"base64"`
	IdentityKey []byte `json:"identity_key" doc:"HMAC-SHA-256 key of the chunks' ids, base64"`
	MinPiece    int    `json:"min_piece" doc:"bytes; a shorter piece stands only before a hole or an end"`
	MaxPiece    int    `json:"max_piece" doc:"bytes"`
	Head        int64  `json:"head" doc:"sequence number of the volume's last commit"`
	Empty       bool   `json:"empty" doc:"nothing can be known here"`
	// The bounds of one segment and of one question.
	SegmentBytes   int64 `json:"segment_bytes" doc:"plain bytes of data"`
	SegmentRecords int   `json:"segment_records"`
	SegmentEntries int   `json:"segment_entries" doc:"entries and deletions"`
	KnownBatch     int   `json:"known_batch" doc:"ids"`
	IdleSeconds    int   `json:"idle_seconds" doc:"after which the session ends by itself"`
}

// PushedSegment says what became of a segment. All of it is durable.
type PushedSegment struct {
	Segment   int64         `json:"segment"`
	Entries   int64         `json:"entries" doc:"committed, or there like this"`
	Unchanged int64         `json:"unchanged"`
	Deleted   int64         `json:"deleted"`
	Bytes     int64         `json:"bytes" doc:"size of the entries"`
	NewBytes  int64         `json:"new_bytes" doc:"plain bytes that came as data"`
	At        time.Time     `json:"at"`
	Seq       int64         `json:"seq"`
	Alone     bool          `json:"alone" doc:"since the session began nobody else has committed in the volume"`
	Refused   []PushRefused `json:"refused,omitempty"`
}

// PushRefused is an entry that was not stored. The path is bytes, hence base64.
type PushRefused struct {
	Path    []byte `json:"path"`
	Problem string `json:"problem"`
}
