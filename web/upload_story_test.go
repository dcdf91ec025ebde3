package web_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"holdfast/server/client"
	"holdfast/server/wire"
)

// cutter stands between the browser and the portal. It cuts the connection whose body has carried so many bytes, and lets
// nothing through until it is mended.
type cutter struct {
	*httptest.Server
	after atomic.Int64 // 0: never
	down  atomic.Bool
	sent  atomic.Int64 // by the connection that was cut
}

func newCutter(t *testing.T) *cutter {
	t.Helper()
	to, err := url.Parse(the.Portal)
	must(t, err)
	c := &cutter{}
	c.Server = httptest.NewServer(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			r.Out.Host = to.Host
			if r.In.Header.Get("Origin") != "" { // the browser knows the portal by the cutter's address
				r.Out.Header.Set("Origin", the.Portal)
			}
			if r.Out.Body != nil {
				r.Out.Body = &cutBody{ReadCloser: r.Out.Body, c: c}
			}
		},
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
		ErrorLog:     log.New(io.Discard, "", 0),
	})
	t.Cleanup(c.Close)
	return c
}

type cutBody struct {
	io.ReadCloser
	c     *cutter
	total int64
}

func (b *cutBody) Read(p []byte) (int, error) {
	if b.c.down.Load() {
		return 0, errors.New("the network is down")
	}
	n, err := b.ReadCloser.Read(p)
	b.total += int64(n)
	if most := b.c.after.Load(); most > 0 && b.total > most {
		b.c.sent.Store(b.total)
		b.c.down.Store(true)
		return 0, errors.New("cut")
	}
	return n, err
}

// called calls the data path from outside the browser.
func called(t *testing.T, bearer, method, path, body string, out any) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, the.Portal+path, strings.NewReader(body))
	must(t, err)
	r.Header.Set("Authorization", "Bearer "+bearer)
	resp, err := http.DefaultClient.Do(r)
	must(t, err)
	defer resp.Body.Close()
	if out != nil {
		must(t, json.NewDecoder(resp.Body).Decode(out))
	}
	return resp.StatusCode
}

