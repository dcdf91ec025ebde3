-- +goose Up
-- Requests of which this site has said something in the log, in whatever life of its database. Who adopts a database that
-- was made from packs counts all of them as spent: an earlier life may have executed them.
CREATE TABLE gate_former (
    request TEXT PRIMARY KEY,
    statement BYTEA NOT NULL,
    leaf BIGINT NOT NULL
);
CREATE INDEX gate_former_leaf ON gate_former (leaf);
-- +goose Down
SELECT 1;
