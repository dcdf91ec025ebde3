// Package ticket owns the short-lived bearer tickets of the data path: EdDSA
// JWTs (RFC 7519, RFC 8037) that the control plane signs and a site checks
// without asking anyone. A ticket names one site, one tenant, one volume and a
// set of operations on primary data and reads. It must never carry a power over
// a copy, and a verifier must never accept an algorithm, key or lifetime that a
// ticket proposes for itself (T10).
package ticket

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Type is the typ header of every ticket (RFC 8725 section 3.11): a JWT of
// another kind, even under the same key, is not a ticket.
const Type = "holdfast-ticket+jwt"

var (
	// ErrInvalid means that a text is not a ticket for this site: shape,
	// signature, key, issuer, audience or claims. It does not say which.
	ErrInvalid = errors.New("ticket: invalid")
	// ErrExpired means that a ticket was good once. It is an ErrInvalid.
	ErrExpired = fmt.Errorf("%w: expired", ErrInvalid)
	// ErrNotPermitted means that a good ticket does not cover the tenant,
	// volume or operation.
	ErrNotPermitted = errors.New("ticket: not permitted")
	// ErrClaims means that a ticket cannot be minted as asked.
	ErrClaims = errors.New("ticket: claims out of bounds")
)

// Ticket is a verified ticket, or what an issuer is to put into one. All names
// are printable ASCII without spaces, at most MaxName bytes.
type Ticket struct {
	// ID is unique (128 random bits); the issuer sets it.
	ID string
	// Subject is who asked: the id of a person or token, for the site's record.
	Subject string
	// Tenant and Volume are ids. A ticket opens this volume and nothing else.
	Tenant string
	Volume string
	// Ops must not be empty.
	Ops Ops
	// IssuedAt and Expires have whole seconds; the issuer sets IssuedAt.
	IssuedAt time.Time
	Expires  time.Time
}

// Permits reports whether the ticket covers the operation on the volume.
// ErrNotPermitted.
func (t Ticket) Permits(tenant, volume string, op Op) error {
	if t.ID == "" || tenant == "" || volume == "" ||
		t.Tenant != tenant || t.Volume != volume || !t.Ops.Has(op) {
		return ErrNotPermitted
	}
	return nil
}

// claims is the wire form. Every field is required.
type claims struct {
	jwt.RegisteredClaims
	Tenant string `json:"tenant"`
	Volume string `json:"volume"`
	Ops    string `json:"ops"`
}

// Validate is called by the jwt parser after its own checks: what those leave
// optional is required here.
func (c claims) Validate() error {
	if c.ExpiresAt == nil || c.NotBefore == nil || c.IssuedAt == nil ||
		len(c.Audience) != 1 || !names(c.ID, c.Subject, c.Tenant, c.Volume) {
		return ErrInvalid
	}
	if life := c.ExpiresAt.Sub(c.IssuedAt.Time); life <= 0 || life > MaxLifetime {
		return ErrInvalid
	}
	return nil
}

// Issuer mints tickets.
type Issuer struct {
	name  string
	key   ed25519.PrivateKey
	keyID string
	now   func() time.Time
}

// NewIssuer makes an issuer with a name (the iss claim), its current signing
// key and a clock. ErrKey, ErrClaims.
func NewIssuer(name string, key ed25519.PrivateKey, now func() time.Time) (*Issuer, error) {
	if len(key) != ed25519.PrivateKeySize {
		return nil, ErrKey
	}
	if !names(name) || now == nil {
		return nil, ErrClaims
	}
	return &Issuer{name: name, key: key, keyID: KeyID(key.Public().(ed25519.PublicKey)), now: now}, nil
}

// Public is the key that verifiers need.
func (i *Issuer) Public() ed25519.PublicKey { return i.key.Public().(ed25519.PublicKey) }

