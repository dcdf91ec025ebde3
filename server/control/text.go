package control

import (
	"archive/tar"
	"encoding/base64"
	"errors"
	"io"
	"strings"
	"unicode/utf8"
)

// printable is user data as JSON can carry it: bytes that are no UTF-8 become
// U+FFFD. What shows it to people escapes it as its medium demands.
func printable(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// exact is user data byte for byte.
func exact(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

// torn reports whether an upload was not what it promised to be.
func torn(err error) bool {
	return errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, tar.ErrHeader) || errors.Is(err, tar.ErrFieldTooLong)
}
