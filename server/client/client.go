package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"holdfast/server/wire"
)

// Client calls one face of one service. It is safe for concurrent use.
type Client struct {
	base   string
	http   *http.Client
	bearer string
	prover Prover

	mu      sync.Mutex
	cookies map[string]string
}

// Option changes a Client that New makes.
type Option func(*Client)

// WithToken sends an API token, an operator's secret or a ticket as bearer.
func WithToken(secret string) Option { return func(c *Client) { c.bearer = secret } }

// WithProver lets p answer step-up challenges; without one they are errors.
func WithProver(p Prover) Option { return func(c *Client) { c.prover = p } }

// WithHTTP uses h instead of a client without time limit (transfers may be long).
func WithHTTP(h *http.Client) Option { return func(c *Client) { c.http = h } }

// WithCookies begins with the session cookies that Cookies returned earlier.
func WithCookies(cookies map[string]string) Option {
	return func(c *Client) {
		for name, value := range cookies {
			c.cookies[name] = value
		}
	}
}

// New makes a Client of the face at base, such as http://localhost:8080.
func New(base string, options ...Option) *Client {
	c := &Client{base: strings.TrimRight(base, "/"), http: &http.Client{CheckRedirect: noRedirect}, cookies: map[string]string{}}
	for _, o := range options {
		o(c)
	}
	return c
}

// With returns a copy of c with more options and the same cookies so far.
func (c *Client) With(options ...Option) *Client {
	d := &Client{base: c.base, http: c.http, bearer: c.bearer, prover: c.prover, cookies: c.Cookies()}
	for _, o := range options {
		o(d)
	}
	return d
}

func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// Base is the origin that c calls.
func (c *Client) Base() string { return c.base }

// Cookies returns the session cookies, for a file that only its owner can read.
func (c *Client) Cookies() map[string]string {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := map[string]string{}
	for name, value := range c.cookies {
		out[name] = value
	}
	return out
}

// Prover proves a person's presence for a challenge. options returns the passkey
// options for the challenge's digest when the Prover wants to use a passkey.
type Prover interface {
	Prove(ctx context.Context, challenge wire.StepUpChallenge, options func(context.Context) (wire.PasskeyOptions, error)) (wire.StepUp, error)
}

// Error is a problem that the service answered with.
type Error struct{ wire.Problem }

func (e *Error) Error() string {
	if e.Detail == "" {
		return e.Title
	}
	return e.Title + ": " + e.Detail
}

// Is reports whether err is a problem of the given wire.TypeX.
func Is(err error, problemType string) bool {
	var e *Error
	return errors.As(err, &e) && e.Type == problemType
}

// call sends in as JSON and reads the answer into out; either may be nil. A
// step-up challenge is answered by the Prover, once, and the call repeated.
func (c *Client) call(ctx context.Context, method, path string, in, out any) error {
	err := c.once(ctx, method, path, in, out)
	var e *Error
	if c.prover == nil || !errors.As(err, &e) || e.StepUp == nil {
		return err
	}
	if err := c.Answer(ctx, *e.StepUp); err != nil {
		return err
	}
	return c.once(ctx, method, path, in, out)
}

// Answer proves presence for challenge with the Prover.
func (c *Client) Answer(ctx context.Context, challenge wire.StepUpChallenge) error {
	if c.prover == nil {
		return errors.New("client: nobody is here to prove presence")
	}
	proof, err := c.prover.Prove(ctx, challenge, func(ctx context.Context) (wire.PasskeyOptions, error) {
		var options wire.PasskeyOptions
		err := c.once(ctx, http.MethodPost, "/v1/step-up/passkey", wire.StepUpBegin{Digest: challenge.Digest}, &options)
		return options, err
	})
	if err != nil {
		return fmt.Errorf("prove presence: %w", err)
	}
	proof.Digest = challenge.Digest
	return c.once(ctx, http.MethodPost, "/v1/step-up", proof, nil)
}

func (c *Client) once(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(text)
	}
	req, err := c.request(ctx, method, path, body)
	if err != nil {
		return err
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if out == nil {
		_, err := io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer))
		return err
	}
	if text, ok := out.(*string); ok {
		all, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
		*text = string(all)
		return err
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(out); err != nil {
		return fmt.Errorf("%s %s: the answer is not the JSON expected: %w", method, path, err)
	}
	return nil
}

func (c *Client) request(ctx context.Context, method, path string, body io.Reader) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return nil, err
	}
	if c.bearer != "" {
		req.Header.Set("Authorization", "Bearer "+c.bearer)
	}
	req.Header.Set("User-Agent", "holdfast-client")
	c.mu.Lock()
	defer c.mu.Unlock()
	for name, value := range c.cookies {
		req.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	return req, nil
}

// ErrNoAnswer says that a call got no answer: the service is not there, or the connection broke. It may have been done.
var ErrNoAnswer = errors.New("no answer")

// do sends req, keeps the cookies of the answer and turns a problem into an
// *Error. Session cookies are Secure, which net/http's own jar would not send
// to http://localhost.
func (c *Client) do(req *http.Request) (*http.Response, error) {
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%w from %s: %w", ErrNoAnswer, c.base, unwrapURL(err))
	}
	c.mu.Lock()
	for _, cookie := range resp.Cookies() {
		if cookie.MaxAge < 0 || cookie.Value == "" {
			delete(c.cookies, cookie.Name)
		} else {
			c.cookies[cookie.Name] = cookie.Value
		}
	}
	c.mu.Unlock()
	if resp.StatusCode < 300 {
		return resp, nil
	}
	defer resp.Body.Close()
	e := &Error{}
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if json.Unmarshal(text, &e.Problem) != nil || e.Type == "" {
		e.Problem = wire.Problem{Type: "about:blank", Title: http.StatusText(resp.StatusCode), Status: resp.StatusCode}
	}
	e.Status = resp.StatusCode
	return nil, e
}

// unwrapURL leaves the URL out of a transport error; it is named once already.
func unwrapURL(err error) error {
	var e *url.Error
	if errors.As(err, &e) {
		return e.Err
	}
	return err
}

func query(path string, pairs ...string) string {
	values := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			values.Set(pairs[i], pairs[i+1])
		}
	}
	if len(values) == 0 {
		return path
	}
	return path + "?" + values.Encode()
}

func escape(id string) string { return url.PathEscape(id) }
