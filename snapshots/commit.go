package snapshots

import (
	"context"
	"errors"
	"maps"
	"slices"

	"holdfast/internal/sqldb"
	"holdfast/snapshots/chunk"
	"holdfast/snapshots/frame"
	"holdfast/snapshots/node"
	"holdfast/snapshots/pack"
)

// op is one operation that waits to be committed.
type op struct {
	lease  LeaseID
	frames []Frame
	edges  map[ChunkKey]int64
	// free is set by seals: what a snapshot needs was paid for when it was written, and lack of quota may not leave a
	// snapshot unsealed.
	free bool
	// volume is zero for an operation that only brings frames or a seal.
	volume VolumeID
	create *Volume // a volume that comes to be with this operation
	muts   []Mutation
	// check is asked at the volume's head, in the state that the operation will meet. Its error ends the operation.
	check func(ctx context.Context, tx *sqldb.Tx, v Volume) error
	// live is what was alive at the commit liveAt of the paths of muts; liveAt is 0 when that is not known.
	live   map[string]Version
	liveAt int64
	// extra joins the transaction.
	extra func(ctx context.Context, tx *sqldb.Tx) error

	seq, at int64 // of its commit, when it is done
	shared  bool  // another operation is in the same commit
	err     error
	done    chan struct{}
}

func (o *op) finish(err error) {
	o.err = err
	close(o.done)
}

// weight is how many rows the operation brings to a transaction.
func (o *op) weight() int { return 1 + len(o.frames) + len(o.muts) }

