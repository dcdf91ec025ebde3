package pack

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"

	"holdfast/snapshots/frame"
)

// Damage is a stretch of a pack that holds no readable record.
type Damage struct{ Offset, Length int64 }

// Report is what Scan found.
type Report struct {
	Header   Header
	Records  int
	Finished bool     // the footer is there, whole, and lists exactly the records that were found
	Torn     bool     // the pack ends within a record or in bytes that are none, as after a crash
	Good     int64    // offset behind the last whole record (or the footer)
	Damaged  []Damage // stretches before Good whose records are lost
}

// Scan reads a pack from its start, with or without a footer, and calls visit for every whole record whose payload
// matches its hash; the payload is valid only during the call. Damage does not end the scan: it goes on at the next
// record header that is valid at its offset. An error of visit ends it and is answered; errors of the reader too; ErrFormat
// and ErrDamaged for the pack's header, without which nothing can be trusted; ErrDamaged for damage beyond a bound. Memory:
// one record and the list of entries.
func Scan(r io.Reader, visit func(Entry, []byte) error) (Report, error) {
	s := scanner{src: r, visit: visit}
	return s.run()
}

type scanner struct {
	src   io.Reader
	visit func(Entry, []byte) error
	buf   []byte // bytes read and not yet passed, from offset at on
	at    int64
	eof   bool
	read  int64
	lost  int64 // payload bytes that were read for nothing

	seed    uint32
	header  []byte
	report  Report
	entries []Entry
}

// need reads until n bytes are at hand, or the end; it says whether they are.
func (s *scanner) need(n int) (bool, error) {
	for len(s.buf) < n && !s.eof {
		have := len(s.buf)
		// Grow by what is really there: a length in a record may lie.
		s.buf = slices.Grow(s.buf, min(n-have, scanGrowth))
		got, err := io.ReadFull(s.src, s.buf[have:min(cap(s.buf), n)])
		s.buf = s.buf[:have+got]
		s.read += int64(got)
		if s.read > MaxSize {
			return false, fmt.Errorf("%w: pack", ErrSize)
		}
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			s.eof = true
		} else if err != nil {
			return false, fmt.Errorf("pack: reading: %w", err)
		}
	}
	return len(s.buf) >= n, nil
}

func (s *scanner) pass(n int) {
	s.buf = append(s.buf[:0], s.buf[n:]...)
	s.at += int64(n)
}

func (s *scanner) run() (Report, error) {
	if _, err := s.need(maxHeader); err != nil {
		return Report{}, err
	}
	h, n, err := parseHeader(s.buf)
	if err != nil {
		return Report{}, err
	}
	s.report.Header = h
	s.header = bytes.Clone(s.buf[:n])
	s.seed = crc32.Checksum(s.header, castagnoli)
	s.pass(n)
	s.report.Good = s.at
	for {
		done, err := s.next()
		if err != nil {
			return s.report, err
		}
		if done {
			return s.report, nil
		}
	}
}

// next reads one record; it says whether the pack ends.
func (s *scanner) next() (bool, error) {
	whole, err := s.need(recordSize)
	if err != nil {
		return false, err
	}
	if !whole {
		s.report.Torn = len(s.buf) > 0
		return true, nil
	}
	e, err := parseRecord(s.seed, s.at, s.buf)
	if err != nil {
		return s.resync()
	}
	if whole, err = s.need(recordSize + int(e.Length)); err != nil {
		return false, err
	}
	if !whole { // torn, unless its length was damaged in a way that the checksum missed
		return s.resync()
	}
	payload := s.buf[recordSize : recordSize+int(e.Length)]
	if frame.HashOf(payload) != e.Hash {
		// A hostile pack could have a valid header every few bytes, each with a payload that must be hashed.
		if s.lost += int64(e.Length); s.lost > maxLost {
			return false, fmt.Errorf("%w: beyond what can be searched", ErrDamaged)
		}
		return s.resync()
	}
	if e.Type == typeTable {
		return s.footer(e, payload)
	}
	if s.report.Records >= MaxRecords {
		return false, fmt.Errorf("%w: records", ErrSize)
	}
	s.gap()
	if err := s.visit(e, payload); err != nil {
		return false, err
	}
	s.entries = append(s.entries, e)
	s.report.Records++
	s.pass(recordSize + int(e.Length))
	s.report.Good = s.at
	return false, nil
}

// gap notes what lies between the last whole record and here as damaged.
func (s *scanner) gap() {
	if n := s.at - s.report.Good; n > 0 {
		s.report.Damaged = append(s.report.Damaged, Damage{s.report.Good, n})
	}
}

