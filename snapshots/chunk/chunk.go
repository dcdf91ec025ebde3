package chunk

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"sync"
)

// Errors of the package.
var (
	// ErrKey is answered for a key of the wrong length or one that is all zero: a zero key is a key that was
	// never set, and boundaries or ids made with it would be the same for everybody.
	ErrKey = errors.New("chunk: key has the wrong length or is all zero")
	// ErrID is answered for a text that is not a content id.
	ErrID = errors.New("chunk: not a content id")
	// ErrProfile is answered for an unknown profile.
	ErrProfile = errors.New("chunk: unknown profile")
)

// Kind says what a content is. It is part of the id, so that a page can never be passed off as data.
type Kind uint8

// The kinds. Their numbers are part of the stored format; zero is invalid.
const (
	// KindData is a piece of a file or stream.
	KindData Kind = 1
	// KindRecipe is a node that lists the chunks of one large file.
	KindRecipe Kind = 2
	// KindCataloguePage is a node with a range of a snapshot's file entries.
	KindCataloguePage Kind = 3
	// KindCatalogueIndex is a node over catalogue pages.
	KindCatalogueIndex Kind = 4
	// KindRoot is the node whose digest is the snapshot's digest.
	KindRoot Kind = 5
	// KindJournal is a group of journal records.
	KindJournal Kind = 6
)

var kindNames = [...]string{"invalid", "data", "recipe", "catalogue-page", "catalogue-index", "root", "journal"}

// String names the kind.
func (k Kind) String() string {
	if !k.Valid() {
		return fmt.Sprintf("kind(%d)", uint8(k))
	}
	return kindNames[k]
}

// Valid says whether the kind is a known one.
func (k Kind) Valid() bool { return k != 0 && int(k) < len(kindNames) }

// ID names a content within one tenant: HMAC-SHA-256(id key, kind ‖ plaintext). Without the tenant's id key it
// says nothing about the plaintext.
type ID [32]byte

// String is the id in 64 lower-case hexadecimal digits.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// IsZero says whether the id is unset.
func (id ID) IsZero() bool { return id == ID{} }

// ParseID reads the form that String writes, and no other.
func ParseID(s string) (ID, error) {
	var id ID
	if len(s) != 2*len(id) {
		return ID{}, ErrID
	}
	if _, err := hex.Decode(id[:], []byte(s)); err != nil || id.String() != s {
		return ID{}, ErrID
	}
	return id, nil
}

// Identifier computes ids under one id key. It is safe for concurrent use.
type Identifier struct{ pool sync.Pool }

// NewIdentifier makes an Identifier. A zero key is refused with ErrKey.
func NewIdentifier(idKey []byte) (*Identifier, error) {
	if err := checkKey(idKey); err != nil {
		return nil, err
	}
	own := append([]byte(nil), idKey...)
	i := &Identifier{}
	i.pool.New = func() any { return hmac.New(sha256.New, own) }
	return i, nil
}

// ID computes the id of a content.
func (i *Identifier) ID(kind Kind, plaintext []byte) ID {
	mac := i.pool.Get().(hash.Hash)
	mac.Reset()
	var id ID
	id[0] = byte(kind) // the kind's byte is staged in the result, which saves an allocation
	mac.Write(id[:1])
	mac.Write(plaintext)
	mac.Sum(id[:0])
	i.pool.Put(mac)
	return id
}

func checkKey(k []byte) error {
	if len(k) != KeySize {
		return ErrKey
	}
	var or byte
	for _, b := range k {
		or |= b
	}
	if or == 0 {
		return ErrKey
	}
	return nil
}
