package sqlstore_test

import (
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"holdfast/internal/sqldb"
	"holdfast/snapshots/sqlstore"
)

// TestI1_ClusteringKeepsEveryRow opens a database of the version before, with rows in it, and compares all of them with what
// the newest version has.
func TestI1_ClusteringKeepsEveryRow(t *testing.T) {
	ctx, dsn := t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "site.db")
	set := sqlstore.Migrations()
	before := fstest.MapFS{}
	names, err := fs.Glob(set.FS, "migrations/*.sql")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		text, err := fs.ReadFile(set.FS, name)
		if err != nil {
			t.Fatal(err)
		}
		if filepath.Base(name) < "0027" {
			before[name] = &fstest.MapFile{Data: text}
		}
	}
	all := func(db *sqldb.DB) (out []string) {
		err := db.Read(ctx, func(tx *sqldb.Tx) error {
			for _, q := range []string{
				`SELECT tenant || '|' || hex(id) || '|' || hex(frame_hash) || '|' || kind || '|' || pack || '|' || pos || '|' || length || '|' || plain_len || '|' || key_no FROM chunks ORDER BY pos`,
				`SELECT tenant || '|' || hex(id) || '|' || hex(frame_hash) || '|' || refs FROM refs ORDER BY refs`,
			} {
				rows, err := tx.Query(ctx, q)
				if err != nil {
					return err
				}
				for rows.Next() {
					var s string
					if err := rows.Scan(&s); err != nil {
						return err
					}
					out = append(out, s)
				}
				if err := rows.Err(); err != nil {
					return err
				}
				if err := rows.Close(); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	db, err := sqldb.Open(ctx, dsn, sqldb.MigrationSet{Name: set.Name, FS: before})
	if err != nil {
		t.Fatal(err)
	}
	const many = 300
	err = db.Write(ctx, func(tx *sqldb.Tx) error {
		for i := range many {
			id, hash := []byte(strings.Repeat(string(rune('z'-i%26)), 31)+string(rune(i%128))), []byte(strings.Repeat(string(rune('a'+i%26)), 32))
			if _, err := tx.Exec(ctx, `INSERT INTO chunks (tenant, id, frame_hash, kind, pack, pos, length, plain_len, key_no) VALUES ($1,$2,$3,1,$4,$5,7,8,1)`,
				"tenant"+string(rune('a'+i/128)), id, hash, "pack", i); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, `INSERT INTO refs (tenant, id, frame_hash, refs) VALUES ($1,$2,$3,$4)`, "tenant"+string(rune('a'+i/128)), id, hash, i); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := all(db)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if db, err = sqldb.Open(ctx, dsn, set); err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	got := all(db)
	if len(want) != 2*many || strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("%d rows before, %d after, or others", len(want), len(got))
	}
	err = db.Write(ctx, func(tx *sqldb.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO refs (tenant, id, frame_hash, refs) VALUES ('t', 'i', 'h', -1)`)
		return err
	})
	if err == nil {
		t.Error("fewer edges than none were counted")
	}
}
