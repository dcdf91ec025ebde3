package view_test

import (
	"testing"

	"holdfast/quorum"
	"holdfast/web/view"
)

// Every state that a request can be in has words.
func TestEveryStateHasWords(t *testing.T) {
	for p := quorum.Open; p <= quorum.Applied; p++ {
		if view.States[p.String()] == "" {
			t.Errorf("no words for %q", p)
		}
	}
	if len(view.States) != int(quorum.Applied)+1 { // and a draft, which is no phase
		t.Errorf("%d states have words, %d exist", len(view.States), int(quorum.Applied)+1)
	}
}
