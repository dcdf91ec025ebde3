-- +goose Up
-- What happened at the primary site and has to stand in the log. The site's database is another one, so no transaction
-- spans the deed and its leaf: the row here makes the leaf happen exactly once. leaf_index is -1 while the leaf is owed.
CREATE TABLE data_leaves (
    kind TEXT NOT NULL,
    deed TEXT NOT NULL,
    tenant TEXT NOT NULL,
    leaf_index BIGINT NOT NULL,
    PRIMARY KEY (kind, deed)
);
CREATE INDEX data_leaves_owed ON data_leaves (kind, deed) WHERE leaf_index < 0;

-- +goose Down
SELECT 1;
