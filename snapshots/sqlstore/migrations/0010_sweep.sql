-- +goose Up
-- What a request did to a copy here. The row is the link between a permit to tombstone and a permit to erase: only what
-- the same request has hidden can it erase or bring back.
CREATE TABLE sweep_copies (
    request TEXT NOT NULL,
    snapshot TEXT NOT NULL,
    tenant TEXT NOT NULL,
    volume TEXT NOT NULL,
    digest BYTEA NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('tombstoned', 'restored', 'dropped')),
    at BIGINT NOT NULL,
    PRIMARY KEY (request, snapshot)
);
CREATE INDEX sweep_copies_snapshot ON sweep_copies (snapshot);

-- A decided erasure. From this row on it is completed after any crash. finished_at is 0 until nothing is left to do.
CREATE TABLE sweep_erasures (
    request TEXT PRIMARY KEY,
    tenant TEXT NOT NULL,
    copies BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    dropped_at BIGINT NOT NULL,
    finished_at BIGINT NOT NULL
);

-- Packs that hold bytes which the index has let go. forced: an erasure wants them gone, whatever their share. seen_at is
-- 0 until the sweep has found the pack ended, and then not before any lease that lived at that moment was taken.
CREATE TABLE sweep_packs (
    pack TEXT PRIMARY KEY,
    tenant TEXT NOT NULL,
    dead_bytes BIGINT NOT NULL,
    forced BOOLEAN NOT NULL,
    seen_at BIGINT NOT NULL
);
CREATE INDEX sweep_packs_tenant ON sweep_packs (tenant, pack);

-- A pack that a rewrite is making. It is not in packs until its frames are indexed there, in one transaction that takes
-- this row away.
CREATE TABLE sweep_rewrites (
    pack TEXT PRIMARY KEY,
    old_pack TEXT NOT NULL,
    tenant TEXT NOT NULL,
    at BIGINT NOT NULL
);

-- Packs that left the index and whose files are to be removed.
CREATE TABLE sweep_removals (
    pack TEXT PRIMARY KEY,
    tenant TEXT NOT NULL,
    at BIGINT NOT NULL
);
-- What Reclaim took, so that a day's cap holds across restarts.
CREATE TABLE sweep_reclaimed (
    at BIGINT NOT NULL,
    tenant TEXT NOT NULL,
    bytes BIGINT NOT NULL
);
CREATE INDEX sweep_reclaimed_at ON sweep_reclaimed (at);
-- +goose Down
