-- +goose Up
-- What scrubbing has read and found. Nothing of it is needed to restore: losing it means reading again.
-- A pass reads every pack once. finished_at is 0 while it is under way.
CREATE TABLE scrub_passes (
    number BIGINT PRIMARY KEY,
    started_at BIGINT NOT NULL,
    finished_at BIGINT NOT NULL
);

-- The newest reading of each pack. frames are those of the index that were read, bad those of them that are quarantined.
-- unknown is a pack that the database does not know: it is told of, and never touched.
CREATE TABLE scrub_packs (
    pack TEXT PRIMARY KEY,
    tenant TEXT NOT NULL,
    pass BIGINT NOT NULL,
    at BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    frames BIGINT NOT NULL,
    bad BIGINT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('good', 'damaged', 'missing', 'unknown')),
    detail TEXT NOT NULL
);
CREATE INDEX scrub_packs_pass ON scrub_packs (pass, state);
CREATE INDEX scrub_packs_state ON scrub_packs (state, pack);

-- Frames that cannot be read as the index says. New data never builds on one: the same bytes are stored afresh, and
-- readers then take the fresh frame in its place. The row goes only when the frame itself was read whole again.
CREATE TABLE quarantine (
    tenant TEXT NOT NULL,
    id BYTEA NOT NULL,
    frame_hash BYTEA NOT NULL,
    pack TEXT NOT NULL,
    found_at BIGINT NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (tenant, id, frame_hash)
);

-- What needs quarantined frames of which there is no other: paths of snapshots, and (snapshot empty) of the live tree and
-- the undo window. An empty path is the catalogue itself. healed_at is 0 while it is so.
CREATE TABLE scrub_affected (
    volume TEXT NOT NULL,
    snapshot TEXT NOT NULL,
    path BYTEA NOT NULL,
    tenant TEXT NOT NULL,
    found_at BIGINT NOT NULL,
    healed_at BIGINT NOT NULL,
    PRIMARY KEY (volume, snapshot, path)
);
CREATE INDEX scrub_affected_open ON scrub_affected (healed_at, tenant);

-- One row once the database was made from packs instead of having grown with them: whose destroying doors stay shut until
-- the host's operator has said that somebody looked.
CREATE TABLE rebuilt (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    at BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    report TEXT NOT NULL,
    adopted_at BIGINT NOT NULL
);
-- +goose Down
SELECT 1;
