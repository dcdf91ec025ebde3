package app

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"filippo.io/age"

	"holdfast/internal/durable"
	"holdfast/server/control"
)

// Keys are the service's own keys. None of them can reach a site's hardware
// minimum: whoever steals them all can forge attestations and tickets, and still
// destroy nothing (threat T42).
type Keys struct {
	Log         ed25519.PrivateKey  // signs checkpoints
	Attestation ed25519.PrivateKey  // signs "this person used a TOTP code for this text"
	Ticket      ed25519.PrivateKey  // signs tickets of the data path
	Site        ed25519.PrivateKey  // signs what the primary site says in the log
	Secrets     []byte              // AES-256 key that TOTP secrets are sealed with
	Primary     *age.X25519Identity // opens the tenants' keys at the primary site
	Operator    string              // the host's own credential: makes tenants, invites staff, destroys nothing
}

// The key files below DIR/keys, and the operator's secret in DIR.
const (
	logKeyFile         = "log.ed25519"
	attestationKeyFile = "attestation.ed25519"
	ticketKeyFile      = "ticket.ed25519"
	siteKeyFile        = "site.ed25519"
	secretsKeyFile     = "secrets.aes256"
	primaryKeyFile     = "primary.age"
	operatorFile       = "operator.secret"
)

// loadKeys reads the keys below dir and makes those that are missing. A file
// that others than its owner can read is refused.
func loadKeys(dir string) (Keys, error) {
	keys := filepath.Join(dir, "keys")
	if err := durable.MkdirAll(keys, 0o700); err != nil {
		return Keys{}, fmt.Errorf("keys: %w", err)
	}
	var k Keys
	for _, want := range []struct {
		path string
		size int
		use  func([]byte)
	}{
		{filepath.Join(keys, logKeyFile), ed25519.SeedSize, func(b []byte) { k.Log = ed25519.NewKeyFromSeed(b) }},
		{filepath.Join(keys, attestationKeyFile), ed25519.SeedSize, func(b []byte) { k.Attestation = ed25519.NewKeyFromSeed(b) }},
		{filepath.Join(keys, ticketKeyFile), ed25519.SeedSize, func(b []byte) { k.Ticket = ed25519.NewKeyFromSeed(b) }},
		{filepath.Join(keys, siteKeyFile), ed25519.SeedSize, func(b []byte) { k.Site = ed25519.NewKeyFromSeed(b) }},
		{filepath.Join(keys, secretsKeyFile), 32, func(b []byte) { k.Secrets = b }},
		{filepath.Join(dir, operatorFile), 32, func(b []byte) { k.Operator = control.OperatorPrefix + base64.RawURLEncoding.EncodeToString(b) }},
	} {
		raw, err := loadSecret(want.path, want.size)
		if err != nil {
			return Keys{}, err
		}
		want.use(raw)
	}
	identity, err := loadIdentity(filepath.Join(keys, primaryKeyFile))
	if err != nil {
		return Keys{}, err
	}
	k.Primary = identity
	return k, nil
}

// ReadOperator returns the operator's credential of a data directory.
func ReadOperator(dir string) (string, error) {
	raw, err := readSecret(filepath.Join(dir, operatorFile), 32)
	if err != nil {
		return "", err
	}
	return control.OperatorPrefix + base64.RawURLEncoding.EncodeToString(raw), nil
}

func loadSecret(path string, size int) ([]byte, error) {
	raw, err := readSecret(path, size)
	if !errors.Is(err, fs.ErrNotExist) {
		return raw, err
	}
	raw = make([]byte, size)
	rand.Read(raw) // never fails (crypto/rand)
	if err := durable.WriteFile(path, []byte(base64.StdEncoding.EncodeToString(raw)+"\n"), 0o600); err != nil {
		return nil, fmt.Errorf("keys: make %s: %w", path, err)
	}
	return raw, nil
}

func readSecret(path string, size int) ([]byte, error) {
	text, err := readPrivate(path)
	if err != nil {
		return nil, err
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || len(raw) != size {
		return nil, fmt.Errorf("keys: %s is damaged: bring it back from your own backup of the key files", path)
	}
	return raw, nil
}

func loadIdentity(path string) (*age.X25519Identity, error) {
	text, err := readPrivate(path)
	if errors.Is(err, fs.ErrNotExist) {
		identity, err := age.GenerateX25519Identity()
		if err != nil {
			return nil, fmt.Errorf("keys: %w", err)
		}
		if err := durable.WriteFile(path, []byte(identity.String()+"\n"), 0o600); err != nil {
			return nil, fmt.Errorf("keys: make %s: %w", path, err)
		}
		return identity, nil
	}
	if err != nil {
		return nil, err
	}
	identity, err := age.ParseX25519Identity(text)
	if err != nil { // age's error may repeat what it read
		return nil, fmt.Errorf("keys: %s is damaged: bring it back from your own backup of the key files", path)
	}
	return identity, nil
}

// readPrivate reads a file that only its owner may be able to read.
func readPrivate(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("keys: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return "", fmt.Errorf("keys: %s is open to others (mode %04o): chmod 600 it", path, info.Mode().Perm())
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("keys: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}
