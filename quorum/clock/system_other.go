//go:build !linux

package clock

import (
	"fmt"
	"time"
)

func bootTime() (time.Duration, error) {
	return 0, fmt.Errorf("%w: no CLOCK_BOOTTIME on this system", ErrUnavailable)
}

func bootID() (string, error) {
	return "", fmt.Errorf("%w: no boot id on this system", ErrUnavailable)
}
