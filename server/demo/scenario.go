package demo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"holdfast/server/client"
	"holdfast/server/wire"
)

// The main volume, and one for tricks that would spoil the comparison.
const (
	mainVolume = "code"
	playVolume = "playground"
)

// player plays a scenario.
type player struct {
	*installation
	*reporter
	ctx  context.Context
	work string // where trees are restored to

	watcher  *client.Client // the rightful owner, looking on
	baseline string         // what must not change

	doomed, kept string    // snapshots: the one that is lawfully deleted, the one that stays
	marker       marker    // bytes that only the doomed snapshot has
	before       time.Time // the moment before the attack
	late         string    // the file that was written a minute before it
	lateText     string
	thief        *client.Client // the operator's stolen session
	pending      string         // a lawful request that is open while the attack runs
	token        string         // the stolen operator's token
	rival        *client.Client // the owner of another tenant
	mara         *client.Client // the approver whose account was taken, both factors
}

// runCodeSpaces plays the scenario.
func runCodeSpaces(ctx context.Context, o Options) (err error) {
	dir := o.Dir
	if dir == "" {
		if dir, err = os.MkdirTemp("", "holdfast-scenario-"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, removeTree(dir)) }()
	}
	st, err := loadState(filepath.Join(dir, "installation"))
	if err != nil {
		return err
	}
	if len(st.People) > 0 {
		return fmt.Errorf("%w: a scenario begins with an empty directory (%s)", errNotDemo, dir)
	}
	if st.Data, err = dataDir(ctx, o); err != nil {
		return err
	}
	work := filepath.Join(dir, "restored")
	if err := os.MkdirAll(work, 0o700); err != nil {
		return err
	}
	size, err := measure(ctx, st.Data)
	if err != nil {
		return err
	}
	service, err := start(ctx, o, Setting{
		Dir: filepath.Join(dir, "installation"), Listen: or(o.Listen, "localhost:0"), ListenConsole: or(o.ListenConsole, "localhost:0"),
		ControlDSN: o.ControlDSN, SiteDSN: o.SiteDSN, RedisURL: o.RedisURL,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, service.end()) }()
	r := newReporter(o.Out, o.JSON)
	p := &player{
		installation: &installation{o: o, dir: filepath.Join(dir, "installation"), state: st, say: r.say, lines: scenarioLines(size)},
		reporter:     r, ctx: ctx, work: work,
	}
	if err := p.open(service.Addresses); err != nil {
		return err
	}
	played := p.play()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if played != nil {
		r.step(Step{Step: "the story goes on", Expect: "no error", Got: played.Error()}, false)
	}
	sum, err := r.end()
	if err == nil && (sum.Failed > 0 || !sum.RestoredIdentical || sum.ErasedBytes <= 0) {
		err = ErrFailed
	}
	return err
}

// size is how much there is to back up.
type size struct{ entries, bytes int64 }

func measure(ctx context.Context, dir string) (s size, err error) {
	return s, filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || ctx.Err() != nil {
			return errors.Join(err, ctx.Err())
		}
		s.entries++
		if info, err := d.Info(); err == nil && info.Mode().IsRegular() {
			s.bytes += info.Size()
		}
		return nil
	})
}

// scenarioLines are the charter's. The undo window lasts as long as deleting and
// bringing back that much takes, on a slow machine, and no longer: the bytes of
// the lawful deletion are gone from the disk only after it.
func scenarioLines(s size) map[string]string {
	undo := 60*time.Second + time.Duration(s.entries/500)*time.Second + time.Duration(s.bytes>>28)*time.Second
	return map[string]string{
		"undo": undo.String(), "quarantine": "2s", "cooling": "3s", "grace": "8s", "last-extra": "2s",
		"request-copies": "3", "day-copies": "8",
	}
}

func (p *player) play() error {
	for _, act := range []struct {
		title, text string
		play        func() error
	}{
		{"The company", "Acme keeps its data with Holdfast. Five approvers in two teams guard its snapshots.", p.prologue},
		{"He has a password", "Otto, an operator of Acme, used his password elsewhere too.", p.password},
		{"He has a session", "Malware on Otto's laptop copies the cookie of a session that has shown both factors.", p.session},
		{"He has a token", "An API token of Acme's backup job was in a public repository.", p.tokens},
		{"He comes from next door", "He opens an account at another customer, Harbour, and tries every route with Acme's ids.", p.neighbour},
		{"He has an approver, with both factors", "Mara of the support team lost her password, her phone and her key to him.", p.approver},
		{"Every route, every wrong credential", "Whatever /openapi.json knows, with nothing, with garbage, with the wrong face, with a token.", p.routes},
		{"He deletes everything", "With the stolen session he deletes all primary data, as its owner could.", p.wipe},
		{"The owner brings it back", "Olivia restores the minute before the attack, and last night.", p.restore},
		{"One snapshot goes, lawfully", "Acme asks for the deletion of one snapshot. Approvers of both teams agree, and it takes its time.", p.lawful},
	} {
		p.act(act.title, act.text)
		if err := act.play(); err != nil {
			return fmt.Errorf("%s: %w", act.title, err)
		}
	}
	return nil
}

// must plays a step that has to succeed and returns its error.
func (p *player) must(threat, what string, do func() (got string, err error)) error {
	got, err := do()
	s := Step{Step: what, Threat: threat, Expect: "it works", Got: got, OK: err == nil}
	if err != nil {
		s.Got = err.Error()
		s.Status, s.Type = problemOf(err)
	}
	p.step(s, false)
	return err
}

// check is must for what the story can go on without.
func (p *player) check(threat, what string, do func() (got string, err error)) {
	_ = p.must(threat, what, do) // the step is recorded as failed; the rest is played
}

