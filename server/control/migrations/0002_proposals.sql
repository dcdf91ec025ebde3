-- +goose Up
-- The text of a next charter, with the signatures of the keys that it adds, beside the change-charter request whose
-- statement names its hash. The hash is what is voted on; an altered text matches no statement.
CREATE TABLE proposals (
    request TEXT NOT NULL PRIMARY KEY,
    body BYTEA NOT NULL
);

-- +goose Down
SELECT 1;
