-- +goose Up
-- Uploads of plain bytes that may break off and go on. What they have brought is in partials, under push, and is kept as long
-- as the upload is open and was used within a day. sent is where it goes on, in bytes.
CREATE TABLE uploads (
    push TEXT PRIMARY KEY,
    tenant TEXT NOT NULL,
    volume TEXT NOT NULL,
    owner TEXT NOT NULL,
    path BYTEA NOT NULL,
    size BIGINT NOT NULL,
    modified BIGINT NOT NULL,
    content_type TEXT NOT NULL,
    state TEXT NOT NULL,
    sent BIGINT NOT NULL,
    segments BIGINT NOT NULL,
    etag BYTEA NOT NULL,
    seq BIGINT NOT NULL,
    began BIGINT NOT NULL,
    at BIGINT NOT NULL
);
CREATE INDEX uploads_tenant ON uploads (tenant, at);
CREATE INDEX uploads_owner ON uploads (volume, owner, path);
-- +goose Down
