-- +goose Up
-- Uploads that are over stay for a day, and may be very many: whoever begins one looks, under the tenant's lock, only at
-- those that are open, and at the newest of one path.
CREATE INDEX uploads_open ON uploads (tenant, at) WHERE state = 'open';
CREATE INDEX uploads_mine ON uploads (volume, owner, at, push) WHERE state = 'open';
DROP INDEX uploads_owner;
CREATE INDEX uploads_owner ON uploads (volume, owner, path, at, push);
-- +goose Down
