package wire

import "time"

// BeginUpload announces a file that is sent as plain bytes and may go on where it
// broke off. The same announcement by the same caller finds the same upload.
type BeginUpload struct {
	Path        string    `json:"path" doc:"empty for a volume of kind stream"`
	Size        int64     `json:"size" doc:"bytes, at least 1"`
	Modified    time.Time `json:"modified" doc:"when the file was changed last; part of what tells it from another"`
	ContentType string    `json:"content_type,omitempty"`
}

// Upload is a file on its way.
type Upload struct {
	ID        string    `json:"id"`
	Path      string    `json:"path"`
	Size      int64     `json:"size"`
	Modified  time.Time `json:"modified"`
	State     string    `json:"state" doc:"open, done, or given up"`
	Offset    int64     `json:"offset" doc:"bytes that are durable: where to go on"`
	Began     time.Time `json:"began"`
	KeptUntil time.Time `json:"kept_until" doc:"if nothing more comes"`
	Found     bool      `json:"found,omitempty" doc:"it was begun before"`
	Changed   bool      `json:"changed,omitempty" doc:"another size or date was begun at this path, and was given up"`
	ETag      string    `json:"etag,omitempty" doc:"when it is done"`
	Seq       int64     `json:"seq,omitempty"`
}