// refusals is what a refusal without a more exact reason may be.
var refusals = []string{
	wire.TypeNotAuthenticated, wire.TypeBadCredentials, wire.TypeSecondFactorRequired, wire.TypeStepUpRequired, wire.TypeDenied,
	wire.TypeGateRequired, wire.TypeTokenNotAPerson, wire.TypeWrongFace, wire.TypeQuarantined, wire.TypeNotEligible, wire.TypeNotFound,
	wire.TypeForeignOrigin,
}

// refuse plays a step that has to be refused with one of the problem types, and
// looks whether anything changed.
func (p *player) refuse(threat, what string, types []string, do func() error) {
	p.refusal(threat, what, types, do(), false)
}

func (p *player) refusal(threat, what string, types []string, err error, quiet bool) {
	if types == nil {
		types = refusals
	}
	var names []string
	for _, t := range types {
		names = append(names, short(t))
	}
	s := Step{Step: what, Threat: threat, Expect: "refused: " + strings.Join(names, " or "), Got: "it worked"}
	if err != nil {
		s.Got = err.Error()
		s.Status, s.Type = problemOf(err)
		s.OK = slices.Contains(types, s.Type)
		if s.Type != "" {
			s.Got = fmt.Sprintf("refused: %d %s: %v", s.Status, short(s.Type), err)
		}
	}
	if !quiet {
		if changed := p.changed(); changed != "" {
			s.OK = false
			s.Got += "; and something changed: " + changed
		}
	}
	p.step(s, quiet)
}

func problemOf(err error) (int, string) {
	var e *client.Error
	if errors.As(err, &e) {
		return e.Status, e.Type
	}
	return 0, ""
}

// settle takes what there is now as what must not change.
func (p *player) settle() error {
	now, err := p.watch()
	p.baseline = now
	return err
}

// changed says what differs from the baseline, empty if nothing does.
func (p *player) changed() string {
	now, err := p.watch()
	if err != nil {
		return err.Error()
	}
	was := p.baseline
	if now == was {
		return ""
	}
	p.baseline = now
	return difference(was, now)
}

func difference(was, now string) string {
	a, b := strings.Split(was, "\n"), strings.Split(now, "\n")
	var out []string
	for _, line := range b {
		if !slices.Contains(a, line) {
			out = append(out, "now "+line)
		}
	}
	for _, line := range a {
		if !slices.Contains(b, line) {
			out = append(out, "no longer "+line)
		}
	}
	return strings.Join(out, "; ")
}

// watch is everything of Acme's that an attack could want to change, as its owner
// sees it: snapshots with their copies, requests, people, tokens, holds, freezes,
// charter. Primary data is not in it, for its users may do with it what they like.
func (p *player) watch() (string, error) {
	c, ctx := p.watcher, p.ctx
	var lines []string
	volumes, err := c.Volumes(ctx)
	if err != nil {
		return "", fmt.Errorf("look on: %w", err)
	}
	for _, v := range volumes {
		snapshots, err := c.Snapshots(ctx, v.ID)
		if err != nil {
			return "", fmt.Errorf("look on: %w", err)
		}
		for _, s := range snapshots {
			line := fmt.Sprintf("snapshot %s %s", s.ID, s.At.Format(time.RFC3339Nano))
			for _, k := range s.Copies {
				if k.State == "tombstoned" || k.State == "erased" || k.Suspect { // it may be held or proven meanwhile
					line += fmt.Sprintf(" %s %s suspect %v", k.Site, k.State, k.Suspect)
				}
			}
			lines = append(lines, line)
		}
	}
	requests, err := c.Requests(ctx, "")
	if err != nil {
		return "", fmt.Errorf("look on: %w", err)
	}
	for _, r := range requests {
		if r.State != "draft" {
			lines = append(lines, fmt.Sprintf("request %s %s with %d votes", r.ID, r.State, r.Need.Got))
		}
	}
	people, err := c.Members(ctx)
	if err != nil {
		return "", fmt.Errorf("look on: %w", err)
	}
	for _, m := range people {
		lines = append(lines, fmt.Sprintf("member %s %s %s", m.ID, m.Role, m.Status))
	}
	tokens, err := c.Tokens(ctx)
	if err != nil {
		return "", fmt.Errorf("look on: %w", err)
	}
	for _, t := range tokens {
		lines = append(lines, fmt.Sprintf("token %s %v revoked %v", t.ID, t.Scopes, t.RevokedAt != nil))
	}
	holds, err := c.Holds(ctx)
	if err != nil {
		return "", fmt.Errorf("look on: %w", err)
	}
	for _, h := range holds {
		lines = append(lines, fmt.Sprintf("hold %s on %s %s", h.ID, h.Tenant, h.Volume))
	}
	freezes, err := c.Freezes(ctx)
	if err != nil {
		return "", fmt.Errorf("look on: %w", err)
	}
	for _, f := range freezes {
		lines = append(lines, fmt.Sprintf("freeze %s lifted %v", f.ID, f.LiftedAt != nil))
	}
	charter, err := c.Charter(ctx)
	if err != nil {
		return "", fmt.Errorf("look on: %w", err)
	}
	lines = append(lines, "charter "+charter.Hash)
	slices.Sort(lines)
	return strings.Join(lines, "\n"), nil
}

// removeTree removes what a scenario made, folders that forbid it too.
func removeTree(dir string) error {
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			return os.Chmod(path, 0o700)
		}
		return nil
	})
	return os.RemoveAll(dir)
}

// inOrder ranges over a map by its keys, so that the story is told the same way
// each time.
func inOrder[V any](m map[string]V) iter.Seq2[string, V] {
	return func(yield func(string, V) bool) {
		for _, k := range slices.Sorted(maps.Keys(m)) {
			if !yield(k, m[k]) {
				return
			}
		}
	}
}
