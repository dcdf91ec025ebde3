package password

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"

	"holdfast/authz/password/internal/cost"
)

// phc is a parsed argon2id hash in the PHC string format:
// $argon2id$v=19$m=<KiB>,t=<passes>,p=<lanes>$<salt>$<key>, both base64
// without padding. https://github.com/P-H-C/phc-string-format
type phc struct {
	params cost.Params
	salt   []byte
	key    []byte
}

var b64 = base64.RawStdEncoding.Strict()

func (h phc) String() string {
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version,
		h.params.MemoryKiB(), h.params.Time(), h.params.Threads(),
		b64.EncodeToString(h.salt), b64.EncodeToString(h.key))
}

// parsePHC reads exactly what String writes and nothing else, so that a stored
// hash has one spelling.
func parsePHC(s string) (phc, error) {
	if len(s) > MaxPHC {
		return phc{}, ErrMalformedHash
	}
	parts := strings.Split(s, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" ||
		parts[2] != "v="+strconv.Itoa(argon2.Version) {
		return phc{}, ErrMalformedHash
	}
	costs := strings.Split(parts[3], ",")
	if len(costs) != 3 {
		return phc{}, ErrMalformedHash
	}
	var n [3]uint32
	for i, prefix := range []string{"m=", "t=", "p="} {
		digits, ok := strings.CutPrefix(costs[i], prefix)
		if !ok || digits == "" || len(digits) > 9 || digits[0] < '1' || digits[0] > '9' {
			return phc{}, ErrMalformedHash
		}
		v, err := strconv.ParseUint(digits, 10, 32)
		if err != nil {
			return phc{}, ErrMalformedHash
		}
		n[i] = uint32(v)
	}
	if n[0] < minMemoryKiB || n[0] > maxMemoryKiB || n[1] > maxTime || n[2] > maxThreads || n[0] < 8*n[2] {
		return phc{}, ErrMalformedHash
	}
	salt, err := b64.DecodeString(parts[4])
	if err != nil || len(salt) != saltLen || b64.EncodeToString(salt) != parts[4] {
		return phc{}, ErrMalformedHash
	}
	key, err := b64.DecodeString(parts[5])
	if err != nil || len(key) != keyLen || b64.EncodeToString(key) != parts[5] {
		return phc{}, ErrMalformedHash
	}
	return phc{params: cost.Of(n[0], n[1], uint8(n[2])), salt: salt, key: key}, nil
}
