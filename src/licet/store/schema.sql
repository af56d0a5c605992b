-- The schema as the migrations leave it, to be read in one place; a test holds the two equal.
--
-- The governed copy: accounts, what they chose, what they said, the keys that open it, and where copies went.
--
-- The account id leads every primary and foreign key of what belongs to an account, so that the store shards by
-- account. Strings from outside that are not closed enumerations are never here in clear: content is sealed,
-- ids of the host are HMACs. Runs on PostgreSQL 15 to 18 without extensions.

CREATE TABLE policies (
    number     smallint PRIMARY KEY,
    policy     text NOT NULL,
    version    text NOT NULL UNIQUE,
    effective  timestamptz NOT NULL UNIQUE,
    document   text NOT NULL,
    sha256     bytea NOT NULL CONSTRAINT policy_hash_is_sha256 CHECK (length(sha256) = 32),
    applied_at timestamptz NOT NULL,
    applied_by text NOT NULL
);

-- What a change of policy would do, as it was shown before it was applied.
CREATE TABLE policy_plans (
    policy_sha256 bytea NOT NULL,
    base          smallint NOT NULL,
    made_at       timestamptz NOT NULL,
    made_by       text NOT NULL,
    plan          text NOT NULL,
    PRIMARY KEY (policy_sha256, base)
);

-- Secrets of the installation, wrapped by the key provider's root.
CREATE TABLE secrets (
    name    text PRIMARY KEY,
    wrapped bytea NOT NULL
);

-- Bucket keys, wrapped by an epoch key that exists only inside the key provider.
CREATE TABLE buckets (
    bucket  integer PRIMARY KEY CONSTRAINT bucket_in_range CHECK (bucket BETWEEN 0 AND 65535),
    epoch   integer NOT NULL,
    wrapped bytea NOT NULL
);

CREATE TABLE accounts (
    account_id  uuid PRIMARY KEY,
    host_hmac   bytea NOT NULL UNIQUE,
    bucket      integer NOT NULL REFERENCES buckets,
    wrapped_key bytea NOT NULL,
    next_slot   integer NOT NULL DEFAULT 0,
    plan        text NOT NULL CONSTRAINT plan_is_a_name CHECK (plan ~ '^[a-z][a-z0-9_.-]{0,31}$'),
    age         smallint CONSTRAINT age_is_plausible CHECK (age BETWEEN 0 AND 150),
    opened_at   timestamptz NOT NULL,
    last_at     timestamptz NOT NULL,
    last_seq    bigint NOT NULL DEFAULT 0,
    seen        smallint NOT NULL,
    closed_at   timestamptz,
    standing    text NOT NULL CONSTRAINT standing_is_known
                CHECK (standing IN ('granted', 'undecided', 'declined', 'withdrawn', 'lapsed')),
    grant_no    integer,
    grants      integer NOT NULL DEFAULT 0,
    answered    smallint,
    CONSTRAINT grant_only_by_choice CHECK (grant_no IS NULL OR (standing = 'granted' AND answered IS NOT NULL)),
    CONSTRAINT closed_ends_the_grant CHECK (closed_at IS NULL OR grant_no IS NULL),
    CONSTRAINT grant_is_the_newest CHECK (grant_no IS NULL OR grant_no = grants)
);
CREATE INDEX accounts_granted_by_version ON accounts (seen) WHERE grant_no IS NOT NULL;

-- The account's journal: what happened, in order. `ends` marks what may take rows out of a release.
CREATE SEQUENCE journal_position;
CREATE TABLE journal (
    account_id      uuid NOT NULL REFERENCES accounts,
    seq             bigint NOT NULL,
    position        bigint NOT NULL,
    occurred_at     timestamptz NOT NULL,
    event           text NOT NULL,
    conversation_id uuid,
    ends            boolean NOT NULL,
    PRIMARY KEY (account_id, seq)
);
CREATE INDEX journal_endings ON journal (position) WHERE ends;

