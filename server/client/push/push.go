package push

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"holdfast/server/client"
	"holdfast/server/wire"
)

// Options of a push. The zero Options are good.
type Options struct {
	// Delete deletes in the volume what the directory does not have; Tree only.
	Delete bool
	// Connections is how many segments are on their way at once; 0 is DefaultConnections.
	Connections int
	// Compress has data compressed for the way. Nil means: unless the service is on this host.
	Compress *bool
	// Cache is the directory of what is remembered between pushes; empty is none.
	Cache string
	// Progress is told how many bytes were read, again and again. It is called by one goroutine at a time.
	Progress func(read int64)
	// Patience is how long a service that is away is waited for; 0 is DefaultPatience.
	Patience time.Duration
	// Now is the clock that files are compared with and deadlines kept by. It is required.
	Now func() time.Time
	// Waiting is told why the push does not go on at the moment.
	Waiting func(err error)
}

// Result is what a push has done. All of it is durable.
type Result struct {
	// Entries were looked at; Unchanged of them, and Bytes in all, needed nothing to be sent.
	Entries   int64 `json:"entries"`
	Unchanged int64 `json:"unchanged"`
	Deleted   int64 `json:"deleted"`
	Bytes     int64 `json:"bytes"`
	// Read is how many bytes of content were read, Sent the bytes of the segments that were begun to be sent: one that
	// broke off counts again each time.
	Read int64 `json:"read"`
	Sent int64 `json:"sent"`
	// Seq and At are of the last commit; zero when nothing had to be committed.
	Seq int64     `json:"seq"`
	At  time.Time `json:"at"`
	// Refused are entries that the service did not store.
	Refused []Refused `json:"refused,omitempty"`
}

// Refused is an entry that the service did not store, and why.
type Refused struct {
	Path    string `json:"path"`
	Problem string `json:"problem"`
}

// ErrNotDirectory means that what should be pushed is no directory.
var ErrNotDirectory = errors.New("not a directory")

// ErrKind means that a tree was to be pushed into a volume of one stream, or the reverse.
var ErrKind = errors.New("the volume is of the other kind")

// errStale means that the volume is not what it was taken for: everything is looked at again.
var errStale = errors.New("the volume changed meanwhile")

func (o *Options) fill(c *client.Client) error {
	if o.Now == nil {
		return errors.New("push: a clock is needed")
	}
	if o.Connections <= 0 {
		o.Connections = DefaultConnections
	}
	o.Connections = min(o.Connections, MaxConnections)
	if o.Patience <= 0 {
		o.Patience = DefaultPatience
	}
	if o.Compress == nil {
		far := !loopback(c.Base())
		o.Compress = &far
	}
	if o.Progress == nil {
		o.Progress = func(int64) {}
	}
	if o.Waiting == nil {
		o.Waiting = func(error) {}
	}
	return nil
}

func loopback(base string) bool {
	u, err := url.Parse(base)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

// Tree sends what dir has and volume has not, and answers when everything is durable. reports names files that changed,
// vanished or could not be read; everything else is there.
func Tree(ctx context.Context, c *client.Client, dir, volume string, o Options) (res Result, reports, err error) {
	if err := o.fill(c); err != nil {
		return res, nil, err
	}
	info, err := os.Stat(dir)
	if err != nil {
		return res, nil, err
	}
	if !info.IsDir() {
		return res, nil, fmt.Errorf("%s: %w", dir, ErrNotDirectory)
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return res, nil, err
	}
	useCache := true
	sent := int64(0)
	for try := 0; ; try++ {
		t := &tree{c: c, dir: dir, ref: volume, o: o, useCache: useCache}
		res, reports, err = t.run(ctx)
		if res.Sent += sent; !errors.Is(err, errStale) || try == maxRestarts {
			return res, reports, err
		}
		useCache, sent = false, res.Sent
	}
}

// missing reports whether the service says that something is not there, or not for the caller.
func missing(err error) bool { return client.Is(err, wire.TypeNotFound) }

func denied(err error) bool {
	return client.Is(err, wire.TypeDenied) || client.Is(err, wire.TypeNotAuthenticated) || missing(err)
}
