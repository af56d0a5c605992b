-- The schema of the first version. A later version adds a numbered file beside this one, which then stays as it is.
--
-- The governed copy: accounts, what they chose, what they said, the keys that open it, and where copies went.
--
-- The account id leads every primary and foreign key of what belongs to an account; ADR 22 has what is unique over all
-- accounts. The store is one PostgreSQL. Strings from outside that are not closed enumerations are never here in clear:
-- content is sealed, ids of the host are HMACs.
-- Runs on PostgreSQL 15 to 18 without extensions.

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
    position      bigint NOT NULL DEFAULT 0,  -- of the accounts' journal: what happened since may have changed it
    PRIMARY KEY (policy_sha256, base)
);

-- The dates that a plan showed, account by account: what is shortened is what was shown.
CREATE TABLE policy_shortenings (
    shortening_id uuid NOT NULL,  -- of the plan; it begins with its time
    account_id    uuid NOT NULL,
    dates_sha256  bytea NOT NULL,
    PRIMARY KEY (shortening_id, account_id)
);

-- A policy version that somebody proposes and another person applies. `text` is the file as it was sent.
CREATE TABLE policy_proposals (
    proposal_id   uuid PRIMARY KEY,
    policy_sha256 bytea NOT NULL,
    version       text NOT NULL,
    text          text NOT NULL,
    proposed_at   timestamptz NOT NULL,
    proposed_by   text NOT NULL,
    state         text NOT NULL CONSTRAINT proposal_state_is_known CHECK (state IN ('open', 'withdrawn', 'applied')),
    ended_at      timestamptz,
    ended_by      text,
    reason        text NOT NULL DEFAULT '',
    proposed_identity bytea CONSTRAINT proposed_identity_is_sha256 CHECK (length(proposed_identity) = 32),
    ended_identity    bytea CONSTRAINT ended_identity_is_sha256 CHECK (length(ended_identity) = 32),
    CONSTRAINT an_ended_proposal_says_when_and_by_whom CHECK (
        (state = 'open') = (ended_at IS NULL) AND (ended_at IS NULL) = (ended_by IS NULL)),
    CONSTRAINT another_person_applies CHECK (state <> 'applied' OR ended_by <> proposed_by),
    CONSTRAINT another_identity_applies CHECK (state <> 'applied' OR ended_identity <> proposed_identity)
);
CREATE UNIQUE INDEX one_open_proposal_a_text ON policy_proposals (policy_sha256) WHERE state = 'open';

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

-- SET STATISTICS 0, here and below: samples of keys, sealed bytes and HMACs must not stand among the planner's statistics,
-- where no erasure reaches them.
CREATE TABLE accounts (
    account_id  uuid PRIMARY KEY,
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
    granted     integer NOT NULL DEFAULT 0,
    in_force    integer NOT NULL DEFAULT 0,
    region      text CONSTRAINT region_is_of_iso_3166 CHECK (region ~ '^[A-Z]{2}(-[A-Z0-9]{1,3})?$'),
    CONSTRAINT grants_in_force_were_given CHECK (in_force BETWEEN 0 AND granted),
    CONSTRAINT closed_ends_the_grants CHECK (closed_at IS NULL OR in_force = 0)
);
ALTER TABLE accounts ALTER COLUMN wrapped_key SET STATISTICS 0;
CREATE INDEX accounts_granted_by_version ON accounts (seen) WHERE in_force > 0;

-- Which account the host means by its own id, as an HMAC: the one thing that must be unique over all accounts, in a table
-- of its own. It names accounts and references none, so that it can lie elsewhere than they do.
CREATE TABLE account_hosts (
    host_hmac  bytea PRIMARY KEY,
    account_id uuid NOT NULL
);

-- Where an account stands with a question, and its grant for all that it says.
CREATE TABLE standings (
    account_id     uuid NOT NULL REFERENCES accounts,
    question       text NOT NULL CONSTRAINT question_is_a_name CHECK (question ~ '^[a-z][a-z0-9_]{0,31}$'),
    standing       text NOT NULL CONSTRAINT standing_is_known
                   CHECK (standing IN ('granted', 'undecided', 'declined', 'withdrawn', 'lapsed')),
    answered       smallint,
    granted_before boolean NOT NULL,
    grant_no       integer,
    PRIMARY KEY (account_id, question),
    CONSTRAINT grant_only_by_choice CHECK (grant_no IS NULL OR standing = 'granted'),
    CONSTRAINT a_grant_answers CHECK (grant_no IS NULL OR (answered IS NOT NULL AND granted_before))
);

-- The projects of the host, by its id. `kept_out_at`: since when their later conversations begin kept out.
CREATE TABLE projects (
    account_id  uuid NOT NULL REFERENCES accounts,
    project_id  uuid NOT NULL,
    host_hmac   bytea NOT NULL,
    title       bytea,
    begun_at    timestamptz NOT NULL,
    kept_out_at timestamptz,
    PRIMARY KEY (account_id, project_id),
    UNIQUE (account_id, host_hmac)
);

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
    shown_id    uuid,
    -- It answers one question, for one scope; `because` says why it had no effect; `kept` are the grants that a no named, as
    -- numbers between commas.
    question    text,
    project_id  uuid,
    conversation_id uuid,
    because     text,
    kept        text NOT NULL DEFAULT '',
    -- Of a refusal that came in late, from recorded history: when the host had recorded it.
    recorded_at timestamptz,
    PRIMARY KEY (account_id, seq),
    CONSTRAINT at_most_one_scope CHECK (num_nonnulls(project_id, conversation_id) <= 1),
    CONSTRAINT what_had_an_effect_answers CHECK (effect = 'none' OR question IS NOT NULL),
    CONSTRAINT a_grant_begins_with_a_yes CHECK (effect NOT IN ('began', 'affirmed') OR (allow AND grant_no IS NOT NULL))
);

-- Wrapped segment keys of an account, several to a row; a destroyed one is all zeros.
CREATE TABLE key_pages (
    account_id uuid NOT NULL REFERENCES accounts,
    page       integer NOT NULL,
    slots      bytea NOT NULL,
    PRIMARY KEY (account_id, page)
);
ALTER TABLE key_pages ALTER COLUMN slots SET STATISTICS 0;

CREATE TABLE conversations (
    account_id      uuid NOT NULL REFERENCES accounts,
    conversation_id uuid NOT NULL,
    host_hmac       bytea,
    kind            text NOT NULL CONSTRAINT kind_is_known CHECK (kind IN ('chat', 'code')),
    incognito       boolean NOT NULL,
    narrowed        boolean NOT NULL,
    narrowings      integer NOT NULL,
    begun_at        timestamptz NOT NULL,
    deleted_at      timestamptz,
    safety_until    timestamptz,
    -- Kept by `say`, so that a population is decided without looking at each conversation's other segments: the
    -- segment that decides for the whole, what its stamp says, and whether any segment was taken out of scope.
    deciding        smallint NOT NULL,
    deciding_stale  text NOT NULL,
    out_of_scope    boolean NOT NULL,
    project_id      uuid,
    deciding_grants integer[] NOT NULL DEFAULT '{}',
    deciding_narrowing integer NOT NULL DEFAULT 0,
    PRIMARY KEY (account_id, conversation_id),
    UNIQUE (account_id, host_hmac),
    CONSTRAINT a_project_is_the_account_s FOREIGN KEY (account_id, project_id) REFERENCES projects
);
CREATE INDEX conversations_by_id ON conversations (conversation_id);
CREATE INDEX conversations_by_project ON conversations (account_id, project_id) WHERE project_id IS NOT NULL;

-- The grants in force for one project or one conversation. Those for the account stand in `standings`.
CREATE TABLE scoped_grants (
    account_id      uuid NOT NULL REFERENCES accounts,
    grant_no        integer NOT NULL,
    question        text NOT NULL,
    project_id      uuid,
    conversation_id uuid,
    begun_at        timestamptz NOT NULL,
    PRIMARY KEY (account_id, grant_no),
    FOREIGN KEY (account_id, question) REFERENCES standings,
    FOREIGN KEY (account_id, project_id) REFERENCES projects,
    FOREIGN KEY (account_id, conversation_id) REFERENCES conversations,
    CONSTRAINT one_scope CHECK (num_nonnulls(project_id, conversation_id) = 1)
);
CREATE UNIQUE INDEX one_grant_a_project ON scoped_grants (account_id, project_id, question) WHERE project_id IS NOT NULL;
CREATE UNIQUE INDEX one_grant_a_conversation ON scoped_grants (account_id, conversation_id, question)
    WHERE conversation_id IS NOT NULL;

CREATE TABLE segments (
    account_id      uuid NOT NULL,
    conversation_id uuid NOT NULL,
    segment         smallint NOT NULL,
    plan            text NOT NULL,
    surface         text NOT NULL CONSTRAINT surface_is_a_name CHECK (surface ~ '^[a-z][a-z0-9_.-]{0,31}$'),
    in_scope        boolean NOT NULL,
    version         smallint NOT NULL REFERENCES policies,
    narrowed        boolean NOT NULL,
    stale           text NOT NULL,
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
    -- `grants`: those that it was given under, one a question; `narrowing`: how often the conversation had been kept out by
    -- then. `stale` and `origins` are names between commas.
    grants          integer[] NOT NULL DEFAULT '{}',
    narrowing       integer NOT NULL DEFAULT 0,
    origins         text NOT NULL DEFAULT '',
    -- How many sealed bytes lie under it: what moves with its end.
    stored_bytes    bigint NOT NULL DEFAULT 0,
    safety_bytes    bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (account_id, conversation_id, segment),
    FOREIGN KEY (account_id, conversation_id) REFERENCES conversations,
    CONSTRAINT nothing_is_granted_out_of_scope CHECK (grants = '{}' OR (in_scope AND NOT narrowed)),
    CONSTRAINT narrowing_is_of_a_grant CHECK (grants <> '{}' OR narrowing = 0),
    CONSTRAINT erased_has_no_key CHECK (erased_at IS NULL OR key_slot IS NULL)
) WITH (fillfactor = 90);
CREATE INDEX segments_due ON segments (due_on, account_id) WHERE erased_at IS NULL;
CREATE INDEX segments_safety_due ON segments (safety_until) WHERE safety_slot IS NOT NULL;

-- The number at a place among packed ones: big-endian, of four bytes and of eight.
CREATE FUNCTION packed_int4(packed bytea, place bigint) RETURNS integer LANGUAGE sql IMMUTABLE AS
    $$ SELECT get_byte(packed, 4 * place::int) << 24 | get_byte(packed, 4 * place::int + 1) << 16
              | get_byte(packed, 4 * place::int + 2) << 8 | get_byte(packed, 4 * place::int + 3) $$;
