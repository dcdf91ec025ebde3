package pull

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"holdfast/server/wire/record"
)

// held keeps the entries that have to wait for all the others, hard links and directories: a few of them in memory, the
// rest, block by block, in a file of the directory that has no name any more. A listing of millions costs disk, not memory.
type held struct {
	top    *os.File
	file   *os.File // nil until there is more than one block
	buf    []byte
	n      []int // the lengths of the entries in buf
	blocks []block
}

// block is a run of entries in the file.
type block struct {
	off  int64
	size int
	n    []int32
}

// add notes an entry: what is needed of it to make a hard link or to describe a directory.
func (h *held) add(e *record.Entry) error {
	start := len(h.buf)
	text := func(s string) {
		h.buf = binary.AppendUvarint(h.buf, uint64(len(s)))
		h.buf = append(h.buf, s...)
	}
	h.buf = append(h.buf, e.Type)
	text(e.Path)
	text(e.Link)
	h.buf = binary.AppendVarint(h.buf, e.MTime)
	for _, x := range []uint32{e.Mode, e.UID, e.GID} {
		h.buf = binary.AppendUvarint(h.buf, uint64(x))
	}
	h.buf = binary.AppendUvarint(h.buf, uint64(len(e.Xattrs)))
	for _, x := range e.Xattrs {
		text(x.Name)
		text(x.Value)
	}
	h.n = append(h.n, len(h.buf)-start)
	if len(h.buf) < heldBytes {
		return nil
	}
	return h.spill()
}

// spill writes what is in memory into the file.
func (h *held) spill() error {
	off := int64(0)
	if len(h.blocks) > 0 {
		last := h.blocks[len(h.blocks)-1]
		off = last.off + int64(last.size)
	}
	if h.file == nil {
		at, name := int(h.top.Fd()), ".holdfast-held-"+rand.Text() // for a moment
		fd, err := openat(at, name, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
		if err != nil {
			return &os.PathError{Op: "make", Path: name, Err: err}
		}
		h.file = os.NewFile(uintptr(fd), name)
		if err := unix.Unlinkat(at, name, 0); err != nil {
			return &os.PathError{Op: "remove", Path: name, Err: err}
		}
	}
	if _, err := h.file.WriteAt(h.buf, off); err != nil {
		return err
	}
	b := block{off: off, size: len(h.buf), n: make([]int32, len(h.n))}
	for i, n := range h.n {
		b.n[i] = int32(n)
	}
	h.blocks = append(h.blocks, b)
	h.buf, h.n = h.buf[:0], h.n[:0]
	return nil
}

// each visits all entries, the last first.
func (h *held) each(visit func(*record.Entry) error) error {
	if err := back(h.buf, h.n, visit); err != nil {
		return err
	}
	h.buf, h.n = nil, nil
	for _, b := range slices.Backward(h.blocks) {
		buf := make([]byte, b.size)
		if _, err := h.file.ReadAt(buf, b.off); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if err := back(buf, b.n, visit); err != nil {
			return err
		}
	}
	return nil
}

func back[T int | int32](buf []byte, lengths []T, visit func(*record.Entry) error) error {
	for _, n := range slices.Backward(lengths) {
		from := len(buf) - int(n)
		e := heldEntry(buf[from:])
		buf = buf[:from]
		if err := visit(&e); err != nil {
			return err
		}
	}
	return nil
}

// heldEntry reads what add wrote in this process.
func heldEntry(b []byte) (e record.Entry) {
	number := func() uint64 {
		x, n := binary.Uvarint(b)
		b = b[n:]
		return x
	}
	text := func() string {
		n := number()
		s := string(b[:n])
		b = b[n:]
		return s
	}
	e.Type, b = b[0], b[1:]
	e.Path, e.Link = text(), text()
	at, n := binary.Varint(b)
	e.MTime, b = at, b[n:]
	e.Mode, e.UID, e.GID = uint32(number()), uint32(number()), uint32(number())
	for range number() {
		e.Xattrs = append(e.Xattrs, record.Xattr{Name: text(), Value: text()})
	}
	return e
}

func (h *held) close() error {
	if h.file == nil {
		return nil
	}
	return h.file.Close()
}