// submit queues an operation and waits until it is durable. When ctx ends first the operation may still happen.
func (w *writer) submit(ctx context.Context, o *op) error {
	w.enqueue(o)
	select {
	case <-o.done:
		return o.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// enqueue queues an operation behind those before it. The first to come leads: it commits what has gathered, in groups,
// until nothing waits.
func (w *writer) enqueue(o *op) {
	o.done = make(chan struct{})
	w.qmu.Lock()
	if w.closed {
		w.qmu.Unlock()
		o.finish(ErrClosed)
		return
	}
	w.queue = append(w.queue, o)
	lead := !w.leading
	w.leading = true
	w.qmu.Unlock()
	if lead {
		go w.lead()
	}
}

func (w *writer) lead() {
	for {
		w.qmu.Lock()
		rows, n := 0, 0
		for n < len(w.queue) && (n == 0 || rows+w.queue[n].weight() <= GroupRows) {
			rows += w.queue[n].weight()
			n++
		}
		group := slices.Clone(w.queue[:n])
		w.queue = w.queue[n:]
		if n == 0 {
			w.leading = false
			w.qmu.Unlock()
			return
		}
		w.qmu.Unlock()
		deferred := w.commit(w.e.bg, group)
		if len(deferred) > 0 {
			w.qmu.Lock()
			w.queue = append(deferred, w.queue...)
			w.qmu.Unlock()
		}
	}
}

// errThere means that a frame stands in the index already.
var errThere = errors.New("snapshots: a frame is there already")

// errMoved means that another node moved the head of a volume of the group.
var errMoved = errors.New("snapshots: head moved")

// commit makes a group durable and answers the operations that have to wait for it because they look at what it changes.
func (w *writer) commit(ctx context.Context, group []*op) (deferred []*op) {
	for try := 1; len(group) > 0; try++ {
		p, err := w.plan(ctx, group)
		if err == nil {
			deferred = append(deferred, p.deferred...)
			err = w.write(ctx, p)
		}
		switch {
		case err == nil:
			for _, o := range p.ops {
				o.finish(nil)
			}
			return deferred
		case errors.Is(err, errMoved) && try < maxGroupTries:
			group = p.ops
			continue
		}
		ops := group
		if p != nil {
			ops = p.ops
		}
		if len(ops) == 1 || !domainError(err) {
			for _, o := range ops {
				o.finish(err)
			}
			return deferred
		}
		// One of them is at fault: each on its own. Nothing of the group was written.
		for _, o := range ops {
			deferred = append(deferred, w.commit(ctx, []*op{o})...)
		}
		return deferred
	}
	return deferred
}

// domainError reports whether a transaction was refused by what it would have done, so that nothing of it happened.
func domainError(err error) bool {
	for _, e := range []error{ErrLease, ErrChunkGone, ErrExists, ErrQuota, ErrPrecondition, ErrNotFound, ErrOffset, ErrVolumeSize, errMoved} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// planned is a group with its sequence numbers and journal.
type planned struct {
	ops      []*op
	deferred []*op
	volumes  map[VolumeID]*line
	order    []VolumeID
	frames   []Frame
	edges    map[ChunkKey]int64
	journal  []JournalRow
}

// line is what happens to one volume in a group.
type line struct {
	before, after Volume
	create        bool
	commits       []Commit
	touched       map[string]bool
	all           bool  // an operation that touches every path
	open          bool  // the last commit may take more mutations
	in            []*op // operations in the last commit
	paths         map[string]bool
	absent        map[string]bool // paths of which nothing is alive before the first commit that has them
	bytes         int64           // the volume is not larger than this behind the last commit
}

// plan checks the operations at the heads of their volumes and gives out sequence numbers. The heads are compared again
// under lock; when they moved, the plan is void.
func (w *writer) plan(ctx context.Context, group []*op) (*planned, error) {
	p := &planned{volumes: map[VolumeID]*line{}, edges: map[ChunkKey]int64{}}
	err := w.e.read(ctx, func(tx *sqldb.Tx) error {
		t, err := w.e.c.Store.Tenant(ctx, tx, w.tenant)
		if err != nil {
			return err
		}
		full := t.StoredBytes+w.fresh.Load() > t.QuotaBytes
		now := sqldb.Micros(w.e.c.Now())
		for _, o := range group {
			if full && !o.free && (len(o.frames) > 0 || o.puts()) {
				o.finish(ErrQuota)
				continue
			}
			if err := w.planOp(ctx, tx, p, o, now); err != nil {
				if !domainError(err) && !errors.Is(err, ErrKind) && !errors.Is(err, ErrReclaimed) {
					return err
				}
				o.finish(err)
			}
		}
		return nil
	})
	if err != nil {
		// Operations that were refused by name are done; the others are the caller's to end.
		p.ops = slices.DeleteFunc(slices.Clone(group), func(o *op) bool {
			select {
			case <-o.done:
				return true
			default:
				return false
			}
		})
		p.deferred = nil
	}
	return p, err
}

func (o *op) puts() bool {
	return slices.ContainsFunc(o.muts, func(m Mutation) bool { return m.Op == OpPut })
}

func (w *writer) planOp(ctx context.Context, tx *sqldb.Tx, p *planned, o *op, now int64) error {
	if o.volume.IsZero() {
		p.take(o)
		return nil
	}
	l := p.volumes[o.volume]
	if l == nil {
		l = &line{touched: map[string]bool{}}
		if o.create != nil {
			l.create, l.before = true, *o.create
		} else {
			v, err := w.e.c.Store.Volume(ctx, tx, w.tenant, o.volume)
			if err != nil {
				return err
			}
			l.before = v
		}
		l.after, l.bytes = l.before, l.before.LiveBytes
	}
	if !l.before.DeletedAt.IsZero() && !slices.ContainsFunc(o.muts, func(m Mutation) bool { return m.Op == OpUndelete }) {
		return ErrNotFound
	}
	if o.check != nil {
		if l.all || slices.ContainsFunc(o.muts, func(m Mutation) bool { return !m.single() && len(l.touched) > 0 || l.touched[m.path()] }) {
			p.deferred = append(p.deferred, o)
			return nil
		}
		if err := o.check(ctx, tx, l.before); err != nil {
			return err
		}
	}
	if later, err := w.grow(ctx, tx, l, o); err != nil {
		return err
	} else if later {
		p.deferred = append(p.deferred, o)
		return nil
	}
	if p.volumes[o.volume] == nil {
		p.volumes[o.volume] = l
		p.order = append(p.order, o.volume)
	}
	l.missing(o)
	l.add(o, now)
	p.take(o)
	return nil
}

// grow refuses what would make the volume larger than MaxVolumeBytes: holes, and chunks that are named again and again,
// cost nothing, and a snapshot whose sizes add up to more than a number holds cannot be read. Where it depends on what the
// operation ends, only the head can tell, and the operation has to be the volume's first in a group: later says so.
func (w *writer) grow(ctx context.Context, tx *sqldb.Tx, l *line, o *op) (later bool, err error) {
	var born int64
	var paths []string
	for i := range o.muts {
		m := &o.muts[i]
		if m.Op == OpPut {
			if born += m.Entry.Size; born > MaxVolumeBytes {
				return false, ErrVolumeSize
			}
		}
		if m.single() {
			paths = append(paths, m.path())
		}
	}
	if born == 0 || l.bytes <= MaxVolumeBytes-born {
		l.bytes += born
		return false, nil
	}
	if len(l.commits) > 0 {
		return true, nil
	}
	ends, err := w.e.c.Store.LiveVersions(ctx, tx, o.volume, paths)
	if err != nil {
		return false, err
	}
	after := l.before.LiveBytes
	for i := range ends {
		after -= ends[i].Size
	}
	if after > MaxVolumeBytes-born {
		return false, ErrVolumeSize
	}
	l.bytes = after + born
	return false, nil
}

func (p *planned) take(o *op) {
	p.ops = append(p.ops, o)
	p.frames = append(p.frames, o.frames...)
	for k, n := range o.edges {
		p.edges[k] += n
	}
	for i := range o.muts {
		if o.muts[i].Op == OpPut {
			edgesOf(p.edges, o.muts[i].Entry.Recipe.Children())
		}
	}
}

// single reports whether the mutation touches one path and may share a commit with others that touch other paths.
func (m *Mutation) single() bool { return m.Op == OpPut || m.Op == OpDelete }

func (m *Mutation) path() string {
	if m.Op == OpPut {
		return m.Entry.Path
	}
	return m.Path
}

// missing notes the paths of which the operation knows that nothing is alive, so that nothing has to end. What operations
// before it in the group bring to life is not among them.
func (l *line) missing(o *op) {
	if o.liveAt == 0 || o.liveAt != l.before.Head || l.all {
		return
	}
	if l.absent == nil {
		l.absent = map[string]bool{}
	}
	for i := range o.muts {
		m := &o.muts[i]
		if _, there := o.live[m.path()]; m.Op == OpPut && !there && !l.touched[m.path()] {
			l.absent[m.path()] = true
		}
	}
}

// add gives the operation a commit: the last one, if that touches none of its paths, or the next. A version may so be
// born and die in one group, but never in one commit.
func (l *line) add(o *op, now int64) {
	share := l.open
	for i := range o.muts {
		m := &o.muts[i]
		share = share && m.single() && !l.paths[m.path()]
	}
	if !share {
		at := now
		if prev := sqldb.Micros(l.after.HeadAt); at <= prev {
			at = prev + 1
		}
		l.after.Head++
		l.after.HeadAt = sqldb.FromMicros(at)
		l.commits = append(l.commits, Commit{Seq: l.after.Head, At: at, Final: true})
		l.open, l.paths, l.in = true, map[string]bool{}, nil
	}
	l.in = append(l.in, o)
	for _, other := range l.in {
		other.shared = len(l.in) > 1
	}
	c := &l.commits[len(l.commits)-1]
	for i := range o.muts {
		m := &o.muts[i]
		c.Mutations = append(c.Mutations, *m)
		if m.single() {
			l.paths[m.path()], l.touched[m.path()] = true, true
		} else {
			l.open, l.all = false, true
		}
	}
	o.seq, o.at = c.Seq, c.At
}

// write makes the planned group durable: journal and frames under one fsync, then one transaction.
func (w *writer) write(ctx context.Context, p *planned) error {
	if len(p.ops) == 0 {
		return nil
	}
	taken := w.takeDirty()
	if err := w.writeJournal(ctx, p, &taken); err != nil {
		return errors.Join(err, w.syncAll(taken))
	}
	if err := w.syncAll(taken); err != nil {
		return err
	}
	packs, ends, err := w.packsOf(p.frames)
	if err != nil {
		return err
	}
	if err := w.e.step("synced"); err != nil {
		return err
	}
	fresh := w.fresh.Load()
	transaction := func(tx *sqldb.Tx) error {
		if err := w.transact(ctx, tx, p, packs, ends, fresh); err != nil {
			return err
		}
		return w.e.step("transaction")
	}
	if err = w.e.c.DB.Write(ctx, transaction); errors.Is(err, errThere) {
		w.careful.Store(true)
		err = w.e.c.DB.Write(ctx, transaction)
	}
	if err != nil {
		if !domainError(err) {
			w.careful.Store(true)
		}
		return err
	}
	w.fresh.Add(-fresh)
	w.committed(packs, ends, p.frames)
	return w.e.step("committed")
}

// transact writes the rows of a group. Locks: tenant, then volumes in the order of their ids.
func (w *writer) transact(ctx context.Context, tx *sqldb.Tx, p *planned, packs []PackID, ends map[PackID]int64, appended int64) error {
	s := w.e.c.Store
	if _, err := s.LockTenant(ctx, tx, w.tenant); err != nil {
		return err
	}
	now := w.e.c.Now()
	leases := map[LeaseID]bool{}
	for _, o := range p.ops {
		if !o.lease.IsZero() && !leases[o.lease] {
			leases[o.lease] = true
			if err := s.CheckLease(ctx, tx, o.lease, sqldb.Micros(now.Add(-LeaseExpiry))); err != nil {
				return err
			}
		}
	}
	order := slices.Clone(p.order)
	slices.SortFunc(order, VolumeID.Compare)
	for _, id := range order {
		l := p.volumes[id]
		if l.create {
			if err := s.InsertVolume(ctx, tx, l.before); err != nil {
				return err
			}
			continue
		}
		v, err := s.LockVolume(ctx, tx, id)
		if err != nil {
			return err
		}
		if v.Head != l.before.Head || v.JournalTip != l.before.JournalTip || !v.DeletedAt.Equal(l.before.DeletedAt) {
			return errMoved
		}
	}
	if err := w.packRows(ctx, tx, packs, ends, sqldb.Micros(now)); err != nil {
		return err
	}
	inserted, err := w.insertFrames(ctx, tx, p.frames)
	if err != nil {
		return err
	}
	edges := make(map[ChunkKey]int64, len(p.edges))
	for k, n := range p.edges {
		edges[k] = n
	}
	for _, f := range inserted {
		edgesOf(edges, f.Children)
	}
	// What came into the index a moment ago, in this transaction, is there and not condemned.
	fresh := make(map[ChunkKey]int64, len(inserted))
	for _, f := range inserted {
		k := ChunkKey{f.Child.ID, f.Child.Hash}
		if n := edges[k]; n > 0 {
			fresh[k] = n
			delete(edges, k)
		}
	}
	if err := s.AddRefs(ctx, tx, w.tenant, edges); err != nil {
		return err
	}
	if err := s.AddFirstRefs(ctx, tx, w.tenant, fresh); err != nil {
		return err
	}
	for _, id := range order {
		if err := w.apply(ctx, tx, p.volumes[id]); err != nil {
			return err
		}
	}
	for _, j := range p.journal {
		if err := s.InsertJournal(ctx, tx, j); err != nil {
			return err
		}
	}
	for _, o := range p.ops {
		if o.extra != nil {
			if err := o.extra(ctx, tx); err != nil {
				return err
			}
		}
	}
	if appended == 0 {
		return nil
	}
	return s.AddStored(ctx, tx, w.tenant, appended)
}

// insertFrames inserts the frames and answers those that were not there. What is still pending is not there: another
// operation of the group may bring it too, but none before has. Only a transaction that seemed to fail may have
// committed it; from then on the index is asked about each.
func (w *writer) insertFrames(ctx context.Context, tx *sqldb.Tx, frames []Frame) ([]Frame, error) {
	s := w.e.c.Store
	if w.careful.Load() {
		return s.InsertFrames(ctx, tx, w.tenant, frames)
	}
	fresh, others := make([]Frame, 0, len(frames)), []Frame(nil)
	seen := make(map[chunk.ID]bool, len(frames))
	w.mu.Lock()
	for i := range frames {
		f := &frames[i]
		if g, ok := w.pending[f.Child.ID]; !ok || g.Child.Hash != f.Child.Hash {
			others = append(others, *f)
		} else if !seen[f.Child.ID] {
			seen[f.Child.ID] = true
			fresh = append(fresh, *f)
		}
	}
	w.mu.Unlock()
	if err := s.InsertNewFrames(ctx, tx, w.tenant, fresh); err != nil {
		if errors.Is(err, ErrExists) {
			err = errThere
		}
		return nil, err
	}
	inserted, err := s.InsertFrames(ctx, tx, w.tenant, others)
	return append(fresh, inserted...), err
}

// apply writes the commits of one volume.
func (w *writer) apply(ctx context.Context, tx *sqldb.Tx, l *line) error {
	s := w.e.c.Store
	after := l.after // counters start afresh when the transaction is tried again
	if err := s.InsertCommits(ctx, tx, after.ID, l.commits); err != nil {
		return err
	}
	absent := maps.Clone(l.absent)
	for _, c := range l.commits {
		var paths []string
		var born []Entry
		for i := range c.Mutations {
			m := &c.Mutations[i]
			var files, bytes int64
			var err error
			switch m.Op {
			case OpPut:
				if !absent[m.Entry.Path] {
					paths = append(paths, m.Entry.Path)
				}
				delete(absent, m.Entry.Path) // alive from here on
				born = append(born, m.Entry)
			case OpDelete:
				paths = append(paths, m.Path)
			case OpDeletePrefix:
				files, bytes, err = s.EndPrefix(ctx, tx, after.ID, c.Seq, m.Path)
			case OpSnapshot:
				at := sqldb.FromMicros(c.At)
				err = s.InsertSnapshot(ctx, tx, Snapshot{ID: m.Snapshot, Tenant: w.tenant, Volume: after.ID, Seq: c.Seq, At: at, TakenAt: at, TakenBy: m.By, Note: m.Note})
			case OpDeleteVolume:
				err = s.MarkVolume(ctx, tx, after.ID, c.At)
			case OpUndelete:
				err = s.MarkVolume(ctx, tx, after.ID, Live)
			}
			if err != nil {
				return err
			}
			after.LiveFiles -= files
			after.LiveBytes -= bytes
		}
		files, bytes, err := s.EndVersions(ctx, tx, after.ID, c.Seq, paths)
		if err != nil {
			return err
		}
		if err := s.InsertVersions(ctx, tx, after.ID, c.Seq, born); err != nil {
			return err
		}
		after.LiveFiles += int64(len(born)) - files
		after.LiveBytes -= bytes
		for i := range born {
			after.LiveBytes += born[i].Size
		}
	}
	return s.AdvanceVolume(ctx, tx, after)
}

// writeJournal appends the journal records of the group to the taken packs.
func (w *writer) writeJournal(ctx context.Context, p *planned, taken *[]*openPack) error {
	p.journal = nil
	for _, id := range p.order {
		l := p.volumes[id]
		for _, commits := range splitCommits(l.commits) {
			to, err := w.roomy(ctx, taken)
			if err != nil {
				return err
			}
			if err := w.writeRecord(p, l, commits, to); err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}

func (w *writer) writeRecord(p *planned, l *line, commits []Commit, to *openPack) error {
	r := Record{Tenant: w.tenant, Volume: l.after.ID, Number: l.after.JournalNumber + 1, Prev: l.after.JournalTip,
		WrittenAt: sqldb.Micros(w.e.c.Now()), Commits: commits}
	plain := r.Render()
	k := w.ring.get().Current()
	id := k.Identifier().ID(chunk.KindJournal, plain)
	sealed, err := frame.Seal(nil, k, id, chunk.KindJournal, plain)
	if err != nil {
		return err
	}
	f, err := w.appendTo(to, pack.TypeJournal, node.Child{ID: id, Hash: frame.HashOf(sealed), Kind: chunk.KindJournal, Key: k.Number()}, int64(len(plain)), nil, sealed)
	if err != nil {
		w.mu.Lock()
		w.lose(to, err)
		w.mu.Unlock()
		return err
	}
	key := ChunkKey{f.Child.ID, f.Child.Hash}
	p.frames = append(p.frames, f)
	p.edges[key]++
	l.after.JournalNumber, l.after.JournalTip = r.Number, f.Child.Hash
	p.journal = append(p.journal, JournalRow{Tenant: w.tenant, Volume: l.after.ID, Number: r.Number,
		FirstSeq: commits[0].Seq, LastSeq: commits[len(commits)-1].Seq, Frame: key})
	return nil
}

// splitCommits cuts commits into the contents of records of about JournalRecord bytes.
func splitCommits(commits []Commit) [][]Commit {
	var out [][]Commit
	var cur []Commit
	size := 0
	for _, c := range commits {
		part := Commit{Seq: c.Seq, At: c.At}
		for i := range c.Mutations {
			part.Mutations = append(part.Mutations, c.Mutations[i])
			if size += c.Mutations[i].size(); size >= JournalRecord && i+1 < len(c.Mutations) {
				out = append(out, append(cur, part))
				cur, size = nil, 0
				part = Commit{Seq: c.Seq, At: c.At}
			}
		}
		part.Final = true
		cur = append(cur, part)
		if size >= JournalRecord || len(cur) >= maxCommits {
			out = append(out, cur)
			cur, size = nil, 0
		}
	}
	if len(cur) > 0 {
		out = append(out, cur)
	}
	return out
}
