package record

import "io"

// Encoder writes a stream. It makes at most two writes a record: buffer the
// writer where entries are small. The first failure sticks.
type Encoder struct {
	w     io.Writer
	b     []byte
	count uint64
	err   error
}

// NewEncoder begins a stream: its first write is the magic with the first record.
func NewEncoder(w io.Writer) *Encoder { return &Encoder{w: w, b: AppendMagic(nil)} }

func (e *Encoder) flush() error {
	if e.err == nil {
		if _, e.err = e.w.Write(e.b); e.err == nil {
			e.count++
		}
	}
	e.b = e.b[:0]
	return e.err
}

// Entry begins an entry.
func (e *Encoder) Entry(n *Entry) error { e.b = AppendEntry(e.b, n); return e.flush() }

// Data writes bytes of the entry; plain is how many they are decoded.
func (e *Encoder) Data(id [32]byte, encoding byte, plain int, body []byte) error {
	e.b = AppendDataHead(e.b, id, encoding, plain, len(body))
	if err := e.flush(); err != nil {
		return err
	}
	_, e.err = e.w.Write(body)
	return e.err
}

// Ref writes that plain bytes of the entry are the chunk id.
func (e *Encoder) Ref(id [32]byte, plain int64) error {
	e.b = AppendRef(e.b, id, plain)
	return e.flush()
}

// Hole writes that n bytes of the entry are a hole.
func (e *Encoder) Hole(n int64) error { e.b = AppendHole(e.b, n); return e.flush() }

// End ends the entry, whose content has size bytes.
func (e *Encoder) End(size int64) error { e.b = AppendEnd(e.b, size); return e.flush() }

// Delete writes that a path goes.
func (e *Encoder) Delete(path string) error { e.b = AppendDelete(e.b, path); return e.flush() }

// Stop ends the stream as whole. Nothing may follow.
func (e *Encoder) Stop() error {
	e.b = AppendStop(e.b, e.count)
	if e.err == nil {
		_, e.err = e.w.Write(e.b)
	}
	return e.err
}

// Error ends the stream as broken, with a text for a person. Nothing may follow.
func (e *Encoder) Error(text string) error {
	e.b = AppendError(e.b, text[:min(len(text), MaxText)])
	return e.flush()
}
