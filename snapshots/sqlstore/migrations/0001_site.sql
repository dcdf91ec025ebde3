-- +goose Up
-- All times are BIGINT microseconds since 1970 UTC. Paths and digests are BYTEA. 9223372036854775807 means "not yet".
-- Rows of chunks, packs, copies and tenant_keys are only ever inserted outside snapshots/sweep/internal; what changes
-- about them stands in tables of its own (refs, condemned, pack_ends, proofs, suspects).

-- One row: which site this is and which life of its database. A restored older database is noticed by its epoch.
CREATE TABLE site_meta (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    site TEXT NOT NULL,
    epoch BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);

-- The row that ingest, seal and sweep lock before they touch chunks of a tenant. undo_us is the tenant's own undo
-- window and only counts where it is longer than the charter's. quota_bytes 0 means no bytes at all.
CREATE TABLE tenants (
    tenant TEXT PRIMARY KEY,
    quota_bytes BIGINT NOT NULL CHECK (quota_bytes >= 0),
    stored_bytes BIGINT NOT NULL CHECK (stored_bytes >= 0),
    undo_us BIGINT NOT NULL CHECK (undo_us >= 0),
    created_at BIGINT NOT NULL
);

CREATE TABLE tenant_keys (
    tenant TEXT NOT NULL,
    key_no BIGINT NOT NULL CHECK (key_no > 0),
    wraps BYTEA NOT NULL,
    commitment BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (tenant, key_no)
);

CREATE TABLE volumes (
    id TEXT PRIMARY KEY,
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('files', 'stream')),
    profile TEXT NOT NULL,
    head BIGINT NOT NULL,
    head_at BIGINT NOT NULL,
    journal_number BIGINT NOT NULL,
    journal_tip BYTEA NOT NULL,
    live_files BIGINT NOT NULL,
    live_bytes BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    deleted_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX volumes_name ON volumes (tenant, name) WHERE deleted_at = 9223372036854775807;

-- One row a commit; at = max(now, previous at + 1).
CREATE TABLE commits (
    volume TEXT NOT NULL,
    seq BIGINT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (volume, seq)
);
CREATE UNIQUE INDEX commits_at ON commits (volume, at);

-- A version is visible at seq s when born <= s < died.
CREATE TABLE versions (
    volume TEXT NOT NULL,
    path BYTEA NOT NULL,
    born BIGINT NOT NULL,
    died BIGINT NOT NULL,
    type BIGINT NOT NULL,
    meta BYTEA NOT NULL,
    size BIGINT NOT NULL,
    etag BYTEA NOT NULL,
    recipe BYTEA NOT NULL,
    PRIMARY KEY (volume, path, born),
    CHECK (born < died)
);
CREATE UNIQUE INDEX versions_live ON versions (volume, path) WHERE died = 9223372036854775807;
CREATE INDEX versions_died ON versions (volume, died) WHERE died < 9223372036854775807;

-- taken is a row here; sealed is a row in seals as well.
CREATE TABLE snapshots (
    id TEXT PRIMARY KEY,
    tenant TEXT NOT NULL,
    volume TEXT NOT NULL,
    seq BIGINT NOT NULL,
    at BIGINT NOT NULL,
    taken_at BIGINT NOT NULL,
    taken_by TEXT NOT NULL,
    note TEXT NOT NULL
);
CREATE INDEX snapshots_volume ON snapshots (volume, taken_at, id);
CREATE INDEX snapshots_seq ON snapshots (volume, seq);
CREATE INDEX snapshots_tenant ON snapshots (tenant, id);

-- A pinned name protects one snapshot from being proposed by a keep rule. Pins are removed by name, never the snapshot.
CREATE TABLE pins (
    snapshot TEXT NOT NULL,
    name TEXT NOT NULL,
    pinned_at BIGINT NOT NULL,
    pinned_by TEXT NOT NULL,
    PRIMARY KEY (snapshot, name)
);

-- Exactly one seal a snapshot, never changed. digest = SHA-256 of the root frame; root = its chunk id.
CREATE TABLE seals (
    snapshot TEXT PRIMARY KEY,
    tenant TEXT NOT NULL,
    volume TEXT NOT NULL,
    digest BYTEA NOT NULL,
    root BYTEA NOT NULL,
    frame_length BIGINT NOT NULL,
    files BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    key_no BIGINT NOT NULL,
    sealed_at BIGINT NOT NULL
);
CREATE INDEX seals_digest ON seals (tenant, digest);

-- held, tombstoned and erased stand here; proven is a held copy whose newest proof succeeded.
CREATE TABLE copies (
    snapshot TEXT NOT NULL,
    site TEXT NOT NULL,
    tenant TEXT NOT NULL,
    volume TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('held', 'tombstoned', 'erased')),
    held_at BIGINT NOT NULL,
    tombstoned_at BIGINT NOT NULL,
    erased_at BIGINT NOT NULL,
    PRIMARY KEY (snapshot, site)
);
CREATE INDEX copies_volume ON copies (volume, site);
CREATE INDEX copies_state ON copies (site, state);

CREATE TABLE proofs (
    snapshot TEXT NOT NULL,
    site TEXT NOT NULL,
    at BIGINT NOT NULL,
    ok BOOLEAN NOT NULL,
    files BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    detail TEXT NOT NULL,
    PRIMARY KEY (snapshot, site, at)
);

-- A copy flagged as suspect does not count as a restore point. Flags are added, and lifted by a row with lifted true.
CREATE TABLE suspects (
    snapshot TEXT NOT NULL,
    site TEXT NOT NULL,
    at BIGINT NOT NULL,
    lifted BOOLEAN NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (snapshot, site, at)
);
-- +goose Down
