package client

import (
	"context"
	"net/http"
	"strconv"

	"holdfast/server/wire"
)

// Retention says what is kept of a volume.
func (c *Client) Retention(ctx context.Context, volume string) (r wire.Retention, err error) {
	return r, c.call(ctx, http.MethodGet, "/v1/volumes/"+escape(volume)+"/retention", nil, &r)
}

// SetRetention lengthens what is kept of a volume.
func (c *Client) SetRetention(ctx context.Context, volume string, s wire.SetRetention) (r wire.Retention, err error) {
	return r, c.call(ctx, http.MethodPut, "/v1/volumes/"+escape(volume)+"/retention", s, &r)
}

// PreviewRetention says what the keep rule makes of a volume's snapshots, and what
// the given one would, unless it is empty. show is kept, unkept, uncounted, or empty
// for all; from skips so many of them.
func (c *Client) PreviewRetention(ctx context.Context, volume, rule, show string, from int64) (p wire.KeepPreview, err error) {
	skip := ""
	if from > 0 {
		skip = strconv.FormatInt(from, 10)
	}
	path := query("/v1/volumes/"+escape(volume)+"/retention/preview", "rule", rule, "show", show, "from", skip)
	return p, c.call(ctx, http.MethodGet, path, nil, &p)
}
