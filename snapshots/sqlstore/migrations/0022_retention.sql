-- +goose Up
-- Undo windows that volumes have of their own. Rows are only ever inserted; the one with the highest number holds, and only
-- where it is longer than the charter's and the tenant's. set_by is a person, or the request by which it was shortened.
CREATE TABLE undo_windows (
    volume TEXT NOT NULL,
    number BIGINT NOT NULL,
    undo_us BIGINT NOT NULL CHECK (undo_us >= 0),
    set_at BIGINT NOT NULL,
    set_by TEXT NOT NULL,
    PRIMARY KEY (volume, number)
);

-- Keep rules that the replay of the log has shown, by the leaf that made them. A by-rule statement must name one of these,
-- and the site's own newest rule of the volume must be the very same.
CREATE TABLE gate_keep_rules (
    leaf BIGINT PRIMARY KEY,
    leaf_hash BYTEA NOT NULL,
    tenant TEXT NOT NULL,
    volume TEXT NOT NULL,
    number BIGINT NOT NULL,
    rule TEXT NOT NULL
);
CREATE INDEX gate_keep_rules_volume ON gate_keep_rules (volume, number);

-- Tenants that a quorum has closed. Nobody opens one again.
CREATE TABLE gate_closed (
    tenant TEXT PRIMARY KEY,
    request TEXT NOT NULL,
    at BIGINT NOT NULL
);

-- Sites that a quorum has detached: what they hold counts for nothing here.
CREATE TABLE gate_detached (
    site TEXT PRIMARY KEY,
    request TEXT NOT NULL,
    at BIGINT NOT NULL
);

-- What a request did to a key set here. A disabled key set is not opened any more; restored brings it back, dropped is for ever.
CREATE TABLE sweep_keys (
    request TEXT PRIMARY KEY,
    tenant TEXT NOT NULL,
    key_no BIGINT NOT NULL,
    commitment BYTEA NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('disabled', 'restored', 'dropped')),
    at BIGINT NOT NULL
);
CREATE INDEX sweep_keys_tenant ON sweep_keys (tenant, key_no);

-- +goose Down
SELECT 1;
