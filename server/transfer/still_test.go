package transfer_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"holdfast/server/control/controltest"
	"holdfast/server/transfer"
	"holdfast/server/wire"
)

// Whoever announces a body and sends none holds no connection for ever: not where the body is wanted, not where it is not,
// and not where nobody even knows him.
func TestT50_ABodyThatNeverComesHoldsNoConnection(t *testing.T) {
	r := newRig(t, controltest.New(t), transfer.Options{Idle: 150 * time.Millisecond})
	volume, known := "/v1/data/"+r.files.ID, "Authorization: Bearer "+r.token.Credentials.Bearer+"\r\n"
	for name, x := range map[string]struct {
		method, target, header string
		status                 string
	}{
		"stranger":         {"PUT", r.at("x"), "Content-Length: 1000\r\n", "401"},
		"stranger chunked": {"PUT", r.at("x"), "Transfer-Encoding: chunked\r\n", "401"},
		"no place":         {"PUT", "/v1/data/", "Content-Length: 1000\r\n", "404"},
		"put":              {"PUT", r.at("x"), known + "Content-Length: 1000\r\n", "408"},
		"tar":              {"PUT", volume + "/tar", known + "Content-Length: 1000\r\n", "408"},
		"get":              {"GET", r.at("x"), known + "Content-Length: 1000\r\n", "408"},
		"delete":           {"DELETE", r.at("x"), known + "Content-Length: 1000\r\n", "408"},
		"keys":             {"GET", volume + "/keys", known + "Content-Length: 1000\r\n", "408"},
		"pull":             {"POST", volume + "/pull", known + "Content-Length: 1000\r\n", "408"},
		"pull chunked":     {"POST", volume + "/pull", known + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n", "408"},
		"push":             {"POST", volume + "/push", known + "Content-Length: 1000\r\n", "201"},
		"upload":           {"POST", volume + "/uploads", known + "Content-Length: 1000\r\n", "4"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := net.Dial("tcp", r.server.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			end := "\r\n"
			if strings.HasSuffix(x.header, "{}\r\n") {
				end = ""
			}
			if _, err := fmt.Fprintf(c, "%s %s HTTP/1.1\r\nHost: x\r\n%s%s", x.method, x.target, x.header, end); err != nil {
				t.Fatal(err)
			}
			if err := c.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(c) // to the end of the connection
			if err != nil || !strings.HasPrefix(string(b), "HTTP/1.1 "+x.status) {
				t.Errorf("%v: %.200q", err, b)
			}
		})
	}
}

// A body where none is wanted, or behind what was wanted, changes nothing of what follows: a transfer that takes longer
// than it may stand still goes through.
func TestABodyToSpareEndsNoTransfer(t *testing.T) {
	const idle = 600 * time.Millisecond
	r := newRig(t, controltest.New(t), transfer.Options{Idle: idle})
	big := strings.Repeat("0123456789abcdef", 2<<20) // 32 MiB, more than a connection keeps
	r.put("big", big)
	for name, x := range map[string]struct{ method, target, body string }{
		"get":  {http.MethodGet, r.at("big"), "spare"},
		"pull": {http.MethodPost, "/v1/data/" + r.files.ID + "/pull", `{"list":false} ` + strings.Repeat(" ", 4000)},
	} {
		req, err := http.NewRequestWithContext(t.Context(), x.method, r.server.URL+x.target, struct{ io.Reader }{strings.NewReader(x.body)}) // chunked
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+r.token.Credentials.Bearer)
		resp, err := r.server.Client().Do(req)
		if err != nil {
			t.Fatal(name, err)
		}
		// Read slowly: longer than idle in all, and never still for so long.
		n := 0
		buf := make([]byte, 1<<20)
		for err == nil {
			var k int
			k, err = resp.Body.Read(buf)
			if n += k; n < 8<<20 {
				time.Sleep(idle / 40)
			}
		}
		resp.Body.Close()
		if err != io.EOF || resp.StatusCode != http.StatusOK || name == "get" && n != len(big) {
			t.Error(name, resp.StatusCode, n, err)
		}
	}
	r.want(r.do(http.MethodGet, r.at("big"), strings.Repeat("x", 65<<10)), http.StatusRequestEntityTooLarge, wire.TypeTooLarge)
}
