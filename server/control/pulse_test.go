package control_test

import (
	"testing"

	"holdfast/server/control"
)

// News concern the tenant whose they are and all staff; the service's own concern
// everybody.
func TestNewsConcernWhomTheyAre(t *testing.T) {
	for _, c := range []struct {
		news   control.News
		tenant string
		want   bool
	}{
		{control.News{}, "a", false}, {control.News{}, "", false},
		{control.News{Tenants: []string{"a"}}, "a", true},
		{control.News{Tenants: []string{"b"}}, "a", false},
		{control.News{Tenants: []string{"b"}}, "", true},
		{control.News{Tenants: []string{"", "b"}}, "a", true},
		{control.News{All: true}, "a", true}, {control.News{All: true}, "", true},
	} {
		if got := c.news.Concerns(c.tenant); got != c.want {
			t.Errorf("%+v concerns %q: %v", c.news, c.tenant, got)
		}
	}
}
