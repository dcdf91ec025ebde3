package passkey

import "encoding/base64"

// b64 is how WebAuthn spells bytes in JSON.
var b64 = base64.RawURLEncoding.Strict()

func encode(c Challenge) string { return b64.EncodeToString(c[:]) }

func decode(s string) (Challenge, error) {
	raw, err := b64.DecodeString(s)
	if err != nil || len(raw) != ChallengeLen {
		return Challenge{}, ErrCeremony
	}
	return Challenge(raw), nil
}
