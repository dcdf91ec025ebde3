-- +goose Up
CREATE TABLE tenants (
    id             TEXT PRIMARY KEY,
    name           TEXT NOT NULL,
    status         TEXT NOT NULL CHECK (status IN ('active', 'closed')),
    created_at     BIGINT NOT NULL,
    lockdown_since BIGINT NOT NULL DEFAULT 0,
    lockdown_at    BIGINT NOT NULL DEFAULT 0
);

CREATE TABLE persons (
    id             TEXT PRIMARY KEY,
    tenant         TEXT REFERENCES tenants (id),
    role           TEXT NOT NULL CHECK (role IN ('', 'owner', 'operator', 'viewer')),
    staff          TEXT NOT NULL CHECK (staff IN ('', 'approver', 'auditor')),
    email          TEXT NOT NULL,
    email_folded   TEXT NOT NULL UNIQUE,
    name           TEXT NOT NULL,
    status         TEXT NOT NULL CHECK (status IN ('invited', 'active', 'closed')),
    password       TEXT NOT NULL DEFAULT '',
    created_at     BIGINT NOT NULL,
    sessions_after BIGINT NOT NULL DEFAULT 0,
    -- a member of one tenant, or one of the staff; never both, never neither
    CHECK ((tenant IS NOT NULL AND role <> '' AND staff = '') OR (tenant IS NULL AND role = '' AND staff <> '')),
    CHECK (status <> 'active' OR password <> '')
);
CREATE INDEX persons_tenant ON persons (tenant, status);

-- Rows are never deleted: a key belongs to one person for ever (I2).
CREATE TABLE factors (
    id            TEXT PRIMARY KEY,
    person        TEXT NOT NULL REFERENCES persons (id),
    mechanism     TEXT NOT NULL CHECK (mechanism IN ('totp', 'passkey')),
    label         TEXT NOT NULL,
    enrolled_at   BIGINT NOT NULL,
    usable_from   BIGINT NOT NULL,
    removed_at    BIGINT NOT NULL DEFAULT 0,
    first         BOOLEAN NOT NULL,
    leaf_index    BIGINT NOT NULL DEFAULT -1,
    totp_sealed   BYTEA,
    totp_state    BYTEA,
    credential    BYTEA UNIQUE,
    public_key    BYTEA,
    key_digest    BYTEA UNIQUE,
    sign_count    BIGINT NOT NULL DEFAULT 0,
    device_bound  BOOLEAN NOT NULL DEFAULT FALSE,
    record        BYTEA,
    CHECK (usable_from >= enrolled_at),
    CHECK ((mechanism = 'totp' AND totp_sealed IS NOT NULL AND totp_state IS NOT NULL AND credential IS NULL AND key_digest IS NULL)
        OR (mechanism = 'passkey' AND credential IS NOT NULL AND public_key IS NOT NULL AND key_digest IS NOT NULL AND totp_sealed IS NULL))
);
CREATE INDEX factors_person ON factors (person, removed_at);

CREATE TABLE recovery_codes (
    person     TEXT NOT NULL REFERENCES persons (id),
    hash       BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    used_at    BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (person, hash)
);

-- Invitations of new accounts, and enrolment tickets of accounts whose factors
-- were reset by quorum.
CREATE TABLE invitations (
    hash       BYTEA PRIMARY KEY,
    purpose    TEXT NOT NULL CHECK (purpose IN ('account', 'enrolment')),
    person     TEXT NOT NULL REFERENCES persons (id),
    created_by TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at    BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX invitations_person ON invitations (person);

CREATE TABLE tokens (
    id           TEXT PRIMARY KEY,
    tenant       TEXT REFERENCES tenants (id),
    site         TEXT NOT NULL,
    name         TEXT NOT NULL,
    hash         BYTEA NOT NULL UNIQUE,
    scopes       TEXT NOT NULL,
    all_volumes  BOOLEAN NOT NULL,
    minted_by    TEXT NOT NULL REFERENCES persons (id),
    minted_at    BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL,
    last_used_at BIGINT NOT NULL DEFAULT 0,
    revoked_at   BIGINT NOT NULL DEFAULT 0,
    CHECK ((tenant IS NOT NULL AND site = '' AND scopes <> '') OR (tenant IS NULL AND site <> '' AND scopes = ''))
);
CREATE INDEX tokens_tenant ON tokens (tenant, minted_at);

CREATE TABLE token_volumes (
    token  TEXT NOT NULL REFERENCES tokens (id),
    volume TEXT NOT NULL,
    PRIMARY KEY (token, volume)
);

CREATE TABLE account_changes (
    id       TEXT PRIMARY KEY,
    person   TEXT NOT NULL REFERENCES persons (id),
    at       BIGINT NOT NULL,
    what     TEXT NOT NULL,
    detail   TEXT NOT NULL,
    by_actor TEXT NOT NULL
);
CREATE INDEX account_changes_person ON account_changes (person, at);

CREATE TABLE notices (
    id           TEXT PRIMARY KEY,
    person       TEXT NOT NULL REFERENCES persons (id),
    what         TEXT NOT NULL,
    detail       TEXT NOT NULL,
    created_at   BIGINT NOT NULL,
    due_at       BIGINT NOT NULL,
    attempts     BIGINT NOT NULL DEFAULT 0,
    delivered_at BIGINT NOT NULL DEFAULT 0,
    read_at      BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX notices_due ON notices (delivered_at, due_at);
CREATE INDEX notices_person ON notices (person, created_at);

-- +goose Down
SELECT 1;
