-- Requests, their events and evidence. Events, votes, charters, stops and their ends are only ever inserted; requests has
-- the folded row, which is compared with the fold whenever it is read.

-- +goose Up
CREATE TABLE quorum_tenants (
    tenant TEXT PRIMARY KEY
);

CREATE TABLE requests (
    id            TEXT   PRIMARY KEY,
    tenant        TEXT   NOT NULL,
    action        TEXT   NOT NULL,
    digest        BYTEA  NOT NULL UNIQUE,
    statement     BYTEA  NOT NULL,
    requester     TEXT   NOT NULL,
    phase         TEXT   NOT NULL CHECK (phase IN ('open', 'cooling', 'executing', 'tombstoned', 'erased', 'denied',
                                                   'expired', 'cancelled', 'restored', 'applied')),
    opened_at     BIGINT NOT NULL,
    vote_until    BIGINT NOT NULL CHECK (vote_until > opened_at),
    execute_until BIGINT NOT NULL CHECK (execute_until >= vote_until),
    events        BIGINT NOT NULL CHECK (events > 0),
    head          BYTEA  NOT NULL,
    timer         TEXT   NOT NULL
);
CREATE INDEX requests_phase     ON requests (phase, vote_until);
CREATE INDEX requests_tenant    ON requests (tenant, opened_at);
CREATE INDEX requests_requester ON requests (requester, phase);

CREATE TABLE request_events (
    request TEXT   NOT NULL REFERENCES requests (id),
    seq     BIGINT NOT NULL CHECK (seq >= 0),
    kind    TEXT   NOT NULL,
    body    BYTEA  NOT NULL,
    at      BIGINT NOT NULL,
    hash    BYTEA  NOT NULL,
    PRIMARY KEY (request, seq)
);

-- One vote of each decision a person: who approved may still deny, nobody approves twice.
CREATE TABLE request_votes (
    request  TEXT   NOT NULL REFERENCES requests (id),
    person   TEXT   NOT NULL,
    decision TEXT   NOT NULL CHECK (decision IN ('approve', 'deny')),
    proof    TEXT   NOT NULL,
    at       BIGINT NOT NULL,
    seq      BIGINT NOT NULL,
    PRIMARY KEY (request, person, decision)
);

CREATE TABLE spent_proofs (
    nonce   BYTEA  PRIMARY KEY,
    purpose TEXT   NOT NULL,
    at      BIGINT NOT NULL
);

CREATE TABLE request_drafts (
    id      TEXT   PRIMARY KEY,
    tenant  TEXT   NOT NULL,
    drafter TEXT   NOT NULL,
    body    BYTEA  NOT NULL,
    at      BIGINT NOT NULL
);
CREATE INDEX request_drafts_tenant ON request_drafts (tenant, at);

-- +goose Down
DROP TABLE request_drafts;
DROP TABLE spent_proofs;
DROP TABLE request_votes;
DROP TABLE request_events;
DROP TABLE requests;
DROP TABLE quorum_tenants;
