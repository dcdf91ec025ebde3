-- +goose Up

-- What a keep rule weighs of a volume's ten thousand copies, each answered by an index alone: whether it is here and not
-- hidden, how large it is, and whether its newest proof succeeded.
CREATE INDEX copies_point ON copies (snapshot, site, tenant, state);
CREATE INDEX seals_bytes ON seals (snapshot, bytes);
CREATE INDEX proofs_newest ON proofs (snapshot, site, at, ok);
