package snapshots

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// ErasedRecord is what a finished erasure leaves in a pack in the clear, so that a database which is rebuilt from packs
// knows that a copy is gone by decision and not by accident, and no snapshot that was erased is sealed once more. Its
// Seal has no wraps.
type ErasedRecord struct {
	// Request is the request whose warrant the site executed.
	Request string
	// At is when the copy was erased, in microseconds.
	At   int64
	Seal SealRecord
}

const erasedHeader = "holdfast erased v1\n"

// Render is the record as text: the line "holdfast erased v1", "request NAME", "at MICROSECONDS", and the text of the
// seal without its wraps.
func (r ErasedRecord) Render() []byte {
	s := r.Seal
	s.Wraps = nil
	return append(fmt.Appendf(nil, "%srequest %s\nat %d\n", erasedHeader, r.Request, r.At), s.Render()...)
}

// ParseErasedRecord is the inverse of Render; it takes only what Render writes.
func ParseErasedRecord(in []byte) (ErasedRecord, error) {
	var r ErasedRecord
	bad := fmt.Errorf("%w: erased record", ErrFormat)
	rest, ok := strings.CutPrefix(string(in), erasedHeader)
	request, rest, ok2 := strings.Cut(rest, "\n")
	at, rest, ok3 := strings.Cut(rest, "\n")
	if !ok || !ok2 || !ok3 {
		return r, bad
	}
	var err error
	if r.Request, ok = strings.CutPrefix(request, "request "); !ok || len(r.Request) > MaxNote {
		return r, bad
	}
	n, ok := strings.CutPrefix(at, "at ")
	if !ok {
		return r, bad
	}
	if r.At, err = strconv.ParseInt(n, 10, 64); err != nil || r.At <= 0 {
		return r, bad
	}
	if r.Seal, err = ParseSealRecord([]byte(rest)); err != nil || len(r.Seal.Wraps) > 0 || !bytes.Equal(r.Render(), in) {
		return r, bad
	}
	return r, nil
}

// RecordErased makes the record of a sealed snapshot that a site erased.
func RecordErased(s Snapshot, site, request string, at int64) ErasedRecord {
	return ErasedRecord{Request: request, At: at, Seal: SealRecord{Tenant: s.Tenant, Volume: s.Volume, Snapshot: s.ID, Site: site, Seal: *s.Seal}}
}
