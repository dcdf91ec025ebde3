// Package source reads a transparency log's public files over HTTP or from a directory, and writes such a directory. It
// owns transport and bounds only; what the files mean and whether they are true is decided by package audit.
//
// It must never follow a path that audit did not make, read more than the format's bounds, or interpret an answer.
package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"holdfast/quorum/audit"
)

// ErrTooLarge means that a file is larger than the format allows.
var ErrTooLarge = errors.New("source: file too large")

// HTTP reads a log below a base URL: <base>/checkpoint and <base>/tile/….
type HTTP struct {
	client *http.Client
	base   string
}

// NewHTTP takes a client (with the caller's timeout and redirect rules) and an http or https base URL without query.
func NewHTTP(client *http.Client, base string) (*HTTP, error) {
	u, err := url.Parse(base)
	if err != nil || client == nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return nil, errors.New("source: want a client and an http(s) base URL without credentials or query")
	}
	return &HTTP{client: client, base: strings.TrimRight(u.String(), "/")}, nil
}

// Checkpoint implements audit.Source.
func (s *HTTP) Checkpoint(ctx context.Context) ([]byte, error) {
	return s.get(ctx, "checkpoint", audit.MaxSignedCheckpoint)
}

// Tile implements audit.Source.
func (s *HTTP) Tile(ctx context.Context, path string) ([]byte, error) {
	t, err := audit.ParseTilePath(path)
	if err != nil {
		return nil, err
	}
	return s.get(ctx, t.Path(), audit.MaxTile)
}

func (s *HTTP) get(ctx context.Context, path string, limit int64) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.base+"/"+path, nil)
	if err != nil {
		return nil, fmt.Errorf("source: %w", err)
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("source: %w", err)
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK:
		return readAll(resp.Body, limit)
	case http.StatusNotFound, http.StatusGone:
		return nil, audit.ErrNoTile
	}
	return nil, fmt.Errorf("source: %s answered %d", path, resp.StatusCode)
}

// Dir reads a log that was exported into a directory. It opens nothing outside it.
type Dir struct{ root *os.Root }

// OpenDir opens the directory. Close it after use.
func OpenDir(path string) (*Dir, error) {
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, fmt.Errorf("source: %w", err)
	}
	return &Dir{root: root}, nil
}

// Close releases the directory.
func (d *Dir) Close() error { return d.root.Close() }

// Checkpoint implements audit.Source.
func (d *Dir) Checkpoint(context.Context) ([]byte, error) {
	return d.read("checkpoint", audit.MaxSignedCheckpoint)
}

// Tile implements audit.Source.
func (d *Dir) Tile(_ context.Context, path string) ([]byte, error) {
	t, err := audit.ParseTilePath(path)
	if err != nil {
		return nil, err
	}
	return d.read(filepath.FromSlash(t.Path()), audit.MaxTile)
}

func (d *Dir) read(path string, limit int64) ([]byte, error) {
	f, err := d.root.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, audit.ErrNoTile
	}
	if err != nil {
		return nil, fmt.Errorf("source: %w", err)
	}
	defer f.Close()
	return readAll(f, limit)
}

func readAll(r io.Reader, limit int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, fmt.Errorf("source: %w", err)
	}
	if int64(len(data)) > limit {
		return nil, ErrTooLarge
	}
	return data, nil
}