CREATE TABLE choices (
    account_id  uuid NOT NULL REFERENCES accounts,
    seq         bigint NOT NULL,
    occurred_at timestamptz NOT NULL,
    version     smallint NOT NULL REFERENCES policies,
    allow       boolean NOT NULL,
    effect      text NOT NULL CONSTRAINT effect_is_known
                CHECK (effect IN ('began', 'affirmed', 'withdrew', 'declined', 'none')),
    grant_no    integer,
    via         text NOT NULL CONSTRAINT via_is_a_name CHECK (via ~ '^[a-z][a-z0-9_.-]{0,31}$'),
    evidence    bytea,
    PRIMARY KEY (account_id, seq),
    CONSTRAINT a_grant_begins_with_a_yes CHECK (effect NOT IN ('began', 'affirmed') OR (allow AND grant_no IS NOT NULL))
);

-- Wrapped segment keys of an account, several to a row; a destroyed one is all zeros.
CREATE TABLE key_pages (
    account_id uuid NOT NULL REFERENCES accounts,
    page       integer NOT NULL,
    slots      bytea NOT NULL,
    PRIMARY KEY (account_id, page)
);

CREATE TABLE conversations (
    account_id      uuid NOT NULL REFERENCES accounts,
    conversation_id uuid NOT NULL,
    host_hmac       bytea,
    kind            text NOT NULL CONSTRAINT kind_is_known CHECK (kind IN ('chat', 'code')),
    incognito       boolean NOT NULL,
    narrowed        boolean NOT NULL,
    widenings       integer NOT NULL,
    begun_at        timestamptz NOT NULL,
    deleted_at      timestamptz,
    safety_until    timestamptz,
    -- Kept by `say`, so that a population is decided without looking at each conversation's other segments: the
    -- segment that decides for the whole, what its stamp says, and whether any segment was taken out of scope.
    deciding        smallint NOT NULL,
    deciding_grant_no integer,
    deciding_grant_widening integer,
    deciding_stale  boolean NOT NULL,
    out_of_scope    boolean NOT NULL,
    PRIMARY KEY (account_id, conversation_id),
    UNIQUE (account_id, host_hmac)
);
CREATE INDEX conversations_by_id ON conversations (conversation_id);

CREATE TABLE segments (
    account_id      uuid NOT NULL,
    conversation_id uuid NOT NULL,
    segment         smallint NOT NULL,
    plan            text NOT NULL,
    surface         text NOT NULL CONSTRAINT surface_is_a_name CHECK (surface ~ '^[a-z][a-z0-9_.-]{0,31}$'),
    in_scope        boolean NOT NULL,
    version         smallint NOT NULL REFERENCES policies,
    narrowed        boolean NOT NULL,
    stale           boolean NOT NULL,
    grant_no        integer,
    grant_widening  integer,
    first_turn      integer NOT NULL,
    last_turn       integer NOT NULL,
    last_at         timestamptz NOT NULL,
    has_user        boolean NOT NULL,
    keep_until      timestamptz NOT NULL,
    due_on          date NOT NULL GENERATED ALWAYS AS ((keep_until AT TIME ZONE 'UTC')::date) STORED,
    flagged_turn    integer NOT NULL DEFAULT 0,
    safety_until    timestamptz,
    key_slot        integer,
    safety_slot     integer,
    erased_at       timestamptz,
    PRIMARY KEY (account_id, conversation_id, segment),
    FOREIGN KEY (account_id, conversation_id) REFERENCES conversations,
    CONSTRAINT a_grant_is_whole CHECK ((grant_no IS NULL) = (grant_widening IS NULL)),
    CONSTRAINT nothing_is_granted_out_of_scope CHECK (grant_no IS NULL OR (in_scope AND NOT narrowed AND NOT stale)),
    CONSTRAINT erased_has_no_key CHECK (erased_at IS NULL OR key_slot IS NULL)
) WITH (fillfactor = 90);
CREATE INDEX segments_due ON segments (due_on, account_id) WHERE erased_at IS NULL;
CREATE INDEX segments_safety_due ON segments (safety_until) WHERE safety_slot IS NOT NULL;

