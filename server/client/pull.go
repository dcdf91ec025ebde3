package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"holdfast/server/wire"
)

// Pulled is the answer to a pull: a record stream, which the caller closes.
type Pulled struct {
	io.ReadCloser
	// At is a moment that gives the same again; zero for a snapshot or an empty volume.
	At time.Time
	// Kind is the volume's: files or stream.
	Kind string
}

// Pull opens a pull; from.At is the moment, whatever in says.
func (c *Client) Pull(ctx context.Context, from Source, in wire.Pull) (Pulled, error) {
	in.At = nil
	if !from.At.IsZero() {
		in.At = &from.At
	}
	text, err := json.Marshal(in)
	if err != nil {
		return Pulled{}, err
	}
	req, err := c.request(ctx, http.MethodPost, from.path("/pull"), bytes.NewReader(text))
	if err != nil {
		return Pulled{}, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.do(req)
	if err != nil {
		return Pulled{}, err
	}
	p := Pulled{ReadCloser: resp.Body, Kind: resp.Header.Get(wire.PullKind)}
	if text := resp.Header.Get(wire.PullAt); text != "" {
		if p.At, err = time.Parse(time.RFC3339Nano, text); err != nil {
			resp.Body.Close()
			return Pulled{}, fmt.Errorf("the answer's %s is no time: %w", wire.PullAt, err)
		}
	}
	return p, nil
}

// ReadKeys returns the keys to check a pull with.
func (c *Client) ReadKeys(ctx context.Context, from Source) (k wire.ReadKeys, err error) {
	return k, c.call(ctx, http.MethodGet, query(from.path("/keys"), "at", moment(from.At)), nil, &k)
}
