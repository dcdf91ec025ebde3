package pack

import (
	"bufio"
	"fmt"
	"hash/crc32"
	"io"

	"holdfast/snapshots/frame"
)

// Output is what a Writer writes to. blob.Writer is one.
type Output interface {
	io.Writer
	Sync() error
	Commit() error
}

// Writer appends records to one pack. It is not safe for concurrent use. After an error it answers that error for ever:
// what the storage holds is then not known, and the pack is left for Scan.
type Writer struct {
	out      Output
	buf      *bufio.Writer
	header   []byte
	seed     uint32
	size     int64
	entries  []Entry
	err      error
	finished bool
}

// NewWriter begins a pack: it writes the header. Nothing is durable before Sync.
func NewWriter(out Output, h Header) (*Writer, error) {
	b, err := h.render()
	if err != nil {
		return nil, err
	}
	w := &Writer{out: out, buf: bufio.NewWriterSize(out, bufferSize), header: b, seed: crc32.Checksum(b, castagnoli)}
	if err := w.write(b); err != nil {
		return nil, err
	}
	return w, nil
}

func (w *Writer) write(b []byte) error {
	n, err := w.buf.Write(b)
	w.size += int64(n)
	if err != nil {
		w.err = fmt.Errorf("pack: writing: %w", err)
	}
	return w.err
}

func (w *Writer) ready() error {
	if w.err != nil {
		return w.err
	}
	if w.finished {
		return ErrFinished
	}
	return nil
}

// Append appends a record and says where its payload lies. A refused record (ErrFormat, ErrSize, ErrFull) leaves the
// pack as it was.
func (w *Writer) Append(r Record) (Entry, error) {
	if err := w.ready(); err != nil {
		return Entry{}, err
	}
	switch {
	case !r.Type.Valid():
		return Entry{}, fmt.Errorf("%w: record of %s", ErrFormat, r.Type)
	case len(r.Payload) > MaxPayload:
		return Entry{}, fmt.Errorf("%w: record of %d bytes", ErrSize, len(r.Payload))
	case len(w.entries) >= MaxRecords, w.size+int64(len(r.Payload)+recordSize+footerSize(len(w.entries)+1)) > MaxSize:
		return Entry{}, ErrFull
	}
	e, err := w.record(Entry{Type: r.Type, Kind: r.Kind, ID: r.ID, Hash: r.Hash}, r.Payload)
	if err != nil {
		return Entry{}, err
	}
	w.entries = append(w.entries, e)
	return e, nil
}

func (w *Writer) record(e Entry, payload []byte) (Entry, error) {
	if e.Hash.IsZero() {
		e.Hash = frame.HashOf(payload)
	}
	e.Length, e.Offset = uint32(len(payload)), w.size+recordSize
	if err := w.write(recordHeader(w.seed, w.size, e)); err != nil {
		return Entry{}, err
	}
	return e, w.write(payload)
}

func footerSize(n int) int { return recordSize + n*entrySize + trailerSize }

// Sync makes durable what was appended up to now.
func (w *Writer) Sync() error {
	if err := w.ready(); err != nil {
		return err
	}
	if err := w.buf.Flush(); err != nil {
		w.err = fmt.Errorf("pack: writing: %w", err)
	} else if err := w.out.Sync(); err != nil {
		w.err = fmt.Errorf("pack: syncing: %w", err)
	}
	return w.err
}

// Finish writes the footer and commits the output: the pack is then complete and durable.
func (w *Writer) Finish() error {
	if err := w.ready(); err != nil {
		return err
	}
	at, table := w.size, renderTable(w.entries)
	if _, err := w.record(Entry{Type: typeTable}, table); err != nil {
		return err
	}
	if err := w.write(renderTrailer(w.header, table, at, len(w.entries))); err != nil {
		return err
	}
	if err := w.buf.Flush(); err != nil {
		w.err = fmt.Errorf("pack: writing: %w", err)
	} else if err := w.out.Commit(); err != nil {
		w.err = fmt.Errorf("pack: committing: %w", err)
	}
	w.finished = w.err == nil
	return w.err
}

// Size is how long the pack is up to now, in bytes, what is still buffered included.
func (w *Writer) Size() int64 { return w.size }

// Records is how many records were appended.
func (w *Writer) Records() int { return len(w.entries) }

// Full says that the pack should be finished and another begun.
func (w *Writer) Full() bool { return w.size >= Target || len(w.entries) >= MaxRecords }
