package sqlstore_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"holdfast/internal/sqldb"
	"holdfast/internal/sqldb/sqldbtest"
	"holdfast/quorum/audit"
	"holdfast/quorum/audit/source"
	"holdfast/quorum/sqlstore"
)

var logEpoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func logSigner(t *testing.T, name string) *audit.Signer {
	t.Helper()
	seed := sha256.Sum256([]byte("test key " + name))
	s, err := audit.NewSigner(name, ed25519.NewKeyFromSeed(seed[:]))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func logKeys(t *testing.T, log *audit.Signer, witnesses ...*audit.Signer) *audit.Keys {
	t.Helper()
	var vkeys []string
	for _, w := range witnesses {
		vkeys = append(vkeys, w.WitnessKey().String())
	}
	k, err := audit.NewKeys(log.LogKey().String(), vkeys...)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func write(t *testing.T, db *sqldb.DB, f func(tx *sqldb.Tx) error) {
	t.Helper()
	if err := db.Write(context.Background(), f); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, db *sqldb.DB, f func(tx *sqldb.Tx) error) {
	t.Helper()
	if err := db.Read(context.Background(), f); err != nil {
		t.Fatal(err)
	}
}

func draft(i int) audit.Draft {
	return audit.Draft{
		Kind: audit.KindSnapshotTaken, At: logEpoch.Add(time.Duration(i) * time.Second),
		Tenant: fmt.Sprintf("ten_%d", i%2), Subject: fmt.Sprintf("snp_%d", i%5), Body: fmt.Appendf(nil, "body %d", i),
	}
}

func appendN(t *testing.T, db *sqldb.DB, from, n int) {
	t.Helper()
	write(t, db, func(tx *sqldb.Tx) error {
		for i := from; i < from+n; i++ {
			if _, err := sqlstore.AppendLeaf(context.Background(), tx, draft(i)); err != nil {
				return err
			}
		}
		return nil
	})
}

func eachLog(t *testing.T, f func(t *testing.T, db *sqldb.DB)) {
	sqldbtest.Each(t, f, sqlstore.Migrations())
}

// I7: a transaction that is rolled back after its leaf leaves no leaf, no hash and no gap; the next one takes the index.
func TestI7_RolledBackActionLeavesNoLeaf(t *testing.T) {
	eachLog(t, func(t *testing.T, db *sqldb.DB) {
		ctx := context.Background()
		appendN(t, db, 0, 7)
		boom := errors.New("boom")
		var lost audit.Entry
		err := db.Write(ctx, func(tx *sqldb.Tx) (err error) {
			if lost, err = sqlstore.AppendLeaf(ctx, tx, draft(100)); err != nil {
				return err
			}
			return boom
		})
		if !errors.Is(err, boom) || lost.Index != 7 {
			t.Fatalf("%+v, %v", lost, err)
		}
		var next audit.Entry
		write(t, db, func(tx *sqldb.Tx) (err error) {
			next, err = sqlstore.AppendLeaf(ctx, tx, draft(7))
			return err
		})
		if next.Index != 7 {
			t.Fatalf("the next leaf is %d", next.Index)
		}
		read(t, db, func(tx *sqldb.Tx) error {
			es, err := sqlstore.LogEntries(ctx, tx, 0, 100)
			if err != nil {
				return err
			}
			if len(es) != 8 || !bytes.Equal(es[7].Leaf, next.Leaf) {
				t.Errorf("%d entries", len(es))
			}
			for _, e := range es {
				if bytes.Equal(e.Leaf, lost.Leaf) {
					t.Error("the lost leaf is there")
				}
			}
			return nil
		})
	})
}

// I7: what cannot be logged does not happen: the row that the action wrote is gone with the refused leaf.
func TestI7_FailedAppendFailsTheAction(t *testing.T) {
	eachLog(t, func(t *testing.T, db *sqldb.DB) {
		ctx := context.Background()
		write(t, db, func(tx *sqldb.Tx) error {
			_, err := tx.Exec(ctx, `CREATE TABLE deeds (n BIGINT PRIMARY KEY)`)
			return err
		})
		for _, c := range []struct {
			name  string
			spoil string
			d     audit.Draft
			want  error
		}{
			{"hashes gone", `DELETE FROM log_hashes`, draft(1), sqlstore.ErrLogCorrupt}, // leaf 3 completes two subtrees
			{"bad draft", "", audit.Draft{Kind: "nonsense"}, audit.ErrDraft},
			{"head gone", `DELETE FROM log_head`, draft(1), sqlstore.ErrLogCorrupt},
			{"head moved back", `UPDATE log_head SET size = 0`, draft(1), nil},
		} {
			name := c.name
			appendN(t, db, 0, 3)
			err := db.Write(ctx, func(tx *sqldb.Tx) error {
				if _, err := tx.Exec(ctx, `INSERT INTO deeds (n) VALUES (1)`); err != nil {
					return err
				}
				if c.spoil != "" {
					if _, err := tx.Exec(ctx, c.spoil); err != nil {
						return err
					}
				}
				_, err := sqlstore.AppendLeaf(ctx, tx, c.d)
				return err
			})
			if err == nil || (c.want != nil && !errors.Is(err, c.want)) {
				t.Errorf("%s: %v", name, err)
			}
			read(t, db, func(tx *sqldb.Tx) error {
				var n int
				if err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM deeds`).Scan(&n); err != nil || n != 0 {
					t.Errorf("%s: %d deeds, %v", name, n, err)
				}
				return nil
			})
		}
	})
}

// Appends from everywhere at once, with rollbacks between them, make one dense log that a stranger can verify.
func TestI7_ConcurrentAppendsMakeOneDenseLog(t *testing.T) {
	eachLog(t, func(t *testing.T, db *sqldb.DB) {
		ctx := context.Background()
		const workers, each = 12, 25
		var wg sync.WaitGroup
		for w := range workers {
			wg.Add(1)
			go func() {
				defer wg.Done()
				for i := range each {
					undo := errors.New("undo")
					err := db.Write(ctx, func(tx *sqldb.Tx) error {
						if _, err := sqlstore.AppendLeaf(ctx, tx, draft(w*1000+i)); err != nil {
							return err
						}
						if i%5 == 4 {
							return undo
						}
						return nil
					})
					if err != nil && !errors.Is(err, undo) {
						t.Error(err)
					}
				}
			}()
		}
		wg.Wait()
		want := int64(workers * each * 4 / 5)
		log := logSigner(t, "log.example")
		keys := logKeys(t, log)
		write(t, db, func(tx *sqldb.Tx) error {
			o, err := sqlstore.SignLog(ctx, tx, log, logEpoch)
			if err == nil && o.Size != want {
				t.Errorf("signed %d leaves, want %d", o.Size, want)
			}
			return err
		})
		read(t, db, func(tx *sqldb.Tx) error {
			r, err := audit.VerifyAll(ctx, sqlstore.LogSource(tx), keys, nil)
			if err != nil || r.Leaves != want {
				t.Errorf("%+v, %v", r, err)
			}
			bodies := map[string]bool{}
			es, err := sqlstore.LogEntries(ctx, tx, 0, 1000)
			for _, e := range es {
				bodies[string(e.Body)] = true
			}
			if int64(len(bodies)) != want {
				t.Errorf("%d distinct bodies", len(bodies))
			}
			return err
		})
	})
}

func TestLogReadsBySubjectAndTenant(t *testing.T) {
	eachLog(t, func(t *testing.T, db *sqldb.DB) {
		ctx := context.Background()
		appendN(t, db, 0, 20)
		read(t, db, func(tx *sqldb.Tx) error {
			es, err := sqlstore.LogEntriesOfTenant(ctx, tx, "ten_1", 4, 3)
			if err != nil || len(es) != 3 || es[0].Index != 5 || es[2].Index != 9 || string(es[0].Body) != "body 5" {
				t.Errorf("%+v, %v", es, err)
			}
			es, err = sqlstore.LogEntriesOfSubject(ctx, tx, "snp_3", 0, 100)
			if err != nil || len(es) != 4 || es[3].Index != 18 || es[0].Subject != "snp_3" {
				t.Errorf("%+v, %v", es, err)
			}
			es, err = sqlstore.OfTenantBefore(ctx, tx, "ten_0", 18, 2)
			if err != nil || len(es) != 2 || es[0].Index != 16 || es[1].Index != 14 {
				t.Errorf("%+v, %v", es, err)
			}
			for _, f := range []func(context.Context, *sqldb.Tx, string, int64, int) ([]sqlstore.LogEntry, error){sqlstore.LogEntriesOfTenant, sqlstore.LogEntriesOfSubject, sqlstore.OfTenantBefore} {
				if es, err := f(ctx, tx, "", 0, 10); err == nil {
					t.Errorf("an empty key reads %d entries", len(es))
				}
			}
			if _, err := sqlstore.LogEntryAt(ctx, tx, 20); !errors.Is(err, sqlstore.ErrNoEntry) {
				t.Error(err)
			}
			return nil
		})
	})
}

func TestCheckpointsGatherCosignatures(t *testing.T) {
	eachLog(t, func(t *testing.T, db *sqldb.DB) {
		ctx := context.Background()
		log, a, b := logSigner(t, "log.example"), logSigner(t, "a.example"), logSigner(t, "b.example")
		keys := logKeys(t, log, a, b)
		read(t, db, func(tx *sqldb.Tx) error {
			if _, err := sqlstore.LatestCheckpoint(ctx, tx); !errors.Is(err, sqlstore.ErrNoCheckpoint) {
				t.Error(err)
			}
			if _, err := sqlstore.LogSource(tx).Tile(ctx, "tile/0/000.p/1"); !errors.Is(err, audit.ErrNoTile) {
				t.Error(err)
			}
			return nil
		})
		appendN(t, db, 0, 9)
		sign := func(at time.Time) (o audit.Opened) {
			write(t, db, func(tx *sqldb.Tx) (err error) { o, err = sqlstore.SignLog(ctx, tx, log, at); return err })
			return o
		}
		latest := func() (o audit.Opened) {
			read(t, db, func(tx *sqldb.Tx) error {
				signed, err := sqlstore.LatestCheckpoint(ctx, tx)
				if err == nil {
					o, err = keys.Open(signed)
				}
				return err
			})
			return o
		}
		add := func(o audit.Opened, s *audit.Signer, at time.Time) {
			line, err := s.Cosign(o.Checkpoint, at)
			if err != nil {
				t.Fatal(err)
			}
			write(t, db, func(tx *sqldb.Tx) error {
				n, err := sqlstore.AddCosignatures(ctx, tx, keys, o.Size, line)
				if n != 1 {
					t.Errorf("%d lines", n)
				}
				return err
			})
		}
		first := sign(logEpoch)
		add(first, a, logEpoch.Add(time.Minute))
		add(first, a, logEpoch) // an older one does not replace a newer one
		add(first, b, logEpoch.Add(time.Second))
		if o := latest(); o.Witnessed(logEpoch.Add(59*time.Second)) != 1 || o.Witnessed(time.Time{}) != 2 || !o.At.Equal(logEpoch) {
			t.Errorf("%+v", o)
		}
		// The log at rest signs the same head later: that is how a timer's end is passed.
		hour := logEpoch.Add(time.Hour)
		sign(hour)
		if o := latest(); !o.At.Equal(hour) || o.Checkpoint != first.Checkpoint || o.Fresh(logEpoch.Add(2*time.Minute), 1) == nil {
			t.Errorf("%+v", o)
		}
		add(first, a, hour)
		if err := latest().Fresh(logEpoch.Add(2*time.Minute), 1); err != nil {
			t.Error(err)
		}
		appendN(t, db, 9, 4)
		second := sign(hour)
		if o := latest(); o.Size != 13 || len(o.Cosignatures) != 0 {
			t.Errorf("%+v", o)
		}
		read(t, db, func(tx *sqldb.Tx) error {
			signed, err := sqlstore.LatestWitnessed(ctx, tx, "log.example", 2)
			if err != nil {
				return err
			}
			if o, err := keys.Open(signed); err != nil || o.Size != 9 {
				t.Errorf("%+v, %v", o, err)
			}
			if _, err := sqlstore.LatestWitnessed(ctx, tx, "log.example", 3); !errors.Is(err, sqlstore.ErrNoCheckpoint) {
				t.Error(err)
			}
			s, err := sqlstore.SubmissionFor(ctx, tx, keys, second.Signed, 9)
			if err != nil {
				return err
			}
			if err := audit.VerifyConsistency(first.Checkpoint, second.Checkpoint, s.Proof); err != nil {
				t.Error(err)
			}
			p, err := sqlstore.ProveEvent(ctx, tx, keys, second.Signed, 11)
			if err != nil {
				return err
			}
			e, err := sqlstore.LogEntryAt(ctx, tx, 11)
			if err != nil {
				return err
			}
			if _, l, err := p.Disclose(keys, e.Opening()); err != nil || l.Kind != e.Kind {
				t.Errorf("%+v, %v", l, err)
			}
			return nil
		})
		// A wrong line by a known key refuses all, a stranger's is ignored.
		err := db.Write(ctx, func(tx *sqldb.Tx) error {
			bad, _ := a.Cosign(first.Checkpoint, hour)
			_, err := sqlstore.AddCosignatures(ctx, tx, keys, second.Size, bad)
			return err
		})
		if !errors.Is(err, audit.ErrUnsigned) {
			t.Error(err)
		}
		write(t, db, func(tx *sqldb.Tx) error {
			line, _ := logSigner(t, "stranger.example").Cosign(second.Checkpoint, hour)
			n, err := sqlstore.AddCosignatures(ctx, tx, keys, second.Size, line)
			if n != 0 {
				t.Errorf("a stranger counts: %d", n)
			}
			return err
		})
	})
}

// T45, T41: a log whose tables were edited or rolled back is not signed again, and edited bodies are not served.
func TestT45_EditedTablesAreNotSigned(t *testing.T) {
	for name, edit := range map[string]func(context.Context, *sqldb.Tx) error{
		"truncated": func(ctx context.Context, tx *sqldb.Tx) error {
			_, err := tx.Exec(ctx, `UPDATE log_head SET size = 5`)
			return err
		},
		"rewritten": func(ctx context.Context, tx *sqldb.Tx) error {
			for _, q := range []string{`DELETE FROM log_hashes`, `DELETE FROM log_leaves`, `UPDATE log_head SET size = 0`} {
				if _, err := tx.Exec(ctx, q); err != nil {
					return err
				}
			}
			for i := range 20 {
				if _, err := sqlstore.AppendLeaf(ctx, tx, draft(500+i)); err != nil {
					return err
				}
			}
			return nil
		},
		"one hash": func(ctx context.Context, tx *sqldb.Tx) error {
			_, err := tx.Exec(ctx, `UPDATE log_hashes SET hash = (SELECT hash FROM log_hashes WHERE hash_index = 1) WHERE hash_index = 0`)
			if err == nil {
				_, err = tx.Exec(ctx, `UPDATE log_hashes SET hash = (SELECT hash FROM log_hashes WHERE hash_index = 1) WHERE hash_index = 14`)
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			eachLog(t, func(t *testing.T, db *sqldb.DB) {
				ctx := context.Background()
				log := logSigner(t, "log.example")
				appendN(t, db, 0, 12)
				write(t, db, func(tx *sqldb.Tx) error { _, err := sqlstore.SignLog(ctx, tx, log, logEpoch); return err })
				write(t, db, func(tx *sqldb.Tx) error { return edit(ctx, tx) })
				err := db.Write(ctx, func(tx *sqldb.Tx) error {
					_, err := sqlstore.SignLog(ctx, tx, log, logEpoch.Add(time.Hour))
					return err
				})
				if !errors.Is(err, sqlstore.ErrLogCorrupt) {
					t.Fatalf("signed: %v", err)
				}
			})
		})
	}
}

func TestT41_EditedBodyIsNotServed(t *testing.T) {
	eachLog(t, func(t *testing.T, db *sqldb.DB) {
		ctx := context.Background()
		for _, column := range []string{"body", "salt", "leaf"} {
			appendN(t, db, 0, 2)
			write(t, db, func(tx *sqldb.Tx) error {
				_, err := tx.Exec(ctx, `UPDATE log_leaves SET `+column+` = $1 WHERE leaf_index = 1`, bytes.Repeat([]byte{7}, 32))
				return err
			})
			read(t, db, func(tx *sqldb.Tx) error {
				if e, err := sqlstore.LogEntryAt(ctx, tx, 1); !errors.Is(err, sqlstore.ErrLogCorrupt) {
					t.Errorf("%s: %+v, %v", column, e, err)
				}
				return nil
			})
		}
	})
}

// T59: what the database serves to the public holds no id, though its private columns and bodies are full of them.
func TestT59_ExportedLogNamesNoTenant(t *testing.T) {
	eachLog(t, func(t *testing.T, db *sqldb.DB) {
		ctx := context.Background()
		log := logSigner(t, "log.example")
		keys := logKeys(t, log)
		appendN(t, db, 0, 300)
		write(t, db, func(tx *sqldb.Tx) error { _, err := sqlstore.SignLog(ctx, tx, log, logEpoch); return err })
		dir := t.TempDir()
		read(t, db, func(tx *sqldb.Tx) error {
			_, err := source.Export(ctx, sqlstore.LogSource(tx), keys, dir)
			return err
		})
		d, err := source.OpenDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		if r, err := audit.VerifyAll(ctx, d, keys, nil); err != nil || r.Leaves != 300 {
			t.Fatalf("%+v, %v", r, err)
		}
		for tile := range audit.Tiles(300) {
			data, err := d.Tile(ctx, tile.Path())
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range []string{"ten_", "snp_", "body "} {
				if tile.Level == audit.EntriesLevel && strings.Contains(string(data), s) {
					t.Errorf("%s contains %q", tile.Path(), s)
				}
			}
		}
	})
}
