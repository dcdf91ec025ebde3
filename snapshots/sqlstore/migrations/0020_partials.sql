-- +goose Up
-- What a push has sent of a file whose end has not come: one row a segment that ended in the middle of a file. recipe
-- names the chunks that this segment brought for it; its edges are counted in refs. A push that is begun again is told
-- that it knows them. done says that the file's end has come; the sweep releases rows that are done or a day old.
CREATE TABLE partials (
    volume TEXT NOT NULL,
    push TEXT NOT NULL,
    segment BIGINT NOT NULL,
    tenant TEXT NOT NULL,
    path BYTEA NOT NULL,
    recipe BYTEA NOT NULL,
    size BIGINT NOT NULL,
    done BOOLEAN NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (volume, push, segment)
);
CREATE INDEX partials_tenant ON partials (tenant, at);
-- +goose Down
