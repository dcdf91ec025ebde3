package pull

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// markName is the file that stands in the directory while its restore is not finished.
const markName = ".holdfast-restore"

// mark is an unfinished restore.
type mark struct {
	top     *os.File
	resumed bool
	began   int64 // by the clock of the file system, nanoseconds
}

// marked is what the file says.
type marked struct {
	Version  int       `json:"version"`
	Snapshot string    `json:"snapshot,omitempty"`
	Volume   string    `json:"volume,omitempty"`
	At       time.Time `json:"at,omitzero"`
	Prefix   string    `json:"prefix,omitempty"`
}

// mark finds an unfinished restore of the same, or begins one. Where a volume was asked for as it is now, the moment of
// the unfinished restore is the one that is gone on with.
func (m *Moment) mark(top *os.File, o Options) (*mark, error) {
	at := int(top.Fd())
	k := &mark{top: top}
	fd, err := openat(at, markName, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err == nil {
		return k, m.resume(k, fd, o)
	}
	if !errors.Is(err, unix.ENOENT) {
		return nil, &os.PathError{Op: "open", Path: markName, Err: err}
	}
	if names, err := top.Readdirnames(1); len(names) > 0 && !o.Merge {
		return nil, ErrNotEmpty
	} else if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	text, err := json.Marshal(marked{Version: 1, Snapshot: m.From.Snapshot, Volume: m.From.Volume, At: m.From.At, Prefix: o.Prefix})
	if err != nil {
		return nil, err
	}
	if fd, err = openat(at, markName, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600); err != nil {
		return nil, &os.PathError{Op: "make", Path: markName, Err: err}
	}
	return k, errors.Join(pwrite(fd, text, 0), unix.Close(fd))
}

func (m *Moment) resume(k *mark, fd int, o Options) error {
	f := os.NewFile(uintptr(fd), markName)
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	k.began = unix.TimespecToNsec(st.Ctim)
	var is marked
	err := json.NewDecoder(io.LimitReader(f, maxMarker)).Decode(&is)
	if err != nil && !o.Merge {
		return fmt.Errorf("%w: what its %s says cannot be read", ErrNotEmpty, markName)
	}
	same := err == nil && is.Version == 1 && is.Snapshot == m.asked.Snapshot && is.Volume == m.asked.Volume && is.Prefix == o.Prefix &&
		(m.asked.At.IsZero() || is.At.Equal(m.asked.At))
	if !same {
		if o.Merge {
			return nil // everything is written anew
		}
		what := is.Snapshot
		if what == "" {
			what = fmt.Sprintf("%s --at %s", is.Volume, is.At.Format(time.RFC3339Nano))
		}
		return fmt.Errorf("%w: it has an unfinished restore of %q, below %q; go on with that one, or choose another directory", ErrNotEmpty, what, is.Prefix)
	}
	k.resumed, m.From.At = true, is.At
	return nil
}

// clear takes the mark away: the restore is finished.
func (k *mark) clear() error {
	if err := unix.Unlinkat(int(k.top.Fd()), markName, 0); err != nil && !errors.Is(err, unix.ENOENT) {
		return &os.PathError{Op: "remove", Path: markName, Err: err}
	}
	return nil
}
