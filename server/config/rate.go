package config

import (
	"fmt"
	"strconv"
	"strings"
)

var units = []struct {
	name  string
	bytes int64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40}, {"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1}}

// ParseRate reads a rate such as 50MiB/s, 10MB/s or 1048576: bytes a second, positive. ErrConfig.
func ParseRate(text string) (int64, error) {
	rest := strings.TrimSuffix(strings.TrimSpace(text), "/s")
	unit := int64(1)
	for _, u := range units {
		if n, ok := strings.CutSuffix(rest, u.name); ok {
			rest, unit = strings.TrimSpace(n), u.bytes
			break
		}
	}
	n, err := strconv.ParseInt(rest, 10, 64)
	if err != nil || n <= 0 || n > (1<<62)/unit {
		return 0, fmt.Errorf("%w: %q is not a rate such as 50MiB/s", ErrConfig, text)
	}
	return n * unit, nil
}
