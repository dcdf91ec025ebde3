package transfer

import "holdfast/snapshots"

// ParseRange is parseRange for its fuzz test.
var ParseRange = parseRange

// ParseCondition is parseCondition.
func ParseCondition(header string, weak bool) (*snapshots.Condition, error) {
	return parseCondition([]string{header}, weak)
}

// ParseTarget is parseTarget with its parts in a row.
func ParseTarget(escaped string) (volume, snapshot, kind, path string, err error) {
	t, err := parseTarget(escaped)
	return t.volume, t.snapshot, t.kind, t.path, err
}

// Disposition is disposition.
var Disposition = disposition
