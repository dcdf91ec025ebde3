package totp

import (
	"bytes"
	"errors"
	"fmt"
	"image/png"
	"strings"
	"unicode/utf8"

	"github.com/pquerna/otp"
	ptotp "github.com/pquerna/otp/totp"
)

// ErrEnrol means an issuer, account or picture size that cannot be used.
var ErrEnrol = errors.New("totp: invalid enrolment label")

// URL is the otpauth address that an app reads:
// https://github.com/google/google-authenticator/wiki/Key-Uri-Format.
// It carries the secret, so it must go to the person's screen and nowhere else:
// never into a log, a redirect or the address of a picture. ErrEnrol, ErrSecret.
func URL(s Secret, issuer, account string) (string, error) {
	key, err := enrolment(s, issuer, account)
	if err != nil {
		return "", err
	}
	return key.URL(), nil
}

// QR is URL as a PNG picture with sides of size pixels (MinQR..MaxQR). Embed it
// in the page; it carries the secret. ErrEnrol, ErrSecret.
func QR(s Secret, issuer, account string, size int) ([]byte, error) {
	if size < MinQR || size > MaxQR {
		return nil, ErrEnrol
	}
	key, err := enrolment(s, issuer, account)
	if err != nil {
		return nil, err
	}
	picture, err := key.Image(size, size)
	if err != nil {
		return nil, ErrEnrol
	}
	var out bytes.Buffer
	if err := png.Encode(&out, picture); err != nil {
		return nil, fmt.Errorf("totp: %w", err)
	}
	return out.Bytes(), nil
}

func enrolment(s Secret, issuer, account string) (*otp.Key, error) {
	if s.IsZero() {
		return nil, ErrSecret
	}
	for _, label := range []string{issuer, account} {
		// A colon parts issuer from account in the label.
		if label == "" || len(label) > MaxName || !utf8.ValidString(label) || strings.ContainsAny(label, ":\r\n\x00") {
			return nil, ErrEnrol
		}
	}
	key, err := ptotp.Generate(ptotp.GenerateOpts{
		Issuer: issuer, AccountName: account, Secret: []byte(s.raw),
		Period: uint(Period.Seconds()), Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1,
	})
	if err != nil {
		return nil, ErrEnrol
	}
	return key, nil
}
