package site

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"holdfast/internal/durable"
)

// marks are what stands in the database and, once more, in a file outside it.
type marks struct {
	Epoch, Generation int64
	Charter           uint64
	CharterHash       [32]byte
	Spent             int64
	SpentHash         [32]byte
	LogSize           int64
	LogRoot           [32]byte
}

// pinFile is the file of the high-water marks of one site.
type pinFile struct{ dir, name string }

const pinsFormat = "holdfast pins v1\nsite %s\nepoch %d\ngeneration %d\ncharter %d %x\nspent %d %x\nlog %d %x\n"

func (f *pinFile) path() string { return filepath.Join(f.dir, f.name+".pins") }

func (f *pinFile) render(m marks) []byte {
	return fmt.Appendf(nil, pinsFormat, f.name, m.Epoch, m.Generation, m.Charter, m.CharterHash, m.Spent, m.SpentHash, m.LogSize, m.LogRoot)
}

// read answers the marks; false when there are none. A file that is not in its one form is an error: nothing is guessed.
func (f *pinFile) read() (m marks, ok bool, err error) {
	in, err := os.Open(f.path())
	if errors.Is(err, fs.ErrNotExist) {
		return m, false, nil
	}
	if err != nil {
		return m, false, fmt.Errorf("%w: %w", ErrMarks, err)
	}
	defer in.Close()
	text, err := io.ReadAll(io.LimitReader(in, maxPins))
	if err != nil {
		return m, false, fmt.Errorf("%w: %w", ErrMarks, err)
	}
	var name string
	var hashes [3][]byte
	if _, err := fmt.Sscanf(string(text), pinsFormat, &name, &m.Epoch, &m.Generation, &m.Charter, &hashes[0], &m.Spent, &hashes[1], &m.LogSize, &hashes[2]); err != nil {
		return m, false, fmt.Errorf("%w: malformed", ErrMarks)
	}
	for i, dst := range []*[32]byte{&m.CharterHash, &m.SpentHash, &m.LogRoot} {
		if len(hashes[i]) != 32 {
			return m, false, fmt.Errorf("%w: malformed", ErrMarks)
		}
		copy(dst[:], hashes[i])
	}
	if name != f.name || string(f.render(m)) != string(text) {
		return m, false, fmt.Errorf("%w: malformed", ErrMarks)
	}
	return m, true, nil
}

// write replaces the file durably: the old one or the new one is there after any crash.
func (f *pinFile) write(m marks) error {
	if err := durable.MkdirAll(f.dir, 0o700); err != nil {
		return err
	}
	return durable.WriteFile(f.path(), f.render(m), 0o600)
}
