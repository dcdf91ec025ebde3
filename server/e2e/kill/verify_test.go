package kill

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"holdfast/quorum/audit"
	"holdfast/quorum/audit/source"
	"holdfast/server/client"
	"holdfast/server/wire"
)

// Deadlines of what the service does by itself.
const (
	maxSeal  = 30 * time.Second
	maxQuiet = 90 * time.Second
)

// verify looks for everything that was acknowledged. whole looks at every
// snapshot, not only at the recent ones and a sample of the others.
func (r *run) verify(ctx context.Context, whole bool) error {
	var errs []error
	check := func(what string, err error) {
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", what, err))
		}
	}
	check("the log", r.verifyLog(ctx))
	for _, v := range r.house.volumes {
		check("volume "+v.name, r.verifyVolume(ctx, v))
		check("snapshots of "+v.name, r.adopt(ctx, v))
	}
	for _, q := range r.all() {
		check("request "+q.id, r.verifyRequest(ctx, q))
	}
	check("the log's entries", r.verifyEntries(ctx))
	for _, v := range r.house.volumes {
		for i, s := range v.taken {
			if whole || i >= len(v.taken)-4 || s.request != nil && !s.gone || r.rng.IntN(len(v.taken)) < 3 {
				check("snapshot "+s.id+" of "+v.name, r.verifySnapshot(ctx, s))
			}
		}
	}
	return errors.Join(errs...)
}

// verifyLog recomputes the log from its leaves and proves that it continues what
// was seen before.
func (r *run) verifyLog(ctx context.Context) error {
	src, err := source.NewHTTP(patient, r.proc.portal)
	if err != nil {
		return err
	}
	// The checkpoint may move on between two reads; each pair must fit.
	report, err := audit.VerifyAll(ctx, src, r.keys, nil)
	if err != nil {
		return err
	}
	if report.Unknown > 0 {
		return fmt.Errorf("%d leaves of unknown kinds", report.Unknown)
	}
	next := report.Checkpoint
	if r.seen.Size > next.Size {
		return fmt.Errorf("the log went from %d back to %d leaves", r.seen.Size, next.Size)
	}
	if r.seen.Size > 0 {
		proof, err := audit.ProveConsistency(ctx, next.Size, r.seen.Size, audit.SourceHashes(src, next))
		if err != nil {
			return err
		}
		if err := audit.VerifyConsistency(r.seen, next, proof); err != nil {
			return err
		}
	}
	r.seen = next
	return nil
}

// verifyVolume compares the live data, settles what was in doubt, and looks at
// moments of the undo window.
func (r *run) verifyVolume(ctx context.Context, v *volume) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	got, err := readAll(ctx, r.agent, v.kind, client.Source{Volume: v.name})
	if client.Is(err, wire.TypeNotFound) && v.kind == "stream" && len(v.files) == 0 {
		got, err = map[string]content{}, nil
	}
	if err != nil {
		return err
	}
	for path, may := range v.doubt {
		is, there := got[path]
		was, before := v.files[path]
		settled := there == before && is == was
		for _, c := range may {
			settled = settled || c == nil && !there || c != nil && there && is == *c
		}
		if !settled {
			return fmt.Errorf("%q holds %d bytes %x, neither what was acknowledged nor what was sent", path, is.size, is.sum[:4])
		}
		if there {
			v.files[path] = is
		} else {
			delete(v.files, path)
		}
	}
	clear(v.doubt)
	if v.kind == "stream" && len(v.files) == 0 {
		clear(got) // an empty stream is nothing
	}
	if text := differ(v.files, got); text != "" {
		return errors.New(text)
	}
	paths := 0
	for path, is := range v.files { // single files too: another way to read
		if paths++; paths > 6 || v.kind == "stream" {
			break
		}
		body, err := r.agent.GetFile(ctx, client.Source{Volume: v.name}, path)
		if err != nil {
			return fmt.Errorf("%q: %w", path, err)
		}
		one, err := drain(body)
		if err = errors.Join(err, body.Close()); err != nil || one != is {
			return fmt.Errorf("%q differs when it is read alone: %d of %d bytes, %w", path, one.size, is.size, err)
		}
	}
	return r.verifyMoments(ctx, v)
}

