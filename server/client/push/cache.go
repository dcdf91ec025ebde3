package push

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
)

// The cache of a directory in a volume: a head with the volume's sequence number
// behind the last push and how many entries follow; then for each entry, in the order of
// their paths, what the system said of it when it was stored; then a CRC-32C of
// it all. While the volume's head is that number, an entry that the system says
// the same of is there like this. Damage means that there is no cache.
const cacheMagic = "HFPUSH\x00\x01"

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// cached is one entry of the cache.
type cached struct {
	path               string
	mode               uint32
	size, mtime, ctime int64
	dev, ino           uint64
}

func (c *cached) is(f *found) bool {
	st := &f.st
	return c.path == f.path && c.mode == st.mode && c.size == st.size && c.mtime == st.mtime && c.ctime == st.ctime && c.dev == st.dev && c.ino == st.ino
}

// cachePath is the file for a directory that is pushed into a volume.
func cachePath(dir, base, volume, tree string) string {
	h := sha256.New()
	for _, s := range []string{base, volume, tree} {
		fmt.Fprintf(h, "%d:%s", len(s), s)
	}
	return filepath.Join(dir, hex.EncodeToString(h.Sum(nil)[:16]))
}

// cacheReader gives the entries of a cache in order.
type cacheReader struct {
	f     *os.File
	r     *bufio.Reader
	seq   int64
	count int64
	left  int64
}

var errCache = errors.New("no usable cache")

// openCache opens a cache and reads it once through, so that a damaged one is none.
func openCache(name string) (*cacheReader, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	c := &cacheReader{f: f}
	if err := c.verify(); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return c, nil
}

func (c *cacheReader) verify() error {
	info, err := c.f.Stat()
	if err != nil || info.Size() < int64(len(cacheMagic))+20 {
		return errors.Join(errCache, err)
	}
	sum := crc32.New(castagnoli)
	if _, err := io.Copy(sum, io.LimitReader(c.f, info.Size()-4)); err != nil {
		return err
	}
	var end [4]byte
	if _, err := io.ReadFull(c.f, end[:]); err != nil || binary.BigEndian.Uint32(end[:]) != sum.Sum32() {
		return errors.Join(errCache, err)
	}
	if _, err := c.f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	c.r = bufio.NewReaderSize(c.f, cacheBuffer)
	head := make([]byte, len(cacheMagic)+16)
	if _, err := io.ReadFull(c.r, head); err != nil || string(head[:len(cacheMagic)]) != cacheMagic {
		return errors.Join(errCache, err)
	}
	c.seq = int64(binary.BigEndian.Uint64(head[len(cacheMagic):]))
	c.count = int64(binary.BigEndian.Uint64(head[len(cacheMagic)+8:]))
	c.left = c.count
	return nil
}

// next answers nil behind the last.
func (c *cacheReader) next() (*cached, error) {
	if c.left == 0 {
		return nil, nil
	}
	c.left--
	n, err := binary.ReadUvarint(c.r)
	if err != nil || n > maxCachedPath {
		return nil, errors.Join(errCache, err)
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(c.r, b); err != nil {
		return nil, errors.Join(errCache, err)
	}
	x := &cached{path: string(b)}
	for _, v := range []any{&x.mode, &x.size, &x.mtime, &x.ctime, &x.dev, &x.ino} {
		u, err := binary.ReadUvarint(c.r)
		if err != nil {
			return nil, errors.Join(errCache, err)
		}
		switch v := v.(type) {
		case *uint32:
			*v = uint32(u)
		case *int64:
			*v = int64(u)
		case *uint64:
			*v = u
		}
	}
	return x, nil
}

func (c *cacheReader) close() error { return c.f.Close() }

// cacheWriter writes the next cache beside the last, and puts it in its place at the end.
type cacheWriter struct {
	name  string
	f     *os.File
	w     *bufio.Writer
	count int64
	b     []byte
}

func createCache(name string) (*cacheWriter, error) {
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(filepath.Dir(name), "new-*")
	if err != nil {
		return nil, err
	}
	c := &cacheWriter{name: name, f: f, w: bufio.NewWriterSize(f, cacheBuffer)}
	_, err = c.w.Write(append([]byte(cacheMagic), make([]byte, 16)...))
	return c, err
}

func (c *cacheWriter) add(f *found) error {
	st := &f.st
	b := binary.AppendUvarint(c.b[:0], uint64(len(f.path)))
	b = append(b, f.path...)
	for _, v := range [...]uint64{uint64(st.mode), uint64(st.size), uint64(st.mtime), uint64(st.ctime), st.dev, st.ino} {
		b = binary.AppendUvarint(b, v)
	}
	c.b = b
	c.count++
	_, err := c.w.Write(b)
	return err
}

// keep ends the cache as that of a volume at a sequence number.
func (c *cacheWriter) keep(seq int64) error {
	err := c.w.Flush()
	if err == nil {
		err = c.seal(seq)
	}
	if err = errors.Join(err, c.f.Close()); err != nil {
		return err
	}
	return os.Rename(c.f.Name(), c.name)
}

func (c *cacheWriter) seal(seq int64) error {
	var head [16]byte
	binary.BigEndian.PutUint64(head[:], uint64(seq))
	binary.BigEndian.PutUint64(head[8:], uint64(c.count))
	if _, err := c.f.WriteAt(head[:], int64(len(cacheMagic))); err != nil {
		return err
	}
	if _, err := c.f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	sum := crc32.New(castagnoli)
	if _, err := io.Copy(sum, c.f); err != nil {
		return err
	}
	_, err := c.f.Write(binary.BigEndian.AppendUint32(nil, sum.Sum32()))
	return err
}

// drop gives it up.
func (c *cacheWriter) drop() {
	_ = errors.Join(c.f.Close(), os.Remove(c.f.Name())) // a cache: what is left of it does no harm
}
