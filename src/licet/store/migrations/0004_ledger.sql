-- Where a leaf of the outbox stands in the log of its year. The place is given first and the leaf appended after, so
-- the newest places of a log may be ahead of its checkpoint for as long as an append takes.

ALTER TABLE outbox ADD COLUMN index bigint;
ALTER TABLE outbox ADD COLUMN log_year smallint;
ALTER TABLE outbox ADD CONSTRAINT one_leaf_a_place UNIQUE (log_year, index);
ALTER TABLE outbox ADD CONSTRAINT a_place_is_whole CHECK ((index IS NULL) = (log_year IS NULL) AND index >= 0);
CREATE INDEX outbox_waiting ON outbox (outbox_id) WHERE index IS NULL;
CREATE INDEX outbox_choices ON outbox (account_id) WHERE entry = 'choice';

-- The log of one year as the database knows it: it holds either `decided` entries, with that root, or `size`, of
-- which the last ones are those that the digest names. Anything else is a rollback or a fork.
CREATE TABLE logs (
    log_year  smallint PRIMARY KEY,
    origin    text NOT NULL,
    decided   bigint NOT NULL,
    root      bytea NOT NULL CONSTRAINT log_root_is_sha256 CHECK (length(root) = 32),
    size      bigint NOT NULL,
    digest    bytea NOT NULL CONSTRAINT log_digest_is_sha256 CHECK (length(digest) = 32),
    logged_at timestamptz NOT NULL,
    CONSTRAINT a_log_grows CHECK (0 <= decided AND decided <= size)
);

-- In which years an account has a pseudonym: the first leaf of a new year carries the old one over.
CREATE TABLE log_accounts (
    account_id uuid NOT NULL,
    log_year   smallint NOT NULL,
    PRIMARY KEY (account_id, log_year)
);
