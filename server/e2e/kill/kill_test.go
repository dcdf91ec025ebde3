package kill

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"holdfast/internal/sqldb/sqldbtest"
)

// How many rounds `make test` and `make soak` run.
const (
	testRounds = 20
	soakRounds = 200
)

func number(t *testing.T, name string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 63)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// T47: kill -9 at random moments. Every acknowledged byte and vote is there, and
// no copy is half-destroyed.
func TestT47_KilledAtAnyMoment(t *testing.T) {
	rounds, soak := testRounds, os.Getenv("SOAK") != ""
	if soak {
		rounds = soakRounds
	}
	rounds = int(number(t, "HOLDFAST_KILL_ROUNDS", uint64(rounds)))
	seed := number(t, "HOLDFAST_KILL_SEED", uint64(time.Now().UnixNano())>>16)
	t.Logf("HOLDFAST_KILL_SEED=%d HOLDFAST_KILL_ROUNDS=%d", seed, rounds)
	t.Run("sqlite", func(t *testing.T) { lives(t, seed, rounds, sqldbtest.SQLiteDSN(t), sqldbtest.SQLiteDSN(t)) })
	if soak {
		t.Run("postgres", func(t *testing.T) {
			lives(t, seed, rounds, sqldbtest.PostgresDSN(t), sqldbtest.PostgresDSN(t))
		})
	}
}

func lives(t *testing.T, seed uint64, rounds int, control, site string) {
	ctx, began := t.Context(), time.Now()
	r := &run{
		t: t, house: &house{dir: t.TempDir(), siteDSN: site, env: []string{"HOLDFAST_CONTROL_DSN=" + control, "HOLDFAST_SITE_DSN=" + site}}, rng: rand.New(rand.NewPCG(seed, 47)),
		flying: map[string]int{}, acked: map[string]int{}, torn: map[string]int{}, kills: map[string]int{}, during: map[string]int{},
		voted: map[string]bool{}, taken: map[string]bool{}, bodies: map[string]*bodies{},
	}
	if err := os.Chmod(r.house.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	p, err := launch(r.house.dir, r.house.env, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.proc = p
	t.Cleanup(func() { _ = r.proc.kill() })
	if err := p.await(); err != nil {
		t.Fatal(err)
	}
	if err := found(ctx, r.house, p); err != nil {
		t.Fatalf("%v\n%s", err, p.log)
	}
	if err := r.logKey(ctx); err != nil {
		t.Fatal(err)
	}
	for _, v := range r.house.volumes {
		r.bodies[v.name] = &bodies{seed: [32]byte{byte(seed)}} // one seed: what volumes hold begins alike
	}
	if err := r.kill(); err != nil {
		t.Fatal(err)
	}
	for n := range rounds {
		start := time.Now()
		if err := r.disturb(ctx); err != nil {
			t.Fatalf("round %d: %v", n, err)
		}
		if err := r.rise(ctx); err != nil {
			t.Fatalf("round %d: %v", n, err)
		}
		up := time.Since(start)
		if err := r.verify(ctx, n%20 == 9); err != nil {
			t.Fatalf("round %d: %v\n%s", n, err, r.proc.log)
		}
		checked := time.Since(start) - up
		if err := r.round(ctx, n); err != nil {
			t.Fatalf("round %d: %v\n%s", n, err, r.proc.log)
		}
		if testing.Verbose() {
			t.Logf("round %d: up after %v, verified in %v, killed after %v in all", n, up.Round(time.Millisecond), checked.Round(time.Millisecond), time.Since(start).Round(time.Millisecond))
		}
	}
	if err := errors.Join(r.disturb(ctx), r.house.later(ctx), r.rise(ctx)); err != nil {
		t.Fatalf("after the last round: %v", err)
	}
	for _, what := range []struct {
		name string
		do   func() error
	}{
		{"verify", func() error { return r.verify(ctx, false) }},
		{"become quiet", func() error { return r.quiet(ctx) }},
		{"verify once quiet", func() error { return r.verify(ctx, true) }},
	} {
		if err := what.do(); err != nil {
			t.Fatalf("after the last round: %s: %v\n%s", what.name, err, r.proc.log)
		}
	}
	r.report(time.Since(began))
}

// report prints the figures.
func (r *run) report(took time.Duration) {
	show := func(m map[string]int) string {
		var out []string
		for _, k := range slices.Sorted(maps.Keys(m)) {
			if m[k] > 0 {
				out = append(out, fmt.Sprintf("%s %d", k, m[k]))
			}
		}
		return strings.Join(out, ", ")
	}
	states, snapshots := map[string]int{}, 0
	for _, q := range r.requests {
		states[q.state]++
	}
	for _, v := range r.house.volumes {
		snapshots += len(v.taken)
	}
	r.t.Logf("took %s\nkills by aim: %s\nkills during: %s\nacknowledged: %s\ntorn: %s\nrequests: %s\nsnapshots: %d, of them %d erased\nlog: %d leaves",
		took.Round(time.Second), show(r.kills), show(r.during), show(r.acked), show(r.torn), show(states), snapshots, r.erased, r.seen.Size)
}
