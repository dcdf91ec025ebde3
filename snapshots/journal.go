package snapshots

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"

	"holdfast/internal/id"
	"holdfast/snapshots/chunk"
	"holdfast/snapshots/frame"
)

// Op says what a mutation does. The zero Op is invalid.
type Op uint8

const (
	OpPut          Op = 1 // Entry becomes the live version of its path
	OpDelete       Op = 2 // the live version of Path dies
	OpDeletePrefix Op = 3 // every live version whose path begins with Path dies
	OpSnapshot     Op = 4 // Snapshot is taken at this commit
	OpCreate       Op = 5 // the volume comes to be, as Name, Kind, Profile
	OpDeleteVolume Op = 6 // the volume is deleted
	OpUndelete     Op = 7 // and brought back, as Name
)

// Mutation is one change within a commit.
type Mutation struct {
	Op       Op
	Entry    Entry
	Path     string
	Snapshot SnapshotID
	By, Note string
	Name     string
	Kind     Kind
	Profile  chunk.Profile
}

// Commit is one sequence number of a volume: its time in microseconds and what it changed. Part of one stands in every
// record but the last where a commit is longer than a record; Final is set in the last.
type Commit struct {
	Seq, At   int64
	Final     bool
	Mutations []Mutation
}

// Record is a journal record: what one or more commits of one volume changed. Records stand encrypted in packs, made
// durable before their commits are acknowledged, so that the live tree, the undo window and the unsealed snapshots can
// be rebuilt from packs alone.
//
// Records of a volume form a chain: Prev is the frame hash of the acknowledged record before. A group that failed
// between the fsync of its pack and its transaction leaves a record that nothing follows; whoever rebuilds takes, of
// several records with one Number and one Prev, the one that the chain goes on from, and at its end the one with the
// greatest WrittenAt. What that may bring back is a write that was never acknowledged but did happen.
type Record struct {
	Tenant    string
	Volume    VolumeID
	Number    int64
	Prev      frame.Hash
	WrittenAt int64 // microseconds, strictly increasing for one volume on one node
	Commits   []Commit
}

const (
	recordVersion = 1
	// maxRecord bounds the plaintext of a record: JournalRecord and one mutation of the longest kind.
	maxRecord    = JournalRecord + MaxPath + maxMetaBytes + 4096
	maxCommits   = GroupRows
	maxMutations = 2 * GroupRows
)

// Render encodes the record. The format: a byte 1; tenant; 16 bytes of the volume's id; number; 32 bytes of the hash of
// the record before; time of writing; the number of commits, and for each its sequence number, time, a byte 1 if it is
// complete, the number of its mutations, and for each its Op and what belongs to that.
func (r Record) Render() []byte {
	e := newEncoder(4096)
	e.byte(recordVersion)
	e.str(r.Tenant)
	v := r.Volume.Bytes()
	e.raw(v[:])
	e.num(uint64(r.Number))
	e.raw(r.Prev[:])
	e.num(uint64(r.WrittenAt))
	e.num(uint64(len(r.Commits)))
	for _, c := range r.Commits {
		e.num(uint64(c.Seq))
		e.num(uint64(c.At))
		e.flag(c.Final)
		e.num(uint64(len(c.Mutations)))
		for i := range c.Mutations {
			c.Mutations[i].render(e)
		}
	}
	return e.b
}

func (m *Mutation) render(e *encoder) {
	e.byte(byte(m.Op))
	switch m.Op {
	case OpPut:
		m.Entry.render(e)
	case OpDelete, OpDeletePrefix:
		e.str(m.Path)
	case OpSnapshot:
		s := m.Snapshot.Bytes()
		e.raw(s[:])
		e.str(m.By)
		e.str(m.Note)
	case OpCreate:
		e.str(m.Name)
		e.str(string(m.Kind))
		e.byte(byte(m.Profile))
		e.str(m.By)
	case OpDeleteVolume:
		e.str(m.By)
	case OpUndelete:
		e.str(m.Name)
		e.str(m.By)
	}
}

// size is about how many bytes the mutation takes in a record.
func (m *Mutation) size() int {
	n := 64 + len(m.Path) + len(m.By) + len(m.Note) + len(m.Name)
	if m.Op == OpPut {
		n += len(m.Entry.Path) + 48 + len(m.Entry.Recipe)*80 + len(m.Entry.Meta.Link)
		for _, x := range m.Entry.Meta.Xattrs {
			n += len(x.Name) + len(x.Value) + 4
		}
	}
	return n
}

