package client

import (
	"context"
	"net/http"

	"holdfast/server/wire"
)

// Scrub says what the reading of everything that the site keeps has found; the caller is staff or the host's operator.
func (c *Client) Scrub(ctx context.Context) (s wire.Scrub, err error) {
	return s, c.call(ctx, http.MethodGet, "/v1/scrub", nil, &s)
}

// BeginScrub has everything be read now; the caller is the host's operator.
func (c *Client) BeginScrub(ctx context.Context, in wire.BeginScrub) (s wire.Scrub, err error) {
	return s, c.call(ctx, http.MethodPost, "/v1/scrub", in, &s)
}

// AdoptRebuilt takes a rebuilt database for the site's; the caller is the host's operator.
func (c *Client) AdoptRebuilt(ctx context.Context) (a wire.Adopted, err error) {
	return a, c.call(ctx, http.MethodPost, "/v1/site/adopt", nil, &a)
}
