-- +goose Up
-- Where a frame stands. Identity is (tenant, id, frame_hash): a primary has one frame an id, a replica may hold more.
-- kind is a chunk.Kind; length is of the stored bytes, plain_len of the plaintext (of a data chunk) or payload (of a node).
CREATE TABLE chunks (
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
);
CREATE INDEX chunks_pack ON chunks (pack, pos);

-- How many edges point at a frame: one a version whose recipe names it, one a parent node that stands in chunks, one a
-- copy whose root it is (held or tombstoned), one a journal row. Every edge is counted in the transaction that makes it.
CREATE TABLE refs (
    tenant TEXT NOT NULL,
    id BYTEA NOT NULL,
    frame_hash BYTEA NOT NULL,
    refs BIGINT NOT NULL CHECK (refs >= 0),
    PRIMARY KEY (tenant, id, frame_hash)
);

-- A condemned frame has no reference and waits for the sweep. Ingest that needs it again takes the row away, under the
-- tenant's lock, in the transaction that counts the new reference. The sweep destroys only frames that are condemned,
-- have no reference, and were condemned before every lease of the tenant was taken, all read under that same lock.
CREATE TABLE condemned (
    tenant TEXT NOT NULL,
    id BYTEA NOT NULL,
    frame_hash BYTEA NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (tenant, id, frame_hash)
);
CREATE INDEX condemned_at ON condemned (tenant, at);

CREATE TABLE packs (
    id TEXT PRIMARY KEY,
    tenant TEXT NOT NULL,
    lease TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX packs_tenant ON packs (tenant, id);

-- A pack with a row here will never be appended to again. The sweep rewrites only these.
CREATE TABLE pack_ends (
    pack TEXT PRIMARY KEY,
    size BIGINT NOT NULL,
    at BIGINT NOT NULL
);

-- While a lease is alive nothing that was known when it was taken may go. renewed_at older than LeaseExpiry means that
-- its owner is dead; a commit under a lease that is gone or expired is refused.
CREATE TABLE leases (
    id TEXT PRIMARY KEY,
    tenant TEXT NOT NULL,
    owner TEXT NOT NULL,
    purpose TEXT NOT NULL,
    taken_at BIGINT NOT NULL,
    renewed_at BIGINT NOT NULL
);
CREATE INDEX leases_tenant ON leases (tenant, taken_at);

-- Every acknowledged journal record, so that the sweep can tell what it may drop with the versions it reclaims.
CREATE TABLE journal (
    volume TEXT NOT NULL,
    number BIGINT NOT NULL,
    first_seq BIGINT NOT NULL,
    last_seq BIGINT NOT NULL,
    tenant TEXT NOT NULL,
    id BYTEA NOT NULL,
    frame_hash BYTEA NOT NULL,
    PRIMARY KEY (volume, number)
);

-- The keep rule of a volume is the one with the highest number. Expiry only ever proposes a request.
CREATE TABLE keep_rules (
    volume TEXT NOT NULL,
    number BIGINT NOT NULL,
    rule TEXT NOT NULL,
    set_at BIGINT NOT NULL,
    set_by TEXT NOT NULL,
    PRIMARY KEY (volume, number)
);
-- +goose Down
