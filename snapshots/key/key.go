package key

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"holdfast/snapshots/chunk"
)

// Errors of the package.
var (
	// ErrTenant is answered for a tenant's id that is empty, too long or not of a-z, 0-9, '_' and '-'.
	ErrTenant = errors.New("key: invalid tenant")
	// ErrUnknown is answered for a key number that is not at hand.
	ErrUnknown = errors.New("key: no key set of this number")
	// ErrRing is answered for key sets that cannot be one ring: none, of several tenants, or twice the same number.
	ErrRing = errors.New("key: not the key sets of one tenant")
	// ErrCommitment is answered when a key set is not the one that was committed to.
	ErrCommitment = errors.New("key: key set does not match its commitment")
	// ErrZero is answered for a key that is all zero or missing.
	ErrZero = errors.New("key: zero key")
)

// Number numbers the key sets of a tenant from 1.
type Number uint32

// Commitment fixes a key set without telling it: HMAC-SHA-256 under all its keys over tenant and number. Nobody can
// make another key set, tenant or number with the same commitment.
type Commitment [32]byte

// String is the commitment in 64 lower-case hexadecimal digits.
func (c Commitment) String() string { return hex.EncodeToString(c[:]) }

// Equal compares in constant time.
func (c Commitment) Equal(d Commitment) bool { return subtle.ConstantTimeCompare(c[:], d[:]) == 1 }

const redacted = "[redacted key]"

// Secret is one key. However it is printed, it says nothing; Bytes is the only door.
type Secret struct{ b [Size]byte }

// Bytes is a copy of the key.
func (s Secret) Bytes() []byte { return s.b[:] }

// String implements fmt.Stringer without the key.
func (s Secret) String() string { return redacted }

// Format implements fmt.Formatter without the key, for every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// LogValue implements slog.LogValuer without the key.
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText refuses: no encoder may carry a key.
func (s Secret) MarshalText() ([]byte, error) { return nil, errors.New("key: a key has no text") }

// IsZero says whether the key was never set.
func (s Secret) IsZero() bool { return s == Secret{} }

// Client is what a client that chunks for itself is given: the chunking and id keys, never the encryption key.
type Client struct {
	Tenant   string
	Number   Number
	Chunking Secret
	Identity Secret
}

// Tenant is one numbered key set of one tenant. It is immutable and safe for concurrent use.
type Tenant struct {
	tenant          string
	number          Number
	chunking, ident Secret
	encryption      Secret

	identifier *chunk.Identifier
	mu         sync.Mutex
	tables     map[chunk.Profile]*chunk.Table
}

func newTenant(tenant string, n Number, chunking, ident, encryption Secret) (*Tenant, error) {
	if err := checkTenant(tenant); err != nil {
		return nil, err
	}
	if n == 0 || n > MaxSets {
		return nil, fmt.Errorf("%w: %d", ErrUnknown, n)
	}
	if chunking.IsZero() || ident.IsZero() || encryption.IsZero() {
		return nil, ErrZero
	}
	i, err := chunk.NewIdentifier(ident.b[:])
	if err != nil {
		return nil, err
	}
	return &Tenant{tenant: tenant, number: n, chunking: chunking, ident: ident, encryption: encryption,
		identifier: i, tables: map[chunk.Profile]*chunk.Table{}}, nil
}

func newSecret() (s Secret) {
	_, _ = rand.Read(s.b[:]) // never fails: the runtime aborts the process if it would
	return s
}

// Generate makes a tenant's first key set, number 1, at random.
func Generate(tenant string) (*Tenant, error) {
	return newTenant(tenant, 1, newSecret(), newSecret(), newSecret())
}

// Rotate makes the next key set: a new encryption key under the next number. The chunking and id keys stay, so that
// what is stored goes on deduplicating; the older sets stay in the Ring, so that every copy goes on opening.
func (t *Tenant) Rotate() (*Tenant, error) {
	return newTenant(t.tenant, t.number+1, t.chunking, t.ident, newSecret())
}

// Tenant is the tenant's id.
func (t *Tenant) Tenant() string { return t.tenant }

// Number is the number of the set.
func (t *Tenant) Number() Number { return t.number }

// Encryption is the root from which frame keys are derived.
func (t *Tenant) Encryption() Secret { return t.encryption }

// Identifier computes content ids of the tenant.
func (t *Tenant) Identifier() *chunk.Identifier { return t.identifier }

// Table is the cutting table of a profile, derived once.
func (t *Tenant) Table(p chunk.Profile) (*chunk.Table, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if tab := t.tables[p]; tab != nil {
		return tab, nil
	}
	tab, err := chunk.NewTable(t.chunking.b[:], p)
	if err != nil {
		return nil, err
	}
	t.tables[p] = tab
	return tab, nil
}

// Client is the part of the set that a client may have.
func (t *Tenant) Client() Client {
	return Client{Tenant: t.tenant, Number: t.number, Chunking: t.chunking, Identity: t.ident}
}

// Key answers the set itself if n is its number, so that one set can stand where a Ring is asked for.
func (t *Tenant) Key(n Number) (*Tenant, error) {
	if n != t.number {
		return nil, fmt.Errorf("%w: %d", ErrUnknown, n)
	}
	return t, nil
}

const commitmentLabel = "holdfast key commitment v1\n"

// Commitment computes the set's commitment: HMAC-SHA-256 with the key chunking ‖ id ‖ encryption over
// "holdfast key commitment v1\n" ‖ length of tenant (1 byte) ‖ tenant ‖ number (4 bytes, big-endian).
func (t *Tenant) Commitment() Commitment {
	k := make([]byte, 0, 3*Size)
	k = append(append(append(k, t.chunking.b[:]...), t.ident.b[:]...), t.encryption.b[:]...)
	mac := hmac.New(sha256.New, k)
	msg := append([]byte(commitmentLabel), byte(len(t.tenant)))
	msg = binary.BigEndian.AppendUint32(append(msg, t.tenant...), uint32(t.number))
	mac.Write(msg)
	return Commitment(mac.Sum(nil))
}

// CheckCommitment says, in constant time, whether t is the set that c commits to.
func CheckCommitment(t *Tenant, c Commitment) error {
	if t == nil || !t.Commitment().Equal(c) {
		return ErrCommitment
	}
	return nil
}

// String implements fmt.Stringer without any key.
func (t *Tenant) String() string { return fmt.Sprintf("key %d of %s", t.number, t.tenant) }

// Format implements fmt.Formatter without any key, for every verb.
func (t *Tenant) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(t.String())) }

// LogValue implements slog.LogValuer without any key.
func (t *Tenant) LogValue() slog.Value { return slog.StringValue(t.String()) }

func checkTenant(s string) error {
	if s == "" || len(s) > MaxTenant {
		return ErrTenant
	}
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' && c != '-' {
			return ErrTenant
		}
	}
	return nil
}
