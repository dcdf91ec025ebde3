package sweep

import (
	"context"
	"math/bits"
	"slices"
	"time"

	"holdfast/internal/sqldb"
	"holdfast/snapshots"
	"holdfast/snapshots/sweep/internal/index"
)

// versions adds the edges of dead versions that only the doomed copies keep. It says whether there were more of them than
// are looked at.
func (e *estimate) versions(ctx context.Context, undo time.Duration, copies []Doomed) (cut bool, err error) {
	doomed := make(map[snapshots.SnapshotID]int, len(copies))
	for i, c := range copies {
		doomed[c.Snapshot] = i
	}
	var volumes []snapshots.VolumeID
	if err := e.r.s.c.DB.Read(ctx, func(tx *sqldb.Tx) error {
		volumes, err = index.VolumesOf(ctx, tx, e.r.tenant, copiesOf(copies))
		return err
	}); err != nil {
		return false, err
	}
	left := maxEstimateVersions
	for _, v := range volumes {
		if left, err = e.volume(ctx, undo, v, doomed, left); err != nil || left == 0 {
			return true, err
		}
	}
	return false, nil
}

func copiesOf(copies []Doomed) []snapshots.SnapshotID {
	out := make([]snapshots.SnapshotID, len(copies))
	for i, c := range copies {
		out[i] = c.Snapshot
	}
	return out
}

// volume does it for one volume, and answers how many more versions may be looked at.
func (e *estimate) volume(ctx context.Context, undo time.Duration, v snapshots.VolumeID, doomed map[snapshots.SnapshotID]int, left int) (int, error) {
	var standing []index.Standing
	var horizon int64
	if err := e.r.s.c.DB.Read(ctx, func(tx *sqldb.Tx) (err error) {
		t, err := e.r.s.c.Store.Tenant(ctx, tx, e.r.tenant)
		if err != nil {
			return err
		}
		undo := max(undo, t.Undo)
		if horizon, err = e.r.s.c.Store.Horizon(ctx, tx, e.r.tenant, v, sqldb.Micros(e.r.s.c.Now().Add(-undo)), undo.Microseconds()); err != nil {
			return err
		}
		standing, err = index.StandingOf(ctx, tx, v)
		return err
	}); err != nil {
		return 0, err
	}
	k := newKeepers(standing, doomed)
	if len(k.doomed) == 0 {
		return left, nil
	}
	after := index.DeadCursor{Died: k.doomed[0]}
	for left > 0 {
		var page []snapshots.Version
		if err := e.r.s.c.DB.Read(ctx, func(tx *sqldb.Tx) (err error) {
			page, err = index.DeadAfter(ctx, tx, v, horizon, k.doomed[len(k.doomed)-1], after, min(left, batchEstimateVersions))
			return err
		}); err != nil {
			return 0, err
		}
		for _, x := range page {
			with, only := k.last(x.Born, x.Died)
			if !only {
				continue
			}
			distinct := map[snapshots.ChunkKey]int64{}
			count(distinct, x.Recipe.Children())
			for to := range distinct {
				e.edges = append(e.edges, edge{to, with})
			}
		}
		if len(page) < min(left, batchEstimateVersions) {
			return left, nil
		}
		left -= len(page)
		after = index.DeadCursor{Died: page[len(page)-1].Died, Path: page[len(page)-1].Path}
	}
	return 0, nil
}

// keepers are the snapshots of a volume that stand, by their commits, and which of them are doomed.
type keepers struct {
	seq    []int64
	others []int   // how many up to each are not doomed
	latest [][]int // the greatest number of a doomed one among 1, 2, 4 … from each on
	doomed []int64 // the commits of the doomed ones, in order
}

func newKeepers(standing []index.Standing, doomed map[snapshots.SnapshotID]int) *keepers {
	k := &keepers{others: []int{0}, latest: [][]int{nil}}
	for i, s := range standing {
		n, ok := doomed[s.Snapshot]
		other := 1
		if ok {
			other, k.doomed = 0, append(k.doomed, s.Seq)
		}
		k.seq, k.others, k.latest[0] = append(k.seq, s.Seq), append(k.others, k.others[i]+other), append(k.latest[0], n)
	}
	for width := 1; 2*width <= len(k.seq); width *= 2 {
		below := k.latest[len(k.latest)-1]
		row := make([]int, len(k.seq)-2*width+1)
		for i := range row {
			row[i] = max(below[i], below[i+width])
		}
		k.latest = append(k.latest, row)
	}
	return k
}

// last answers with which doomed copy the last keeper of a version goes; only says that it has keepers, all of them doomed.
func (k *keepers) last(born, died int64) (with int, only bool) {
	from, _ := slices.BinarySearch(k.seq, born)
	to, _ := slices.BinarySearch(k.seq, died)
	if from == to || k.others[from] != k.others[to] {
		return 0, false
	}
	row := k.latest[bits.Len(uint(to-from))-1]
	return max(row[from], row[to-1<<(bits.Len(uint(to-from))-1)]), true
}
