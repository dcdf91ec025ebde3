package sqldb_test

import (
	"bytes"
	"context"
	"testing"
	"testing/fstest"

	"holdfast/internal/sqldb"
	"holdfast/internal/sqldb/sqldbtest"
)

func schema(sql string) sqldb.MigrationSet {
	return sqldb.MigrationSet{Name: "test", FS: fstest.MapFS{
		"00001_first.sql": &fstest.MapFile{Data: []byte("-- +goose Up\n" + sql)},
	}}
}

func TestTypesRoundTripOnBothEngines(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, db *sqldb.DB) {
		ctx := context.Background()
		type row struct {
			N    int64
			B    []byte
			S    string
			Yes  bool
			Null *string
		}
		want := []row{
			{1<<63 - 1, []byte{0, 255, '\''}, "ünïcode", true, nil},
			{-1 << 63, []byte{}, "", false, nil},
			{7, nil, "$1", true, new(string)},
		}
		for i, w := range want {
			err := db.Write(ctx, func(tx *sqldb.Tx) error {
				// Placeholders out of order and used twice.
				n, err := tx.Exec(ctx, `INSERT INTO t (i, n, b, s, yes, maybe) VALUES ($6, $1, $2, $3, $4, $5)`, w.N, w.B, w.S, w.Yes, w.Null, i)
				if n != 1 {
					t.Errorf("rows affected = %d", n)
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			var got row
			var again, null bool
			err = db.Read(ctx, func(tx *sqldb.Tx) error {
				return tx.QueryRow(ctx, `SELECT n, b, s, yes, maybe, n = $2 AND n = $2, b IS NULL FROM t WHERE i = $1`, i, w.N).
					Scan(&got.N, &got.B, &got.S, &got.Yes, &got.Null, &again, &null)
			})
			if err != nil {
				t.Fatal(err)
			}
			if got.N != w.N || !bytes.Equal(got.B, w.B) || null != (w.B == nil) || got.S != w.S || got.Yes != w.Yes ||
				(got.Null == nil) != (w.Null == nil) || !again {
				t.Errorf("wrote %+v, read %+v", w, got)
			}
		}
	}, schema(`CREATE TABLE t (i BIGINT PRIMARY KEY, n BIGINT NOT NULL, b BYTEA, s TEXT NOT NULL, yes BOOLEAN NOT NULL, maybe TEXT);`))
}
