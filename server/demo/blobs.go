package demo

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

const (
	// markerBytes is the length of the file that only one snapshot has: long
	// enough to be a good part of a pack.
	markerBytes = 24 << 20
	// sampleBytes is the length of a piece of ciphertext that is looked for, and
	// samples how many there are.
	sampleBytes = 64
	samples     = 16
)

// marker is where on the disk the bytes of one file lie: pieces of the
// ciphertext that appeared when it was stored.
type marker struct{ pieces [][]byte }

// inventory is the length of every file below dir.
func inventory(dir string) (files map[string]int64, total int64, err error) {
	files = map[string]int64{}
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // swept meanwhile
		}
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		files[path] = info.Size()
		total += info.Size()
		return nil
	})
	return files, total, err
}

// markerOf samples what was appended below dir since the inventory was made.
func markerOf(dir string, before map[string]int64) (m marker, err error) {
	after, _, err := inventory(dir)
	if err != nil {
		return m, err
	}
	for path, length := range after {
		from := before[path]
		grown := length - from
		if grown < markerBytes/8 {
			continue // journal and the like
		}
		f, err := os.Open(path)
		if err != nil {
			return m, err
		}
		// Not at the edges, where headers and journal records stand.
		for i := range int64(samples) {
			piece := make([]byte, sampleBytes)
			if _, err := f.ReadAt(piece, from+grown/8+i*(grown*3/4)/samples); err != nil {
				return m, errors.Join(err, f.Close())
			}
			m.pieces = append(m.pieces, piece)
		}
		if err := f.Close(); err != nil {
			return m, err
		}
	}
	if len(m.pieces) == 0 {
		return m, fmt.Errorf("nothing of %d bytes appeared below %s", markerBytes, dir)
	}
	return m, nil
}

// found counts the pieces that are still somewhere below dir.
func (m marker) found(dir string) (n int, err error) {
	seen := make([]bool, len(m.pieces))
	files, _, err := inventory(dir)
	if err != nil {
		return 0, err
	}
	for path := range files {
		if err := m.search(path, seen); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return 0, err
		}
	}
	for _, s := range seen {
		if s {
			n++
		}
	}
	return n, nil
}

func (m marker) search(path string, seen []bool) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	buf := make([]byte, 4<<20)
	keep := 0
	for {
		n, err := f.Read(buf[keep:])
		window := buf[:keep+n]
		for i, piece := range m.pieces {
			if !seen[i] && bytes.Contains(window, piece) {
				seen[i] = true
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		keep = min(len(window), sampleBytes-1)
		copy(buf, window[len(window)-keep:])
	}
}
