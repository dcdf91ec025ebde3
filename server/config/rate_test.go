package config_test

import (
	"errors"
	"testing"

	"holdfast/server/config"
)

func TestRatesAreReadStrictly(t *testing.T) {
	for text, want := range map[string]int64{"50MiB/s": 50 << 20, "10MB/s": 10_000_000, "1048576": 1 << 20, "1 GiB/s": 1 << 30, "7B/s": 7, "2TiB": 2 << 40} {
		if got, err := config.ParseRate(text); err != nil || got != want {
			t.Errorf("%q is %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "0", "-1MiB/s", "fast", "1.5MiB/s", "9223372036854775807TiB", "50MiB/s/s", "50 mib/s"} {
		if got, err := config.ParseRate(text); !errors.Is(err, config.ErrConfig) {
			t.Errorf("%q was taken as %d", text, got)
		}
	}
}
