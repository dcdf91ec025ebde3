package app_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"holdfast/server/app"
)

func TestOnlyDatabasesElsewhereAreOutsideClocks(t *testing.T) {
	for dsn, want := range map[string]string{
		"postgres://u:p@db.example.org/c":         "db.example.org",
		"postgres://u:p@10.1.2.3:5432/c":          "10.1.2.3",
		"postgres://u:p@DB.example.org/c":         "db.example.org",
		"postgres://u:p@localhost/c":              "",
		"postgres://u:p@127.0.0.1/c":              "",
		"postgres://u:p@[::1]/c":                  "",
		"postgres:///c?host=/run/postgresql":      "",
		"postgres:///c?host=localhost":            "",
		"postgres://db.example.org/c?host=/run/p": "",
		"postgres:///c?host=a.example,b.example":  "",
		"sqlite:/var/lib/x.db":                    "",
		"postgres://0.0.0.0/c":                    "",
	} {
		got, ok := app.ForeignHost(dsn)
		if got != want || ok != (want != "") {
			t.Errorf("%s: %q, %v", dsn, got, ok)
		}
	}
}

func TestOriginsAreSpeltAsBrowsersDo(t *testing.T) {
	for a, b := range map[string]string{
		"https://Portal.example.org/":    "https://portal.example.org",
		"https://portal.example.org:443": "https://portal.example.org",
		"http://localhost:80":            "http://localhost",
	} {
		if got := app.Canonical(a); got != b {
			t.Errorf("%s: %s", a, got)
		}
	}
	for _, other := range []string{"null", "", "https://portal.example.org.evil.example", "http://portal.example.org", "https://portal.example.org:8443", "//portal.example.org"} {
		if app.Canonical(other) == "https://portal.example.org" {
			t.Errorf("%q passes for the portal", other)
		}
	}
}

func TestMetricsAreForThisMachineOnly(t *testing.T) {
	for name, c := range map[string]struct {
		remote, host, header string
		want                 bool
	}{
		"local":                           {"127.0.0.1:5", "localhost:8081", "", true},
		"local v6":                        {"[::1]:5", "[::1]:8081", "", true},
		"elsewhere":                       {"10.0.0.9:5", "localhost:8081", "", false},
		"a proxy that says so":            {"127.0.0.1:5", "localhost:8081", "X-Forwarded-For", false},
		"a proxy that passes the name on": {"127.0.0.1:5", "console.example.org", "", false},
	} {
		r := httptest.NewRequest("GET", "/metrics", nil)
		r.RemoteAddr, r.Host = c.remote, c.host
		if c.header != "" {
			r.Header.Set(c.header, "203.0.113.9")
		}
		if got := app.FromHere(r); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// conn is an answer whose connection's deadline for reading can be seen.
type conn struct {
	*httptest.ResponseRecorder
	read time.Time
}

func (c *conn) SetReadDeadline(t time.Time) error { c.read = t; return nil }
func (c *conn) SetWriteDeadline(time.Time) error  { return nil }

// While a body is awaited there is a deadline; a call whose body is whole takes as long as it takes.
func TestADeadlineForReadingEndsWithTheBody(t *testing.T) {
	for name, body := range map[string]io.Reader{"no body": nil, "a body": strings.NewReader("{}"), "a body of unknown length": io.MultiReader(strings.NewReader("{}"))} {
		t.Run(name, func(t *testing.T) {
			w := &conn{ResponseRecorder: httptest.NewRecorder()}
			err := app.Deadlines(func(c echo.Context) error {
				if body != nil && w.read.IsZero() {
					t.Error("a body may take for ever")
				}
				if _, err := io.Copy(io.Discard, c.Request().Body); err != nil {
					return err
				}
				if !w.read.IsZero() {
					t.Error("the call is broken off at", w.read)
				}
				return nil
			})(echo.New().NewContext(httptest.NewRequest(http.MethodPost, "/v1/volumes/x/restore", body), w))
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}

// A body that a handler leaves unread is never taken for the next request of its connection: whoever can make a browser or
// a proxy send a body could otherwise speak with the credentials of whoever comes next.
func TestT08_WhatIsLeftOfABodyIsNoRequest(t *testing.T) {
	var smuggled atomic.Int32
	e := echo.New()
	e.Use(app.Deadlines)
	e.POST("/refuses", func(c echo.Context) error {
		if _, err := c.Request().Body.Read(make([]byte, 10)); err != nil {
			return err
		}
		if err := c.Request().Body.Close(); err != nil {
			return err
		}
		return c.NoContent(http.StatusRequestEntityTooLarge)
	})
	e.GET("/smuggled", func(c echo.Context) error { smuggled.Add(1); return nil })
	server := httptest.NewServer(e)
	defer server.Close()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	body := strings.Repeat("GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n", 40<<10)
	go func() {
		_, _ = fmt.Fprintf(conn, "POST /refuses HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(body), body) // the service hangs up in the middle
	}()
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	if answer.StatusCode != http.StatusRequestEntityTooLarge || !answer.Close {
		t.Errorf("%s, close %v", answer.Status, answer.Close)
	}
	server.Close() // when it is closed nothing is at work any more
	if n := smuggled.Load(); n != 0 {
		t.Errorf("%d requests came out of a body", n)
	}
}
