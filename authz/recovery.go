package authz

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"strings"
)

var recoveryAlphabet = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

const recoveryChars = 20 // 100 bits

// NewRecoveryCodes makes RecoveryCodes fresh codes of 100 bits, written as four
// groups of five characters. They are shown once; the store keeps their hashes.
func NewRecoveryCodes() []string {
	codes := make([]string, RecoveryCodes)
	for i := range codes {
		var raw [13]byte
		rand.Read(raw[:]) // never fails: the runtime ends the program instead
		text := recoveryAlphabet.EncodeToString(raw[:])[:recoveryChars]
		codes[i] = text[0:5] + "-" + text[5:10] + "-" + text[10:15] + "-" + text[15:20]
	}
	return codes
}

// HashRecoveryCode returns what the store keeps of a person's code. Blanks,
// hyphens and case are ignored, and look-alikes read as in Crockford's base32.
// The code has 100 random bits, so a plain SHA-256 is enough. Anything that
// cannot be a code is ErrSpent.
func HashRecoveryCode(person PersonID, code string) ([32]byte, error) {
	if len(code) > 4*recoveryChars {
		return [32]byte{}, ErrSpent
	}
	text := strings.NewReplacer("-", "", " ", "", "o", "0", "i", "1", "l", "1").Replace(strings.ToLower(code))
	if len(text) != recoveryChars || strings.Trim(text, "0123456789abcdefghjkmnpqrstvwxyz") != "" {
		return [32]byte{}, ErrSpent
	}
	return sha256.Sum256([]byte("holdfast recovery code v1\n" + person.String() + "\n" + text)), nil
}

// HashTicket returns what the store keeps of an invitation's or enrolment
// ticket's secret, a text of 256 random bits made by NewTicketSecret.
func HashTicket(secret string) [32]byte {
	return sha256.Sum256([]byte("holdfast invitation v1\n" + secret))
}

// NewTicketSecret makes the secret of an invitation or enrolment ticket.
func NewTicketSecret() string {
	var raw [32]byte
	rand.Read(raw[:])
	return recoveryAlphabet.EncodeToString(raw[:])
}
