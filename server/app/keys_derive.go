package app

import (
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"
)

// derive makes a 32-byte key for one purpose from the service's secret, so that
// two purposes never share a key. It is the same at every start.
func (k Keys) derive(purpose string) ([]byte, error) {
	key, err := hkdf.Key(sha256.New, k.Secrets, nil, "holdfast "+purpose+" v1", 32)
	if err != nil {
		return nil, fmt.Errorf("keys: derive: %w", err)
	}
	return key, nil
}