// verifyMoments reads acknowledged versions at their moments, as long as the undo
// window keeps them.
func (r *run) verifyMoments(ctx context.Context, v *volume) error {
	from := time.Now().Add(-undoWindow + 8*time.Second)
	v.versions = slices.DeleteFunc(v.versions, func(m version) bool { return m.at.Before(from) })
	for n := min(len(v.versions), 8); n > 0; n-- {
		m := v.versions[r.rng.IntN(len(v.versions))]
		at := client.Source{Volume: v.name, At: m.at}
		read := r.agent.GetFile
		if v.kind == "stream" {
			read = func(ctx context.Context, s client.Source, _ string) (body io.ReadCloser, err error) {
				return r.agent.GetStream(ctx, s)
			}
		}
		body, err := read(ctx, at, m.path)
		if err != nil {
			return fmt.Errorf("%q at %s: %w", m.path, m.at, err)
		}
		is, err := drain(body)
		if err = errors.Join(err, body.Close()); err != nil || is != m.is {
			return fmt.Errorf("%q at %s holds %d bytes, not the %d that were acknowledged then (%w)", m.path, m.at, is.size, m.is.size, err)
		}
	}
	return nil
}

// adopt finds every acknowledged snapshot in the listing, and the one that was
// sent and not answered, if it came to be.
func (r *run) adopt(ctx context.Context, v *volume) error {
	listed, err := r.agent.Snapshots(ctx, v.name)
	if err != nil {
		return err
	}
	byID, byName := map[string]wire.Snapshot{}, map[string]wire.Snapshot{}
	for _, s := range listed {
		if _, twice := byName[s.Name]; twice {
			return fmt.Errorf("two snapshots are called %q", s.Name)
		}
		byID[s.ID], byName[s.Name] = s, s
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if p := v.pending; p != nil {
		if s, ok := byName[p.name]; ok {
			p.id = s.ID
			v.taken = append(v.taken, p)
		}
		v.pending = nil
	}
	for _, s := range v.taken {
		if _, ok := byID[s.id]; !ok && !s.gone {
			q := s.request
			if q == nil || !lawful(q.state) {
				return fmt.Errorf("snapshot %s (%s) was acknowledged and is not listed", s.id, s.name)
			}
		}
		delete(byID, s.id)
	}
	for id, s := range byID {
		return fmt.Errorf("nobody took snapshot %s (%s)", id, s.Name)
	}
	return nil
}

// lawful says whether a request's state allows its copies to be hidden or gone.
func lawful(state string) bool {
	return state == "executing" || state == "tombstoned" || state == "erased"
}

// verifyRequest compares a request with what was acknowledged of it.
func (r *run) verifyRequest(ctx context.Context, q *request) error {
	got, err := r.house.owner.c.Request(ctx, q.id)
	q.mu.Lock()
	opened := q.opened
	q.mu.Unlock()
	if !opened && (client.Is(err, wire.TypeNotFound) || err == nil && got.State == "draft") {
		r.drop(q) // nobody was told that it exists
		return nil
	}
	if err != nil {
		return err
	}
	if err := q.saw(got.State); err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.opened = true
	have := map[string]string{}
	for _, v := range got.Votes {
		if have[v.Approver.ID] != "" {
			return fmt.Errorf("%s counts twice", v.Approver.Name)
		}
		have[v.Approver.ID] = v.Decision
	}
	for person, decision := range q.acked {
		if have[person] != decision {
			return fmt.Errorf("the vote of %s to %s was acknowledged, and the request has %q", person, decision, have[person])
		}
	}
	for person, decision := range have {
		if q.acked[person] == "" && q.doubt[person] != decision {
			return fmt.Errorf("nobody sent the vote of %s to %s", person, decision)
		}
		q.acked[person] = decision
		if decision == "deny" {
			q.must = "denied"
		}
	}
	clear(q.doubt)
	if q.must != "" && got.State != q.must {
		return fmt.Errorf("it was acknowledged as %s and is %s", q.must, got.State)
	}
	if q.spoilt && q.must == "" { // a stop was sent: either end is right
		q.spoilt = false
		if ended(got.State) {
			q.must = got.State
		}
	}
	return nil
}

func (r *run) drop(q *request) {
	q.of.volume.mu.Lock()
	q.of.request = nil
	q.of.volume.mu.Unlock()
	r.mu.Lock()
	r.requests = slices.DeleteFunc(r.requests, func(o *request) bool { return o == q })
	r.mu.Unlock()
}

// verifyEntries reads what the log has got since the last time, and demands that
// it has every vote and snapshot that was acknowledged.
func (r *run) verifyEntries(ctx context.Context) error {
	for {
		page, err := r.house.owner.c.Log(ctx, r.cursor)
		if err != nil {
			return err
		}
		for _, e := range page.Entries {
			switch e.Kind {
			case string(audit.KindRequestVoted):
				r.voted[vote(e.Body)] = true
			case string(audit.KindSnapshotTaken):
				if i := strings.Index(e.Body, `"snapshot":"`); i >= 0 {
					id, _, _ := strings.Cut(e.Body[i+len(`"snapshot":"`):], `"`)
					r.taken[id] = true
				}
			}
			r.cursor = fmt.Sprint(e.Index + 1)
		}
		if page.Next == "" {
			break
		}
		r.cursor = page.Next
	}
	for _, q := range r.all() {
		for person, decision := range q.acked {
			if !r.voted[q.id+" "+person+" "+decision] {
				return fmt.Errorf("the log has no vote of %s to %s %s", person, decision, q.id)
			}
		}
	}
	for _, v := range r.house.volumes {
		for _, s := range v.taken {
			if !r.taken[s.id] && s.acked {
				return fmt.Errorf("the log has no leaf of snapshot %s (%s)", s.id, s.name)
			}
		}
	}
	return nil
}

// vote picks request, person and decision out of the body of a vote's leaf.
func vote(body string) string {
	fields := map[string]string{}
	for line := range strings.Lines(body) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		fields[key] = value
	}
	return fields["request"] + " " + fields["person"] + " " + fields["decision"]
}