// Mint signs a ticket for the site (the aud claim) that lives for life, between
// MinLifetime and MaxLifetime. It sets ID, IssuedAt and Expires and ignores what
// they held. ErrClaims.
func (i *Issuer) Mint(site string, t Ticket, life time.Duration) (string, Ticket, error) {
	if life < MinLifetime || life > MaxLifetime || !names(site, t.Subject, t.Tenant, t.Volume) || t.Ops.IsZero() {
		return "", Ticket{}, ErrClaims
	}
	var id [16]byte
	if _, err := io.ReadFull(rand.Reader, id[:]); err != nil {
		return "", Ticket{}, fmt.Errorf("ticket: %w", err)
	}
	t.ID = base64.RawURLEncoding.EncodeToString(id[:])
	t.IssuedAt = i.now().UTC().Truncate(time.Second)
	t.Expires = t.IssuedAt.Add(life).Truncate(time.Second)
	token := jwt.NewWithClaims(jwt.SigningMethodEdDSA, claims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer: i.name, Subject: t.Subject, Audience: jwt.ClaimStrings{site}, ID: t.ID,
			IssuedAt: jwt.NewNumericDate(t.IssuedAt), NotBefore: jwt.NewNumericDate(t.IssuedAt),
			ExpiresAt: jwt.NewNumericDate(t.Expires),
		},
		Tenant: t.Tenant, Volume: t.Volume, Ops: t.Ops.String(),
	})
	token.Header["typ"] = Type
	token.Header["kid"] = i.keyID
	text, err := token.SignedString(i.key)
	if err != nil || len(text) > MaxTicket {
		return "", Ticket{}, ErrClaims
	}
	return text, t, nil
}

// Verifier checks tickets for one site.
type Verifier struct {
	parser *jwt.Parser
	keys   KeySet
}

// NewVerifier makes a verifier for tickets of the issuer for the site. ErrKey
// for an empty key set, ErrClaims for bad names.
func NewVerifier(issuer, site string, keys KeySet, now func() time.Time) (*Verifier, error) {
	if len(keys.keys) == 0 {
		return nil, ErrKey
	}
	if !names(issuer, site) || now == nil {
		return nil, ErrClaims
	}
	return &Verifier{keys: keys, parser: jwt.NewParser(
		jwt.WithValidMethods([]string{jwt.SigningMethodEdDSA.Alg()}),
		jwt.WithExpirationRequired(), jwt.WithNotBeforeRequired(), jwt.WithIssuedAt(),
		jwt.WithIssuer(issuer), jwt.WithAudience(site), jwt.WithStrictDecoding(),
		jwt.WithLeeway(ClockSkew), jwt.WithTimeFunc(now),
	)}, nil
}

// Check verifies a ticket and that it covers the operation: the one call that
// the data path needs. Errors: ErrInvalid, ErrExpired, ErrNotPermitted.
func (v *Verifier) Check(text, tenant, volume string, op Op) (Ticket, error) {
	t, err := v.Verify(text)
	if err != nil {
		return Ticket{}, err
	}
	if err := t.Permits(tenant, volume, op); err != nil {
		return Ticket{}, err
	}
	return t, nil
}

// alphabet is what a ticket consists of. Go's base64 skips line ends even when
// it is strict, so a ticket would have spellings that were never signed.
const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."

// Verify checks signature, header, issuer, audience and times. It does not know
// what is asked for: use Check, or Permits on the result. Errors: ErrInvalid,
// ErrExpired.
func (v *Verifier) Verify(text string) (Ticket, error) {
	if len(text) > MaxTicket || strings.ContainsFunc(text, func(r rune) bool { return !strings.ContainsRune(alphabet, r) }) {
		return Ticket{}, ErrInvalid
	}
	var c claims
	_, err := v.parser.ParseWithClaims(text, &c, v.key)
	switch {
	case errors.Is(err, jwt.ErrTokenExpired) && !errors.Is(err, jwt.ErrTokenSignatureInvalid):
		return Ticket{}, ErrExpired
	case err != nil:
		// The library's text can quote the ticket; it stays here.
		return Ticket{}, ErrInvalid
	}
	ops, err := ParseOps(c.Ops)
	if err != nil {
		return Ticket{}, ErrInvalid
	}
	return Ticket{
		ID: c.ID, Subject: c.Subject, Tenant: c.Tenant, Volume: c.Volume, Ops: ops,
		IssuedAt: c.IssuedAt.UTC(), Expires: c.ExpiresAt.UTC(),
	}, nil
}

// key finds the verification key. The header must be exactly alg, kid and typ:
// jwk, jku, x5u and crit are ways of a ticket to bring its own key.
func (v *Verifier) key(token *jwt.Token) (any, error) {
	kid, _ := token.Header["kid"].(string)
	typ, _ := token.Header["typ"].(string)
	if len(token.Header) != 3 || typ != Type {
		return nil, ErrInvalid
	}
	key, ok := v.keys.keys[kid]
	if !ok {
		return nil, ErrInvalid
	}
	return key, nil
}

// names reports whether every value is a usable name.
func names(values ...string) bool {
	for _, s := range values {
		if s == "" || len(s) > MaxName || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return false
		}
	}
	return true
}
