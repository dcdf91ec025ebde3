-- +goose Up
-- The site's one lock row, with the marks that are kept outside the database as well. spent_hash is the head of a chain
-- over all spent warrants. suspended is why nothing is destroyed, or empty; timer counts for reclaiming.
CREATE TABLE gate (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    generation BIGINT NOT NULL,
    spent BIGINT NOT NULL,
    spent_hash BYTEA NOT NULL,
    replay TEXT NOT NULL,
    checkpoint BYTEA NOT NULL,
    clock TEXT NOT NULL,
    suspended TEXT NOT NULL
);

-- Charters in force, by number. leaf and in_force_at are of the log leaf that carries the hash.
CREATE TABLE gate_charters (
    number BIGINT PRIMARY KEY,
    hash BYTEA NOT NULL,
    text BYTEA NOT NULL,
    leaf BIGINT NOT NULL,
    in_force_at BIGINT NOT NULL,
    pinned_at BIGINT NOT NULL
);

-- Charter leaves of the log: number and hash.
CREATE TABLE gate_charter_leaves (
    leaf BIGINT PRIMARY KEY,
    number BIGINT NOT NULL,
    hash BYTEA NOT NULL,
    at BIGINT NOT NULL
);

-- The first warrant that was seen for a request, and how far this site is with it.
CREATE TABLE gate_warrants (
    request TEXT PRIMARY KEY,
    tenant TEXT NOT NULL,
    action TEXT NOT NULL,
    statement BYTEA NOT NULL,
    warrant BYTEA NOT NULL,
    copies BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('cooling', 'tombstoned', 'erasing', 'erased', 'applied', 'stopped', 'restored')),
    first_seen BIGINT NOT NULL,
    cooling TEXT NOT NULL,
    cooling_ended BIGINT NOT NULL,
    nonce BYTEA NOT NULL,
    release_person TEXT NOT NULL,
    release_proof TEXT NOT NULL,
    tombstoned_at BIGINT NOT NULL,
    grace TEXT NOT NULL,
    grace_ended BIGINT NOT NULL,
    finished_at BIGINT NOT NULL,
    erased_bytes BIGINT NOT NULL
);
CREATE INDEX gate_warrants_state ON gate_warrants (state, first_seen);

-- Warrants that were executed here. number counts from 1; chain = SHA-256(previous chain, request, statement).
CREATE TABLE gate_spent (
    request TEXT PRIMARY KEY,
    number BIGINT NOT NULL UNIQUE,
    statement BYTEA NOT NULL,
    chain BYTEA NOT NULL,
    copies BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    at BIGINT NOT NULL
);
CREATE INDEX gate_spent_at ON gate_spent (at);

-- Verified stops, by whatever route they came. ended_by is the request whose gated decision ended a hold, a freeze or a
-- suspension; empty while it is in force.
CREATE TABLE gate_stops (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    request TEXT NOT NULL,
    tenant TEXT NOT NULL,
    volume TEXT NOT NULL,
    subject TEXT NOT NULL,
    person TEXT NOT NULL,
    text BYTEA NOT NULL,
    keyboard BOOLEAN NOT NULL,
    at BIGINT NOT NULL,
    seen_at BIGINT NOT NULL,
    ended_by TEXT NOT NULL,
    ended_at BIGINT NOT NULL
);
CREATE INDEX gate_stops_request ON gate_stops (request);
CREATE INDEX gate_stops_kind ON gate_stops (kind, ended_by);

-- What this site says in the log, until it has read it there: leaf is -1 until then.
CREATE TABLE gate_events (
    number BIGINT PRIMARY KEY,
    kind TEXT NOT NULL,
    tenant TEXT NOT NULL,
    request TEXT NOT NULL,
    stage TEXT NOT NULL,
    body BYTEA NOT NULL,
    leaf BIGINT NOT NULL
);
CREATE INDEX gate_events_request ON gate_events (request, kind);
CREATE INDEX gate_events_leaf ON gate_events (leaf);

-- What the replay of the log has shown of passkeys, their counters, members, and copies at other sites.
CREATE TABLE gate_passkeys (
    person TEXT NOT NULL,
    credential BYTEA NOT NULL,
    rp TEXT NOT NULL,
    cose BYTEA NOT NULL,
    leaf BIGINT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (person, credential)
);
CREATE TABLE gate_counters (
    credential BYTEA NOT NULL,
    leaf BIGINT NOT NULL,
    count BIGINT NOT NULL,
    PRIMARY KEY (credential, leaf)
);
CREATE TABLE gate_copies (
    site TEXT NOT NULL,
    snapshot TEXT NOT NULL,
    state TEXT NOT NULL,
    request TEXT NOT NULL,
    leaf BIGINT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (site, snapshot)
);
CREATE INDEX gate_copies_snapshot ON gate_copies (snapshot);

CREATE TABLE gate_alarms (
    number BIGINT PRIMARY KEY,
    at BIGINT NOT NULL,
    kind TEXT NOT NULL,
    detail TEXT NOT NULL
);
-- +goose Down
