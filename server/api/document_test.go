package api_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"holdfast/server/client"
	"holdfast/server/control/controltest"
	"holdfast/server/wire"
)

type document struct {
	Paths map[string]map[string]struct {
		Parameters []struct{ Name, In string }
	}
}

func described(t *testing.T, s *httptest.Server) (d document) {
	t.Helper()
	resp, err := http.Get(s.URL + "/openapi.json")
	ok(t, err)
	defer resp.Body.Close()
	ok(t, json.NewDecoder(resp.Body).Decode(&d))
	return d
}

// find returns the template of a path that the document describes.
func (d document) find(method, path string) (string, bool) {
	parts := strings.Split(path, "/")
	best, found := "", false
	for template, methods := range d.Paths {
		want := strings.Split(template, "/")
		if _, ok := methods[strings.ToLower(method)]; !ok || len(want) != len(parts) {
			continue
		}
		same := true
		for i := range want {
			same = same && (want[i] == parts[i] || strings.HasPrefix(want[i], "{") && parts[i] != "")
		}
		if same && (!found || strings.Count(template, "{") < strings.Count(best, "{")) {
			best, found = template, true
		}
	}
	return best, found
}

// Every call that the Go client makes is one that /openapi.json describes, with
// the queries that it describes; and every operation has its call.
func TestTheClientAndTheDocument(t *testing.T) {
	d := described(t, portal(t, controltest.New(t)))
	var mu sync.Mutex
	var seen []*http.Request
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, r)
		rw.Header().Set("Content-Type", "application/json")
		_, _ = rw.Write([]byte("{}"))
	}))
	defer s.Close()
	c := reflect.ValueOf(client.New(s.URL))
	for i := range c.NumMethod() {
		m := c.Type().Method(i)
		if m.Type.NumIn() < 2 || m.Type.In(1) != reflect.TypeFor[context.Context]() {
			continue
		}
		args := []reflect.Value{reflect.ValueOf(t.Context())}
		for j := 2; j < m.Type.NumIn(); j++ {
			args = append(args, argument(m.Type.In(j)))
		}
		if m.Type.IsVariadic() {
			args = args[:len(args)-1]
		}
		c.Method(i).Call(args)
	}
	called := map[string]bool{}
	for _, r := range seen {
		if strings.HasPrefix(r.URL.Path, "/v1/data/") || !strings.HasPrefix(r.URL.Path, "/v1/") {
			continue
		}
		template, found := d.find(r.Method, r.URL.Path)
		if !found {
			t.Errorf("no document for %s %s", r.Method, r.URL.Path)
			continue
		}
		called[r.Method+" "+template] = true
		for name := range r.URL.Query() {
			known := false
			for _, p := range d.Paths[template][strings.ToLower(r.Method)].Parameters {
				known = known || p.In == "query" && p.Name == name
			}
			if !known {
				t.Errorf("%s %s: the query %q is not described", r.Method, template, name)
			}
		}
	}
	if len(called) < 60 {
		t.Errorf("only %d operations were called", len(called))
	}
	for template, methods := range d.Paths {
		for method := range methods {
			if op := strings.ToUpper(method) + " " + template; !called[op] && !strings.HasPrefix(template, "/v1/step-up") {
				t.Logf("the client has no call of %s", op)
			}
		}
	}
}

func argument(t reflect.Type) reflect.Value {
	v := reflect.New(t).Elem()
	switch {
	case t.Kind() == reflect.String:
		v.SetString("x")
	case t.Kind() == reflect.Int || t.Kind() == reflect.Int64:
		v.SetInt(1)
	case t == reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(time.Unix(1, 0)))
	case t == reflect.TypeFor[client.Source]():
		v.Set(reflect.ValueOf(client.Source{Volume: "x"}))
	case t.Kind() == reflect.Interface && reflect.TypeFor[*strings.Reader]().Implements(t):
		v.Set(reflect.ValueOf(strings.NewReader("x")))
	case t.Kind() == reflect.Interface && reflect.TypeFor[io.Writer]().Implements(t):
		v.Set(reflect.ValueOf(io.Discard))
	case t.Kind() == reflect.Pointer:
		v.Set(reflect.New(t.Elem()))
	case t.Kind() == reflect.Func:
		v.Set(reflect.MakeFunc(t, func([]reflect.Value) (out []reflect.Value) {
			for i := range t.NumOut() {
				out = append(out, argument(t.Out(i)))
			}
			return out
		}))
	}
	return v
}

// No answer repeats what was submitted: it may have been a code, a password or a
// token. Every answer carries a stable problem type.
func TestT50_ErrorsRepeatNothing(t *testing.T) {
	e := controltest.New(t)
	s := portal(t, e)
	d := described(t, s)
	const secret = "hunter2-SECRET-9182"
	bodies := []string{
		`{"email":"` + secret + `","password":"` + secret + `","code":"` + secret + `","secret":"` + secret + `"}`,
		`{"email":{"a":"` + secret + `"},"password":["` + secret + `"],"code":{"` + secret + `":1}}`,
		`{"` + secret + `":"` + secret + `"}`, `"` + secret + `"`, `{"code":"` + secret, `[` + secret + `]`,
		`{"code":"` + strings.Repeat(secret, 200) + `","password":"` + strings.Repeat(secret, 200) + `","email":"` + strings.Repeat(secret, 200) + `"}`,
	}
	tried := 0
	for template, methods := range d.Paths {
		path := template
		for strings.Contains(path, "{") {
			i, j := strings.Index(path, "{"), strings.Index(path, "}")
			path = path[:i] + secret + path[j+1:]
		}
		for method := range methods {
			for _, body := range bodies {
				for _, q := range []string{"", "?limit=" + secret + "&" + secret + "=" + secret} {
					req, err := http.NewRequestWithContext(t.Context(), strings.ToUpper(method), s.URL+path+q, strings.NewReader(body))
					ok(t, err)
					req.Header.Set("Content-Type", "application/json")
					req.Header.Set("Authorization", "Bearer "+secret)
					resp, err := http.DefaultClient.Do(req)
					ok(t, err)
					text, err := io.ReadAll(resp.Body)
					resp.Body.Close()
					ok(t, err)
					tried++
					if strings.Contains(string(text), secret) {
						t.Errorf("%s %s repeats what it was sent: %.300s", method, template, text)
					}
					if template == "/v1/session/key/begin" && resp.StatusCode == http.StatusOK {
						continue // anybody may ask for a challenge; it is the same for all
					}
					var p wire.Problem
					if json.Unmarshal(text, &p) != nil || !strings.HasPrefix(p.Type, "urn:holdfast:problem:") || p.Status != resp.StatusCode || resp.StatusCode >= 500 {
						t.Errorf("%s %s: %d %.300s", method, template, resp.StatusCode, text)
					}
					if resp.StatusCode == 401 && resp.Header.Get("WWW-Authenticate") == "" {
						t.Errorf("%s %s: 401 without a challenge", method, template)
					}
				}
			}
		}
	}
	if tried < 500 {
		t.Fatal(tried)
	}
}
