-- +goose Up
-- Wraps that were made after their key set, for other recipients. Rows are only ever inserted; the newest counts.
CREATE TABLE key_wraps (
    tenant TEXT NOT NULL,
    key_no BIGINT NOT NULL,
    at BIGINT NOT NULL,
    wraps BYTEA NOT NULL,
    PRIMARY KEY (tenant, key_no, at),
    FOREIGN KEY (tenant, key_no) REFERENCES tenant_keys (tenant, key_no)
);

-- +goose Down
SELECT 1;
