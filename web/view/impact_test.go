package view_test

import (
	"fmt"
	"strings"
	"testing"

	"holdfast/server/wire"
	"holdfast/web/view"
)

// TestT58_NoVolumeOfARequestGoesUnsaid: a request takes the last restore points of many volumes, more than have a picture.
// Whoever votes reads of each of them what would be left.
func TestT58_NoVolumeOfARequestGoesUnsaid(t *testing.T) {
	r := wire.Request{ID: "req_x", State: "open", Impact: &wire.Impact{Copies: 60}}
	var pictured []wire.Remains
	for i := range 60 {
		v := wire.VolumeImpact{Volume: fmt.Sprintf("vol_%03d", i), Name: fmt.Sprintf("name-%03d", i), Copies: 1, LastCopies: []string{"snp_x"}}
		r.Impact.Volumes = append(r.Impact.Volumes, v)
		pictured = append(pictured, wire.Remains{Volume: v.Volume, Name: v.Name, Going: 1})
	}
	for n := range pictured {
		var page strings.Builder
		if err := view.Impact(r, pictured[:n]).Render(t.Context(), &page); err != nil {
			t.Fatal(err)
		}
		for _, v := range r.Impact.Volumes {
			if got := strings.Count(page.String(), v.Volume); got != 1 {
				t.Errorf("with %d pictures, %s is named %d times", n, v.Volume, got)
			}
		}
		for _, words := range []string{"none: nothing could be restored", "last proven copy of"} {
			if got := strings.Count(page.String(), words); got != len(r.Impact.Volumes) {
				t.Errorf("with %d pictures, %q stands there %d times", n, words, got)
			}
		}
	}
}
