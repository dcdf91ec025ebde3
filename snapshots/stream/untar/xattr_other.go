//go:build !linux

package untar

import (
	"errors"
	"os"
)

func setXattr(*os.File, string, string) error { return errors.ErrUnsupported }
