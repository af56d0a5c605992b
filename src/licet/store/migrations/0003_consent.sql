-- Who was shown what. Apart from what was answered: nothing here makes anything usable.

-- A notice's bytes, once published, never change; a change of words is another row.
CREATE TABLE notices (
    notice_id    uuid PRIMARY KEY,
    position     bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    version      smallint NOT NULL REFERENCES policies,
    language     text NOT NULL CONSTRAINT language_is_a_tag CHECK (language ~ '^[a-z]{2,3}(-[A-Za-z0-9]{2,8})?$'),
    variant      text NOT NULL CONSTRAINT variant_is_known CHECK (variant IN ('existing', 'signup')),
    document     text NOT NULL,
    sha256       bytea NOT NULL CONSTRAINT notice_hash_is_that_of_its_bytes
                 CHECK (sha256 = sha256(convert_to(document, 'UTF8'))),
    published_at timestamptz NOT NULL,
    published_by text NOT NULL,
    UNIQUE (version, language, variant, sha256)
);

CREATE TABLE shown (
    account_id    uuid NOT NULL REFERENCES accounts,
    shown_id      uuid NOT NULL,
    notice_id     uuid NOT NULL REFERENCES notices,
    place         text NOT NULL CONSTRAINT place_shown_is_known
                  CHECK (place IN ('notice', 'signup', 'settings', 'host')),
    surface       text NOT NULL CONSTRAINT surface_shown_is_a_name CHECK (surface ~ '^[a-z][a-z0-9_.-]{0,31}$'),
    default_state text NOT NULL CONSTRAINT nothing_was_preselected CHECK (default_state = 'none'),
    gpc           boolean NOT NULL,
    markup_sha256 bytea CONSTRAINT markup_hash_is_sha256 CHECK (length(markup_sha256) = 32),
    shown_at      timestamptz NOT NULL,
    put_off_at    timestamptz CONSTRAINT put_off_after_it_was_shown CHECK (put_off_at >= shown_at),
    PRIMARY KEY (account_id, shown_id)
);
CREATE INDEX shown_by_time ON shown (account_id, shown_at);

-- Accepting the terms is one record, the choice is another.
CREATE TABLE terms (
    account_id  uuid NOT NULL REFERENCES accounts,
    version     smallint NOT NULL REFERENCES policies,
    accepted_at timestamptz NOT NULL,
    shown_id    uuid,
    PRIMARY KEY (account_id, version),
    FOREIGN KEY (account_id, shown_id) REFERENCES shown
);

-- Each change of what an account's browsers signal with `Sec-GPC`.
CREATE TABLE signals (
    account_id  uuid NOT NULL REFERENCES accounts,
    occurred_at timestamptz NOT NULL,
    gpc         boolean NOT NULL,
    PRIMARY KEY (account_id, occurred_at)
);
