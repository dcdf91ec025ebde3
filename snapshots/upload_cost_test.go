package snapshots_test

import (
	"slices"
	"testing"
	"time"

	"holdfast/internal/sqldb"
	"holdfast/snapshots"
	"holdfast/snapshots/snapshotstest"
)

// TestT40_UploadsThatAreOverCostNothing: somebody begins uploads and gives them up, over and over. What is left of them is
// looked at by nobody who begins one, for that is done under the tenant's lock, and on SQLite while nobody else writes.
func TestT40_UploadsThatAreOverCostNothing(t *testing.T) {
	each(t, func(t *testing.T, e *snapshotstest.Env) {
		v := e.Volume(t, "v", snapshots.Files)
		begin := func() time.Duration {
			var took []time.Duration
			for range 15 {
				since := time.Now()
				u := beginUpload(t, e.Engine, announce(v, "f", 10))
				if _, err := e.Uploads(t.Context(), v.ID, "per_one"); err != nil {
					t.Fatal(err)
				}
				took = append(took, time.Since(since))
				if err := e.GiveUpUpload(t.Context(), tenant, u.ID); err != nil {
					t.Fatal(err)
				}
			}
			return slices.Min(took) // the one that a busy machine disturbed least
		}
		few := begin()
		if err := e.DB.Write(t.Context(), func(tx *sqldb.Tx) error {
			_, err := tx.Exec(t.Context(), `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)
				INSERT INTO uploads (push, tenant, volume, owner, path, size, modified, content_type, state, sent, segments, etag, seq, began, at)
				SELECT 'psh_00000000000000000000' || (100000 + n.i), u.tenant, u.volume, u.owner, u.path, u.size, u.modified, u.content_type, u.state, 0, 0, u.etag, 0, u.began, u.at + n.i
				FROM n, (SELECT * FROM uploads LIMIT 1) AS u`)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if many := begin(); many > 10*few+5*time.Millisecond {
			t.Errorf("to begin an upload took %v, and takes %v when 100,000 were given up", few, many)
		}
	})
}
