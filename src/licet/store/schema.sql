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
);
CREATE INDEX segments_due ON segments (due_on) WHERE erased_at IS NULL;
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
    payload     text NOT NULL
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