// TestT47_StoryALargeUploadGoesOn: the connection is cut in the middle of a large file. The page says so and goes on where
// it stood; of a file whose tab was closed the page says that it waits, and choosing it again sends the rest alone. What
// arrives is what a whole upload makes.
func TestT47_StoryALargeUploadGoesOn(t *testing.T) {
	v := the.filled(t, "large uploads", "dir/small.txt")
	o := the.owner
	bytes := make([]byte, 40<<20)
	_, err := rand.NewChaCha8([32]byte{47}).Read(bytes)
	must(t, err)
	body := string(bytes)
	when := time.Date(2026, 5, 6, 7, 8, 9, 123e6, time.UTC)
	dir := t.TempDir()
	var paths []string
	for _, name := range []string{"cut.bin", "closed.bin"} {
		paths = append(paths, filepath.Join(dir, name))
		must(t, os.WriteFile(paths[len(paths)-1], bytes, 0o600))
		must(t, os.Chtimes(paths[len(paths)-1], when, when))
	}
	var ticket wire.Ticket
	o.api(t, "POST", "/v1/volumes/"+v.ID+"/ticket", wire.AskTicket{Operations: []string{"put", "get"}}, &ticket)
	whole, err := client.New(the.Portal, client.WithToken(ticket.Ticket)).PutFile(t.Context(), v.ID, "whole.bin", strings.NewReader(body))
	must(t, err)
	uploads := "/v1/data/" + v.ID + "/uploads"
	open := func() (list []wire.Upload) {
		t.Helper()
		called(t, ticket.Ticket, "GET", uploads, "", &list)
		return list
	}

	here := "/volumes/" + v.ID + "?dir=dir/"
	way := newCutter(t)
	way.after.Store(14 << 20)
	_, port, err := net.SplitHostPort(way.Listener.Addr().String())
	must(t, err)
	o.do(t, chromedp.Navigate("http://localhost:"+port+here), chromedp.WaitVisible(chromedp.CSS("h1")))
	o.do(t, chromedp.SetUploadFiles(chromedp.CSS("#upload-files"), paths[:1]))
	o.press(t, "Upload")
	o.see(t, "The connection broke off. Trying again…")
	var kept wire.Upload
	for deadline := time.Now().Add(2 * patience); kept.Offset == 0; {
		if time.Now().After(deadline) {
			t.Fatal("nothing of it was kept")
		}
		beat()
		if list := open(); len(list) == 1 {
			kept = list[0]
		}
	}
	way.after.Store(0)
	way.down.Store(false)
	o.see(t, "goes on at")
	o.see(t, "Uploaded. It is durable.")
	var got []wire.Upload
	if got = open(); len(got) != 0 {
		t.Errorf("still open: %+v", got)
	}
	if again := way.sent.Load() - kept.Offset; kept.Path != "dir/cut.bin" || again > 5<<20 {
		t.Errorf("%d bytes were sent twice: %+v", again, kept)
	}
	etag := func(path string) string {
		r, err := http.NewRequestWithContext(t.Context(), "HEAD", the.Portal+"/v1/data/"+v.ID+"/files/"+path, nil)
		must(t, err)
		r.Header.Set("Authorization", "Bearer "+ticket.Ticket)
		resp, err := http.DefaultClient.Do(r)
		must(t, err)
		resp.Body.Close()
		return resp.Header.Get("ETag")
	}
	if e := etag("dir/cut.bin"); e != whole.ETag {
		t.Errorf("it arrived as %s, want %s", e, whole.ETag)
	}

	// A tab that was closed: what is left is an upload of this person that broke off.
	var u wire.Upload
	if status := called(t, ticket.Ticket, "POST", uploads, fmt.Sprintf(`{"path":"dir/closed.bin","size":%d,"modified":%q}`, len(body), when.Format("2006-01-02T15:04:05.000Z")), &u); status != http.StatusCreated {
		t.Fatal(status)
	}
	at, err := url.Parse(the.Portal)
	must(t, err)
	conn, err := net.Dial("tcp", at.Host)
	must(t, err)
	fmt.Fprintf(conn, "PATCH %s/%s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nUpload-Offset: 0\r\nContent-Length: %d\r\n\r\n%s", uploads, u.ID, at.Host, ticket.Ticket, len(body), body[:20<<20])
	must(t, conn.Close())
	for deadline := time.Now().Add(2 * patience); u.Offset == 0; {
		if time.Now().After(deadline) {
			t.Fatal("nothing of it was kept")
		}
		beat()
		called(t, ticket.Ticket, "GET", uploads+"/"+u.ID, "", &u)
	}
	o.open(t, here)
	o.see(t, "Uploads that are not finished", "dir/closed.bin", "Give it up")
	o.do(t, chromedp.SetUploadFiles(chromedp.CSS("#upload-files"), paths[1:]))
	o.press(t, "Upload")
	o.see(t, "where it broke off")
	o.see(t, "Uploaded. It is durable.")
	if e := etag("dir/closed.bin"); e != whole.ETag {
		t.Errorf("it arrived as %s, want %s", e, whole.ETag)
	}

	// Another that broke off is given up, without script.
	called(t, ticket.Ticket, "POST", uploads, fmt.Sprintf(`{"path":"dir/never.bin","size":9,"modified":%q}`, when.Format(time.RFC3339)), &u)
	o.script(t, false)
	o.open(t, here)
	o.press(t, "Give it up")
	o.see(t, "Given up. What came of it is not kept")
	o.script(t, true)
	o.open(t, here)
	if got := open(); len(got) != 0 || strings.Contains(o.text(), "never.bin") {
		t.Errorf("%+v", got)
	}
	o.quiet(t)
}
