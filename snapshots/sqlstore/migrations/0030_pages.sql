-- +goose Up

-- What a keep rule weighs of a volume's ten thousand copies: whether the newest proof succeeded, and over how much, by one
-- index alone. The size of a copy that is not proven is read from its seal, of which there are few.
DROP INDEX proofs_newest;
CREATE INDEX proofs_newest ON proofs (snapshot, site, at, ok, bytes);
DROP INDEX seals_bytes;
-- The newest snapshots of one volume, however many its tenant's other volumes have.
CREATE INDEX snapshots_newest ON snapshots (tenant, volume, id);
-- +goose Down
SELECT 1;
