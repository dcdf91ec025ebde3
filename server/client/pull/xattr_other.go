//go:build !linux

package pull

import "errors"

func setXattr(int, string, string) error { return errors.ErrUnsupported }
