package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"holdfast/server/client"
	"holdfast/server/wire"
)

// maxRaw bounds an answer that is read into memory.
const maxRaw = 16 << 20

// raw is a request as an attacker would write it, with nothing added.
type raw struct {
	method, url string
	bearer      string
	cookies     map[string]string
	header      map[string]string
	body        []byte
	length      int64 // what to announce in place of the body's length
}

var rawClient = &http.Client{
	Timeout:       time.Minute,
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// err is the answer as the client's error, nil for a success.
func (a answer) err() error {
	if a.status < 300 {
		return nil
	}
	e := &client.Error{}
	if json.Unmarshal(a.body, &e.Problem) != nil || e.Type == "" {
		e.Problem = wire.Problem{Type: "about:blank", Title: http.StatusText(a.status)}
	}
	e.Status = a.status
	return e
}

func (r raw) send(ctx context.Context) (answer, error) {
	var body io.Reader
	if r.body != nil {
		body = bytes.NewReader(r.body)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, r.url, body)
	if err != nil {
		return answer{}, err
	}
	if r.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if r.length > 0 {
		req.ContentLength = r.length
	}
	if r.bearer != "" {
		req.Header.Set("Authorization", "Bearer "+r.bearer)
	}
	for name, value := range r.cookies {
		req.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	for name, value := range r.header {
		req.Header.Set(name, value)
	}
	resp, err := rawClient.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	out := answer{status: resp.StatusCode, header: resp.Header}
	if out.body, err = io.ReadAll(io.LimitReader(resp.Body, maxRaw)); err != nil {
		return out, fmt.Errorf("the answer broke off: %w", err)
	}
	return out, nil
}

// do is send for whom only success or failure matters.
func (r raw) do(ctx context.Context) error {
	a, err := r.send(ctx)
	if err != nil {
		return err
	}
	return a.err()
}

// short is a problem type without its prefix.
func short(problemType string) string {
	return problemType[strings.LastIndex(problemType, ":")+1:]
}
