package transfer

import (
	"encoding/hex"
	"net/http"
	"strings"
	"time"

	"holdfast/server/control"
	"holdfast/server/wire"
	"holdfast/snapshots"
)

// parseCondition reads If-Match or If-None-Match (RFC 9110 section 13.1). A tag
// that this service never gave out matches nothing. weak lets weak tags match.
func parseCondition(values []string, weak bool) (*snapshots.Condition, error) {
	if len(values) == 0 {
		return nil, nil
	}
	text := strings.TrimSpace(strings.Join(values, ","))
	if text == "*" {
		return &snapshots.Condition{Any: true}, nil
	}
	bad := control.NewError(wire.TypeInvalid, nil, "If-Match and If-None-Match are * or a list of quoted entity tags, at most %d.", maxETags)
	c := &snapshots.Condition{}
	for n := 0; text != ""; n++ {
		isWeak := strings.HasPrefix(text, "W/")
		text = strings.TrimPrefix(text, "W/")
		if n == maxETags || !strings.HasPrefix(text, `"`) {
			return nil, bad
		}
		tag, rest, ok := strings.Cut(text[1:], `"`)
		if !ok {
			return nil, bad
		}
		if sum, err := hex.DecodeString(tag); err == nil && len(sum) == 32 && strings.ToLower(tag) == tag && (weak || !isWeak) {
			c.ETags = append(c.ETags, [32]byte(sum))
		}
		text = strings.TrimLeft(rest, " \t")
		if text != "" {
			if !strings.HasPrefix(text, ",") {
				return nil, bad
			}
			text = strings.TrimLeft(text, ", \t")
		}
	}
	return c, nil
}

func matches(c *snapshots.Condition, etag [32]byte) bool {
	if c.Any {
		return true
	}
	for _, t := range c.ETags {
		if t == etag {
			return true
		}
	}
	return false
}

// evaluate holds a GET or HEAD against its preconditions in the order of RFC 9110
// section 13.2.2, and answers 0, 304 or 412.
func evaluate(h http.Header, etag [32]byte, modified time.Time) (int, error) {
	match, err := parseCondition(h.Values("If-Match"), false)
	if err != nil {
		return 0, err
	}
	if match != nil {
		if !matches(match, etag) {
			return http.StatusPreconditionFailed, nil
		}
	} else if since, err := http.ParseTime(h.Get("If-Unmodified-Since")); err == nil && modified.Truncate(time.Second).After(since) {
		return http.StatusPreconditionFailed, nil
	}
	none, err := parseCondition(h.Values("If-None-Match"), true)
	if err != nil {
		return 0, err
	}
	if none != nil {
		if matches(none, etag) {
			return http.StatusNotModified, nil
		}
	} else if since, err := http.ParseTime(h.Get("If-Modified-Since")); err == nil && !modified.Truncate(time.Second).After(since) {
		return http.StatusNotModified, nil
	}
	return 0, nil
}

// rangeApplies is If-Range: the range is asked only of the content named by a
// strong tag, or unchanged since an exact time.
func rangeApplies(h http.Header, etag string, modified time.Time) bool {
	v := h.Get("If-Range")
	if v == "" {
		return true
	}
	if strings.HasPrefix(v, `"`) {
		return v == etag
	}
	at, err := http.ParseTime(v)
	return err == nil && modified.Truncate(time.Second).Equal(at)
}
