-- +goose Up
-- From where a request was confirmed, as the service saw it. Approvers look at it beside the statement; no rule reads it.
CREATE TABLE request_origins (
    request TEXT NOT NULL PRIMARY KEY,
    person TEXT NOT NULL,
    address TEXT NOT NULL,
    agent TEXT NOT NULL,
    at BIGINT NOT NULL
);
CREATE INDEX request_origins_person ON request_origins (person, at);

-- +goose Down
SELECT 1;