-- A turn's place and role outlive its content, so that what was erased is still answered for.
CREATE TABLE turns (
    account_id      uuid NOT NULL,
    conversation_id uuid NOT NULL,
    turn            integer NOT NULL,
    segment         smallint NOT NULL,
    seq             bigint NOT NULL,
    role            text NOT NULL CONSTRAINT role_is_known CHECK (role IN ('user', 'assistant', 'tool')),
    origin          text NOT NULL CONSTRAINT origin_is_a_name CHECK (origin ~ '^[a-z][a-z0-9_.-]{0,31}$'),
    occurred_at     timestamptz NOT NULL,
    host_hmac       bytea,
    PRIMARY KEY (account_id, conversation_id, turn),
    FOREIGN KEY (account_id, conversation_id, segment) REFERENCES segments
);
CREATE UNIQUE INDEX turns_by_host ON turns (account_id, conversation_id, host_hmac) WHERE host_hmac IS NOT NULL;

-- Sealed content, apart from its turns so that whole parts can be dropped. Turn 0 is the conversation's title.
CREATE TABLE bodies (
    account_id      uuid NOT NULL,
    conversation_id uuid NOT NULL,
    turn            integer NOT NULL,
    segment         smallint NOT NULL,
    sealed          bytea NOT NULL,
    PRIMARY KEY (account_id, conversation_id, turn)
);
ALTER TABLE bodies ALTER COLUMN sealed SET STORAGE EXTERNAL;

-- The safety copy of what was flagged, under keys of its own.
CREATE TABLE safety_bodies (
    account_id      uuid NOT NULL,
    conversation_id uuid NOT NULL,
    turn            integer NOT NULL,
    segment         smallint NOT NULL,
    sealed          bytea NOT NULL,
    PRIMARY KEY (account_id, conversation_id, turn)
);
ALTER TABLE safety_bodies ALTER COLUMN sealed SET STORAGE EXTERNAL;

-- The score of a flag stays, without content, for the period of its own.
CREATE TABLE flags (
    account_id      uuid NOT NULL,
    conversation_id uuid NOT NULL,
    seq             bigint NOT NULL,
    flagged_at      timestamptz NOT NULL,
    score           real CONSTRAINT score_is_a_share CHECK (score BETWEEN 0 AND 1),
    score_until     timestamptz NOT NULL,
    overturned_at   timestamptz,
    PRIMARY KEY (account_id, conversation_id, seq),
    FOREIGN KEY (account_id, conversation_id) REFERENCES conversations
);
CREATE INDEX flags_score_due ON flags (score_until);

CREATE TABLE holds (
    account_id      uuid NOT NULL,
    conversation_id uuid NOT NULL,
    matter_hmac     bytea NOT NULL,
    matter          bytea NOT NULL,
    placed_at       timestamptz NOT NULL,
    PRIMARY KEY (account_id, conversation_id, matter_hmac),
    FOREIGN KEY (account_id, conversation_id) REFERENCES conversations
);

CREATE TABLE feedback (
    account_id      uuid NOT NULL,
    feedback_id     uuid NOT NULL,
    conversation_id uuid NOT NULL,
    host_hmac       bytea,
    rating          text NOT NULL CONSTRAINT rating_is_known CHECK (rating IN ('up', 'down')),
    share           text NOT NULL CONSTRAINT share_is_known CHECK (share IN ('rating', 'reply', 'conversation')),
    turn            integer NOT NULL,
    given_at        timestamptz NOT NULL,
    version         smallint NOT NULL REFERENCES policies,
    narrowed        boolean NOT NULL,
    grant_no        integer,
    grant_widening  integer,
    keep_until      timestamptz NOT NULL,
    due_on          date NOT NULL GENERATED ALWAYS AS ((keep_until AT TIME ZONE 'UTC')::date) STORED,
    key_slot        integer,
    erased_at       timestamptz,
    PRIMARY KEY (account_id, feedback_id),
    FOREIGN KEY (account_id, conversation_id) REFERENCES conversations,
    CONSTRAINT a_grant_of_feedback_is_whole CHECK ((grant_no IS NULL) = (grant_widening IS NULL)),
    CONSTRAINT no_feedback_is_granted_kept_out CHECK (grant_no IS NULL OR NOT narrowed),
    CONSTRAINT feedback_erased_has_no_key CHECK (erased_at IS NULL OR key_slot IS NULL)
);
CREATE UNIQUE INDEX feedback_by_host ON feedback (account_id, host_hmac) WHERE host_hmac IS NOT NULL;
CREATE INDEX feedback_by_conversation ON feedback (account_id, conversation_id);
CREATE INDEX feedback_due ON feedback (due_on) WHERE erased_at IS NULL;

