package demo

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"holdfast/internal/durable"
)

// stateFile holds everything that a demonstration remembers: passwords, TOTP
// secrets and software keys of people who do not exist. Only its owner reads it.
const stateFile = "demo.json"

// errNotDemo means that a directory holds something else.
var errNotDemo = errors.New("demo: the directory holds something that no demonstration made: name another with --dir")

// state is what survives a restart.
type state struct {
	Version   int               `json:"v"`
	Addresses Addresses         `json:"addresses"`
	Stage     string            `json:"stage"`
	Tenant    string            `json:"tenant"`
	People    []*person         `json:"people"`
	Volumes   map[string]string `json:"volumes"`   // name to id
	Snapshots map[string]string `json:"snapshots"` // name to id
	Data      string            `json:"data"`

	mu   sync.Mutex
	path string
}

// loadState reads the state of dir, or makes an empty one for a directory that
// is empty or missing.
func loadState(dir string) (*state, error) {
	s := &state{Version: 1, Volumes: map[string]string{}, Snapshots: map[string]string{}, path: filepath.Join(dir, stateFile)}
	text, err := os.ReadFile(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		entries, err := os.ReadDir(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		if len(entries) > 0 {
			return nil, fmt.Errorf("%w (%s)", errNotDemo, dir)
		}
		if err := durable.MkdirAll(dir, 0o700); err != nil {
			return nil, err
		}
		return s, s.save()
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, s); err != nil || s.Version != 1 {
		return nil, fmt.Errorf("%w (%s cannot be read)", errNotDemo, s.path)
	}
	return s, nil
}

func (s *state) save() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	return durable.WriteFile(s.path, append(text, '\n'), 0o600)
}

// find returns the person with a role, and a name if one is given.
func (s *state) find(email string) *person {
	for _, p := range s.People {
		if p.Email == email {
			return p
		}
	}
	return nil
}

// secret makes a password that nobody has used before.
func secret() string {
	raw := make([]byte, 15)
	rand.Read(raw)
	text := strings.ToLower(base32.StdEncoding.EncodeToString(raw))
	return text[:6] + "-" + text[6:12] + "-" + text[12:18] + "-" + text[18:]
}
