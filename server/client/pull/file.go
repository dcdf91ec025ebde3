package pull

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"holdfast/server/wire/record"
	"holdfast/snapshots/stream"
)

// file is one file on its way. Chunks are written by several goroutines at once, wherever they belong; whoever is the
// last finishes it.
type file struct {
	r    *restorer
	to   *batcher // of the goroutine that reads
	e    record.Entry
	path string // below the top; the entry's own, but for a stream
	tmp  string
	big  bool  // goes on after an interruption
	have int64 // what this run has written and verified

	digest *stream.Digest // of what the service sent, by the goroutine that reads it
	off    int64          // likewise
	holes  int64          // likewise: how much of it
	whole  bool           // the end came, and the digest is the entry's
	lost   error          // why the rest never came

	verified, found atomic.Int64 // bytes; see Summary

	pending atomic.Int32 // parts at work, and one for the goroutine that reads
	mu      sync.Mutex
	dir     *dir
	fd      int
	err     error // the first

	done func(*file, error) // called once, when the file is under its name or will not be
}

func (r *restorer) begin(to *batcher, e record.Entry, at string, have int64, done func(*file, error)) *file {
	f := &file{r: r, to: to, e: e, path: at, tmp: temporary(e.Path, e.Digest), big: e.Size >= bigFile, have: have, digest: stream.NewDigest(), fd: -1, done: done}
	f.pending.Store(1)
	return f
}

func (f *file) fail(err error) {
	f.mu.Lock()
	if f.err == nil {
		f.err = err
	}
	f.mu.Unlock()
}

func (f *file) failed() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

// data notes the next chunk and gives it to the workers.
func (f *file) data(id [32]byte, encoding byte, n int, body *buffer) {
	f.digest.Data(id, int64(n))
	f.pending.Add(1)
	f.to.work(job{f: f, off: f.off, id: id, encoding: encoding, n: n, body: body})
	f.off += int64(n)
}

// ref notes a chunk that an earlier run has written: it is read back and checked.
func (f *file) ref(id [32]byte, n int) {
	f.digest.Data(id, int64(n))
	if f.off+int64(n) > f.have {
		f.pending.Add(1)
		f.to.work(job{f: f, off: f.off, id: id, n: n})
	} else {
		f.verified.Add(int64(n))
		f.r.tell(int64(n))
	}
	f.off += int64(n)
}

func (f *file) hole(n int64) {
	f.digest.Hole(n)
	f.off += n
	f.holes += n
	f.r.tell(n)
}

// end is the goroutine's that reads: nothing more comes. lost says why, if it is not the end of the entry.
func (f *file) end(size int64, lost error) {
	f.lost = lost
	if lost == nil {
		f.whole = size == f.off && size == f.e.Size && f.digest.Sum() == f.e.Digest
	}
	if f.pending.Add(-1) == 0 {
		f.pending.Add(1)
		f.to.work(job{f: f, last: true})
	}
}

// open makes or finds the temporary file.
func (f *file) open() (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil || f.fd >= 0 {
		return f.fd, f.err
	}
	f.err = f.create()
	return f.fd, f.err
}

func (f *file) create() error {
	parent, base := split(f.path)
	var err error
	if f.dir, err = f.r.dirs.get(parent); err != nil {
		return err
	}
	const flags = unix.O_RDWR | unix.O_CREAT | unix.O_EXCL | unix.O_NOFOLLOW | unix.O_CLOEXEC
	mode := f.first()
	f.fd, err = openat(f.dir.fd, f.tmp, flags, mode)
	if errors.Is(err, unix.EEXIST) {
		if f.big {
			if f.fd, err = openat(f.dir.fd, f.tmp, unix.O_RDWR|unix.O_NOFOLLOW|unix.O_CLOEXEC|unix.O_NONBLOCK, 0); err == nil {
				var st unix.Stat_t
				if err = unix.Fstat(f.fd, &st); err == nil && st.Mode&unix.S_IFMT == unix.S_IFREG && st.Nlink == 1 && int(st.Uid) == os.Geteuid() {
					return nil
				}
				f.close()
			}
		}
		if err = unix.Unlinkat(f.dir.fd, f.tmp, 0); err == nil {
			f.fd, err = openat(f.dir.fd, f.tmp, flags, mode)
		}
	}
	if err != nil {
		f.fd = -1
		return &os.PathError{Op: "make", Path: base, Err: err}
	}
	return nil
}

// first is the mode that the temporary file is made with: its own already, where nobody can read it by that who may not
// read it in the end. That is not so of anybody else's, and of what has an access list, without which the mode allows
// more; nor where the group decides, for a directory may give its own group to what is made in it. What a later run has
// to open is nobody's to read until it is whole.
func (f *file) first() uint32 {
	mode := f.e.Mode & 0o777
	if f.big || f.e.Mode&0o7000 != 0 || len(f.e.Xattrs) > 0 ||
		f.r.o.Owner && (int(f.e.UID) != f.r.uid || int(f.e.GID) != f.r.gid || mode>>3&7 != mode&7) {
		return 0o600
	}
	return mode
}

