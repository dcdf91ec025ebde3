// Package passwordtest gives tests a password hasher that is fast because it
// is worthless. No production package may import it; a test of the house
// holds that.
package passwordtest

import (
	"testing"

	"holdfast/authz/password"
	"holdfast/authz/password/internal/cost"
)

// New returns a Hasher at the least price that argon2id knows.
func New(t testing.TB) *password.Hasher {
	t.Helper()
	h, err := password.WithCost(cost.Cheap(), 8)
	if err != nil {
		t.Fatal(err)
	}
	return h
}
