package demo

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"holdfast/server/wire"
)

// open are the routes that anybody may call: signing in, and the public log.
var open = []string{
	"POST /v1/session", "POST /v1/session/key/begin", "POST /v1/session/key/finish",
	"POST /v1/invitations/begin", "POST /v1/invitations/accept", "DELETE /v1/session",
}

// tokenMay are the changing routes that a token with every scope may use: none of
// them touches a copy, a factor, an account or a request that somebody confirmed.
var tokenMay = regexp.MustCompile(`^(GET .*|POST /v1/requests|POST /v1/volumes|POST /v1/volumes/\{volume\}/(restore|bring-back|ticket|snapshots)|POST /v1/session(/key/.*)?|POST /v1/invitations/.*)$`)

// own are routes with an id that show no tenant's business, or only the caller's.
var own = regexp.MustCompile(`^(GET /v1/charters/.*|GET /v1/log/.*|DELETE /v1/sessions/.*)$`)

// dataRoutes are those of the data path, which are streams and not in /openapi.json.
var dataRoutes = []operation{
	{method: "GET", path: "/v1/data/{volume}/files/x"}, {method: "PUT", path: "/v1/data/{volume}/files/x", body: "x"},
	{method: "DELETE", path: "/v1/data/{volume}/files/x"}, {method: "DELETE", path: "/v1/data/{volume}/files/?recursive=true"},
	{method: "PUT", path: "/v1/data/{volume}/tar?delete=true", body: "x"}, {method: "GET", path: "/v1/data/{volume}/tar"},
	{method: "GET", path: "/v1/data/{volume}/stream"}, {method: "PUT", path: "/v1/data/{volume}/stream", body: "x"},
	{method: "GET", path: "/v1/data/snapshots/{snapshot}/tar"}, {method: "GET", path: "/v1/data/snapshots/{snapshot}/files/x"},
	{method: "DELETE", path: "/v1/data/snapshots/{snapshot}/files/x"}, {method: "PUT", path: "/v1/data/snapshots/{snapshot}/tar", body: "x"},
	{method: "POST", path: "/v1/data/{volume}/uploads", body: `{"path":"x","size":1,"modified":"2026-01-01T00:00:00Z"}`}, {method: "GET", path: "/v1/data/{volume}/uploads"},
	{method: "GET", path: "/v1/data/{volume}/uploads/upl_00000000000000000000000000"}, {method: "PATCH", path: "/v1/data/{volume}/uploads/upl_00000000000000000000000000", body: "x"},
	{method: "DELETE", path: "/v1/data/{volume}/uploads/upl_00000000000000000000000000"},
	{method: "POST", path: "/v1/data/{volume}/pull", body: "{}"}, {method: "GET", path: "/v1/data/{volume}/keys"},
	{method: "POST", path: "/v1/data/snapshots/{snapshot}/pull", body: "{}"}, {method: "GET", path: "/v1/data/snapshots/{snapshot}/keys"},
	{method: "DELETE", path: "/v1/data/snapshots/{snapshot}"}, {method: "DELETE", path: "/v1/data/{volume}"},
}

var parameter = regexp.MustCompile(`\{([a-z]+)\}`)