// verifySnapshot demands that a snapshot is whole, or lawfully and wholly gone.
func (r *run) verifySnapshot(ctx context.Context, s *snapshot) error {
	for deadline := time.Now().Add(maxSeal); ; {
		before, err := r.stateOf(ctx, s)
		if err != nil {
			return err
		}
		got, err := readAll(ctx, r.agent, s.volume.kind, client.Source{Snapshot: s.id})
		if err == nil {
			if before == "erased" {
				return errors.New("it was erased and can still be read")
			}
			if text := differ(s.files, got); text != "" {
				return errors.New(text)
			}
		} else {
			after, e := r.stateOf(ctx, s)
			if e != nil {
				return e
			}
			if !lawful(after) {
				if after == "restored" && before != after {
					continue // it came back while we looked
				}
				return fmt.Errorf("it must be whole (its request is %q): %w", after, err)
			}
			if !refusal(err) && lawful(before) {
				return fmt.Errorf("it is %s and its reader was not told so: %w", after, err)
			}
			if after == "erased" && !s.gone {
				s.gone = true
				r.erased++
			}
			return nil
		}
		now, err := r.agent.Snapshot(ctx, s.id)
		if err != nil {
			return err
		}
		if now.State == "sealed" && now.Digest != "" {
			s.sealed = true
			return nil
		}
		if s.sealed {
			return fmt.Errorf("it was sealed and is %s", now.State)
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("it is still %s after %s", now.State, maxSeal)
		}
		if err := pause(ctx, 200*time.Millisecond); err != nil {
			return err
		}
	}
}

// refusal says that an error is an answer, not a transfer that broke.
func refusal(err error) bool {
	return client.Is(err, wire.TypeNotFound) || client.Is(err, wire.TypeConflict) || client.Is(err, wire.TypeImmutable)
}

// stateOf is the state of the request that is about a snapshot, or nothing.
func (r *run) stateOf(ctx context.Context, s *snapshot) (string, error) {
	s.volume.mu.Lock()
	q := s.request
	s.volume.mu.Unlock()
	if q == nil {
		return "", nil
	}
	got, err := r.house.owner.c.Request(ctx, q.id)
	if err != nil {
		return "", fmt.Errorf("request %s: %w", q.id, err)
	}
	return got.State, q.saw(got.State)
}

// quiet waits until the service has finished what was decided: no execution under
// way, every snapshot sealed and proven, nothing hidden that is not on its way out.
func (r *run) quiet(ctx context.Context) error {
	for deadline := time.Now().Add(maxQuiet); ; {
		var waiting []string
		for _, q := range r.unfinished() {
			got, err := r.house.owner.c.Request(ctx, q.id)
			if err != nil {
				return err
			}
			if err := q.saw(got.State); err != nil {
				return err
			}
			if got.State != "open" && !ended(got.State) {
				waiting = append(waiting, fmt.Sprintf("%s is %s, blocked: %v", q.id, got.State, got.Blocked))
			}
		}
		for _, v := range r.house.volumes {
			listed, err := r.agent.Snapshots(ctx, v.name)
			if err != nil {
				return err
			}
			for _, s := range listed {
				for _, k := range s.Copies {
					if s.Digest == "" || k.Proven == nil && k.State != "erased" {
						waiting = append(waiting, fmt.Sprintf("%s is %s, its copy %s", s.ID, s.State, k.State))
					}
				}
				if len(s.Copies) == 0 {
					waiting = append(waiting, fmt.Sprintf("%s is %s without a copy", s.ID, s.State))
				}
			}
		}
		if len(waiting) == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("not quiet after %s: %s", maxQuiet, strings.Join(waiting[:min(len(waiting), 6)], "; "))
		}
		if err := pause(ctx, 200*time.Millisecond); err != nil {
			return err
		}
	}
}
