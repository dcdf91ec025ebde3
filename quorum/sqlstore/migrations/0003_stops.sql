-- Charters, stops, holds and the outbox.

-- +goose Up
CREATE TABLE charters (
    number   BIGINT PRIMARY KEY CHECK (number > 0),
    hash     BYTEA  NOT NULL UNIQUE,
    text     BYTEA  NOT NULL,
    evidence BYTEA  NOT NULL,
    at       BIGINT NOT NULL
);

CREATE TABLE charter_lock (
    id BIGINT PRIMARY KEY CHECK (id = 1)
);
INSERT INTO charter_lock (id) VALUES (1);

CREATE TABLE stops (
    id      TEXT   PRIMARY KEY,
    kind    TEXT   NOT NULL CHECK (kind IN ('cancel', 'deny', 'hold', 'freeze', 'restore', 'suspend')),
    request TEXT   NOT NULL,
    tenant  TEXT   NOT NULL,
    volume  TEXT   NOT NULL,
    subject TEXT   NOT NULL,
    person  TEXT   NOT NULL,
    text    BYTEA  NOT NULL,
    at      BIGINT NOT NULL
);
CREATE INDEX stops_kind ON stops (kind, tenant);

-- What ends a stop is a gated decision; a stop without a row here is in force.
CREATE TABLE stop_ends (
    stop    TEXT   PRIMARY KEY REFERENCES stops (id),
    request TEXT   NOT NULL,
    at      BIGINT NOT NULL
);

CREATE TABLE holds (
    id        TEXT   PRIMARY KEY,
    tenant    TEXT   NOT NULL,
    volume    TEXT   NOT NULL,
    kind      TEXT   NOT NULL CHECK (kind IN ('legal', 'automatic')),
    reason    TEXT   NOT NULL,
    placed_by TEXT   NOT NULL,
    at        BIGINT NOT NULL
);
CREATE INDEX holds_tenant ON holds (tenant, at);

CREATE TABLE hold_ends (
    hold    TEXT   PRIMARY KEY REFERENCES holds (id),
    request TEXT   NOT NULL,
    at      BIGINT NOT NULL
);

CREATE TABLE outbox (
    id        TEXT   PRIMARY KEY,
    topic     TEXT   NOT NULL,
    body      BYTEA  NOT NULL,
    due_at    BIGINT NOT NULL,
    attempts  BIGINT NOT NULL CHECK (attempts >= 0),
    failure   TEXT   NOT NULL,
    done_at   BIGINT NOT NULL,
    receipt   BYTEA  NOT NULL
);
CREATE INDEX outbox_due ON outbox (topic, done_at, due_at);

-- +goose Down
DROP TABLE outbox;
DROP TABLE hold_ends;
DROP TABLE holds;
DROP TABLE stop_ends;
DROP TABLE stops;
DROP TABLE charter_lock;
DROP TABLE charters;
