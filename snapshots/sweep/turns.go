package sweep

import "sync"

// turns has sweeps of one tenant take turns within this process; between processes the tenant's row lock orders every
// transaction, and each is right by itself.
type turns struct {
	mu   sync.Mutex
	busy map[string]*sync.Mutex
}

func (t *turns) take(tenant string) (give func()) {
	t.mu.Lock()
	if t.busy == nil {
		t.busy = map[string]*sync.Mutex{}
	}
	m := t.busy[tenant]
	if m == nil {
		m = &sync.Mutex{}
		t.busy[tenant] = m
	}
	t.mu.Unlock()
	m.Lock()
	return m.Unlock
}
