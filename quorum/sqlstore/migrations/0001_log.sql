-- The transparency log. Rows are only ever inserted, but for the head and for a cosignature that a newer one by the same
-- key replaces. A checkpoint has no extension lines, so its text is a function of its size, and a cosignature belongs to it.

-- +goose Up
CREATE TABLE log_head (
    id   BIGINT PRIMARY KEY CHECK (id = 1),
    size BIGINT NOT NULL CHECK (size >= 0)
);
INSERT INTO log_head (id, size) VALUES (1, 0);

CREATE TABLE log_leaves (
    leaf_index BIGINT PRIMARY KEY CHECK (leaf_index >= 0),
    leaf       BYTEA  NOT NULL,
    leaf_hash  BYTEA  NOT NULL,
    salt       BYTEA  NOT NULL,
    body       BYTEA  NOT NULL,
    kind       TEXT   NOT NULL,
    at         BIGINT NOT NULL,
    tenant     TEXT   NOT NULL,
    subject    TEXT   NOT NULL
);
CREATE INDEX log_leaves_tenant  ON log_leaves (tenant, leaf_index);
CREATE INDEX log_leaves_subject ON log_leaves (subject, leaf_index);
CREATE INDEX log_leaves_kind    ON log_leaves (kind, leaf_index);

CREATE TABLE log_hashes (
    hash_index BIGINT PRIMARY KEY CHECK (hash_index >= 0),
    hash       BYTEA  NOT NULL
);

CREATE TABLE log_checkpoints (
    size BIGINT PRIMARY KEY CHECK (size >= 0),
    root BYTEA  NOT NULL,
    note BYTEA  NOT NULL,
    at   BIGINT NOT NULL
);

CREATE TABLE log_cosignatures (
    size   BIGINT NOT NULL REFERENCES log_checkpoints (size),
    signer TEXT   NOT NULL,
    line   TEXT   NOT NULL,
    at     BIGINT NOT NULL,
    PRIMARY KEY (size, signer)
);

-- +goose Down
DROP TABLE log_cosignatures;
DROP TABLE log_checkpoints;
DROP TABLE log_hashes;
DROP TABLE log_leaves;
DROP TABLE log_head;
