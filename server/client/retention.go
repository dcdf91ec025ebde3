package client

import (
	"context"
	"net/http"

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
