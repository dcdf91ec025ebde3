package main

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// corpus is what data is derived from: the sources and binaries of the Go
// toolchain, so that it looks like what people have, needs no network, and is the
// same for everybody with the same toolchain. Everything follows from seeds.
type corpus struct {
	root    string
	sources []string // below root, sorted
	bank    []byte   // of machine code
	words   []string
}

// newCorpus reads the toolchain of this machine.
func newCorpus(ctx context.Context) (*corpus, error) {
	root, err := output(ctx, command{args: []string{"go", "env", "GOROOT"}, env: os.Environ()})
	if err != nil {
		return nil, fmt.Errorf("the data is derived from the Go toolchain's sources: %w", err)
	}
	c := &corpus{root: root}
	err = filepath.WalkDir(filepath.Join(root, "src"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		rel, err := filepath.Rel(root, path)
		c.sources = append(c.sources, rel)
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, dir := range []string{"bin", "pkg/tool"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() || int64(len(c.bank)) > 48*mib {
				return err
			}
			b, err := os.ReadFile(path)
			c.bank = append(c.bank, b...)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	if len(c.sources) < 100 || int64(len(c.bank)) < mib {
		return nil, fmt.Errorf("%s has no sources or binaries to derive data from", root)
	}
	text, err := os.ReadFile(filepath.Join(root, c.sources[len(c.sources)/2]))
	if err != nil {
		return nil, err
	}
	for _, w := range strings.FieldsFunc(string(text)+" backup snapshot volume quorum approve restore ledger account", func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	}) {
		if len(w) > 3 && len(c.words) < 600 {
			c.words = append(c.words, w)
		}
	}
	return c, nil
}

func seeded(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0x486f6c6466617374)) }

// source is the i-th source file; beyond the first round the lines are in another
// order and the digits others, so that nothing deduplicates and all compresses as well.
func (c *corpus) source(i int) (name string, text []byte, err error) {
	rel := c.sources[i%len(c.sources)]
	text, err = os.ReadFile(filepath.Join(c.root, rel))
	round := i / len(c.sources)
	if round == 0 || err != nil {
		return rel, text, err
	}
	rng := seeded(uint64(i))
	lines := bytes.SplitAfter(text, []byte("\n"))
	const block = 12
	blocks := make([][][]byte, 0, len(lines)/block+1)
	for len(lines) > 0 {
		n := min(block, len(lines))
		blocks, lines = append(blocks, lines[:n]), lines[n:]
	}
	rng.Shuffle(len(blocks), func(a, b int) { blocks[a], blocks[b] = blocks[b], blocks[a] })
	out := make([]byte, 0, len(text))
	for _, b := range blocks {
		for _, l := range b {
			out = append(out, l...)
		}
	}
	shift := byte(1 + rng.IntN(9))
	for i, x := range out {
		if x >= '0' && x <= '9' {
			out[i] = '0' + (x-'0'+shift)%10
		}
	}
	return fmt.Sprintf("round-%d/%s", round, rel), out, nil
}

// dump writes n bytes of what a database's dump or a log looks like.
func (c *corpus) dump(w io.Writer, seed uint64, n int64) error {
	rng := seeded(seed)
	at := time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC)
	line := make([]byte, 0, 512)
	for row := int64(0); n > 0; row++ {
		line = append(line[:0], "INSERT INTO events VALUES ("...)
		line = fmt.Appendf(line, "%d, '", row)
		at = at.Add(time.Duration(rng.IntN(4000)) * time.Millisecond)
		line = at.AppendFormat(line, time.RFC3339Nano)
		line = fmt.Appendf(line, "', '%016x', %d, '", rng.Uint64(), rng.IntN(1_000_000))
		for range 4 + rng.IntN(12) {
			line = append(append(line, c.words[rng.IntN(len(c.words))]...), ' ')
		}
		line = append(line, "');\n"...)
		line = line[:min(int64(len(line)), n)]
		if _, err := w.Write(line); err != nil {
			return err
		}
		n -= int64(len(line))
	}
	return nil
}

// code writes n bytes of machine code, in runs from here and there.
func (c *corpus) code(w io.Writer, seed uint64, n int64) error {
	rng := seeded(seed)
	for n > 0 {
		size := int(min(n, 12<<10+rng.Int64N(24<<10)))
		at := rng.IntN(len(c.bank) - size)
		if _, err := w.Write(c.bank[at : at+size]); err != nil {
			return err
		}
		n -= int64(size)
	}
	return nil
}

// noise writes n bytes that no program can compress.
func noise(w io.Writer, seed uint64, n int64) error {
	_, err := io.CopyN(w, newNoise(seed), n)
	return err
}

// noiseReader is endless: AES in counter mode, which costs next to nothing.
type noiseReader struct{ s cipher.Stream }

func newNoise(seed uint64) *noiseReader {
	var key [16]byte
	binary.BigEndian.PutUint64(key[:], seed)
	b, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err) // the key's length is a constant
	}
	return &noiseReader{cipher.NewCTR(b, make([]byte, aes.BlockSize))}
}

func (r *noiseReader) Read(p []byte) (int, error) {
	clear(p)
	r.s.XORKeyStream(p, p)
	return len(p), nil
}
