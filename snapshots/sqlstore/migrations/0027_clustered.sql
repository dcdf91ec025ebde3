-- +goose Up
-- Rows of chunks and refs stand in their primary key itself on SQLite, where they had a tree of their own beside it: half
-- as many pages are touched for a new chunk. On PostgreSQL, whose tables are heaps, nothing changes.
/*sqlite:
CREATE TABLE chunks_clustered (
    tenant TEXT NOT NULL,
    id BYTEA NOT NULL,
    frame_hash BYTEA NOT NULL,
    kind BIGINT NOT NULL,
    pack TEXT NOT NULL,
    pos BIGINT NOT NULL,
    length BIGINT NOT NULL,
    plain_len BIGINT NOT NULL,
    key_no BIGINT NOT NULL,
    PRIMARY KEY (tenant, id, frame_hash)
) WITHOUT ROWID;
INSERT INTO chunks_clustered (tenant, id, frame_hash, kind, pack, pos, length, plain_len, key_no)
    SELECT tenant, id, frame_hash, kind, pack, pos, length, plain_len, key_no FROM chunks ORDER BY tenant, id, frame_hash;
DROP TABLE chunks;
ALTER TABLE chunks_clustered RENAME TO chunks;
CREATE INDEX chunks_pack ON chunks (pack, pos);
CREATE TABLE refs_clustered (
    tenant TEXT NOT NULL,
    id BYTEA NOT NULL,
    frame_hash BYTEA NOT NULL,
    refs BIGINT NOT NULL CHECK (refs >= 0),
    PRIMARY KEY (tenant, id, frame_hash)
) WITHOUT ROWID;
INSERT INTO refs_clustered (tenant, id, frame_hash, refs) SELECT tenant, id, frame_hash, refs FROM refs ORDER BY tenant, id, frame_hash;
DROP TABLE refs;
ALTER TABLE refs_clustered RENAME TO refs;
*/
SELECT 1;
-- +goose Down
SELECT 1;
