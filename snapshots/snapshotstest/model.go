package snapshotstest

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// Model is a volume as a map, with all its past: what an engine is compared with.
type Model struct {
	Now  map[string]string
	past []state
}

type state struct {
	at    time.Time
	files map[string]string
}

// NewModel is an empty volume.
func NewModel() *Model { return &Model{Now: map[string]string{}} }

// Commit remembers the present as what was true from at on.
func (m *Model) Commit(at time.Time) { m.past = append(m.past, state{at, maps.Clone(m.Now)}) }

// At is what the volume had at a time: the last commit with at ≤ t.
func (m *Model) At(t time.Time) map[string]string {
	files := map[string]string{}
	for _, s := range m.past {
		if !s.at.After(t) {
			files = s.files
		}
	}
	return files
}

// Times lists when commits happened.
func (m *Model) Times() (out []time.Time) {
	for _, s := range m.past {
		out = append(out, s.at)
	}
	return out
}

// DeletePrefix deletes what lies below a prefix.
func (m *Model) DeletePrefix(prefix string) {
	maps.DeleteFunc(m.Now, func(p, _ string) bool { return strings.HasPrefix(p, prefix) })
}

// Paths are the paths of a state in bytewise order.
func Paths(files map[string]string) []string { return slices.Sorted(maps.Keys(files)) }
