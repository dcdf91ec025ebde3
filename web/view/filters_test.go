package view

import (
	"testing"

	"holdfast/quorum"
)

// Every filter of the list of requests is one that the list answers.
func TestFiltersOfRequestsAreStates(t *testing.T) {
	for _, l := range filters[1:] {
		if _, err := quorum.ParsePhase(l.Path); err != nil {
			t.Errorf("%q leads to %q: %v", l.Text, l.Path, err)
		}
	}
}