// routes walks over everything that is served with every wrong credential.
func (p *player) routes() error {
	ctx := p.ctx
	portal, err := operations(ctx, p.state.Addresses.Portal)
	if err != nil {
		return err
	}
	console, err := operations(ctx, p.state.Addresses.Console)
	if err != nil {
		return err
	}
	withData := append(slices.Clone(portal), dataRoutes...)
	mara := p.mara.Cookies()
	type credential struct {
		name string
		on   string
		ops  []operation
		raw  raw
		may  func(op string) bool
	}
	nobody := func(op string) bool { return slices.Contains(open, op) }
	rival := p.rival.Cookies()["__Host-portal"]
	for _, c := range []credential{
		{"nothing at all", p.state.Addresses.Portal, withData, raw{}, nobody},
		{"nothing at all, console", p.state.Addresses.Console, console, raw{}, nobody},
		{"a bearer that is garbage", p.state.Addresses.Portal, withData, raw{bearer: "garbage"}, nobody},
		{"an unsigned JWT", p.state.Addresses.Portal, withData, raw{bearer: "eyJhbGciOiJub25lIn0.eyJzdWIiOiJyb290In0."}, nobody},
		{"an invented session", p.state.Addresses.Portal, withData, raw{cookies: map[string]string{"__Host-portal": strings.Repeat("A", 43)}}, nobody},
		{"a console session on the portal", p.state.Addresses.Portal, withData, raw{cookies: map[string]string{"__Host-portal": mara["__Host-console"]}}, nobody},
		{"a portal session on the console", p.state.Addresses.Console, console, raw{cookies: map[string]string{"__Host-console": p.thief.Cookies()["__Host-portal"]}}, nobody},
		{"another tenant's owner", p.state.Addresses.Portal, withIDs(withData), raw{cookies: map[string]string{"__Host-portal": rival}}, own.MatchString},
		{"a token with every scope", p.state.Addresses.Portal, changing(portal), raw{bearer: p.token}, tokenMay.MatchString},
	} {
		called := 0
		for _, op := range c.ops {
			name := op.method + " " + op.path
			if c.may(name) || strings.HasPrefix(op.path, "/checkpoint") || strings.HasPrefix(op.path, "/tile") || strings.HasPrefix(op.path, "/log/keys") || strings.HasSuffix(op.path, "z") {
				continue
			}
			r := c.raw
			r.method, r.url = op.method, c.on+p.fill(op.path)
			if op.body != nil {
				if text, ok := op.body.(string); ok {
					r.body = []byte(text)
				} else if r.body, err = json.Marshal(op.body); err != nil {
					return err
				}
			}
			called++
			p.refusal("T11 T09 T01", fmt.Sprintf("%s with %s", name, c.name), append([]string{wire.TypeInvalid, wire.TypeThrottled, wire.TypeConflict}, refusals...), r.do(ctx), true)
		}
		p.check("T11", fmt.Sprintf("%d routes with %s changed nothing", called, c.name), func() (string, error) {
			if changed := p.changed(); changed != "" {
				return "", fmt.Errorf("something changed: %s", changed)
			}
			return "all of Acme is as it was", nil
		})
	}
	p.flush()
	p.check("T11", "Harbour's owner reads the log: of what concerns Acme there are hashes only", func() (string, error) {
		read := 0
		for cursor := ""; ; {
			page, err := p.rival.Log(ctx, cursor)
			if err != nil {
				return "", err
			}
			for _, e := range page.Entries {
				read++
				if strings.Contains(e.Body, p.state.Tenant) || strings.Contains(e.Leaf, p.state.Tenant) {
					return "", fmt.Errorf("leaf %d shows %s", e.Index, e.Kind)
				}
			}
			if cursor = page.Next; cursor == "" {
				return fmt.Sprintf("%d entries", read), nil
			}
		}
	})
	return nil
}

// withIDs are the operations that name something.
func withIDs(ops []operation) (out []operation) {
	for _, op := range ops {
		if parameter.MatchString(op.path) {
			out = append(out, op)
		}
	}
	return out
}

// changing are the operations that are not reads.
func changing(ops []operation) (out []operation) {
	for _, op := range ops {
		if op.method != "GET" {
			out = append(out, op)
		}
	}
	return out
}

// fill puts Acme's ids into a path.
func (p *player) fill(path string) string {
	return parameter.ReplaceAllStringFunc(path, func(name string) string {
		switch {
		case name == "{volume}":
			return p.state.Volumes[mainVolume]
		case name == "{snapshot}":
			return p.kept
		case name == "{n}" || name == "{number}" || name == "{index}":
			return "1"
		case strings.Contains(path, "/requests/"):
			return p.pending
		case strings.Contains(path, "/members/"), strings.Contains(path, "/approvers/"), strings.Contains(path, "{person}"):
			return p.state.find(ownerEmail).ID
		}
		return "x"
	})
}
