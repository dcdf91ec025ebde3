-- +goose Up

-- What was deleted last is listed newest first, in the order of its paths within one commit.
DROP INDEX versions_died;
CREATE INDEX versions_died ON versions (volume, died, path) WHERE died < 9223372036854775807;
