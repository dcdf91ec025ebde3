package ticket

import (
	"errors"
	"strings"
)

// ErrOps means an unknown, repeated or missing operation.
var ErrOps = errors.New("ticket: invalid operations")

// Op is one operation of the data path. The zero value is invalid. None of them
// touches a copy: the data path has no operation that could.
type Op uint8

// The operations.
const (
	// Put writes primary data.
	Put Op = iota + 1
	// Get reads primary data, at any moment that is still restorable.
	Get
	// Delete deletes primary data.
	Delete
	// List lists paths, versions and snapshots.
	List
	// Restore reads out of a snapshot.
	Restore

	opEnd
)

var opNames = [opEnd]string{Put: "put", Get: "get", Delete: "delete", List: "list", Restore: "restore"}

// Valid reports whether o is one of the operations.
func (o Op) Valid() bool { return o > 0 && o < opEnd }

// String is the operation's name.
func (o Op) String() string {
	if !o.Valid() {
		return "invalid"
	}
	return opNames[o]
}

// Ops is a set of operations. The zero value is empty and permits nothing.
type Ops struct{ bits uint16 }

// OpsOf makes a set; it must not be empty and have nothing twice. ErrOps.
func OpsOf(ops ...Op) (Ops, error) {
	var set Ops
	for _, o := range ops {
		if !o.Valid() || set.Has(o) {
			return Ops{}, ErrOps
		}
		set.bits |= 1 << o
	}
	if set.bits == 0 {
		return Ops{}, ErrOps
	}
	return set, nil
}

// Has reports whether o is in the set.
func (s Ops) Has(o Op) bool { return o.Valid() && s.bits&(1<<o) != 0 }

// IsZero reports whether the set is empty.
func (s Ops) IsZero() bool { return s.bits == 0 }

// String is the operations' names in their fixed order with a space between.
func (s Ops) String() string {
	var names []string
	for o := Op(1); o < opEnd; o++ {
		if s.Has(o) {
			names = append(names, o.String())
		}
	}
	return strings.Join(names, " ")
}

// ParseOps reads what String writes, and only that. ErrOps.
func ParseOps(text string) (Ops, error) {
	if len(text) > MaxName {
		return Ops{}, ErrOps
	}
	var list []Op
	for name := range strings.SplitSeq(text, " ") {
		var found Op
		for o := Op(1); o < opEnd; o++ {
			if opNames[o] == name {
				found = o
			}
		}
		list = append(list, found)
	}
	set, err := OpsOf(list...)
	if err != nil || set.String() != text {
		return Ops{}, ErrOps
	}
	return set, nil
}
