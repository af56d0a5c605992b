-- Who may do what over HTTP: keys of services, staff and their sessions, and what staff read.
--
-- Secrets (keys, sessions, links, tokens) have 256 random bits or are signed, so their SHA-256 cannot be guessed back;
-- the secrets themselves are nowhere.

CREATE TABLE api_keys (
    key_id        uuid PRIMARY KEY,
    name          text NOT NULL UNIQUE CONSTRAINT key_name_is_a_name CHECK (name ~ '^[a-z0-9][a-z0-9_.-]{0,63}$'),
    secret_sha256 bytea NOT NULL CONSTRAINT key_secret_is_sha256 CHECK (length(secret_sha256) = 32),
    scopes        text[] NOT NULL CONSTRAINT key_has_scopes CHECK (cardinality(scopes) > 0),
    made_at       timestamptz NOT NULL,
    revoked_at    timestamptz
);

-- Staff by their work address. `roles` are those given here, beside those that the identity provider says.
CREATE TABLE staff (
    staff_id uuid PRIMARY KEY,
    email    text NOT NULL UNIQUE CONSTRAINT staff_email_is_an_address CHECK (email ~ '^[^@[:space:]]+@[^@[:space:]]+$'),
    roles    text[] NOT NULL,
    made_at  timestamptz NOT NULL
);

CREATE TABLE staff_links (
    link_sha256 bytea PRIMARY KEY CONSTRAINT link_is_sha256 CHECK (length(link_sha256) = 32),
    staff_id    uuid NOT NULL REFERENCES staff,
    expires_at  timestamptz NOT NULL,
    used_at     timestamptz
);

CREATE TABLE sessions (
    session_sha256 bytea PRIMARY KEY CONSTRAINT session_is_sha256 CHECK (length(session_sha256) = 32),
    account_id     uuid REFERENCES accounts,
    staff_id       uuid REFERENCES staff,
    roles          text[] NOT NULL,
    begun_at       timestamptz NOT NULL,
    seen_at        timestamptz NOT NULL,
    ends_at        timestamptz NOT NULL,
    CONSTRAINT a_session_has_one_owner CHECK ((account_id IS NULL) <> (staff_id IS NULL)),
    CONSTRAINT a_person_has_no_role CHECK (account_id IS NULL OR cardinality(roles) = 0)
);
CREATE INDEX sessions_by_end ON sessions (ends_at);

-- Tokens that began a session: each does so once.
CREATE TABLE used_tokens (
    token_sha256 bytea PRIMARY KEY CONSTRAINT token_is_sha256 CHECK (length(token_sha256) = 32),
    expires_at   timestamptz NOT NULL
);
CREATE INDEX used_tokens_by_end ON used_tokens (expires_at);

-- The answers to writes with an `Idempotency-Key`: outcomes and our own ids, no content. The key belongs to its
-- caller, and a request is known by an HMAC of it.
CREATE TABLE idempotency_keys (
    caller_hmac  bytea NOT NULL,
    key_hmac     bytea NOT NULL,
    request_hmac bytea NOT NULL,
    answer       text NOT NULL,
    kept_at      timestamptz NOT NULL,
    PRIMARY KEY (caller_hmac, key_hmac)
);
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (kept_at);

-- Every reading of content by staff, for the person whose content it is.
CREATE TABLE staff_reads (
    account_id      uuid NOT NULL,
    read_id         uuid NOT NULL,
    conversation_id uuid NOT NULL,
    staff_id        uuid NOT NULL REFERENCES staff,
    role            text NOT NULL,
    reason          text NOT NULL CONSTRAINT read_reason_is_known
                    CHECK (reason IN ('misuse_review', 'person_request', 'legal_matter', 'incident')),
    ticket          text NOT NULL CONSTRAINT ticket_is_a_name CHECK (ticket ~ '^[A-Za-z0-9][A-Za-z0-9._/#-]{0,63}$'),
    turns           integer NOT NULL,
    read_at         timestamptz NOT NULL,
    PRIMARY KEY (account_id, read_id),
    FOREIGN KEY (account_id, conversation_id) REFERENCES conversations
);
