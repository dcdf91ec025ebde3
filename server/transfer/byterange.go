package transfer

import (
	"errors"
	"strconv"
	"strings"
)

// errUnsatisfiable means that no byte of the content is in the range: 416.
var errUnsatisfiable = errors.New("transfer: range not satisfiable")

// parseRange reads a Range header (RFC 9110 section 14.2) against content of size
// bytes. ok is false when the whole content is to be sent: there is no range, or it
// is in another unit, malformed, or of several parts, which a server may ignore.
func parseRange(header string, size int64) (off, length int64, ok bool, err error) {
	spec, found := strings.CutPrefix(header, "bytes=")
	spec = strings.Trim(spec, " \t")
	first, last, dash := strings.Cut(spec, "-")
	if !found || !dash || strings.Contains(spec, ",") {
		return 0, 0, false, nil
	}
	if first == "" { // the last so many bytes
		n, valid := decimal(last)
		if !valid {
			return 0, 0, false, nil
		}
		if n == 0 || size == 0 {
			return 0, 0, false, errUnsatisfiable
		}
		n = min(n, size)
		return size - n, n, true, nil
	}
	from, valid := decimal(first)
	if !valid {
		return 0, 0, false, nil
	}
	to := size - 1
	if last != "" {
		if to, valid = decimal(last); !valid || to < from {
			return 0, 0, false, nil
		}
	}
	if from >= size {
		return 0, 0, false, errUnsatisfiable
	}
	to = min(to, size-1)
	return from, to - from + 1, true, nil
}

// decimal reads digits; more than fit count as the most that fit.
func decimal(s string) (int64, bool) {
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if errors.Is(err, strconv.ErrRange) {
		return 1<<63 - 1, true
	}
	return n, err == nil
}
