package transfer

import (
	"errors"
	"net/url"
	"strings"
)

// errTarget means that a request's path is not one of the data path.
var errTarget = errors.New("transfer: no such place")

// target is what a request's path names.
type target struct {
	volume   string // id or name; empty for a snapshot
	snapshot string
	kind     string // files, tar, stream, pull, keys, push, uploads
	path     string // of kind files: the path within, byte for byte
	session  string // of kinds push and uploads, but for their beginning
	action   string // of a session: known, or segments
	segment  int64
}

// Prefix begins every path of the data path.
const Prefix = "/v1/data/"

// parseTarget reads the path as it came over the wire, percent-encoded: each
// segment is decoded exactly once and kept byte for byte, so that every name that
// a file can have has its place. What the path then may be is the domain's rule.
func parseTarget(escaped string) (t target, err error) {
	rest, ok := strings.CutPrefix(escaped, Prefix)
	if !ok || len(escaped) > MaxTarget {
		return t, errTarget
	}
	parts := strings.Split(rest, "/")
	for i, p := range parts {
		if parts[i], err = url.PathUnescape(p); err != nil {
			return t, errTarget
		}
	}
	if parts[0] == "snapshots" && len(parts) > 1 {
		t.snapshot, parts = parts[1], parts[2:]
	} else {
		t.volume, parts = parts[0], parts[1:]
	}
	if t.volume+t.snapshot == "" || len(parts) == 0 {
		return t, errTarget
	}
	t.kind, parts = parts[0], parts[1:]
	switch {
	case t.kind == "files" && len(parts) > 0:
		t.path = strings.Join(parts, "/")
	case (t.kind == "tar" || t.kind == "stream" || t.kind == "pull" || t.kind == "keys") && len(parts) == 0:
	case t.kind == "push" && t.snapshot == "":
		return parsePush(t, parts)
	case t.kind == "uploads" && t.snapshot == "" && len(parts) == 0:
	case t.kind == "uploads" && t.snapshot == "" && len(parts) == 1 && parts[0] != "":
		t.session = parts[0]
	default:
		return t, errTarget
	}
	return t, nil
}
