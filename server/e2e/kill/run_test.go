package kill

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"holdfast/internal/sqldb"
	"holdfast/quorum/audit"
	"holdfast/quorum/audit/source"
	"holdfast/server/client"
	"holdfast/snapshots"
)

// run is one installation through all its lives.
type run struct {
	t     *testing.T
	house *house
	rng   *rand.Rand
	proc  *process
	agent *client.Client // the token's

	killing atomic.Bool // from here on, errors are what the kill is for

	mu       sync.Mutex
	requests []*request
	flying   map[string]int // operations that were sent and not answered
	acked    map[string]int
	torn     map[string]int // operations that a kill interrupted
	kills    map[string]int // by what they aimed at
	during   map[string]int // kills during which something was so
	erased   int
	aim      string
	hit      chan struct{} // closed once what the aim waits for has happened

	keys   *audit.Keys
	seen   audit.Checkpoint // the newest that anybody saw
	cursor string           // of the log's entries that were read
	voted  map[string]bool  // request, person and decision that the log has
	taken  map[string]bool  // snapshots that the log has
	bodies map[string]*bodies
}

// begin counts an operation as sent; the function that it returns, as answered.
func (r *run) begin(kind string) func(error) {
	r.mu.Lock()
	r.flying[kind]++
	r.mu.Unlock()
	return func(err error) {
		r.mu.Lock()
		defer r.mu.Unlock()
		if err == nil {
			r.flying[kind]--
			r.acked[kind]++
		} else if !r.killing.Load() {
			r.flying[kind]--
		}
	}
}

// happened tells the executioner that something he waits for is under way.
func (r *run) happened(what string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if what == r.aim {
		r.aim = ""
		close(r.hit)
	}
}

func (r *run) add(q *request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests = append(r.requests, q)
}

func (r *run) all() []*request {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.requests)
}

func (r *run) unfinished() (out []*request) {
	for _, q := range r.all() {
		q.mu.Lock()
		if q.state != "draft" && !ended(q.state) {
			out = append(out, q)
		}
		q.mu.Unlock()
	}
	return out
}

func (r *run) live() int { return len(r.unfinished()) }

// aims are the kinds of moments that kills aim at, and how long after the first
// sign of it the kill comes at most. What they aim at follows from the seed, as
// does the delay.
var aims = []struct {
	what  string
	after time.Duration
}{
	{"ingest", 0},
	{"vote", 80 * time.Millisecond},
	{"seal", 1500 * time.Millisecond},
	{"execution", 2200 * time.Millisecond},
	{"sweep", 2600 * time.Millisecond},
}

// The bounds of a kill's moment where it aims at nothing in particular, and of
// one that comes while the service starts.
const (
	minMoment, maxMoment = 20 * time.Millisecond, 1500 * time.Millisecond
	maxRecovery          = 1800 * time.Millisecond
	// maxAim is how long a kill waits for what it aims at.
	maxAim = 7 * time.Second
)

// round runs the workers on a service that is ready and was found sound, and
// kills it.
func (r *run) round(ctx context.Context, n int) error {
	aim := aims[n%len(aims)]
	var delay time.Duration
	if aim.after > 0 {
		delay = time.Duration(r.rng.Int64N(int64(aim.after)))
	} else {
		delay = minMoment + time.Duration(r.rng.Int64N(int64(maxMoment-minMoment)))
	}
	r.mu.Lock()
	r.aim, r.hit = aim.what, make(chan struct{})
	hit := r.hit
	if aim.after == 0 {
		close(r.hit)
		r.aim = ""
	}
	r.mu.Unlock()

	ctx, stop := context.WithCancel(ctx)
	defer stop()
	errs := make(chan error, 16)
	workers := 0
	start := func(work func(context.Context) error) {
		workers++
		go func() {
			err := work(ctx)
			if err != nil && (r.killing.Load() || ctx.Err() != nil) {
				err = nil // that is how it looks from outside
			}
			errs <- err
		}()
	}
	for i, v := range r.house.volumes {
		w := &writer{v: v, c: r.agent, rng: rand.New(rand.NewPCG(r.rng.Uint64(), uint64(i))), round: n, r: r, bodies: r.bodies[v.name]}
		w.bodies.rng = w.rng
		start(w.work)
	}
	o := &office{r: r, rng: rand.New(rand.NewPCG(r.rng.Uint64(), 77)), round: n}
	start(o.work)
	start(r.watchLog)

	var failed error
	select {
	case <-hit:
	case failed = <-errs:
		workers--
	case <-time.After(maxAim):
	}
	if failed == nil {
		select {
		case <-time.After(delay):
		case failed = <-errs:
			workers--
		}
	}
	r.note(aim.what)
	err := r.kill()
	stop()
	for range workers {
		failed = errors.Join(failed, <-errs)
	}
	r.mu.Lock()
	r.aim = ""
	for kind, n := range r.flying {
		r.torn[kind] += n
		r.flying[kind] = 0
	}
	r.mu.Unlock()
	return errors.Join(failed, err)
}