// resync passes bytes until a record's header is valid at its offset, or the pack ends.
func (s *scanner) resync() (bool, error) {
	for skip := 1; ; {
		s.pass(min(skip, len(s.buf)))
		if _, err := s.need(64 << 10); err != nil {
			return false, err
		}
		from := 0
		for {
			i := bytes.Index(s.buf[from:], []byte(recordMagic))
			if i < 0 || len(s.buf)-from-i < recordSize {
				break
			}
			from += i
			if _, err := parseRecord(s.seed, s.at+int64(from), s.buf[from:]); err == nil {
				s.pass(from)
				return false, nil
			}
			from++
		}
		if s.eof {
			s.report.Torn = true
			return true, nil
		}
		skip = max(1, len(s.buf)-recordSize)
	}
}

// footer checks a table and the trailer behind it.
func (s *scanner) footer(e Entry, table []byte) (bool, error) {
	table = bytes.Clone(table)
	s.gap()
	at := s.at
	s.pass(recordSize + int(e.Length))
	// One byte more than the trailer shows whether something stands behind it.
	if _, err := s.need(trailerSize + 1); err != nil {
		return false, err
	}
	listed, err := parseTable(table, len(s.header), at)
	if err == nil && bytes.Equal(s.buf, renderTrailer(s.header, table, at, len(listed))) {
		s.report.Good = s.at + trailerSize
		s.report.Finished = slices.Equal(listed, s.entries)
		return true, nil
	}
	s.report.Torn = true
	return true, nil
}

// ReadIndex lists a finished pack of size bytes from its footer, without reading the payloads. It answers ErrUnfinished
// for a pack that does not end with a footer, and ErrDamaged for a footer that does not match its hash: Scan both.
func ReadIndex(r io.ReaderAt, size int64) (Header, []Entry, error) {
	if size > MaxSize {
		return Header{}, nil, fmt.Errorf("%w: pack of %d bytes", ErrSize, size)
	}
	head, err := readAt(r, 0, int(min(size, maxHeader)))
	if err != nil {
		return Header{}, nil, err
	}
	h, n, err := parseHeader(head)
	if err != nil {
		return Header{}, nil, err
	}
	if size < int64(n+recordSize+trailerSize) {
		return h, nil, ErrUnfinished
	}
	trailer, err := readAt(r, size-trailerSize, trailerSize)
	if err != nil {
		return h, nil, err
	}
	if string(trailer[:8]) != endMagic {
		return h, nil, ErrUnfinished
	}
	at, count := int64(binary.BigEndian.Uint64(trailer[8:])), binary.BigEndian.Uint32(trailer[16:])
	if count > MaxRecords || at < int64(n) || at != size-int64(footerSize(int(count))) {
		return h, nil, fmt.Errorf("%w: footer", ErrDamaged)
	}
	foot, err := readAt(r, at, recordSize+int(count)*entrySize)
	if err != nil {
		return h, nil, err
	}
	table := foot[recordSize:]
	e, err := parseRecord(crc32.Checksum(head[:n], castagnoli), at, foot)
	if err != nil || e.Type != typeTable || int(e.Length) != len(table) || frame.HashOf(table) != e.Hash ||
		!bytes.Equal(trailer, renderTrailer(head[:n], table, at, int(count))) {
		return h, nil, fmt.Errorf("%w: footer", ErrDamaged)
	}
	es, err := parseTable(table, n, at)
	return h, es, err
}

// ReadPayload appends one record's payload to dst and checks it against the entry's hash; ErrDamaged if it differs.
func ReadPayload(dst []byte, r io.ReaderAt, e Entry) ([]byte, error) {
	if e.Length > MaxPayload || e.Offset < 0 || e.Offset > MaxSize {
		return nil, ErrSize
	}
	b, err := readAt(r, e.Offset, int(e.Length))
	if err != nil {
		return nil, err
	}
	if frame.HashOf(b) != e.Hash {
		return nil, fmt.Errorf("%w: payload at %d", ErrDamaged, e.Offset)
	}
	if dst == nil {
		return b, nil
	}
	return append(dst, b...), nil
}

func readAt(r io.ReaderAt, off int64, n int) ([]byte, error) {
	b := make([]byte, n)
	got, err := r.ReadAt(b, off)
	if got == n {
		return b, nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: ends early", ErrDamaged)
	}
	return nil, fmt.Errorf("pack: reading: %w", err)
}
