//go:build !linux

package archive

// xattrs: extended attributes are kept on Linux.
func xattrs(string) (map[string]string, error) { return nil, nil }