// note counts what was under way at the moment of a kill.
func (r *run) note(aim string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.kills[aim]++
	for kind, n := range r.flying {
		if n > 0 {
			r.during[kind]++
		}
	}
}

func (r *run) kill() error {
	r.killing.Store(true)
	return r.proc.kill()
}

// disturb kills the service a few times while it starts and recovers.
func (r *run) disturb(ctx context.Context) error {
	if r.rng.IntN(3) > 0 {
		if err := r.house.later(ctx); err != nil {
			return err
		}
	}
	for n := r.rng.IntN(5) - 2; n > 0; n-- {
		p, err := launch(r.house.dir, r.house.env, nil)
		if err != nil {
			return err
		}
		wait := time.Duration(r.rng.Int64N(int64(maxRecovery)))
		select {
		case <-time.After(wait):
		case <-p.ended:
			return fmt.Errorf("the service ended by itself while it recovered: %s\n%s", p.cmd.ProcessState, p.log)
		}
		if err := p.kill(); err != nil {
			return err
		}
		r.mu.Lock()
		r.kills["recovery"]++
		r.mu.Unlock()
	}
	return nil
}

// rise starts the service and brings everybody back in.
func (r *run) rise(ctx context.Context) error {
	p, err := launch(r.house.dir, r.house.env, nil)
	if err != nil {
		return err
	}
	r.proc = p
	r.killing.Store(false)
	if err := p.await(); err != nil {
		return err
	}
	r.agent = client.New(p.portal, client.WithToken(r.house.token), client.WithHTTP(patient))
	return r.signIn(ctx)
}

// later has the leases of the dead expire, as they do after a quarter of an hour
// (snapshots.LeaseExpiry): until then the sweep takes nothing that they may know.
// No process of the service runs meanwhile.
func (h *house) later(ctx context.Context) error {
	db, err := sqldb.Open(ctx, h.siteDSN)
	if err != nil {
		return err
	}
	return errors.Join(db.Write(ctx, func(tx *sqldb.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE leases SET renewed_at = renewed_at - $1`, snapshots.LeaseExpiry.Microseconds())
		return err
	}), db.Close())
}

func (r *run) signIn(ctx context.Context) error {
	people := append([]*person{r.house.owner}, r.house.approvers...)
	errs := make(chan error, len(people))
	for _, p := range people {
		go func() { errs <- p.signIn(ctx, r.proc) }()
	}
	var err error
	for range people {
		err = errors.Join(err, <-errs)
	}
	return err
}

// watchLog remembers the newest checkpoint that anybody could have seen.
func (r *run) watchLog(ctx context.Context) error {
	src, err := source.NewHTTP(patient, r.proc.portal)
	if err != nil {
		return err
	}
	for pause(ctx, 100*time.Millisecond) == nil {
		signed, err := src.Checkpoint(ctx)
		if err != nil {
			return fmt.Errorf("read the checkpoint: %w", err)
		}
		o, err := r.keys.Open(signed)
		if err != nil {
			return fmt.Errorf("open the checkpoint: %w", err)
		}
		if o.Size < r.seen.Size {
			return fmt.Errorf("the log went from %d back to %d leaves", r.seen.Size, o.Size)
		}
		r.seen = o.Checkpoint
	}
	return nil
}

// logKey asks for the log's key, once: it must never change.
func (r *run) logKey(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.proc.portal+"/log/key", nil)
	if err != nil {
		return err
	}
	resp, err := patient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	if err != nil {
		return err
	}
	r.keys, err = audit.NewKeys(strings.TrimSpace(string(text)))
	return err
}
