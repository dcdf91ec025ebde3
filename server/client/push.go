package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"holdfast/server/wire"
)

func pushPath(volume, rest string) string { return "/v1/data/" + escape(volume) + "/push" + rest }

// BeginPush begins a push into a volume. server/client/push does all that follows.
func (c *Client) BeginPush(ctx context.Context, volume string) (p wire.Push, err error) {
	return p, c.call(ctx, http.MethodPost, pushPath(volume, ""), nil, &p)
}

// EndPush ends a push. What was acknowledged stays.
func (c *Client) EndPush(ctx context.Context, volume, session string) error {
	return c.call(ctx, http.MethodDelete, pushPath(volume, "/"+escape(session)), nil, nil)
}

// PushKnown asks which chunks the volume has: ids of 32 bytes each, one after the
// other. The answer has a bit for each, the first in the lowest bit of the first byte.
func (c *Client) PushKnown(ctx context.Context, volume, session string, ids []byte) ([]byte, error) {
	req, err := c.request(ctx, http.MethodPost, pushPath(volume, "/"+escape(session)+"/known"), bytes.NewReader(ids))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/octet-stream")
	resp, err := c.do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	want := (len(ids)/32 + 7) / 8
	bits, err := io.ReadAll(io.LimitReader(resp.Body, int64(want)+1))
	if err == nil && len(bits) != want {
		err = fmt.Errorf("the answer has %d bytes where %d were expected", len(bits), want)
	}
	return bits, err
}

// PushSegment sends the segment n, a record stream of size bytes. open reads it from its begin, also more than once.
func (c *Client) PushSegment(ctx context.Context, volume, session string, n, size int64, open func() io.Reader) (s wire.PushedSegment, err error) {
	req, err := c.request(ctx, http.MethodPost, pushPath(volume, "/"+escape(session)+"/segments/"+strconv.FormatInt(n, 10)), open())
	if err != nil {
		return s, err
	}
	req.ContentLength = size
	req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(open()), nil }
	req.Header.Set("Content-Type", "application/vnd.holdfast.records")
	resp, err := c.do(req)
	if err != nil {
		return s, err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(&s); err != nil {
		return s, fmt.Errorf("the answer to a segment is not the JSON expected: %w", err)
	}
	return s, nil
}
