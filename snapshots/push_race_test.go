package snapshots_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"holdfast/internal/sqldb"
	"holdfast/snapshots"
	"holdfast/snapshots/snapshotstest"
)

// TestI1_WritersRaceIntoAnEmptyVolume: pushes of two nodes, uploads and deletions meet at the same few paths of a volume
// that was empty when each began. Nobody fails for good, no path has two live versions, and none is lost on the way: every version
// died when the next was born, or was deleted.
func TestI1_WritersRaceIntoAnEmptyVolume(t *testing.T) {
	each(t, func(t *testing.T, e *snapshotstest.Env) {
		ctx, other := t.Context(), e.Another(t)
		const paths, segments = 5, 6
		for round := range 6 {
			v := e.Volume(t, fmt.Sprint("v", round), snapshots.Files)
			start := make(chan struct{})
			var wg sync.WaitGroup
			var mu sync.Mutex
			born := 0
			race := func(name string, once func(i int) (int, error)) {
				wg.Go(func() {
					<-start
					for i := range segments {
						n, err := once(i)
						for try := 0; err != nil && try < 100 && strings.Contains(err.Error(), "head moved"); try++ {
							n, err = once(i) // another node was quicker, several times
						}
						mu.Lock()
						born += n
						mu.Unlock()
						if err != nil {
							t.Errorf("%s, time %d: %v", name, i, err)
							return
						}
					}
				})
			}
			for k, engine := range []*snapshots.Engine{e.Engine, e.Engine, other} {
				p := newPusher(t, engine, v.ID)
				race(fmt.Sprint("push ", k), func(i int) (int, error) {
					g, err := p.Begin(ctx, int64(i))
					if err != nil {
						return 0, err
					}
					for j := range paths {
						if (i+j+k)%3 == 0 {
							continue
						}
						n, body := file(fmt.Sprint("f", j)), fmt.Sprintf("push %d, %d, %d", k, i, j)
						if err := g.Entry(ctx, n); err != nil {
							return 0, err
						}
						if err := g.Data(ctx, p.id([]byte(body)), len(body), append(g.Buffer(len(body)), body...), nil); err != nil {
							return 0, err
						}
						if err := g.End(ctx, int64(len(body))); err != nil {
							return 0, err
						}
					}
					a, err := g.Commit(ctx)
					return int(a.Entries - a.Unchanged), err
				})
			}
			race("put", func(i int) (int, error) {
				_, err := other.Put(ctx, snapshots.PutRequest{Tenant: tenant, Volume: v.ID, Path: fmt.Sprint("f", i%paths)}, strings.NewReader(fmt.Sprint("put ", i)))
				if err != nil {
					return 0, err
				}
				return 1, nil
			})
			race("delete", func(i int) (int, error) {
				return 0, e.Delete(ctx, snapshots.DeleteRequest{Tenant: tenant, Volume: v.ID, Path: "f" + fmt.Sprint(i%2), Prefix: true})
			})
			close(start)
			wg.Wait()
			now, err := e.Engine.Volume(ctx, tenant, v.ID)
			if err != nil {
				t.Fatal(err)
			}
			var rows, live, bytes, overlaps int64
			if err := e.DB.Read(ctx, func(tx *sqldb.Tx) error {
				return tx.QueryRow(ctx, `SELECT COUNT(*), COALESCE(SUM(CASE WHEN died = $1 THEN 1 ELSE 0 END), 0), COALESCE(SUM(CASE WHEN died = $1 THEN size ELSE 0 END), 0),
					(SELECT COUNT(*) FROM versions a JOIN versions b ON a.volume = b.volume AND a.path = b.path AND a.born < b.born WHERE a.volume = $2 AND a.died > b.born)
					FROM versions WHERE volume = $2`, int64(snapshots.Live), v.ID).Scan(&rows, &live, &bytes, &overlaps)
			}); err != nil {
				t.Fatal(err)
			}
			if live != now.LiveFiles || bytes != now.LiveBytes || overlaps != 0 || rows != int64(born) || live > paths {
				t.Errorf("round %d: %d versions of %d, %d live of %d bytes, the volume counts %d of %d; %d overlap", round, rows, born, live, bytes, now.LiveFiles, now.LiveBytes, overlaps)
			}
		}
	})
}
