package totp

import "time"

// Parameters and bounds of this package. They are what every authenticator app
// understands; none of them is configurable.
const (
	// Period is the length of a time step (RFC 6238 X).
	Period = 30 * time.Second
	// Digits is the length of a code.
	Digits = 6
	// Skew is how many steps before and after the current one are accepted.
	Skew = 1
	// SecretLen is the length of a new secret in bytes (RFC 4226 asks for 160 bits).
	SecretLen = 20
	// MaxSecretLen is the longest secret that is read back, in bytes.
	MaxSecretLen = 64
	// Remembered is for how many steps an accepted code cannot be accepted
	// again, even where it happens to be a later step's code too (16 minutes).
	Remembered = 32
	// MaxName is the longest issuer, account, person or factor in bytes.
	MaxName = 256
	// MaxKeyID is the longest id of a key-encryption key in bytes.
	MaxKeyID = 64
	// MinQR and MaxQR bound the side of a QR picture in pixels.
	MinQR = 128
	MaxQR = 1024

	maxSealed = 512
)