// ParseRecord is the inverse of Render.
func ParseRecord(b []byte) (Record, error) {
	d := &decoder{b: b}
	if d.byte("version") != recordVersion {
		return Record{}, fmt.Errorf("%w: version of a journal record", ErrFormat)
	}
	r := Record{Tenant: d.str(MaxNote, "tenant")}
	var v [id.Size]byte
	d.fixed(v[:], "volume")
	r.Volume = id.FromBytes[volumeKind](v)
	r.Number = int64(d.num(Live, "number"))
	d.fixed(r.Prev[:], "previous record")
	r.WrittenAt = int64(d.num(Live, "time"))
	commits := int(d.num(maxCommits, "commits"))
	for range commits {
		c := Commit{Seq: int64(d.num(Live, "seq")), At: int64(d.num(Live, "at")), Final: d.flag("final")}
		mutations := int(d.num(maxMutations, "mutations"))
		for range mutations {
			m := parseMutation(d)
			if d.err != nil {
				return Record{}, d.err
			}
			c.Mutations = append(c.Mutations, m)
		}
		if d.err != nil {
			return Record{}, d.err
		}
		r.Commits = append(r.Commits, c)
	}
	if err := d.end(); err != nil {
		return Record{}, err
	}
	if !bytes.Equal(r.Render(), b) {
		return Record{}, fmt.Errorf("%w: journal record not in canonical form", ErrFormat)
	}
	return r, nil
}

func parseMutation(d *decoder) Mutation {
	m := Mutation{Op: Op(d.byte("op"))}
	switch m.Op {
	case OpPut:
		m.Entry = parseEntry(d)
	case OpDelete, OpDeletePrefix:
		m.Path = d.str(MaxPath, "path")
	case OpSnapshot:
		var s [id.Size]byte
		d.fixed(s[:], "snapshot")
		m.Snapshot = id.FromBytes[snapshotKind](s)
		m.By = d.str(MaxNote, "by")
		m.Note = d.str(MaxNote, "note")
	case OpCreate:
		m.Name = d.str(MaxVolumeName, "name")
		m.Kind = Kind(d.str(16, "kind"))
		m.Profile = chunk.Profile(d.byte("profile"))
		m.By = d.str(MaxNote, "by")
		if !m.Kind.Valid() || !m.Profile.Valid() {
			d.fail("kind")
		}
	case OpDeleteVolume:
		m.By = d.str(MaxNote, "by")
	case OpUndelete:
		m.Name = d.str(MaxVolumeName, "name")
		m.By = d.str(MaxNote, "by")
	default:
		d.fail("op")
	}
	return m
}

// StoredRecord is a journal record as a scan of packs found it.
type StoredRecord struct {
	Record
	Hash frame.Hash
}

// Chain picks, of all records of one volume that packs hold, those that belong to its history, in order: see [Record].
// It begins at the record with number 1, or, when older ones were reclaimed, at the oldest number.
func Chain(records []StoredRecord) []StoredRecord {
	next := map[frame.Hash][]StoredRecord{}
	by := map[frame.Hash]bool{}
	for _, r := range records {
		if !by[r.Hash] { // rewritten packs may hold a record twice
			by[r.Hash] = true
			next[r.Prev] = append(next[r.Prev], r)
		}
	}
	// depth is how far the chain goes on from a record; a fork that was given up ends at once.
	depth := map[frame.Hash]int{}
	order := slices.SortedFunc(slices.Values(records), func(a, b StoredRecord) int { return cmp.Compare(b.Number, a.Number) })
	for _, r := range order {
		for _, n := range next[r.Hash] {
			depth[r.Hash] = max(depth[r.Hash], depth[n.Hash]+1)
		}
	}
	better := func(a, b StoredRecord) int {
		return cmp.Or(cmp.Compare(depth[a.Hash], depth[b.Hash]), cmp.Compare(a.WrittenAt, b.WrittenAt), bytes.Compare(a.Hash[:], b.Hash[:]))
	}
	if len(order) == 0 {
		return nil
	}
	oldest := order[len(order)-1].Number
	var starts []StoredRecord
	for _, r := range order {
		if r.Number == oldest {
			starts = append(starts, r)
		}
	}
	var out []StoredRecord
	for at := starts; len(at) > 0; at = next[out[len(out)-1].Hash] {
		out = append(out, slices.MaxFunc(at, better))
	}
	return out
}
