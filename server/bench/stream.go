package main

import (
	"bufio"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
)

// generated is a stream of any length that never lies on a disk: a core that does
// not compress, repeated under headers that differ.
type generated struct {
	left, core int64
	round      int64
	seed       uint64
	now        io.Reader
	sum        hash.Hash
}

// headerSize is the header's length before each repetition of the core.
const headerSize = 64 * kib

// newGenerated makes a stream of size bytes whose core is no longer than coreSize.
func newGenerated(seed uint64, size, core int64) *generated {
	return &generated{left: size, core: core, seed: seed, sum: sha256.New()}
}

func (g *generated) Read(p []byte) (int, error) {
	if g.left == 0 {
		return 0, io.EOF
	}
	for {
		if g.now == nil {
			g.now = io.MultiReader(
				io.LimitReader(newNoise(g.seed+1+uint64(g.round)), headerSize),
				io.LimitReader(newNoise(g.seed), g.core))
			g.round++
		}
		n, err := g.now.Read(p[:min(int64(len(p)), g.left)])
		if err == io.EOF {
			g.now = nil
		}
		if n > 0 {
			g.left -= int64(n)
			g.sum.Write(p[:n]) // a hash's Write never fails
			return n, nil
		}
	}
}

// newNoiseFile writes a stream that does not compress.
func newNoiseFile(path string, seed uint64, n int64) error {
	return createWith(path, func(w io.Writer) error { return noise(w, seed, n) })
}

const pageSize = 8 * kib

// newImage writes what a disk's image looks like: runs of text, machine code,
// noise, and a fifth that was never written.
func newImage(c *corpus, path string, size int64) error {
	return createWith(path, func(w io.Writer) error {
		b := bufio.NewWriterSize(w, 1<<20)
		rng := seeded(7)
		zeros := make([]byte, mib)
		for at, i := int64(0), uint64(0); at < size; i++ {
			n := min((1+rng.Int64N(32))*32*pageSize/8, size-at)
			var err error
			switch rng.IntN(10) {
			case 0, 1:
				_, err = b.Write(zeros[:n])
			case 2, 3:
				err = c.code(b, 7<<32+i, n)
			case 4, 5:
				err = noise(b, 7<<32+i, n)
			default:
				err = c.dump(b, 7<<32+i, n)
			}
			if err != nil {
				return err
			}
			at += n
		}
		return b.Flush()
	})
}

// rewritePages puts new contents into a hundredth of an image's pages.
func rewritePages(path string, round uint64) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return errors.Join(err, f.Close())
	}
	pages := info.Size() / pageSize
	rng, fresh, page := seeded(round<<40), newNoise(round<<40), make([]byte, pageSize)
	for range max(1, pages/100) {
		_, _ = fresh.Read(page) // never fails
		if _, err := f.WriteAt(page, rng.Int64N(pages)*pageSize); err != nil {
			return errors.Join(err, f.Close())
		}
	}
	return f.Close()
}

// sumOf is the SHA-256 of a file.
func sumOf(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	h := sha256.New()
	_, err = io.Copy(h, f)
	return fmt.Sprintf("%x", h.Sum(nil)), errors.Join(err, f.Close())
}