CREATE TABLE feedback_bodies (
    account_id  uuid NOT NULL,
    feedback_id uuid NOT NULL,
    turn        integer NOT NULL,
    sealed      bytea NOT NULL,
    PRIMARY KEY (account_id, feedback_id, turn)
);
ALTER TABLE feedback_bodies ALTER COLUMN sealed SET STORAGE EXTERNAL;

-- The register: every place that came to hold content, or something derived from it.
CREATE TABLE copies (
    account_id      uuid NOT NULL,
    conversation_id uuid NOT NULL,
    segment         smallint NOT NULL,
    place           text NOT NULL CONSTRAINT place_is_known
                    CHECK (place IN ('vault', 'safety', 'feedback', 'release')),
    reference       uuid NOT NULL,
    registered_at   timestamptz NOT NULL,
    ended_at        timestamptz,
    PRIMARY KEY (account_id, conversation_id, segment, place, reference)
);

-- Leaves on their way to the log. A row shares the transaction of what it tells.
CREATE TABLE outbox (
    outbox_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id  uuid,
    entry       text NOT NULL,
    occurred_at timestamptz NOT NULL,
    payload     text NOT NULL,
    index       bigint,
    log_year    smallint,
    CONSTRAINT one_leaf_a_place UNIQUE (log_year, index),
    CONSTRAINT a_place_is_whole CHECK ((index IS NULL) = (log_year IS NULL) AND index >= 0)
);
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

CREATE TABLE releases (
    release_id      uuid PRIMARY KEY,
    name            text NOT NULL UNIQUE CONSTRAINT release_name_is_a_name CHECK (name ~ '^[a-z0-9][a-z0-9_.-]{0,63}$'),
    purpose         text NOT NULL,
    state           text NOT NULL CONSTRAINT release_state_is_known CHECK (state IN ('building', 'sealed')),
    version         smallint NOT NULL REFERENCES policies,
    pinned          bigint NOT NULL,
    begun_at        timestamptz NOT NULL,
    sealed_at       timestamptz,
    position        bigint,
    rows            integer,
    turns           integer,
    root            bytea,
    manifest_sha256 bytea,
    CONSTRAINT sealed_is_whole CHECK (state <> 'sealed' OR (sealed_at IS NOT NULL AND position IS NOT NULL
        AND rows IS NOT NULL AND turns IS NOT NULL AND root IS NOT NULL AND manifest_sha256 IS NOT NULL))
);

-- What a row came from. `key_segments` and `key_places` name the keys that its own key is derived from, in order;
-- the sources are what a lease decides by: for each segment and origin, the last turn and how many there are.
CREATE TABLE release_rows (
    account_id      uuid NOT NULL,
    release_id      uuid NOT NULL REFERENCES releases,
    row_id          bytea NOT NULL,
    ordinal         integer NOT NULL,
    conversation_id uuid NOT NULL,
    key_segments    smallint[] NOT NULL,
    key_places      text[] NOT NULL,
    source_segments smallint[] NOT NULL,
    source_origins  text[] NOT NULL,
    source_turns    integer[] NOT NULL,
    source_counts   integer[] NOT NULL,
    PRIMARY KEY (account_id, release_id, row_id)
);
CREATE UNIQUE INDEX release_rows_by_ordinal ON release_rows (release_id, ordinal);
CREATE INDEX release_rows_by_conversation ON release_rows (account_id, conversation_id);

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
