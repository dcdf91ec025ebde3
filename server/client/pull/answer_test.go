package pull_test

import (
	"errors"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"holdfast/server/client"
	"holdfast/server/client/pull"
)

// stubborn gives its next pull no answer, with an error that is of no type: net/http answers such when a
// connection that it wanted to use again turns out to be closed.
type stubborn struct {
	mu sync.Mutex
	no int // how many pulls get no answer
}

func (s *stubborn) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	no := r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/pull") && s.no > 0
	if no {
		s.no--
	}
	s.mu.Unlock()
	if no {
		return nil, errors.New("http: server closed idle connection")
	}
	return http.DefaultTransport.RoundTrip(r)
}

func TestT47_NoAnswerIsNoReasonToGiveUp(t *testing.T) {
	r, dir := newRig(t), t.TempDir()
	write(t, filepath.Join(dir, "a/b"), noise(3<<20, 1))
	r.push(dir)
	login := client.WithToken(r.Token(t, r.owner, nil, everything...).Credentials.Bearer)
	s := &stubborn{}
	m, err := pull.Open(t.Context(), client.New(r.server.URL, login, client.WithHTTP(&http.Client{Transport: s})), client.Source{Volume: r.files.ID})
	if err != nil {
		t.Fatal(err)
	}
	s.no = 2
	to := filepath.Join(t.TempDir(), "back")
	if _, err := m.Tree(t.Context(), to, pull.Options{}); err != nil {
		t.Fatal(err)
	}
	same(t, dir, to)
	if s.no != 0 {
		t.Fatal("no pull went without an answer")
	}
}
