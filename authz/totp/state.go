package totp

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"errors"
)

// ErrState means that a stored state is not one this package wrote. It denies:
// a factor whose memory is lost is not a factor.
var ErrState = errors.New("totp: stored state is malformed")

// State is what a factor remembers of its used codes. The zero State is a fresh
// factor. It grows to Remembered entries and is stored with MarshalBinary.
type State struct {
	highest int64
	recent  []used
}

type used struct {
	step int64
	mac  [sha256.Size]byte
}

// Highest is the highest step that was burned, 0 for none.
func (s State) Highest() int64 { return s.highest }

// remembers reports whether the code was accepted fewer than Remembered steps
// before the step.
func (s State) remembers(mac [sha256.Size]byte, step int64) bool {
	found := 0
	for _, u := range s.recent {
		if step-u.step < Remembered {
			found |= subtle.ConstantTimeCompare(u.mac[:], mac[:])
		}
	}
	return found == 1
}

// burn adds a used code. The old value stays as it was.
func (s State) burn(step int64, mac [sha256.Size]byte) State {
	out := State{highest: step}
	for _, u := range s.recent {
		if step-u.step < Remembered {
			out.recent = append(out.recent, u)
		}
	}
	out.recent = append(out.recent, used{step: step, mac: mac})
	return out
}

const (
	stateVersion = 1
	stateHead    = 1 + 8 + 1
	stateEntry   = 8 + sha256.Size
)

// MarshalBinary gives the stored form: version 1, highest step, count, then
// step and HMAC of each remembered code, ascending; integers big-endian.
func (s State) MarshalBinary() ([]byte, error) {
	if len(s.recent) > Remembered {
		return nil, ErrState
	}
	out := make([]byte, 0, stateHead+len(s.recent)*stateEntry)
	out = append(out, stateVersion)
	out = binary.BigEndian.AppendUint64(out, uint64(s.highest))
	out = append(out, byte(len(s.recent)))
	for _, u := range s.recent {
		out = binary.BigEndian.AppendUint64(out, uint64(u.step))
		out = append(out, u.mac[:]...)
	}
	return out, nil
}

// ParseState reads what MarshalBinary writes, and only that. Empty input is an
// error, not a fresh state: a lost column must not make used codes good again.
// ErrState.
func ParseState(data []byte) (State, error) {
	if len(data) < stateHead || data[0] != stateVersion {
		return State{}, ErrState
	}
	s := State{highest: int64(binary.BigEndian.Uint64(data[1:9]))}
	count := int(data[9])
	if s.highest < 0 || count > Remembered || len(data) != stateHead+count*stateEntry || (count == 0) != (s.highest == 0) {
		return State{}, ErrState
	}
	last := int64(0)
	for entry := data[stateHead:]; len(entry) > 0; entry = entry[stateEntry:] {
		u := used{step: int64(binary.BigEndian.Uint64(entry[:8])), mac: [sha256.Size]byte(entry[8:stateEntry])}
		if u.step <= last || s.highest-u.step >= Remembered {
			return State{}, ErrState
		}
		last = u.step
		s.recent = append(s.recent, u)
	}
	if last != s.highest {
		return State{}, ErrState
	}
	return s, nil
}