func (f *file) close() {
	if f.fd >= 0 {
		_ = unix.Close(f.fd) // what was written is checked by its writes
		f.fd = -1
	}
}

// write verifies a chunk and writes it where it belongs.
func (f *file) write(j *job, room []byte) error {
	if f.failed() != nil {
		return nil
	}
	data, err := plain(room, j.body.b, j.encoding, j.n)
	if err != nil {
		return err
	}
	if !f.r.verify.check(j.id, data) {
		return fmt.Errorf("%w: chunk %x is not what its id says", ErrDamaged, j.id[:8])
	}
	fd, err := f.open()
	if err != nil {
		return err
	}
	if err := store(fd, data, j.off); err != nil {
		return &os.PathError{Op: "write", Path: f.tmp, Err: err}
	}
	f.count(j.n)
	return nil
}

// count notes verified bytes.
func (f *file) count(n int) {
	f.verified.Add(int64(n))
	f.r.tell(int64(n))
}

// again checks a chunk that an earlier run has written.
func (f *file) again(j *job, room []byte) error {
	if f.failed() != nil {
		return nil
	}
	fd, err := f.open()
	if err != nil {
		return err
	}
	data := room[:j.n]
	for at := 0; at < len(data); {
		n, err := unix.Pread(fd, data[at:], j.off+int64(at))
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || n == 0 {
			return errStale
		}
		at += n
	}
	if !f.r.verify.check(j.id, data) {
		return errStale
	}
	f.found.Add(int64(j.n))
	f.count(j.n)
	return nil
}

// errStale means that what an earlier run has left is not what belongs there: the file is begun anew.
var errStale = errors.New("what an earlier run has left is not what belongs there")

var zeroes [zeroRun]byte

// store writes data but for its runs of zeroes, which a new file has of itself.
func store(fd int, data []byte, off int64) error {
	for len(data) > 0 {
		n, zero := run(data)
		if !zero {
			if err := pwrite(fd, data[:n], off); err != nil {
				return err
			}
		}
		data, off = data[n:], off+int64(n)
	}
	return nil
}

// run is how many bytes from the start of b are all blocks of zeroes, or all not.
func run(b []byte) (n int, zero bool) {
	for n < len(b) {
		end := min(n+zeroRun, len(b))
		z := b[n] == 0 && end-n == zeroRun && bytes.Equal(b[n:end], zeroes[:])
		if n == 0 {
			zero = z
		} else if z != zero {
			return n, zero
		}
		n = end
	}
	return n, zero
}

func pwrite(fd int, b []byte, off int64) error {
	for len(b) > 0 {
		n, err := unix.Pwrite(fd, b, off)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return err
		}
		b, off = b[n:], off+int64(n)
	}
	return nil
}

// finish gives the file its metadata and its name, or takes it away; the last one at work calls it.
func (f *file) finish() {
	err := f.failed()
	if err == nil && f.lost == nil && !f.whole {
		err = fmt.Errorf("%w: the content is not the one of its digest", ErrDamaged)
	}
	if err == nil {
		err = f.lost
	}
	if err == nil {
		err = f.publish()
	}
	// What was only interrupted stays for the next try.
	if err != nil && !(f.big && f.failed() == nil && f.lost != nil && !errors.Is(f.lost, ErrDamaged)) {
		f.drop()
	}
	f.close()
	if f.dir != nil {
		f.r.dirs.put(f.dir)
		f.dir = nil
	}
	f.done(f, err)
}

// drop takes the temporary file away.
func (f *file) drop() {
	if f.fd >= 0 {
		_ = unix.Unlinkat(f.dir.fd, f.tmp, 0) // a later run finds it, or writes over it
	}
}

func (f *file) publish() error {
	fd, err := f.open() // an empty file has no chunk that opened it
	if err != nil {
		return err
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	switch {
	case st.Size < f.e.Size: // a hole at the end: its last byte gives the file its length
		if err := pwrite(fd, zeroes[:1], f.e.Size-1); err != nil {
			return err
		}
	case st.Size > f.e.Size:
		return errStale
	}
	if err := f.r.describe(fd, &st, &f.e); err != nil {
		return err
	}
	if err := setTime(fd, f.dir.fd, f.tmp, f.e.MTime); err != nil {
		return &os.PathError{Op: "set the time of", Path: f.tmp, Err: err}
	}
	_, base := split(f.path)
	return rename(f.dir.fd, f.tmp, base)
}

// rename puts what is whole under its name, in one step.
func rename(at int, tmp, name string) error {
	err := unix.Renameat(at, tmp, at, name)
	if errors.Is(err, unix.EISDIR) || errors.Is(err, unix.ENOTEMPTY) || errors.Is(err, unix.ENOTDIR) {
		return ErrExists
	}
	if err != nil {
		return &os.PathError{Op: "name", Path: name, Err: err}
	}
	return nil
}
