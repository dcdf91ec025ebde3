package pull

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"holdfast/server/client"
	"holdfast/server/wire"
	"holdfast/server/wire/record"
)

// KindStream is the kind of volumes that are one opaque stream; others are trees of files.
const KindStream = "stream"

// Options of a restore. The zero value is one for somebody without privileges.
type Options struct {
	// Prefix is the beginning of the paths that are meant.
	Prefix string
	// Owner restores owners, which wants privileges, and with them setuid and setgid.
	Owner bool
	// ForeignLinks makes symbolic links that point outside, as they were; they are never followed.
	ForeignLinks bool
	// Merge restores into a directory, or over a file, that is there.
	Merge bool
	// Refused is called, one call at a time, for every entry that was not restored, or not with everything; the others go on.
	Refused func(EntryError)
	// Progress is called with bytes that were verified (negative: they are asked for again), Total with how many there
	// will be, when that is known. Both may be called by several goroutines.
	Progress, Total func(n int64)
	// Pulls and Workers bound what is in flight. Default: DefaultPulls, and one worker a processor.
	Pulls, Workers int
	// Patience is how long to wait, between tries, for a service that cannot be reached. Default: DefaultPatience.
	Patience time.Duration
}

func (o Options) filled() Options {
	if o.Refused == nil {
		o.Refused = func(EntryError) {}
	}
	if o.Progress == nil {
		o.Progress = func(int64) {}
	}
	if o.Total == nil {
		o.Total = func(int64) {}
	}
	if o.Pulls <= 0 {
		o.Pulls = DefaultPulls
	}
	if o.Workers <= 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	if o.Patience <= 0 {
		o.Patience = DefaultPatience
	}
	return o
}

// Summary is what a restore did.
type Summary struct {
	// Entries are those that stand there now, Bytes the sum of their sizes. Kept of them, with KeptBytes, stood there
	// from an interrupted run.
	Entries, Bytes  int64
	Kept, KeptBytes int64
	// Verified are the bytes whose ids were computed and compared; what is missing to Bytes are holes, hard links and
	// what was kept. Found of them were there from an interrupted run.
	Verified, Found int64
	// Refused are the entries that Options.Refused was told.
	Refused int64
}

// Moment is what a restore brings back: a snapshot, or a volume at one moment for ever.
type Moment struct {
	// Kind is the volume's.
	Kind string
	// From is the source, with a time also where none was asked for.
	From client.Source

	c      *client.Client
	asked  client.Source
	verify *verifier
}

// Open asks for the moment and for the keys to check it with.
func Open(ctx context.Context, c *client.Client, from client.Source) (*Moment, error) {
	keys, err := c.ReadKeys(ctx, from)
	if err != nil {
		return nil, err
	}
	m := &Moment{c: c, asked: from, From: from}
	if m.verify, err = newVerifier(keys); err != nil {
		return nil, err
	}
	// An empty range: nothing but the head of the answer.
	p, err := c.Pull(ctx, from, wire.Pull{List: true, After: []byte{0x01}, Until: []byte{0x01}})
	if err != nil {
		return nil, err
	}
	defer p.Close()
	m.Kind = p.Kind
	if from.Snapshot == "" && from.At.IsZero() {
		m.From.At = p.At
	}
	_, err = io.Copy(io.Discard, io.LimitReader(p, 1<<10))
	return m, err
}

// restorer is one restore at work.
type restorer struct {
	*crew
	c      *client.Client
	from   client.Source
	prefix string
	o      Options
	verify *verifier
	dirs   *dirs
	rename string // the name of a stream's file
	uid    int    // of this process
	gid    int

	verified, found atomic.Int64
	mu              sync.Mutex
	sum             Summary
}

func (m *Moment) restorer(o Options) *restorer {
	o = o.filled()
	return &restorer{crew: newCrew(o.Workers), uid: os.Geteuid(), gid: os.Getegid(), c: m.c, from: m.From, prefix: o.Prefix, o: o, verify: m.verify}
}

// place is where an entry goes, below the top.
func (r *restorer) place(path string) string {
	if r.rename != "" {
		return r.rename
	}
	return path
}

func (r *restorer) tell(n int64) { r.o.Progress(n) }

func (r *restorer) did(e *record.Entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sum.Entries++
	if e.Type == record.File {
		r.sum.Bytes += e.Size
	}
}

func (r *restorer) kept(e *record.Entry) {
	r.did(e)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sum.Kept++
	if e.Type == record.File {
		r.sum.KeptBytes += e.Size
	}
}

func (r *restorer) refuse(path string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sum.Refused++
	r.o.Refused(EntryError{path, err})
}

// summary ends the restore's workers and counts.
func (r *restorer) summary() Summary {
	r.crew.close()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sum.Verified, r.sum.Found = r.verified.Load(), r.found.Load()
	return r.sum
}

// list reads the entries that are meant, in order, however often the service goes away meanwhile.
func (r *restorer) list(ctx context.Context, visit func(record.Entry) error) error {
	var p patience
	after := ""
	for {
		before := after
		err := r.listed(ctx, &after, visit)
		if err == nil || ctx.Err() != nil || !retryable(err) {
			return err
		}
		if after != before {
			p = patience{}
		}
		if err := r.wait(ctx, &p, err); err != nil {
			return err
		}
	}
}

func (r *restorer) listed(ctx context.Context, after *string, visit func(record.Entry) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	body, err := r.c.Pull(ctx, r.from, wire.Pull{Prefix: []byte(r.prefix), After: []byte(*after), List: true})
	if err != nil {
		return err
	}
	defer body.Close()
	d := record.NewDecoder(body)
	var rec record.Record
	for {
		if err := d.Next(&rec); err != nil {
			return ignoreEOF(err)
		}
		switch rec.Type {
		case record.TypeEntry:
			if rec.Entry.Path <= *after {
				return fmt.Errorf("%w: entries out of order", ErrStream)
			}
			if err := visit(rec.Entry); err != nil {
				return err
			}
			*after = rec.Entry.Path
		case record.TypeEnd, record.TypeStop:
		case record.TypeError:
			return fmt.Errorf("%w: %s", errInterrupted, rec.Text)
		default:
			return fmt.Errorf("%w: a record of type %d in a listing", ErrStream, rec.Type)
		}
	}
}

func ignoreEOF(err error) error {
	if err == io.EOF {
		return nil
	}
	return err
}