CREATE FUNCTION packed_int8(packed bytea, place bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS
    $$ SELECT ('x' || encode(substr(packed, 8 * place::int + 1, 8), 'hex'))::bit(64)::bigint $$;

-- The turns of one segment that arrived together. Their places and roles outlive their content, so that what was erased is
-- still answered for. Turn 0 is the conversation's title. `vault/blocks.py` packs and unpacks them.
CREATE TABLE blocks (
    account_id      uuid NOT NULL,
    conversation_id uuid NOT NULL,
    first_turn      integer NOT NULL,
    segment         smallint NOT NULL,
    -- The account's number of the first turn, and how much that of each is behind it, of four bytes; null where each
    -- follows the one before.
    seq             bigint NOT NULL,
    seqs            bytea,
    -- A letter a turn: user, assistant, tool, system; h is the title.
    roles           text NOT NULL,
    -- A name a turn, between commas; empty where each is the one that goes with the role.
    origins         text NOT NULL,
    times           bytea NOT NULL,  -- eight bytes a turn: microseconds since 1970, UTC
    hosts           bytea,           -- sixteen bytes a turn: the HMAC of the host's id, zeros without one
    sizes           bytea,           -- four bytes a turn: how long its content is before it is sealed, 0 without any
    -- All content together, and its place in an object of the cold store, if it does not lie here; null without any, as
    -- once it was erased.
    sealed          bytea,
    object_id       uuid,
    object_offset   bigint,
    object_length   integer,
    PRIMARY KEY (account_id, conversation_id, first_turn),
    FOREIGN KEY (account_id, conversation_id, segment) REFERENCES segments,
    CONSTRAINT role_is_known CHECK (roles <> '' AND translate(ltrim(roles, 'h'), 'uats', '') = ''),
    CONSTRAINT the_title_comes_first CHECK (
        first_turn >= 0 AND (first_turn = 0) = (roles LIKE 'h%') AND (first_turn > 0 OR segment = 0)
        AND roles <> 'h' AND roles NOT LIKE '_%h%'),
    CONSTRAINT origin_is_a_name CHECK (origins = '' OR origins ~ '^[a-z][a-z0-9_.-]{0,31}(,[a-z][a-z0-9_.-]{0,31})*$'),
    CONSTRAINT each_turn_has_an_origin CHECK (origins = ''
        OR length(origins) - length(replace(origins, ',', '')) = length(roles) - 1),
    CONSTRAINT each_turn_has_a_time CHECK (length(times) = 8 * length(roles)),
    CONSTRAINT each_turn_has_a_number CHECK (length(seqs) = 4 * length(roles)),
    CONSTRAINT each_turn_has_a_place_for_its_host CHECK (length(hosts) = 16 * length(roles)),
    CONSTRAINT each_turn_has_a_size CHECK (length(sizes) = 4 * length(roles)),
    CONSTRAINT a_block_is_in_one_place CHECK (num_nonnulls(sealed, object_id) = num_nonnulls(sizes)),
    CONSTRAINT a_place_in_an_object_is_whole CHECK (num_nonnulls(object_id, object_offset, object_length) IN (0, 3))
);
CREATE INDEX blocks_by_object ON blocks (object_id) WHERE object_id IS NOT NULL;
ALTER TABLE blocks ALTER COLUMN sealed SET STORAGE EXTERNAL;
ALTER TABLE blocks ALTER COLUMN sealed SET STATISTICS 0, ALTER COLUMN sizes SET STATISTICS 0,
    ALTER COLUMN hosts SET STATISTICS 0, ALTER COLUMN times SET STATISTICS 0, ALTER COLUMN seqs SET STATISTICS 0;

-- The turns in the blocks, a row each; `size` is that of its stored content, null without any. No title is among them.
CREATE VIEW turns AS
    SELECT b.account_id, b.conversation_id, b.first_turn + t.number::int - 1 AS turn, b.segment,
           b.seq + CASE WHEN b.seqs IS NOT NULL THEN packed_int4(b.seqs, t.number - 1)
                        ELSE b.first_turn + t.number - 1 - greatest(b.first_turn, 1) END AS seq,
           CASE t.letter WHEN 'u' THEN 'user' WHEN 'a' THEN 'assistant' WHEN 't' THEN 'tool' ELSE 'system' END AS role,
           CASE WHEN b.origins <> '' THEN split_part(b.origins, ',', t.number::int)
                ELSE CASE t.letter WHEN 'u' THEN 'typed' WHEN 'a' THEN 'assistant' WHEN 't' THEN 'tool' ELSE 'system' END
                END AS origin,
           'epoch'::timestamptz + packed_int8(b.times, t.number - 1) * interval '1 microsecond' AS occurred_at,
           nullif(substr(b.hosts, 16 * t.number::int - 15, 16), '\x00000000000000000000000000000000') AS host_hmac,
           nullif(packed_int4(b.sizes, t.number - 1), 0) AS size
      FROM blocks b CROSS JOIN LATERAL unnest(string_to_array(b.roles, NULL)) WITH ORDINALITY AS t(letter, number)
     WHERE t.letter <> 'h';

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
ALTER TABLE safety_bodies ALTER COLUMN sealed SET STATISTICS 0;

-- Where a detector of names found them in the turns of a segment, so that the next release reads new turns only. Sealed under a
-- key that is derived from the segment's key: it ends with it, and the row goes with the segment's content. It holds no text.
CREATE TABLE found_names (
    account_id      uuid NOT NULL,
    conversation_id uuid NOT NULL,
    segment         smallint NOT NULL,
    sealed          bytea NOT NULL,
    PRIMARY KEY (account_id, conversation_id, segment)
);
ALTER TABLE found_names ALTER COLUMN sealed SET STORAGE EXTERNAL;
ALTER TABLE found_names ALTER COLUMN sealed SET STATISTICS 0;

-- The score of a flag stays, without content, for the period of its own.
CREATE TABLE flags (
    account_id      uuid NOT NULL,
    conversation_id uuid NOT NULL,
    seq             bigint NOT NULL,
    flagged_at      timestamptz NOT NULL,
    score           real CONSTRAINT score_is_a_share CHECK (score BETWEEN 0 AND 1),
    score_until     timestamptz NOT NULL,
    overturned_at   timestamptz,
    upheld_at       timestamptz,  -- when somebody last looked at it and left it standing
    PRIMARY KEY (account_id, conversation_id, seq),
    FOREIGN KEY (account_id, conversation_id) REFERENCES conversations
);
CREATE INDEX flags_score_due ON flags (score_until);
CREATE INDEX flags_by_time ON flags (flagged_at, conversation_id, seq);
CREATE INDEX flags_by_review ON flags (coalesce(upheld_at, flagged_at), conversation_id, seq);

CREATE TABLE holds (
    account_id      uuid NOT NULL,
    conversation_id uuid NOT NULL,
    matter_hmac     bytea NOT NULL,
    matter          bytea NOT NULL,
    placed_at       timestamptz NOT NULL,
    reason          text NOT NULL
                    CONSTRAINT a_hold_has_a_known_reason
                    CHECK (reason IN ('litigation', 'investigation', 'regulator', 'preservation_order', 'other')),
    review_at       timestamptz NOT NULL,
    placed_by       text NOT NULL,
    is_told         boolean NOT NULL,
    PRIMARY KEY (account_id, conversation_id, matter_hmac),
    FOREIGN KEY (account_id, conversation_id) REFERENCES conversations,
    CONSTRAINT a_hold_is_reviewed_after_it_was_placed CHECK (review_at > placed_at)
);
CREATE INDEX holds_by_review ON holds (review_at, conversation_id, matter_hmac);

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
    grant_narrowing integer,
    keep_until      timestamptz NOT NULL,
    due_on          date NOT NULL GENERATED ALWAYS AS ((keep_until AT TIME ZONE 'UTC')::date) STORED,
    key_slot        integer,
    erased_at       timestamptz,
    taken_back_at   timestamptz,
    stored_bytes    bigint NOT NULL DEFAULT 0,
    -- Of the host's own check of an answer; empty of a person's feedback.
    check_name      text NOT NULL DEFAULT '' CONSTRAINT check_is_known
                    CHECK (check_name IN ('', 'tests', 'build', 'lint', 'task', 'accepted', 'reward')),
    score           double precision,
    PRIMARY KEY (account_id, feedback_id),
    FOREIGN KEY (account_id, conversation_id) REFERENCES conversations,
    CONSTRAINT a_grant_of_feedback_is_whole CHECK ((grant_no IS NULL) = (grant_narrowing IS NULL)),
    CONSTRAINT no_feedback_is_granted_kept_out CHECK (grant_no IS NULL OR NOT narrowed),
    CONSTRAINT feedback_taken_back_is_over CHECK (keep_until <= taken_back_at),
    CONSTRAINT feedback_erased_has_no_key CHECK (erased_at IS NULL OR key_slot IS NULL),
    CONSTRAINT a_score_is_of_a_check CHECK (score IS NULL OR (check_name <> '' AND score BETWEEN -1e9 AND 1e9)),
    CONSTRAINT a_check_shares_nothing CHECK (check_name = '' OR (share = 'rating' AND key_slot IS NULL))
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
ALTER TABLE feedback_bodies ALTER COLUMN sealed SET STATISTICS 0;

-- The register: every place that came to hold content, or something derived from it. Of releases their rows say it.
CREATE TABLE copies (
    account_id      uuid NOT NULL,
    conversation_id uuid NOT NULL,
    segment         smallint NOT NULL,
    place           text NOT NULL CONSTRAINT place_is_known
                    CHECK (place IN ('vault', 'safety', 'feedback', 'export')),
    reference       uuid NOT NULL,
    registered_at   timestamptz NOT NULL,
    ended_at        timestamptz,
    PRIMARY KEY (account_id, conversation_id, segment, place, reference)
);
-- An acknowledgement ends the copies of one export, whosever they are.
CREATE INDEX copies_exported ON copies (reference) WHERE place = 'export';

-- Leaves on their way to the log. A row shares the transaction of the change that it records. It waits since
-- `added_at`: an import records changes that occurred years before.
CREATE TABLE outbox (
    outbox_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id  uuid,
    entry       text NOT NULL,
    occurred_at timestamptz NOT NULL,
    payload     text NOT NULL,
    index       bigint,
    log_year    smallint,
    added_at    timestamptz NOT NULL DEFAULT now(),
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

-- What the rows of a release came from: in a row here are those of one account in one block of 64 ordinals, from `first` on,
-- or some of them. `sources` has for each row its place behind `first`, the keys that its own key is derived from, and its
-- sources (`release/row_runs.py`); `origins` are the names of their origins, between commas. The id of a row follows from its
-- ordinal; `row_ids` are those of releases before, which were drawn.
CREATE TABLE release_runs (
    account_id    uuid NOT NULL,
    release_id    uuid NOT NULL REFERENCES releases,
    first         integer NOT NULL,
    origins       text NOT NULL,
    conversations uuid[] NOT NULL,
    sources       bytea[] NOT NULL,
    row_ids       bytea[],
    PRIMARY KEY (account_id, release_id, first),
    CONSTRAINT a_run_is_whole CHECK (cardinality(sources) BETWEEN 1 AND 64 AND cardinality(conversations) = cardinality(sources))
);
CREATE INDEX release_runs_by_block ON release_runs (release_id, (first / 64));

-- The number at a place of the numbers behind a row's first byte, the first at place 1: of one byte, or of four where that byte
-- says so. PostgreSQL puts these functions into the statements that call them. For that, what is given to one that names it
-- twice must be a column and no long expression; a range of places tells the planner that they are few.
CREATE FUNCTION release_row_number(made bytea, place integer) RETURNS integer LANGUAGE sql IMMUTABLE AS
    'SELECT CASE WHEN get_byte(made, 0) < 128 THEN get_byte(made, place)
        ELSE (get_byte(made, 4 * place - 3) << 24) | (get_byte(made, 4 * place - 2) << 16)
           | (get_byte(made, 4 * place - 1) << 8) | get_byte(made, 4 * place) END';
-- The keys that a row's own is derived from, in order.
CREATE FUNCTION release_row_keys(made bytea) RETURNS TABLE (place integer, segment smallint, is_safety boolean)
    LANGUAGE sql IMMUTABLE ROWS 1 AS
    'SELECT p, (release_row_number(made, p) >> 1)::smallint, release_row_number(made, p) & 1 = 1
       FROM generate_series(2, 1 + release_row_number(made, 1)) p WHERE p BETWEEN 2 AND 2147483647';
-- The sources that a lease decides by: of each segment and origin the last turn, and how many there are.
CREATE FUNCTION release_row_sources(made bytea, origins text)
    RETURNS TABLE (segment smallint, origin text, turn integer, turns integer) LANGUAGE sql IMMUTABLE ROWS 2 AS
    'SELECT release_row_number(made, p)::smallint, split_part(origins, '','', 1 + release_row_number(made, p + 1)),
            release_row_number(made, p + 2), release_row_number(made, p + 3)
       FROM generate_series(2 + release_row_number(made, 1),
                            CASE WHEN get_byte(made, 0) < 128 THEN length(made) - 1 ELSE length(made) / 4 END, 4) p
      WHERE p BETWEEN 2 AND 2147483647';
-- The blocks that ordinals lie in.
CREATE FUNCTION release_blocks(ordinals integer[]) RETURNS integer[] LANGUAGE sql IMMUTABLE AS
    'SELECT coalesce(array_agg(DISTINCT n / 64), ''{}'') FROM unnest(ordinals) n';
-- The rows, one by one: found by account, or by release and block.
CREATE VIEW release_rows AS
    SELECT r.account_id, r.release_id, r.first / 64 AS block, r.first + (get_byte(m.sources, 0) & 63) AS ordinal,
           m.conversation_id, m.sources, r.origins, m.row_id
      FROM release_runs r
     CROSS JOIN LATERAL unnest(r.conversations, r.sources, r.row_ids) AS m(conversation_id, sources, row_id);

-- Who may do what over HTTP: keys of services, staff and their sessions, and what staff read.
--
-- Secrets (keys, sessions, links, tokens) have 256 random bits or are signed, so their SHA-256 cannot be guessed back;
-- the secrets themselves are nowhere.

-- A key stands for somebody: `recipient` holds the row keys that it leases, of `releases` (names, or the beginning of names
-- before a `*`); `own` says that it is the installation's own machines, to whom nothing is handed over. `endpoint_id` is the
-- endpoint that it acknowledges for.
CREATE TABLE api_keys (
    key_id        uuid PRIMARY KEY,
    name          text NOT NULL UNIQUE CONSTRAINT key_name_is_a_name CHECK (name ~ '^[a-z0-9][a-z0-9_.-]{0,63}$'),
    secret_sha256 bytea NOT NULL CONSTRAINT key_secret_is_sha256 CHECK (length(secret_sha256) = 32),
    scopes        text[] NOT NULL CONSTRAINT key_has_scopes CHECK (cardinality(scopes) > 0),
    made_at       timestamptz NOT NULL,
    revoked_at    timestamptz,
    recipient     text CONSTRAINT key_recipient_is_a_name CHECK (recipient ~ '^[a-z0-9][a-z0-9_.-]{0,63}$'),
    own           boolean NOT NULL DEFAULT false,
    releases      text[],
    endpoint_id   uuid,
    expires_at    timestamptz,
    requests_per_minute integer CONSTRAINT key_rate_is_positive CHECK (requests_per_minute BETWEEN 1 AND 1000000),
    version       integer NOT NULL DEFAULT 1 CONSTRAINT key_version_is_positive CHECK (version > 0),
    CONSTRAINT key_leases_named_releases CHECK ((recipient IS NULL) = (releases IS NULL))
);

-- Who changed or revoked a key, when and why. The limits are those that the key had until then.
CREATE TABLE api_key_changes (
    key_id              uuid NOT NULL REFERENCES api_keys,
    version             integer NOT NULL,
    act                 text NOT NULL CONSTRAINT key_act_is_known CHECK (act IN ('limited', 'revoked')),
    changed_at          timestamptz NOT NULL,
    changed_by          text NOT NULL,
    reason              text NOT NULL CONSTRAINT key_reason_is_short CHECK (length(reason) BETWEEN 1 AND 500),
    scopes              text[] NOT NULL,
    releases            text[],
    requests_per_minute integer,
    expires_at          timestamptz,
    PRIMARY KEY (key_id, version)
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

-- `identity`: of the identity provider, SHA-256 over issuer and subject, in this table and where it is beside a `staff_id` or
-- who did something. NULL where a link began the session, and on the command line: one person can be any number of those.
CREATE TABLE sessions (
    session_sha256 bytea PRIMARY KEY CONSTRAINT session_is_sha256 CHECK (length(session_sha256) = 32),
    account_id     uuid REFERENCES accounts,
    staff_id       uuid REFERENCES staff,
    roles          text[] NOT NULL,
    begun_at       timestamptz NOT NULL,
    seen_at        timestamptz NOT NULL,
    ends_at        timestamptz NOT NULL,
    identity       bytea CONSTRAINT session_identity_is_sha256 CHECK (length(identity) = 32),
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

-- When a caller's rate is used up no more: one row for each who called a moment ago, by 64 bits of an HMAC. It may be lost: a
-- caller is then allowed what one is who did not call before. So it is in no WAL.
CREATE UNLOGGED TABLE rates (
    caller bigint PRIMARY KEY,
    due_at timestamptz NOT NULL
);

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
                    CHECK (reason IN ('misuse_review', 'person_request', 'legal_matter', 'incident', 'release_review')),
    ticket          text NOT NULL CONSTRAINT ticket_is_a_name CHECK (ticket ~ '^[A-Za-z0-9][A-Za-z0-9._/#-]{0,63}$'),
    turns           integer NOT NULL,
    read_at         timestamptz NOT NULL,
    PRIMARY KEY (account_id, read_id),
    FOREIGN KEY (account_id, conversation_id) REFERENCES conversations
);
CREATE UNIQUE INDEX staff_reads_by_id ON staff_reads (read_id);

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
    after_seq     bigint NOT NULL,
    PRIMARY KEY (account_id, shown_id)
);
CREATE INDEX shown_by_time ON shown (account_id, shown_at);
CREATE INDEX shown_by_notice ON shown (notice_id, shown_at);

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

-- A release asks whether the log of the year tells of each account's grant, and of each policy version.
CREATE INDEX outbox_grants ON outbox (account_id) WHERE entry IN ('grant_begun', 'grant_affirmed', 'grant_stands');
CREATE INDEX outbox_policies ON outbox (outbox_id) WHERE entry IN ('policy_applied', 'policy_stands');

-- The epochs of the key chain. No key material is here: an epoch's key exists only inside the key provider.
--
-- The newest one wraps what is new. A rotation opens an epoch, wraps everything anew under it, then retires those
-- before; a retired one is destroyed in the provider once no backup can hold what it wraps.

CREATE TABLE epochs (
    number       integer PRIMARY KEY CONSTRAINT epochs_count_from_one CHECK (number >= 1),
    rotation     text NOT NULL CONSTRAINT rotation_is_known CHECK (rotation IN ('first', 'daily', 'weekly')),
    opened_at    timestamptz,
    complete_at  timestamptz,
    retired_at   timestamptz,
    destroyed_at timestamptz,
    CONSTRAINT only_the_first_opens_unrotated CHECK ((rotation = 'first') = (opened_at IS NULL)),
    CONSTRAINT retired_before_destroyed CHECK (destroyed_at IS NULL OR retired_at <= destroyed_at)
);

-- Accounts in which a key was destroyed since their own key was made. Marked in the transaction that destroys it,
-- unmarked in the one that gives the account a new key. `daily` says which rotation is to do so.
CREATE TABLE spent_accounts (
    account_id uuid PRIMARY KEY REFERENCES accounts,
    bucket     integer NOT NULL,
    daily      boolean NOT NULL
);
CREATE INDEX spent_accounts_by_bucket ON spent_accounts (bucket);

-- A rotation goes on where it was by the buckets that are not under its epoch yet.
CREATE INDEX buckets_by_epoch ON buckets (epoch, bucket);

-- A bucket that gets a new key takes all its accounts along.
CREATE INDEX accounts_by_bucket ON accounts (bucket);

-- Erasures with their states and certificates, who was handed what, backups, and the fence of a restored database.

-- What a deletion, a closure or the end of a hold owes: an erasure, from the request to the certificate. The states
-- follow one another and each has its time; `conversation_id` is null where the whole account is to be erased.
CREATE TABLE erasures (
    account_id      uuid NOT NULL REFERENCES accounts,
    erasure_id      uuid NOT NULL,
    conversation_id uuid,
    cause           text NOT NULL CONSTRAINT erasure_cause_is_known CHECK (cause IN ('deletion', 'closure', 'hold_released')),
    state           text NOT NULL CONSTRAINT erasure_state_is_known
                    CHECK (state IN ('requested', 'fenced', 'shredded', 'swept', 'verified')),
    requested_at    timestamptz NOT NULL,
    fenced_at       timestamptz,
    shredded_at     timestamptz,
    swept_at        timestamptz,
    verified_at     timestamptz,
    certificate     text,
    PRIMARY KEY (account_id, erasure_id),
    CONSTRAINT an_account_is_erased_by_its_closure CHECK ((conversation_id IS NULL) = (cause = 'closure')),
    CONSTRAINT states_have_their_times CHECK (
        (fenced_at IS NOT NULL) = (state <> 'requested')
        AND (shredded_at IS NOT NULL) = (state IN ('shredded', 'swept', 'verified'))
        AND (swept_at IS NOT NULL) = (state IN ('swept', 'verified'))
        AND (verified_at IS NOT NULL) = (state = 'verified')
        AND (certificate IS NOT NULL) = (state = 'verified'))
);
CREATE INDEX erasures_by_id ON erasures (erasure_id);
CREATE INDEX outbox_certificates ON outbox (payload) WHERE entry = 'certificate';
CREATE INDEX erasures_by_request ON erasures (requested_at, erasure_id);
CREATE INDEX erasures_open ON erasures (requested_at, erasure_id) WHERE state <> 'verified';

-- A release's files in somebody's hands. Names of recipients are names, not sentences.
CREATE TABLE handouts (
    handout_id uuid PRIMARY KEY,
    release_id uuid NOT NULL REFERENCES releases,
    recipient  text NOT NULL CONSTRAINT recipient_is_a_name CHECK (recipient ~ '^[a-z0-9][a-z0-9_.-]{0,63}$'),
    handed_at  timestamptz NOT NULL,
    UNIQUE (release_id, recipient)
);
CREATE INDEX handouts_by_recipient ON handouts (recipient, handed_at);
CREATE INDEX handouts_by_time ON handouts (handed_at, handout_id);

-- What a recipient has to take out of use, for one erasure, and to acknowledge by a day; `signed`: their answer as a JWS of
-- their own key, where they signed it.
CREATE TABLE recalls (
    account_id      uuid NOT NULL,
    erasure_id      uuid NOT NULL,
    handout_id      uuid NOT NULL REFERENCES handouts,
    recalled_at     timestamptz NOT NULL,
    due_at          timestamptz NOT NULL,
    acknowledged_at timestamptz,
    signed          text CONSTRAINT signed_where_it_is_acknowledged CHECK (signed IS NULL OR acknowledged_at IS NOT NULL),
    PRIMARY KEY (account_id, erasure_id, handout_id),
    FOREIGN KEY (account_id, erasure_id) REFERENCES erasures,
    CONSTRAINT acknowledged_after_it_was_recalled CHECK (acknowledged_at >= recalled_at)
);
CREATE INDEX recalls_by_handout ON recalls (handout_id, due_at);
CREATE INDEX recalls_open ON recalls (handout_id) WHERE acknowledged_at IS NULL;
CREATE INDEX recalls_due ON recalls (due_at, erasure_id, handout_id) WHERE acknowledged_at IS NULL;

-- The public keys with which recipients sign what they answer (vkeys of Ed25519).
CREATE TABLE recipient_keys (
    recipient     text PRIMARY KEY CONSTRAINT keyed_recipient_is_a_name CHECK (recipient ~ '^[a-z0-9][a-z0-9_.-]{0,63}$'),
    vkey          text NOT NULL,
    registered_at timestamptz NOT NULL
);

-- Backups hold everything that was kept when they were made, until they are pruned or their day has come. A base backup
-- copies pages, on which what was erased before it may still lie: a certificate names it all the same. `folder`: where it was
-- written, null for a backup of which only the restriction journal tells.
CREATE TABLE backups (
    backup_id  uuid PRIMARY KEY,
    made_at    timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    pruned_at  timestamptz,
    base       boolean NOT NULL DEFAULT false,
    folder     text,
    CONSTRAINT a_backup_expires_after_it_was_made CHECK (expires_at > made_at)
);

-- The lives of this database: 0 from its beginning, one more for each restore. A restriction says in which it was recorded;
-- `position` is the newest of `journal` when the life began.
CREATE TABLE lives (
    life     integer PRIMARY KEY,
    journal  uuid NOT NULL,
    position bigint NOT NULL,
    begun_at timestamptz NOT NULL,
    backup   uuid
);

-- How far the restriction journal had come by what the database remembers, and its chain value there; `logged` is the number
-- that the log last recorded, and when. A journal that ends before it has lost records. `since` is the record with which an
-- operator had it begin anew: what does not fit before that is known.
CREATE TABLE journal_heads (
    journal   uuid PRIMARY KEY,
    number    bigint NOT NULL,
    chain     bytea NOT NULL,
    logged    bigint NOT NULL DEFAULT 0,
    logged_at timestamptz,
    since     bigint,
    since_chain bytea,
    CONSTRAINT a_head_is_of_a_record CHECK ((number = 0 AND chain = '') OR (number > 0 AND octet_length(chain) = 32))
);

-- While a row stands here no key is unwrapped. It is never part of a backup, so that a restore cannot lift it.
CREATE TABLE IF NOT EXISTS fence (
    one      boolean PRIMARY KEY DEFAULT true CONSTRAINT there_is_one_fence CHECK (one),
    begun_at timestamptz NOT NULL
);

-- Old sealed blocks may lie in objects outside of the database, many segments to an object; the row then says where.
--
-- An object is intended before it is written, so that what a crash left half-done has a name. Only the blocks that were
-- moved with it ever refer to it, so that one which has none left stays empty; it is deleted a while after.
CREATE TABLE cold_objects (
    object_id   uuid PRIMARY KEY,
    due_month   date NOT NULL,
    intended_at timestamptz NOT NULL,
    written_at  timestamptz,
    bytes       bigint,
    sha256      bytea CONSTRAINT object_hash_is_sha256 CHECK (length(sha256) = 32),
    emptied_at  timestamptz,
    CONSTRAINT a_written_object_is_known CHECK (num_nonnulls(written_at, bytes, sha256) IN (0, 3)),
    CONSTRAINT only_a_written_object_empties CHECK (emptied_at IS NULL OR written_at IS NOT NULL)
);

-- What is done to a release after its seal: samples that people read, who signed it off, and dead rows taken out of it.

-- A sample of a release. `statement` is what was found, signed, once every row of it was read or is out of reach.
-- `bound_ppm`: so many in a million rows at most hold what identifies somebody, at 95 % confidence.
CREATE TABLE reviews (
    review_id        uuid PRIMARY KEY,
    release_id       uuid NOT NULL REFERENCES releases,
    manifest_sha256  bytea NOT NULL CONSTRAINT reviewed_manifest_is_sha256 CHECK (length(manifest_sha256) = 32),
    drawn_at         timestamptz NOT NULL,
    closed_at        timestamptz,
    statement        text,
    statement_sha256 bytea,
    bound_ppm        integer CONSTRAINT bound_is_a_share CHECK (bound_ppm BETWEEN 0 AND 1000000),
    CONSTRAINT a_closed_review_states_its_bound CHECK (
        (closed_at IS NULL) = (statement IS NULL) AND (closed_at IS NULL) = (bound_ppm IS NULL)
        AND (closed_at IS NULL) = (statement_sha256 IS NULL))
);
CREATE UNIQUE INDEX one_review_of_a_release_is_open ON reviews (release_id) WHERE closed_at IS NULL;

-- A row of a sample. `drawn_by` says whether chance alone chose it, which a bound can rest on, or its risk;
-- `staff_id` and `read_at` who opened it last and when; of a row that was out of reach, when that was found.
CREATE TABLE review_rows (
    review_id uuid NOT NULL REFERENCES reviews,
    ordinal   integer NOT NULL,
    drawn_by  text NOT NULL CONSTRAINT drawn_by_is_known CHECK (drawn_by IN ('chance', 'risk')),
    finding   text CONSTRAINT finding_is_known CHECK (finding IN (
                  'nothing', 'name', 'contact', 'place', 'number', 'secret', 'other', 'out_of_reach')),
    staff_id  uuid REFERENCES staff,
    read_at   timestamptz,
    identity  bytea CONSTRAINT reading_identity_is_sha256 CHECK (length(identity) = 32),
    PRIMARY KEY (review_id, ordinal),
    CONSTRAINT a_finding_has_its_time CHECK (finding IS NULL OR read_at IS NOT NULL),
    CONSTRAINT a_finding_has_its_reader CHECK (finding IS NULL OR (staff_id IS NULL) = (finding = 'out_of_reach'))
);

-- What a second reader found in a row of a sample, without knowing what the first one had found. `finding` is null while the
-- row is open before them.
CREATE TABLE second_findings (
    review_id uuid NOT NULL,
    ordinal   integer NOT NULL,
    staff_id  uuid NOT NULL REFERENCES staff,
    finding   text CONSTRAINT second_finding_is_known CHECK (finding IN (
                  'nothing', 'name', 'contact', 'place', 'number', 'secret', 'other', 'out_of_reach')),
    read_at   timestamptz NOT NULL,
    identity  bytea CONSTRAINT second_identity_is_sha256 CHECK (length(identity) = 32),
    PRIMARY KEY (review_id, ordinal),
    FOREIGN KEY (review_id, ordinal) REFERENCES review_rows
);

-- A name or an address that a release has another one for, as the reader `staff_id` last saw it beside the text before: the
-- `place`th of its row, counted from 0. `no_name_at`: when they marked that it was none. No text is kept.
CREATE TABLE shown_replacements (
    release_id uuid NOT NULL REFERENCES releases,
    ordinal    integer NOT NULL,
    place      integer NOT NULL CONSTRAINT place_in_a_row_counts_from_0 CHECK (place >= 0),
    kind       text NOT NULL CONSTRAINT replaced_kind_is_known CHECK (
                   kind IN ('person', 'address', 'place', 'organisation')),
    staff_id   uuid NOT NULL REFERENCES staff,
    shown_at   timestamptz NOT NULL,
    no_name_at timestamptz,
    PRIMARY KEY (release_id, ordinal, place)
);

-- Signatures under one release: of two people, each under the manifest and the review that they had before them.
-- `via` is where they said so: the console knows who is signed in, the command line believes anyone who runs it.
CREATE TABLE sign_offs (
    release_id       uuid NOT NULL REFERENCES releases,
    staff_id         uuid NOT NULL REFERENCES staff,
    via              text NOT NULL CONSTRAINT signed_via_is_known CHECK (via IN ('console', 'cli')),
    manifest_sha256  bytea NOT NULL,
    statement_sha256 bytea NOT NULL,
    signed_at        timestamptz NOT NULL,
    identity         bytea CONSTRAINT signing_identity_is_sha256 CHECK (length(identity) = 32),
    PRIMARY KEY (release_id, statement_sha256, staff_id)
);

-- The addenda of a release, to the letter: what a purge took out of its parts.
CREATE TABLE purges (
    release_id uuid NOT NULL REFERENCES releases,
    number     integer NOT NULL CONSTRAINT purges_are_numbered CHECK (number >= 1),
    document   text NOT NULL,
    sha256     bytea NOT NULL CONSTRAINT purge_hash_is_sha256 CHECK (length(sha256) = 32),
    purged_at  timestamptz NOT NULL,
    PRIMARY KEY (release_id, number)
);

-- What of a release may no longer be used, by ordinal, and who was given row keys.

-- A release's withdrawn rows as a roaring bitmap: it only grows, and `number` counts how often it did. It is what was
-- decided up to `position` of the journal under the policies that `decided_under` hashes. `due` are the rows whose end
-- comes before `horizon`; no other row ends by time alone before then.
CREATE TABLE withdrawn (
    release_id    uuid PRIMARY KEY REFERENCES releases,
    number        integer NOT NULL,
    position      bigint NOT NULL,
    decided_under bytea NOT NULL,
    horizon       timestamptz NOT NULL,
    due_ordinals  integer[] NOT NULL,
    due_untils    timestamptz[] NOT NULL,
    bitmap        bytea NOT NULL,
    cardinality   integer NOT NULL,
    grown_at      timestamptz NOT NULL,
    CONSTRAINT every_due_row_has_its_end CHECK (cardinality(due_ordinals) = cardinality(due_untils))
);

-- Every lease that left this machine: which part, for whom, how many rows were asked for and how many keys were given.
CREATE TABLE leases (
    lease_id   uuid PRIMARY KEY,
    release_id uuid NOT NULL REFERENCES releases,
    recipient  text NOT NULL CONSTRAINT lease_recipient_is_a_name CHECK (recipient ~ '^[a-z0-9][a-z0-9_.-]{0,63}$'),
    part       integer NOT NULL CONSTRAINT part_is_a_number CHECK (part >= 0),
    asked      integer NOT NULL,
    given      integer NOT NULL,
    key_id     uuid NOT NULL REFERENCES api_keys,
    given_at   timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    CONSTRAINT no_more_is_given_than_asked CHECK (given BETWEEN 0 AND asked),
    CONSTRAINT a_lease_holds_an_hour_at_most CHECK (expires_at <= given_at + interval '1 hour')
);
CREATE INDEX leases_by_release ON leases (release_id, given_at);
CREATE INDEX leases_by_recipient ON leases (recipient, given_at);

-- Events for the hosts: what they are to hear, who hears it, and what they said to it.
--
-- An event is written in the transaction of what it tells, and only while there is an endpoint to hear it. Content is
-- never in one, nor any id of the host's.

-- Anyone who hears. Without a `url` it reads the events itself. A removed one stays, because certificates name it.
CREATE TABLE endpoints (
    endpoint_id      uuid PRIMARY KEY,
    name             text NOT NULL CONSTRAINT endpoint_name_is_a_name CHECK (name ~ '^[a-z0-9][a-z0-9_.-]{0,63}$'),
    url              text,
    kinds            text[] NOT NULL CONSTRAINT an_endpoint_hears_something CHECK (cardinality(kinds) > 0),
    made_at          timestamptz NOT NULL,
    failing_since    timestamptz,
    disabled_at      timestamptz,
    disabled_because text CONSTRAINT disabled_because_is_known
                     CHECK (disabled_because IN ('failing', 'gone', 'restored', 'paused')),
    removed_at       timestamptz,
    CONSTRAINT a_disabled_endpoint_says_why CHECK ((disabled_at IS NULL) = (disabled_because IS NULL))
);
CREATE UNIQUE INDEX endpoints_by_name ON endpoints (name) WHERE removed_at IS NULL;
ALTER TABLE api_keys ADD FOREIGN KEY (endpoint_id) REFERENCES endpoints;

-- The secrets that an endpoint's messages are signed with: one, or for a while two. Each is wrapped in `secrets`, where
-- a rotation of the key chain finds it.
CREATE TABLE endpoint_secrets (
    endpoint_id uuid NOT NULL REFERENCES endpoints,
    secret      text NOT NULL UNIQUE REFERENCES secrets ON DELETE CASCADE,
    made_at     timestamptz NOT NULL,
    ends_at     timestamptz,
    PRIMARY KEY (endpoint_id, secret)
);

-- `row_no` is the order in which rows were written: that of an account is the order of its verbs, which hold its lock.
-- `number` is the place in the one order that readers go by, given after the commit by one at a time: what becomes
-- visible later always stands above what was read before.
CREATE SEQUENCE event_numbers;
CREATE TABLE events (
    account_id     uuid NOT NULL REFERENCES accounts,
    event_id       uuid NOT NULL DEFAULT gen_random_uuid(),
    row_no         bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    number         bigint,
    kind           text NOT NULL CONSTRAINT event_kind_is_known CHECK (kind IN (
                       'choice.changed', 'conversation.must_leave', 'conversation.must_hold', 'conversation.hold_ended',
                       'conversation.erased', 'account.erased', 'release.recalled', 'request.received', 'request.ended')),
    occurred_at    timestamptz NOT NULL,
    erasure_id     uuid,
    acknowledge_by timestamptz,
    facts          text NOT NULL,
    PRIMARY KEY (account_id, event_id),
    CONSTRAINT only_what_must_leave_is_acknowledged CHECK (
        (acknowledge_by IS NULL) = (kind <> 'conversation.must_leave'))
);
CREATE INDEX events_by_id ON events (event_id);
CREATE INDEX events_by_number ON events (number) WHERE number IS NOT NULL;
CREATE INDEX events_waiting ON events (row_no) WHERE number IS NULL;
CREATE INDEX events_by_erasure ON events (account_id, erasure_id) WHERE erasure_id IS NOT NULL;
CREATE INDEX events_by_time ON events (occurred_at);

-- An event and an endpoint that is to hear it. `next_at` is null where nothing is sent: the endpoint reads by itself, or
-- was removed. `acknowledge_by` repeats the event's, so that what is overdue is found by an index of its own.
CREATE TABLE deliveries (
    account_id      uuid NOT NULL,
    event_id        uuid NOT NULL,
    endpoint_id     uuid NOT NULL REFERENCES endpoints,
    row_no          bigint NOT NULL,
    attempts        integer NOT NULL DEFAULT 0,
    next_at         timestamptz,
    answer          text,
    delivered_at    timestamptz,
    acknowledge_by  timestamptz,
    acknowledged_at timestamptz,
    PRIMARY KEY (account_id, event_id, endpoint_id),
    FOREIGN KEY (account_id, event_id) REFERENCES events ON DELETE CASCADE
);
CREATE INDEX deliveries_due ON deliveries (endpoint_id, next_at)
    WHERE delivered_at IS NULL AND next_at IS NOT NULL;
CREATE INDEX deliveries_in_order ON deliveries (endpoint_id, account_id, row_no)
    WHERE delivered_at IS NULL AND next_at IS NOT NULL;
CREATE INDEX deliveries_owed ON deliveries (endpoint_id, acknowledge_by)
    WHERE acknowledged_at IS NULL AND acknowledge_by IS NOT NULL;

-- Which models learnt from which rows, and who was handed rows in clear.

-- A model that was trained on a release. `statement` is the signed one about how it came about, `consumed` the record of
-- the rows that it learnt from, each as it lies beside the model.
CREATE TABLE models (
    model_id    uuid PRIMARY KEY,
    name        text NOT NULL CONSTRAINT model_name_is_a_name CHECK (name ~ '^[a-z0-9][a-z0-9_.-]{0,63}$'),
    release_id  uuid NOT NULL REFERENCES releases,
    recipe      text NOT NULL CONSTRAINT recipe_is_a_name CHECK (recipe ~ '^[a-z0-9][a-z0-9_.-]{0,63}$'),
    rows        integer NOT NULL CONSTRAINT a_model_learnt_from_rows CHECK (rows >= 1),
    first_gate  integer NOT NULL,
    last_gate   integer NOT NULL,
    started_at  timestamptz NOT NULL,
    finished_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    statement   bytea NOT NULL,
    consumed    bytea NOT NULL,
    retired_at  timestamptz,
    retired_by  text,
    retired_reason text CONSTRAINT retired_reason_is_short CHECK (length(retired_reason) BETWEEN 1 AND 500),
    CONSTRAINT a_run_ends_after_it_began CHECK (finished_at >= started_at),
    CONSTRAINT the_gate_never_goes_back CHECK (last_gate >= first_gate)
);
CREATE INDEX models_by_release ON models (release_id);

-- The rows of `models.consumed` once more, to be asked by row: one bit a row (get_bit), 2,048 rows of a release each,
-- none where no bit is set. The bits lie in the key's index as well, so that the models of a row are read side by side.
CREATE TABLE model_rows (
    release_id uuid NOT NULL REFERENCES releases,
    chunk      integer NOT NULL,
    model_id   uuid NOT NULL REFERENCES models,
    bits       bytea NOT NULL CONSTRAINT a_chunk_is_whole CHECK (octet_length(bits) = 256),
    PRIMARY KEY (release_id, chunk, model_id) INCLUDE (bits)
);
ALTER TABLE model_rows ALTER COLUMN bits SET STORAGE PLAIN;

-- Rows that left in clear, to a recipient that the policy names. Erasures are recalled from them by `handouts`.
CREATE TABLE exports (
    export_id       uuid PRIMARY KEY,
    handout_id      uuid NOT NULL REFERENCES handouts,
    release_id      uuid NOT NULL REFERENCES releases,
    format          text NOT NULL CONSTRAINT export_format_is_a_name CHECK (format ~ '^[a-z][a-z0-9_-]{0,31}$'),
    rows            integer NOT NULL,
    ordinals        bytea NOT NULL,
    made_at         timestamptz NOT NULL,
    recalled_at     timestamptz,
    due_at          timestamptz,
    acknowledged_at timestamptz,
    CONSTRAINT a_recall_has_its_day CHECK ((recalled_at IS NULL) = (due_at IS NULL)),
    CONSTRAINT an_export_is_acknowledged_after_its_recall CHECK (acknowledged_at >= recalled_at)
);
CREATE INDEX exports_by_release ON exports (release_id);

-- Rows of a plain export that may no longer be used, and that its recipient is to delete and to answer for by a day: of one
-- account, each row once. What is erased is in `recalls`, by its erasure.
CREATE TABLE export_recalls (
    recall_no       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id      uuid NOT NULL,
    export_id       uuid NOT NULL REFERENCES exports,
    ordinals        integer[] NOT NULL CONSTRAINT a_recall_names_rows CHECK (cardinality(ordinals) > 0),
    recalled_at     timestamptz NOT NULL,
    due_at          timestamptz NOT NULL,
    acknowledged_at timestamptz,
    CONSTRAINT rows_are_acknowledged_after_their_recall CHECK (acknowledged_at >= recalled_at)
);
CREATE INDEX export_recalls_by_export ON export_recalls (export_id);
CREATE INDEX export_recalls_by_account ON export_recalls (account_id);

-- Requests of people under the law (access, erasure, objection ..): by when each is to be answered, and what happened to it.
-- Somebody who has no account here is entered by staff; what they wrote is under a secret of the request's own, `request_..`.

-- `region`: whose clock holds, as it was at receipt. `paused_at`: since when it waits for its person; `stops`: whether its
-- clock stands still meanwhile, and `stopped` how long it did before.
CREATE TABLE rights_requests (
    request_id      uuid PRIMARY KEY,
    account_id      uuid REFERENCES accounts,
    kind            text NOT NULL CONSTRAINT right_is_known CHECK (kind IN
                    ('access', 'portability', 'rectification', 'erasure', 'restriction', 'objection', 'complaint')),
    via             text NOT NULL CONSTRAINT a_request_came_by_a_known_way CHECK (via IN ('page', 'api', 'staff')),
    region          text CONSTRAINT a_request_has_a_region_of_iso_3166 CHECK (region ~ '^[A-Z]{2}(-[A-Z0-9]{1,3})?$'),
    received_at     timestamptz NOT NULL,
    due_at          timestamptz NOT NULL,
    acknowledge_by  timestamptz,
    acknowledged_at timestamptz,
    extended_at     timestamptz,
    paused_at       timestamptz,
    stops           boolean NOT NULL DEFAULT false,
    stopped         interval NOT NULL DEFAULT '0',
    state           text NOT NULL CONSTRAINT request_state_is_known
                    CHECK (state IN ('open', 'paused', 'answered', 'refused', 'withdrawn')),
    ended_at        timestamptz,
    forgotten_at    timestamptz,
    CONSTRAINT without_an_account_staff_entered_it CHECK (account_id IS NOT NULL OR via = 'staff'),
    CONSTRAINT a_request_is_due_after_its_receipt CHECK (due_at > received_at),
    CONSTRAINT what_waits_is_paused CHECK ((state = 'paused') = (paused_at IS NOT NULL)),
    CONSTRAINT what_ended_has_its_end CHECK ((state IN ('open', 'paused')) = (ended_at IS NULL)),
    CONSTRAINT only_what_waits_stops CHECK (NOT stops OR paused_at IS NOT NULL),
    CONSTRAINT what_is_forgotten_ended CHECK (forgotten_at IS NULL OR ended_at IS NOT NULL)
);
CREATE INDEX rights_requests_due ON rights_requests (due_at, request_id) WHERE ended_at IS NULL;
CREATE INDEX rights_requests_by_date ON rights_requests (due_at, request_id);
CREATE INDEX rights_requests_by_account ON rights_requests (account_id, request_id);
CREATE INDEX rights_requests_to_forget ON rights_requests (ended_at) WHERE account_id IS NULL AND forgotten_at IS NULL;
-- In the order of the inbox. The first is of clocks that run, or whose receipt nobody has confirmed; one that stands still is
-- ordered by what is left of it.
CREATE INDEX rights_requests_running ON rights_requests (
    (least(due_at, CASE WHEN acknowledged_at IS NULL THEN acknowledge_by END)), request_id)
    WHERE ended_at IS NULL AND (NOT stops OR (acknowledged_at IS NULL AND acknowledge_by IS NOT NULL));
CREATE INDEX rights_requests_stopped ON rights_requests (
    (extract(epoch FROM (due_at - paused_at))::float8), request_id)
    WHERE ended_at IS NULL AND stops AND (acknowledged_at IS NOT NULL OR acknowledge_by IS NULL);

-- Each step, in order; `words` is what was written with it, sealed. Rows are only ever added, and their words taken away.
CREATE TABLE rights_steps (
    request_id uuid NOT NULL REFERENCES rights_requests,
    step_no    integer NOT NULL,
    step       text NOT NULL CONSTRAINT request_step_is_known CHECK (step IN
               ('received', 'identified', 'no_recorded', 'acknowledged', 'paused', 'replied', 'resumed', 'extended',
                'answered', 'refused', 'withdrawn')),
    at         timestamptz NOT NULL,
    by         text NOT NULL CONSTRAINT who_took_a_step_is_named
               CHECK (by ~ '^(person|licet|(host|staff|user):[^[:space:]]{1,254})$'),
    reason     text NOT NULL DEFAULT '' CONSTRAINT a_step_s_reason_is_a_name CHECK (reason ~ '^[a-z_]{0,32}$'),
    words      bytea,
    PRIMARY KEY (request_id, step_no)
);

-- What staff decide about misuse, and what a classifier suggested to them.

-- One a conversation, without a word of it; gone with the first of its segments that is erased. `last_turn` is how far it
-- was read. A suggestion names the model by the hash of its weights; without a model, a person acted of their own accord.
CREATE TABLE suggestions (
    account_id      uuid NOT NULL,
    conversation_id uuid NOT NULL,
    model_sha256    bytea CONSTRAINT suggesting_model_is_sha256 CHECK (length(model_sha256) = 32),
    score           real CONSTRAINT suggested_score_is_a_share CHECK (score BETWEEN 0 AND 1),
    last_turn       integer NOT NULL,
    suggested_at    timestamptz NOT NULL,
    suggested_by    uuid NOT NULL REFERENCES staff,
    decision        text CONSTRAINT decision_is_known CHECK (decision IN ('flagged', 'dismissed', 'overturned', 'upheld')),
    decided_at      timestamptz,
    decided_by      uuid REFERENCES staff,
    PRIMARY KEY (account_id, conversation_id),
    FOREIGN KEY (account_id, conversation_id) REFERENCES conversations,
    CONSTRAINT a_score_has_its_model CHECK ((score IS NULL) = (model_sha256 IS NULL)),
    CONSTRAINT a_decision_is_whole CHECK (num_nonnulls(decision, decided_at, decided_by) IN (0, 3))
);
CREATE INDEX suggestions_open ON suggestions (score DESC) WHERE decided_at IS NULL;
CREATE INDEX suggestions_open_by_time ON suggestions (suggested_at, conversation_id) WHERE decided_at IS NULL;

-- How the sweep stands: one row at most. It waits where it would erase more than a set share of what is kept; `approved` is how
-- much a person then let it erase. Numbers count segments, feedback and safety copies alike.
CREATE TABLE sweeping (
    singleton   boolean PRIMARY KEY DEFAULT true CONSTRAINT there_is_one_sweep CHECK (singleton),
    ended_at    timestamptz,
    waits_since timestamptz,
    due         bigint,
    kept        bigint,
    approved    bigint,
    approved_at timestamptz,
    approved_by text CONSTRAINT approver_is_named CHECK (approved_by ~ '^(staff|user):[^[:space:]]{1,200}$'),
    CONSTRAINT what_waits_is_counted CHECK (num_nonnulls(waits_since, due, kept) IN (0, 3)),
    CONSTRAINT an_approval_is_whole CHECK (num_nonnulls(approved, approved_at, approved_by) IN (0, 3)),
    CONSTRAINT only_what_waits_is_approved CHECK (approved IS NULL OR waits_since IS NOT NULL)
);

-- Builds of releases that are not sealed yet: how far each has come, so that one that was killed goes on from there. All of
-- it goes with the seal. What is `sealed` is so under the build's own secret, `build_..` in `secrets`: a rotation finds it
-- there, and without it nothing of this opens.

-- What a build is made with: it goes on only with the same.
CREATE TABLE builds (
    release_id    uuid PRIMARY KEY REFERENCES releases,
    plan          text NOT NULL,
    software      text NOT NULL,
    rows_per_part integer NOT NULL,
    stage         text NOT NULL CONSTRAINT build_stage_is_known CHECK (stage IN ('reading', 'electing', 'elected')),
    base          uuid REFERENCES releases
);

-- A page that was decided: the last conversation of it, the rows up to its end, and sealed what was counted and proved.
CREATE TABLE build_pages (
    release_id      uuid NOT NULL REFERENCES builds,
    page            integer NOT NULL,
    rows            integer NOT NULL,
    account_id      uuid NOT NULL,
    conversation_id uuid NOT NULL,
    sealed          bytea NOT NULL,
    PRIMARY KEY (release_id, page)
);
ALTER TABLE build_pages ALTER COLUMN sealed SET STORAGE EXTERNAL;

-- A part on the disk: the row after its last as it was first written, the hash of its file, and of what is about to take the
-- file's place, empty where nothing does.
CREATE TABLE build_parts (
    release_id uuid NOT NULL REFERENCES builds,
    part       integer NOT NULL,
    ends       integer NOT NULL,
    sha256     bytea NOT NULL,
    becomes    bytea,
    PRIMARY KEY (release_id, part)
);

-- Rows that were taken out again, with whose they were and why: all of it sealed.
CREATE TABLE build_gone (
    number     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    release_id uuid NOT NULL REFERENCES builds,
    sealed     bytea NOT NULL
);
CREATE INDEX build_gone_by_release ON build_gone (release_id);

-- Papers that the law asks for, as they were signed: at a position of the log. A leaf names each by its hash.
CREATE TABLE documents (
    sha256   bytea PRIMARY KEY CONSTRAINT document_hash_is_sha256 CHECK (length(sha256) = 32),
    kind     text NOT NULL CONSTRAINT document_kind_is_a_name CHECK (kind ~ '^[a-z][a-z0-9-]{0,31}$'),
    log_year smallint NOT NULL,
    entries  bigint NOT NULL CONSTRAINT a_document_counts_entries CHECK (entries >= 1),
    made_at  timestamptz NOT NULL,
    made_by  text NOT NULL,
    document text NOT NULL
);
CREATE INDEX documents_by_kind ON documents (kind, made_at);
CREATE INDEX outbox_documents ON outbox (payload) WHERE entry = 'document_made';

-- Who of the staff has an item of the inbox, and what was done with it. An item is gone from the inbox with what it tells of;
-- what was done stays. `item` is its kind and its subject; `account_id` whose it is, null of what is nobody's.
CREATE TABLE inbox_items (
    item       text PRIMARY KEY CONSTRAINT item_is_a_kind_and_a_subject CHECK (item ~ '^[a-z]+:[A-Za-z0-9_.+-]{1,180}$'),
    account_id uuid REFERENCES accounts,
    staff_id   uuid REFERENCES staff,
    taken_at   timestamptz,
    steps      integer NOT NULL,
    CONSTRAINT who_has_an_item_took_it CHECK ((staff_id IS NULL) = (taken_at IS NULL))
);
CREATE INDEX inbox_items_by_staff ON inbox_items (staff_id, taken_at, item) WHERE staff_id IS NOT NULL;

-- Each step, in order. `words` is what was written with it, sealed: under the own key of the account that it is about, of a
-- request without one under the request's, of anything else under a secret of the installation. `done` is of an act: null
-- while it is under way, false where it was refused. `tells`: the person may be told, as they may not of a hold whose matter
-- forbids it. Rows are only added, and an act is ended once.
CREATE TABLE inbox_steps (
    item       text NOT NULL REFERENCES inbox_items,
    step_no    integer NOT NULL,
    step       text NOT NULL CONSTRAINT inbox_step_is_known CHECK (step IN ('taken', 'given_back', 'handed', 'noted', 'acted')),
    act        text NOT NULL DEFAULT '' CONSTRAINT an_act_has_a_name CHECK (act ~ '^[a-z_]{0,32}$'),
    at         timestamptz NOT NULL,
    account_id uuid REFERENCES accounts,
    tells      boolean NOT NULL DEFAULT false,
    staff_id   uuid NOT NULL REFERENCES staff,
    to_staff   uuid REFERENCES staff,
    done       boolean,
    words      bytea,
    PRIMARY KEY (item, step_no),
    CONSTRAINT only_a_handing_names_another CHECK ((step = 'handed') = (to_staff IS NOT NULL)),
    CONSTRAINT only_an_act_has_a_name CHECK ((step = 'acted') = (act <> '')),
    CONSTRAINT only_an_act_is_ended CHECK (step = 'acted' OR done IS NULL),
    CONSTRAINT nobody_is_told_of_what_is_nobody_s CHECK (account_id IS NOT NULL OR NOT tells)
);
CREATE INDEX inbox_steps_by_account ON inbox_steps (account_id, at) WHERE account_id IS NOT NULL;
-- What staff ordered in the console about the system itself, each with its reason. `about` says of what: an endpoint, a kind of
-- rotation. Work in the background is open until it has ended; of each kind one is open at most.
CREATE TABLE staff_orders (
    order_id   uuid PRIMARY KEY,
    kind       text NOT NULL CONSTRAINT order_kind_is_a_name CHECK (kind ~ '^[a-z][a-z_]{0,31}$'),
    about      text NOT NULL CONSTRAINT order_is_about_a_name CHECK (length(about) <= 100),
    reason     text NOT NULL CONSTRAINT an_order_has_a_reason CHECK (length(reason) BETWEEN 1 AND 500),
    ordered_at timestamptz NOT NULL,
    ordered_by text NOT NULL,
    ended_at   timestamptz,
    outcome    text CONSTRAINT order_outcome_is_known CHECK (outcome IN ('done', 'failed')),
    said       text,
    CONSTRAINT an_order_that_ended_has_an_outcome CHECK ((ended_at IS NULL) = (outcome IS NULL))
);
CREATE INDEX staff_orders_by_time ON staff_orders (ordered_at, order_id);
CREATE INDEX staff_orders_by_kind ON staff_orders (kind, ordered_at);
CREATE UNIQUE INDEX staff_orders_open ON staff_orders (kind) WHERE ended_at IS NULL;

-- Drills: a backup was restored into a scratch place, and what was found there.
CREATE TABLE drills (
    drill_id   uuid PRIMARY KEY,
    backup_id  uuid NOT NULL REFERENCES backups,
    drilled_at timestamptz NOT NULL,
    drilled_by text NOT NULL,
    outcome    text NOT NULL CONSTRAINT drill_outcome_is_known CHECK (outcome IN ('proved', 'failed')),
    said       text NOT NULL,
    accounts   bigint NOT NULL,
    segments   bigint NOT NULL,
    keys       bigint NOT NULL,
    entries    bigint NOT NULL
);
CREATE INDEX drills_by_time ON drills (drilled_at, drill_id);

-- Canary audits whose result is kept beside a model, with the figures of each group of planted accounts. `exposed` counts the
-- canaries of the groups that the audit's own model knows, of those that it must not know.
CREATE TABLE canary_audits (
    audit_id    uuid PRIMARY KEY,
    model_id    uuid NOT NULL REFERENCES models,
    audited_at  timestamptz NOT NULL,
    audited_by  text NOT NULL,
    licet       text NOT NULL,
    recipe      text NOT NULL,
    verdict     text NOT NULL CONSTRAINT audit_verdict_is_known CHECK (verdict IN ('passed', 'failed', 'inconclusive')),
    planted     integer NOT NULL,
    exposed     integer NOT NULL CONSTRAINT only_planted_canaries_are_exposed CHECK (exposed BETWEEN 0 AND planted),
    bound       double precision NOT NULL CONSTRAINT audit_bound_is_a_probability CHECK (bound > 0 AND bound < 1),
    rows        integer NOT NULL,
    steps       integer NOT NULL,
    seed        bigint NOT NULL,
    broken      text NOT NULL
);
CREATE INDEX canary_audits_by_model ON canary_audits (model_id, audited_at);

CREATE TABLE canary_audit_groups (
    audit_id     uuid NOT NULL REFERENCES canary_audits,
    canary_group text NOT NULL CONSTRAINT canary_group_is_a_name CHECK (canary_group ~ '^[a-z][a-z_]{0,31}$'),
    planted      integer NOT NULL,
    handed       integer NOT NULL,
    exposure     double precision NOT NULL,
    p            double precision NOT NULL,
    PRIMARY KEY (audit_id, canary_group)
);

-- What curation costs a release as training data: the signed statements of measurements, newest beside the manifest.
CREATE TABLE release_measurements (
    measurement_id   uuid PRIMARY KEY,
    release_id       uuid NOT NULL REFERENCES releases,
    measured_at      timestamptz NOT NULL,
    statement        text NOT NULL,
    statement_sha256 bytea NOT NULL CONSTRAINT measurement_digest_is_sha256 CHECK (octet_length(statement_sha256) = 32)
);
CREATE INDEX release_measurements_by_release ON release_measurements (release_id, measured_at);

-- What `licet release stats` and `licet release duplicates` counted last of a release, for the console to show.
CREATE TABLE release_figures (
    release_id uuid NOT NULL REFERENCES releases,
    counted    text NOT NULL CONSTRAINT figures_are_known CHECK (counted IN ('stats', 'duplicates')),
    counted_at timestamptz NOT NULL,
    figures    bytea NOT NULL,
    PRIMARY KEY (release_id, counted)
);

-- What `licet status` and the console's first page show of all accounts and all content, counted as it changes (ADR 24).
--
-- Each change of a counted table adds rows of differences, by a trigger and so in the transaction of the change, no matter
-- who writes. Nothing is updated, so no writer waits for another. What was added is folded together from time to time: the
-- tables are as long as there are kinds of accounts, and days on which something ends. `licet doctor` counts again.
CREATE TABLE account_counts (
    plan         text NOT NULL,
    age          smallint,
    region       text,
    seen         smallint NOT NULL,
    opened_under smallint,
    closed       boolean NOT NULL,
    answers      text NOT NULL,
    accounts     bigint NOT NULL
);
CREATE TABLE content_counts (
    what    text NOT NULL CONSTRAINT counted_content_is_known
            CHECK (what IN ('conversations', 'flagged', 'segments', 'safety', 'feedback')),
    ends_on date,
    is_long boolean NOT NULL,
    items   bigint NOT NULL,
    turns   bigint NOT NULL,
    bytes   bigint NOT NULL
);

-- The version that was effective at an instant. In plpgsql, whose plans are kept: PostgreSQL before 18 plans a function in SQL at
-- each call.
CREATE FUNCTION version_at(at timestamptz) RETURNS smallint LANGUAGE plpgsql STABLE AS
    $$ BEGIN RETURN (SELECT max(number) FROM policies WHERE effective <= at); END $$;

-- An answer as the counts name it: question, standing, version, and whether a grant of the account is in force.
CREATE FUNCTION counted_answer(question text, standing text, answered smallint, grant_no integer) RETURNS text
    LANGUAGE sql IMMUTABLE AS
    $$ SELECT question || ':' || standing || ':' || coalesce(answered::text, '') || ':' || (grant_no IS NOT NULL)::int::text $$;
CREATE FUNCTION answers_of(account uuid) RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT coalesce(string_agg(counted_answer(question, standing, answered, grant_no), ',' ORDER BY question COLLATE "C"), '')
              FROM standings WHERE account_id = account);
END $$;
-- No age above 25 is told apart: policies ask for less, or the accounts are read.
CREATE FUNCTION counted_age(age smallint) RETURNS smallint LANGUAGE sql IMMUTABLE AS 'SELECT least(age, 25::smallint)';

-- The last day on which something is kept. What a row adds to the counts.
CREATE FUNCTION last_day(until timestamptz) RETURNS date LANGUAGE sql IMMUTABLE AS
    $$ SELECT (until AT TIME ZONE 'UTC' - interval '1 microsecond')::date $$;
CREATE FUNCTION counted_segment(s segments)
    RETURNS TABLE (what text, ends_on date, is_long boolean, items bigint, turns bigint, bytes bigint)
    LANGUAGE sql IMMUTABLE AS
    $$ SELECT 'segments', last_day((s).keep_until),
              ((s).keep_until AT TIME ZONE 'UTC') > ((s).last_at AT TIME ZONE 'UTC') + interval '1 year',
              1::bigint, ((s).last_turn - (s).first_turn + 1)::bigint, (s).stored_bytes WHERE (s).erased_at IS NULL
       UNION ALL
       SELECT 'safety', last_day((s).safety_until), true, 1::bigint, 0::bigint, (s).safety_bytes
        WHERE (s).safety_slot IS NOT NULL $$;
CREATE FUNCTION counted_feedback(f feedback)
    RETURNS TABLE (what text, ends_on date, is_long boolean, items bigint, turns bigint, bytes bigint)
    LANGUAGE sql IMMUTABLE AS
    $$ SELECT 'feedback', last_day((f).keep_until),
              ((f).keep_until AT TIME ZONE 'UTC') > ((f).given_at AT TIME ZONE 'UTC') + interval '1 year',
              1::bigint, 0::bigint, (f).stored_bytes WHERE (f).erased_at IS NULL $$;
CREATE FUNCTION counted_conversation(c conversations)
    RETURNS TABLE (what text, ends_on date, is_long boolean, items bigint, turns bigint, bytes bigint)
    LANGUAGE sql IMMUTABLE AS
    $$ SELECT 'conversations', NULL::date, false, 1::bigint, 0::bigint, 0::bigint
       UNION ALL
       SELECT 'flagged', last_day((c).safety_until), false, 1::bigint, 0::bigint, 0::bigint
        WHERE (c).safety_until IS NOT NULL $$;

-- Accounts
CREATE FUNCTION count_accounts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO account_counts
    SELECT plan, counted_age(age), region, seen, version_at(opened_at), closed_at IS NOT NULL, answers_of(account_id),
           CASE TG_OP WHEN 'INSERT' THEN count(*) ELSE -count(*) END
      FROM changed GROUP BY 1, 2, 3, 4, 5, 6, 7;
    RETURN NULL;
END $$;
CREATE TRIGGER accounts_are_counted AFTER INSERT ON accounts REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION count_accounts();
CREATE TRIGGER accounts_removed_are_counted AFTER DELETE ON accounts REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION count_accounts();

-- By row, with a condition that most changes of an account do not meet: they cost no call.
CREATE FUNCTION count_changed_account() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    answers CONSTANT text := answers_of(NEW.account_id);
BEGIN
    INSERT INTO account_counts VALUES
        (OLD.plan, counted_age(OLD.age), OLD.region, OLD.seen, version_at(OLD.opened_at), OLD.closed_at IS NOT NULL, answers, -1),
        (NEW.plan, counted_age(NEW.age), NEW.region, NEW.seen, version_at(NEW.opened_at), NEW.closed_at IS NOT NULL, answers, 1);
    RETURN NULL;
END $$;
CREATE TRIGGER accounts_changed_are_counted AFTER UPDATE ON accounts FOR EACH ROW
    WHEN ((OLD.plan, OLD.age, OLD.region, OLD.seen, OLD.closed_at, OLD.opened_at)
          IS DISTINCT FROM (NEW.plan, NEW.age, NEW.region, NEW.seen, NEW.closed_at, NEW.opened_at))
    EXECUTE FUNCTION count_changed_account();

-- The accounts of these answers, from what they had answered before one statement to what they have now. One statement
-- adds answers or changes them: of one that did both, neither trigger would see what the other was given.
-- With one plan for all arrays: to plan anew for each takes ten times as long as to run it.
CREATE FUNCTION count_answers_between(removed standings[], added standings[]) RETURNS void LANGUAGE plpgsql
    SET plan_cache_mode = force_generic_plan AS $$
BEGIN
    WITH said AS (
        SELECT s.account_id, s.question, counted_answer(s.question, s.standing, s.answered, s.grant_no) AS answer,
               'now' AS kind
          FROM (SELECT account_id FROM unnest(removed) UNION SELECT account_id FROM unnest(added)) t
          JOIN standings s USING (account_id)
        UNION ALL
        SELECT account_id, question, counted_answer(question, standing, answered, grant_no), 'removed' FROM unnest(removed)
        UNION ALL
        SELECT account_id, question, NULL, 'added' FROM unnest(added)
    ), each AS (
        SELECT account_id, question, max(answer) FILTER (WHERE kind = 'now') AS now,
               CASE WHEN bool_or(kind = 'removed') THEN max(answer) FILTER (WHERE kind = 'removed')
                    WHEN NOT bool_or(kind = 'added') THEN max(answer) FILTER (WHERE kind = 'now') END AS before
          FROM said GROUP BY 1, 2
    ), whole AS (
        SELECT account_id, coalesce(string_agg(now, ',' ORDER BY question COLLATE "C"), '') AS now,
               coalesce(string_agg(before, ',' ORDER BY question COLLATE "C"), '') AS before
          FROM each GROUP BY 1
    )
    INSERT INTO account_counts
    SELECT a.plan, counted_age(a.age), a.region, a.seen, version_at(a.opened_at), a.closed_at IS NOT NULL,
           CASE v.sign WHEN 1 THEN w.now ELSE w.before END, sum(v.sign)
      FROM whole w JOIN accounts a USING (account_id) CROSS JOIN (VALUES (1), (-1)) v(sign)
     WHERE w.now <> w.before
     GROUP BY 1, 2, 3, 4, 5, 6, 7 HAVING sum(v.sign) <> 0;
END $$;
-- One answer that changes, as by most choices, is counted by a shorter statement, in half of the time.
CREATE FUNCTION count_answers() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND (SELECT count(*) FROM added) = 1 THEN
        INSERT INTO account_counts
        SELECT a.plan, counted_age(a.age), a.region, a.seen, version_at(a.opened_at), a.closed_at IS NOT NULL,
               CASE v.sign WHEN 1 THEN w.now ELSE w.before END, v.sign
          FROM (SELECT n.account_id, answers_of(n.account_id) AS now,
                       (SELECT string_agg(CASE WHEN s.question = n.question
                                               THEN counted_answer(r.question, r.standing, r.answered, r.grant_no)
                                               ELSE counted_answer(s.question, s.standing, s.answered, s.grant_no) END,
                                          ',' ORDER BY s.question COLLATE "C")
                          FROM standings s WHERE s.account_id = n.account_id) AS before
                  FROM added n CROSS JOIN removed r) w
          JOIN accounts a USING (account_id) CROSS JOIN (VALUES (1), (-1)) v(sign)
         WHERE w.now <> w.before;
        RETURN NULL;
    END IF;
    CASE TG_OP
        WHEN 'INSERT' THEN PERFORM count_answers_between(NULL, (SELECT array_agg(ROW(n.*)::standings) FROM added n));
        WHEN 'UPDATE' THEN PERFORM count_answers_between(
            (SELECT array_agg(ROW(r.*)::standings) FROM removed r), (SELECT array_agg(ROW(n.*)::standings) FROM added n));
        ELSE PERFORM count_answers_between((SELECT array_agg(ROW(r.*)::standings) FROM removed r), NULL);
    END CASE;
    RETURN NULL;
END $$;
CREATE TRIGGER answers_are_counted AFTER INSERT ON standings REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION count_answers();
CREATE TRIGGER answers_changed_are_counted AFTER UPDATE ON standings REFERENCING OLD TABLE AS removed NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION count_answers();
CREATE TRIGGER answers_removed_are_counted AFTER DELETE ON standings REFERENCING OLD TABLE AS removed
    FOR EACH STATEMENT EXECUTE FUNCTION count_answers();

-- A version moves the accounts that were opened since it is effective. Of a version that becomes effective later there are none.
CREATE FUNCTION count_under_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO account_counts
    SELECT a.plan, counted_age(a.age), a.region, a.seen,
           CASE v.sign WHEN 1 THEN version_at(a.opened_at)
                ELSE (SELECT max(number) FROM policies p WHERE p.effective <= a.opened_at
                         AND p.number NOT IN (SELECT number FROM added)) END,
           a.closed_at IS NOT NULL, answers_of(a.account_id), sum(v.sign)
      FROM accounts a CROSS JOIN (VALUES (1), (-1)) v(sign)
     WHERE a.opened_at >= (SELECT min(effective) FROM added)
     GROUP BY 1, 2, 3, 4, 5, 6, 7;
    RETURN NULL;
END $$;
CREATE TRIGGER versions_are_counted AFTER INSERT ON policies REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION count_under_version();

-- Content
CREATE FUNCTION count_segments() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    CASE TG_OP
        WHEN 'INSERT' THEN
            INSERT INTO content_counts SELECT k.what, k.ends_on, k.is_long, sum(k.items), sum(k.turns), sum(k.bytes)
              FROM added s, counted_segment(ROW(s.*)::segments) k GROUP BY 1, 2, 3;
        WHEN 'UPDATE' THEN
            INSERT INTO content_counts
            SELECT k.what, k.ends_on, k.is_long, sum(k.sign * k.items), sum(k.sign * k.turns), sum(k.sign * k.bytes)
              FROM (SELECT 1 AS sign, n.* FROM added s, counted_segment(ROW(s.*)::segments) n
                    UNION ALL SELECT -1, o.* FROM removed s, counted_segment(ROW(s.*)::segments) o) k
             GROUP BY 1, 2, 3 HAVING (sum(k.sign * k.items), sum(k.sign * k.turns), sum(k.sign * k.bytes)) <> (0, 0, 0);
        ELSE
            INSERT INTO content_counts SELECT k.what, k.ends_on, k.is_long, -sum(k.items), -sum(k.turns), -sum(k.bytes)
              FROM removed s, counted_segment(ROW(s.*)::segments) k GROUP BY 1, 2, 3;
    END CASE;
    RETURN NULL;
END $$;
CREATE TRIGGER segments_are_counted AFTER INSERT ON segments REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION count_segments();
CREATE TRIGGER segments_changed_are_counted AFTER UPDATE ON segments REFERENCING OLD TABLE AS removed NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION count_segments();
CREATE TRIGGER segments_removed_are_counted AFTER DELETE ON segments REFERENCING OLD TABLE AS removed
    FOR EACH STATEMENT EXECUTE FUNCTION count_segments();

CREATE FUNCTION count_feedback() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    CASE TG_OP
        WHEN 'INSERT' THEN
            INSERT INTO content_counts SELECT k.what, k.ends_on, k.is_long, sum(k.items), sum(k.turns), sum(k.bytes)
              FROM added s, counted_feedback(ROW(s.*)::feedback) k GROUP BY 1, 2, 3;
        WHEN 'UPDATE' THEN
            INSERT INTO content_counts
            SELECT k.what, k.ends_on, k.is_long, sum(k.sign * k.items), sum(k.sign * k.turns), sum(k.sign * k.bytes)
              FROM (SELECT 1 AS sign, n.* FROM added s, counted_feedback(ROW(s.*)::feedback) n
                    UNION ALL SELECT -1, o.* FROM removed s, counted_feedback(ROW(s.*)::feedback) o) k
             GROUP BY 1, 2, 3 HAVING (sum(k.sign * k.items), sum(k.sign * k.turns), sum(k.sign * k.bytes)) <> (0, 0, 0);
        ELSE
            INSERT INTO content_counts SELECT k.what, k.ends_on, k.is_long, -sum(k.items), -sum(k.turns), -sum(k.bytes)
              FROM removed s, counted_feedback(ROW(s.*)::feedback) k GROUP BY 1, 2, 3;
    END CASE;
    RETURN NULL;
END $$;
CREATE TRIGGER feedback_is_counted AFTER INSERT ON feedback REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION count_feedback();
CREATE TRIGGER feedback_changed_is_counted AFTER UPDATE ON feedback REFERENCING OLD TABLE AS removed NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION count_feedback();
CREATE TRIGGER feedback_removed_is_counted AFTER DELETE ON feedback REFERENCING OLD TABLE AS removed
    FOR EACH STATEMENT EXECUTE FUNCTION count_feedback();

CREATE FUNCTION count_conversations() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO content_counts
    SELECT k.what, k.ends_on, k.is_long, sum(CASE TG_OP WHEN 'INSERT' THEN k.items ELSE -k.items END), 0, 0
      FROM changed c, counted_conversation(ROW(c.*)::conversations) k GROUP BY 1, 2, 3;
    RETURN NULL;
END $$;
CREATE TRIGGER conversations_are_counted AFTER INSERT ON conversations REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION count_conversations();
CREATE TRIGGER conversations_removed_are_counted AFTER DELETE ON conversations REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION count_conversations();
CREATE FUNCTION count_flagged() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO content_counts
    SELECT what, ends_on, is_long, items, turns, bytes FROM counted_conversation(NEW) WHERE what = 'flagged'
    UNION ALL
    SELECT what, ends_on, is_long, -items, turns, bytes FROM counted_conversation(OLD) WHERE what = 'flagged';
    RETURN NULL;
END $$;
CREATE TRIGGER flagged_are_counted AFTER UPDATE ON conversations FOR EACH ROW
    WHEN (OLD.safety_until IS DISTINCT FROM NEW.safety_until) EXECUTE FUNCTION count_flagged();
