-- A small town of twelve at migrations 0001 to 0005, as the first version that kept anything left it: people of the
-- demonstration, whose every word is made up. Plain SQL, to be run into an empty database. town-0005.json beside it
-- holds what that version answered for each conversation and account. It stays as it is for ever.
SET check_function_bodies = false;
SET client_min_messages = warning;
SET search_path = public;
CREATE TABLE public.accounts (
    account_id uuid NOT NULL,
    host_hmac bytea NOT NULL,
    bucket integer NOT NULL,
    wrapped_key bytea NOT NULL,
    next_slot integer DEFAULT 0 NOT NULL,
    plan text NOT NULL,
    age smallint,
    opened_at timestamp with time zone NOT NULL,
    last_at timestamp with time zone NOT NULL,
    last_seq bigint DEFAULT 0 NOT NULL,
    seen smallint NOT NULL,
    closed_at timestamp with time zone,
    standing text NOT NULL,
    grant_no integer,
    grants integer DEFAULT 0 NOT NULL,
    answered smallint,
    CONSTRAINT age_is_plausible CHECK (((age >= 0) AND (age <= 150))),
    CONSTRAINT closed_ends_the_grant CHECK (((closed_at IS NULL) OR (grant_no IS NULL))),
    CONSTRAINT grant_is_the_newest CHECK (((grant_no IS NULL) OR (grant_no = grants))),
    CONSTRAINT grant_only_by_choice CHECK (((grant_no IS NULL) OR ((standing = 'granted'::text) AND (answered IS NOT NULL)))),
    CONSTRAINT plan_is_a_name CHECK ((plan ~ '^[a-z][a-z0-9_.-]{0,31}$'::text)),
    CONSTRAINT standing_is_known CHECK ((standing = ANY (ARRAY['granted'::text, 'undecided'::text, 'declined'::text, 'withdrawn'::text, 'lapsed'::text])))
);
CREATE TABLE public.api_keys (
    key_id uuid NOT NULL,
    name text NOT NULL,
    secret_sha256 bytea NOT NULL,
    scopes text[] NOT NULL,
    made_at timestamp with time zone NOT NULL,
    revoked_at timestamp with time zone,
    CONSTRAINT key_has_scopes CHECK ((cardinality(scopes) > 0)),
    CONSTRAINT key_name_is_a_name CHECK ((name ~ '^[a-z0-9][a-z0-9_.-]{0,63}$'::text)),
    CONSTRAINT key_secret_is_sha256 CHECK ((length(secret_sha256) = 32))
);
CREATE TABLE public.bodies (
    account_id uuid NOT NULL,
    conversation_id uuid NOT NULL,
    turn integer NOT NULL,
    segment smallint NOT NULL,
    sealed bytea NOT NULL
);
ALTER TABLE ONLY public.bodies ALTER COLUMN sealed SET STORAGE EXTERNAL;
CREATE TABLE public.buckets (
    bucket integer NOT NULL,
    epoch integer NOT NULL,
    wrapped bytea NOT NULL,
    CONSTRAINT bucket_in_range CHECK (((bucket >= 0) AND (bucket <= 65535)))
);
CREATE TABLE public.choices (
    account_id uuid NOT NULL,
    seq bigint NOT NULL,
    occurred_at timestamp with time zone NOT NULL,
    version smallint NOT NULL,
    allow boolean NOT NULL,
    effect text NOT NULL,
    grant_no integer,
    via text NOT NULL,
    evidence bytea,
    CONSTRAINT a_grant_begins_with_a_yes CHECK (((effect <> ALL (ARRAY['began'::text, 'affirmed'::text])) OR (allow AND (grant_no IS NOT NULL)))),
    CONSTRAINT effect_is_known CHECK ((effect = ANY (ARRAY['began'::text, 'affirmed'::text, 'withdrew'::text, 'declined'::text, 'none'::text]))),
    CONSTRAINT via_is_a_name CHECK ((via ~ '^[a-z][a-z0-9_.-]{0,31}$'::text))
);
CREATE TABLE public.conversations (
    account_id uuid NOT NULL,
    conversation_id uuid NOT NULL,
    host_hmac bytea,
    kind text NOT NULL,
    incognito boolean NOT NULL,
    narrowed boolean NOT NULL,
    widenings integer NOT NULL,
    begun_at timestamp with time zone NOT NULL,
    deleted_at timestamp with time zone,
    safety_until timestamp with time zone,
    deciding smallint NOT NULL,
    deciding_grant_no integer,
    deciding_grant_widening integer,
    deciding_stale boolean NOT NULL,
    out_of_scope boolean NOT NULL,
    CONSTRAINT kind_is_known CHECK ((kind = ANY (ARRAY['chat'::text, 'code'::text])))
);
CREATE TABLE public.copies (
    account_id uuid NOT NULL,
    conversation_id uuid NOT NULL,
    segment smallint NOT NULL,
    place text NOT NULL,
    reference uuid NOT NULL,
    registered_at timestamp with time zone NOT NULL,
    ended_at timestamp with time zone,
    CONSTRAINT place_is_known CHECK ((place = ANY (ARRAY['vault'::text, 'safety'::text, 'feedback'::text, 'release'::text])))
);
CREATE TABLE public.feedback (
    account_id uuid NOT NULL,
    feedback_id uuid NOT NULL,
    conversation_id uuid NOT NULL,
    host_hmac bytea,
    rating text NOT NULL,
    share text NOT NULL,
    turn integer NOT NULL,
    given_at timestamp with time zone NOT NULL,
    version smallint NOT NULL,
    narrowed boolean NOT NULL,
    grant_no integer,
    grant_widening integer,
    keep_until timestamp with time zone NOT NULL,
    due_on date GENERATED ALWAYS AS (((keep_until AT TIME ZONE 'UTC'::text))::date) STORED NOT NULL,
    key_slot integer,
    erased_at timestamp with time zone,
    CONSTRAINT a_grant_of_feedback_is_whole CHECK (((grant_no IS NULL) = (grant_widening IS NULL))),
    CONSTRAINT feedback_erased_has_no_key CHECK (((erased_at IS NULL) OR (key_slot IS NULL))),
    CONSTRAINT no_feedback_is_granted_kept_out CHECK (((grant_no IS NULL) OR (NOT narrowed))),
    CONSTRAINT rating_is_known CHECK ((rating = ANY (ARRAY['up'::text, 'down'::text]))),
    CONSTRAINT share_is_known CHECK ((share = ANY (ARRAY['rating'::text, 'reply'::text, 'conversation'::text])))
);
CREATE TABLE public.feedback_bodies (
    account_id uuid NOT NULL,
    feedback_id uuid NOT NULL,
    turn integer NOT NULL,
    sealed bytea NOT NULL
);
ALTER TABLE ONLY public.feedback_bodies ALTER COLUMN sealed SET STORAGE EXTERNAL;
CREATE TABLE public.flags (
    account_id uuid NOT NULL,
    conversation_id uuid NOT NULL,
    seq bigint NOT NULL,
    flagged_at timestamp with time zone NOT NULL,
    score real,
    score_until timestamp with time zone NOT NULL,
    overturned_at timestamp with time zone,
    CONSTRAINT score_is_a_share CHECK (((score >= (0)::double precision) AND (score <= (1)::double precision)))
);
CREATE TABLE public.holds (
    account_id uuid NOT NULL,
    conversation_id uuid NOT NULL,
    matter_hmac bytea NOT NULL,
    matter bytea NOT NULL,
    placed_at timestamp with time zone NOT NULL
);
CREATE TABLE public.idempotency_keys (
    caller_hmac bytea NOT NULL,
    key_hmac bytea NOT NULL,
    request_hmac bytea NOT NULL,
    answer text NOT NULL,
    kept_at timestamp with time zone NOT NULL
);
CREATE TABLE public.journal (
    account_id uuid NOT NULL,
    seq bigint NOT NULL,
    "position" bigint NOT NULL,
    occurred_at timestamp with time zone NOT NULL,
    event text NOT NULL,
    conversation_id uuid,
    ends boolean NOT NULL
);
CREATE SEQUENCE public.journal_position
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
CREATE TABLE public.key_pages (
    account_id uuid NOT NULL,
    page integer NOT NULL,
    slots bytea NOT NULL
);
CREATE TABLE public.log_accounts (
    account_id uuid NOT NULL,
    log_year smallint NOT NULL
);
CREATE TABLE public.logs (
    log_year smallint NOT NULL,
    origin text NOT NULL,
    decided bigint NOT NULL,
    root bytea NOT NULL,
    size bigint NOT NULL,
    digest bytea NOT NULL,
    logged_at timestamp with time zone NOT NULL,
    CONSTRAINT a_log_grows CHECK (((0 <= decided) AND (decided <= size))),
    CONSTRAINT log_digest_is_sha256 CHECK ((length(digest) = 32)),
    CONSTRAINT log_root_is_sha256 CHECK ((length(root) = 32))
);
CREATE TABLE public.migrations (
    number integer NOT NULL,
    name text NOT NULL,
    sha256 bytea NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT a_sha256_has_32_bytes CHECK ((length(sha256) = 32)),
    CONSTRAINT migration_numbers_are_positive CHECK ((number > 0))
);
CREATE TABLE public.notices (
    notice_id uuid NOT NULL,
    "position" bigint NOT NULL,
    version smallint NOT NULL,
    language text NOT NULL,
    variant text NOT NULL,
    document text NOT NULL,
    sha256 bytea NOT NULL,
    published_at timestamp with time zone NOT NULL,
    published_by text NOT NULL,
    CONSTRAINT language_is_a_tag CHECK ((language ~ '^[a-z]{2,3}(-[A-Za-z0-9]{2,8})?$'::text)),
    CONSTRAINT notice_hash_is_that_of_its_bytes CHECK ((sha256 = sha256(convert_to(document, 'UTF8'::name)))),
    CONSTRAINT variant_is_known CHECK ((variant = ANY (ARRAY['existing'::text, 'signup'::text])))
);
ALTER TABLE public.notices ALTER COLUMN "position" ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.notices_position_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.outbox (
    outbox_id bigint NOT NULL,
    account_id uuid,
    entry text NOT NULL,
    occurred_at timestamp with time zone NOT NULL,
    payload text NOT NULL,
    index bigint,
    log_year smallint,
    CONSTRAINT a_place_is_whole CHECK ((((index IS NULL) = (log_year IS NULL)) AND (index >= 0)))
);
ALTER TABLE public.outbox ALTER COLUMN outbox_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.outbox_outbox_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.policies (
    number smallint NOT NULL,
    policy text NOT NULL,
    version text NOT NULL,
    effective timestamp with time zone NOT NULL,
    document text NOT NULL,
    sha256 bytea NOT NULL,
    applied_at timestamp with time zone NOT NULL,
    applied_by text NOT NULL,
    CONSTRAINT policy_hash_is_sha256 CHECK ((length(sha256) = 32))
);
CREATE TABLE public.policy_plans (
    policy_sha256 bytea NOT NULL,
    base smallint NOT NULL,
    made_at timestamp with time zone NOT NULL,
    made_by text NOT NULL,
    plan text NOT NULL
);
CREATE TABLE public.release_rows (
    account_id uuid NOT NULL,
    release_id uuid NOT NULL,
    row_id bytea NOT NULL,
    ordinal integer NOT NULL,
    conversation_id uuid NOT NULL,
    key_segments smallint[] NOT NULL,
    key_places text[] NOT NULL,
    source_segments smallint[] NOT NULL,
    source_origins text[] NOT NULL,
    source_turns integer[] NOT NULL,
    source_counts integer[] NOT NULL
);
CREATE TABLE public.releases (
    release_id uuid NOT NULL,
    name text NOT NULL,
    purpose text NOT NULL,
    state text NOT NULL,
    version smallint NOT NULL,
    pinned bigint NOT NULL,
    begun_at timestamp with time zone NOT NULL,
    sealed_at timestamp with time zone,
    "position" bigint,
    rows integer,
    turns integer,
    root bytea,
    manifest_sha256 bytea,
    CONSTRAINT release_name_is_a_name CHECK ((name ~ '^[a-z0-9][a-z0-9_.-]{0,63}$'::text)),
    CONSTRAINT release_state_is_known CHECK ((state = ANY (ARRAY['building'::text, 'sealed'::text]))),
    CONSTRAINT sealed_is_whole CHECK (((state <> 'sealed'::text) OR ((sealed_at IS NOT NULL) AND ("position" IS NOT NULL) AND (rows IS NOT NULL) AND (turns IS NOT NULL) AND (root IS NOT NULL) AND (manifest_sha256 IS NOT NULL))))
);
CREATE TABLE public.safety_bodies (
    account_id uuid NOT NULL,
    conversation_id uuid NOT NULL,
    turn integer NOT NULL,
    segment smallint NOT NULL,
    sealed bytea NOT NULL
);
ALTER TABLE ONLY public.safety_bodies ALTER COLUMN sealed SET STORAGE EXTERNAL;
CREATE TABLE public.secrets (
    name text NOT NULL,
    wrapped bytea NOT NULL
);
CREATE TABLE public.segments (
    account_id uuid NOT NULL,
    conversation_id uuid NOT NULL,
    segment smallint NOT NULL,
    plan text NOT NULL,
    surface text NOT NULL,
    in_scope boolean NOT NULL,
    version smallint NOT NULL,
    narrowed boolean NOT NULL,
    stale boolean NOT NULL,
    grant_no integer,
    grant_widening integer,
    first_turn integer NOT NULL,
    last_turn integer NOT NULL,
    last_at timestamp with time zone NOT NULL,
    has_user boolean NOT NULL,
    keep_until timestamp with time zone NOT NULL,
    due_on date GENERATED ALWAYS AS (((keep_until AT TIME ZONE 'UTC'::text))::date) STORED NOT NULL,
    flagged_turn integer DEFAULT 0 NOT NULL,
    safety_until timestamp with time zone,
    key_slot integer,
    safety_slot integer,
    erased_at timestamp with time zone,
    CONSTRAINT a_grant_is_whole CHECK (((grant_no IS NULL) = (grant_widening IS NULL))),
    CONSTRAINT erased_has_no_key CHECK (((erased_at IS NULL) OR (key_slot IS NULL))),
    CONSTRAINT nothing_is_granted_out_of_scope CHECK (((grant_no IS NULL) OR (in_scope AND (NOT narrowed) AND (NOT stale)))),
    CONSTRAINT surface_is_a_name CHECK ((surface ~ '^[a-z][a-z0-9_.-]{0,31}$'::text))
)
WITH (fillfactor='90');
CREATE TABLE public.sessions (
    session_sha256 bytea NOT NULL,
    account_id uuid,
    staff_id uuid,
    roles text[] NOT NULL,
    begun_at timestamp with time zone NOT NULL,
    seen_at timestamp with time zone NOT NULL,
    ends_at timestamp with time zone NOT NULL,
    CONSTRAINT a_person_has_no_role CHECK (((account_id IS NULL) OR (cardinality(roles) = 0))),
    CONSTRAINT a_session_has_one_owner CHECK (((account_id IS NULL) <> (staff_id IS NULL))),
    CONSTRAINT session_is_sha256 CHECK ((length(session_sha256) = 32))
);
CREATE TABLE public.shown (
    account_id uuid NOT NULL,
    shown_id uuid NOT NULL,
    notice_id uuid NOT NULL,
    place text NOT NULL,
    surface text NOT NULL,
    default_state text NOT NULL,
    gpc boolean NOT NULL,
    markup_sha256 bytea,
    shown_at timestamp with time zone NOT NULL,
    put_off_at timestamp with time zone,
    CONSTRAINT markup_hash_is_sha256 CHECK ((length(markup_sha256) = 32)),
    CONSTRAINT nothing_was_preselected CHECK ((default_state = 'none'::text)),
    CONSTRAINT place_shown_is_known CHECK ((place = ANY (ARRAY['notice'::text, 'signup'::text, 'settings'::text, 'host'::text]))),
    CONSTRAINT put_off_after_it_was_shown CHECK ((put_off_at >= shown_at)),
    CONSTRAINT surface_shown_is_a_name CHECK ((surface ~ '^[a-z][a-z0-9_.-]{0,31}$'::text))
);
CREATE TABLE public.signals (
    account_id uuid NOT NULL,
    occurred_at timestamp with time zone NOT NULL,
    gpc boolean NOT NULL
);
CREATE TABLE public.staff (
    staff_id uuid NOT NULL,
    email text NOT NULL,
    roles text[] NOT NULL,
    made_at timestamp with time zone NOT NULL,
    CONSTRAINT staff_email_is_an_address CHECK ((email ~ '^[^@[:space:]]+@[^@[:space:]]+$'::text))
);
CREATE TABLE public.staff_links (
    link_sha256 bytea NOT NULL,
    staff_id uuid NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    used_at timestamp with time zone,
    CONSTRAINT link_is_sha256 CHECK ((length(link_sha256) = 32))
);
CREATE TABLE public.staff_reads (
    account_id uuid NOT NULL,
    read_id uuid NOT NULL,
    conversation_id uuid NOT NULL,
    staff_id uuid NOT NULL,
    role text NOT NULL,
    reason text NOT NULL,
    ticket text NOT NULL,
    turns integer NOT NULL,
    read_at timestamp with time zone NOT NULL,
    CONSTRAINT read_reason_is_known CHECK ((reason = ANY (ARRAY['misuse_review'::text, 'person_request'::text, 'legal_matter'::text, 'incident'::text]))),
    CONSTRAINT ticket_is_a_name CHECK ((ticket ~ '^[A-Za-z0-9][A-Za-z0-9._/#-]{0,63}$'::text))
);
CREATE TABLE public.terms (
    account_id uuid NOT NULL,
    version smallint NOT NULL,
    accepted_at timestamp with time zone NOT NULL,
    shown_id uuid
);
CREATE TABLE public.turns (
    account_id uuid NOT NULL,
    conversation_id uuid NOT NULL,
    turn integer NOT NULL,
    segment smallint NOT NULL,
    seq bigint NOT NULL,
    role text NOT NULL,
    origin text NOT NULL,
    occurred_at timestamp with time zone NOT NULL,
    host_hmac bytea,
    CONSTRAINT origin_is_a_name CHECK ((origin ~ '^[a-z][a-z0-9_.-]{0,31}$'::text)),
    CONSTRAINT role_is_known CHECK ((role = ANY (ARRAY['user'::text, 'assistant'::text, 'tool'::text])))
);
CREATE TABLE public.used_tokens (
    token_sha256 bytea NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    CONSTRAINT token_is_sha256 CHECK ((length(token_sha256) = 32))
);
INSERT INTO accounts VALUES
('01984e54-3c00-7c29-ba54-e7fbf6c7472a', '\xce10d33619d2fecd97430473e47aed3b', 810, '\x9b01e29b31a60108658ff0d53cefd369c1d4dba0b47030aaab1b460d006ad09a9e753bbe3c4c67dbaba1cbfe08b057725955590ebdd1ffbc22e99eaa', 1, 'work', 35, '2025-07-28 00:00:00+00', '2025-10-12 23:00:00+00', 8, 0, NULL, 'undecided', NULL, 0, NULL),
('01982521-5c00-781c-850a-92db335ca808', '\x05f0c146fe2ae5e29682fe9a85e49c83', 8, '\x783f30f320f4907e7d589dd8e9301a63655c96f784ef90456d3965c25b3d74bfc1a1e7d12cac17e07380c5d60e7c1732827227ab09776f62b61deac0', 2, 'free', 27, '2025-07-20 00:00:00+00', '2025-12-02 15:38:24+00', 16, 0, NULL, 'declined', NULL, 0, 0),
('01983494-7000-730e-8ee7-bda5d195c439', '\x5e5879cdcbfd360779168bf51dc9048a', 57, '\xe1e33056a3cb630c761d818911ae71c458f675474d5800f72376b65bd8acb9c34387eb2f0fe9817989657ba7dd7ed888668440460b2f3e40cc798202', 5, 'free', 48, '2025-07-23 00:00:00+00', '2025-09-28 23:00:00+00', 40, 0, '2025-08-26 18:21:58+00', 'undecided', NULL, 0, NULL),
('0198537a-9800-74ea-aa4b-e7674660a21e', '\x06ac4b3a316e3a190c7c5aa28943a782', 542, '\x5d29dee0b4885ec9a8658353edcb1adcfb4d3680014c7b2d6f0c59f7ac31c02e68e943dfa84ba5d2c2485a3268ce2313c3bd394b68165d49c2c4b7fa', 5, 'free', 70, '2025-07-29 00:00:00+00', '2025-12-04 17:07:40+00', 32, 0, NULL, 'declined', NULL, 0, 0),
('0198492d-e000-70c7-b155-287d642b5dbd', '\x039aff063ba138c759f860471211c6e3', 445, '\x41b1087c7709771636fac1e7428004b79af3369013f49734092ef310659699bb0dfe22da61c8f9ce910e7df7955741314f26fd26855dcf29d681fe20', 6, 'free', 79, '2025-07-27 00:00:00+00', '2025-11-16 23:00:00+00', 28, 0, NULL, 'declined', NULL, 0, 0),
('01984407-8400-7da5-a5f6-1f198e49bb16', '\x60e4fc0d3618ea993fb1ac920d99fcd5', 790, '\x64cf8d32d0ea5a37a5afa7f0303e008a6d152f207a150bce813dd07e75f1a7af67abeff963a5aaf2447548f9045254d129dabdd275a9fbd923d588cb', 5, 'pro', 60, '2025-07-26 00:00:00+00', '2025-12-09 12:47:18+00', 27, 0, NULL, 'granted', 1, 1, 0),
('01985dc7-5000-7a49-83b2-909edfa64934', '\x35e1e1d59ce1e8d176b33193b5731eea', 308, '\x7378c6b3b64ce54f7de0ceb62e3b4009bb02a40aec2a35b61aa4509b8b7bf535cfeb5ce033319468b7f34eb7ad6e4d3c6962861733c2e14b334c6399', 5, 'education', 21, '2025-07-31 00:00:00+00', '2025-12-14 23:00:00+00', 35, 0, NULL, 'undecided', NULL, 0, NULL),
('019839ba-cc00-79cc-9585-d880fd54cc21', '\x6affac1e9d73ef69d49da6f280f6b597', 33, '\xcdaea11d7c7fbbebb44b9a56a2d6b2a10d7a395ac1744651879c16b19f321e89111764b34077c0e80376813491871bada6be3421e349d4d93789f3f4', 16, 'pro', 73, '2025-07-24 00:00:00+00', '2025-12-14 23:00:00+00', 171, 0, NULL, 'withdrawn', NULL, 1, 0),
('019858a0-f400-7d05-8ad5-93a3487e2360', '\xb85c5d57b5d0687e66b2a853796b2db1', 864, '\x3eaae5e45dbb336823573b28b815ec616c95d157821a6b4de50088834ed49577d7a858dfeea91026fbe5f8b09358763ab3a4d2130aad0daeb0df3969', 1, 'free', 18, '2025-07-30 00:00:00+00', '2025-10-26 23:00:00+00', 10, 0, NULL, 'declined', NULL, 0, 0),
('019a454c-0000-7a22-a117-8d84f18633d9', '\xab76a0999200c0b5074a6dc6e7fe7847', 985, '\xbd8bb00073e1bbb86f929eb1f0a474bcd4927abd424047140edebca5a015ede071862a4c70cef806a9fc7c11c7b68d744f915a8021f67a5236fed3ad', 5, 'pro', 53, '2025-11-02 16:00:00+00', '2025-12-14 23:00:00+00', 16, 0, NULL, 'undecided', NULL, 0, NULL),
('01982a47-b800-7bf7-8ce8-179785cc2eeb', '\x7c21052459b49572a35003ee7d4e6039', 747, '\x7066fa8afc91632408316ffbe6e26cd9f29e14488d2431d1f4ef9a5be13e45cad6477c689b4ba8ccae798156ab2d9cf3a1986fbace5a7cf443dc9ec5', 5, 'free', 15, '2025-07-21 00:00:00+00', '2025-12-15 00:00:00+00', 29, 0, NULL, 'granted', 1, 1, 0),
('01983ee1-2800-7657-85ec-b975f32d636e', '\x10dd0c772898bfe461eda051bd02c8e0', 878, '\x248be0cab954578d8e53e2e1aed45e7d2e41bed4a89ca7308a76473b4fa90cb59431e382cf8b58d329f169984caf348784f948affd76d09379d98276', 14, 'free', 45, '2025-07-25 00:00:00+00', '2025-12-15 00:00:00+00', 83, 0, NULL, 'granted', 1, 1, 0);
INSERT INTO bodies VALUES
('01982a47-b800-7bf7-8ce8-179785cc2eeb', '0199e1bd-e698-78e2-86cc-28ea26577937', 1, 0, '\x5bb6b47387984f920ada3441cdd72abd24e63d79a86407ce70020370772b9fee7702e0b93689181bb0ec2cad0faaaef34448d7c451e772218f630b169833c36cd3722eff92d1714058556953b31a041098879554388e2b033891ca8c8b16dea0fb'),
('01982a47-b800-7bf7-8ce8-179785cc2eeb', '0199e1bd-e698-78e2-86cc-28ea26577937', 0, 0, '\x6d80bcbe9fd44cdf33f792170d08d2a4d4afd54c8f904f3df87608752dc63a0034d1560b6a7931c05f741dfb9a7902d7956c925b002d997eeadc77250da8f5c1fb3650b2ff4e445977e7936215f7dd35e9b233144b69'),
('01982a47-b800-7bf7-8ce8-179785cc2eeb', '0199e1bd-e698-78e2-86cc-28ea26577937', 2, 0, '\x942c0ad4ff557bb11f5b93d4d5a795bb5e6f6e5a36c458df771b6b82d963b548005f3aefba86cdc0d53710e6082aedd35c9fdb86a6b5a35d292b5ae1bd203a876036cf5df5332d66009f759e60a4413048ac3477b564b8f20b80047e9e0ef9f5ef944474dd7b010b367c63d911fa0aa3a01960900557ac02e30a29af870de3dae25261ad9cdae42a86cfe0c9975e27af6a79527807d50c9506f9c9f9fe22f87fc56b31f68b8ee223e3d8a07bba7036'),
('01982a47-b800-7bf7-8ce8-179785cc2eeb', '0199e1bd-e698-78e2-86cc-28ea26577937', 3, 0, '\xc2185b1ad71a937a172c1be71c8c312e3a8ee0dba068f0599e831b9a751baa6a59e57527aa0bda32804f6d9ec0f3fd77aad031ceec41ff3302e8b3ba465ab8eaafc6a98dd54a9975270f0e0102745d291ad827c38af6b6505a60798c88b2d147d899ddff130a8ecebe7a67b3cd'),
('01982a47-b800-7bf7-8ce8-179785cc2eeb', '0199e1bd-e698-78e2-86cc-28ea26577937', 4, 0, '\x3e3c5e086f8b2bdc22e24de82f403cacf88daafaec566d8995a758eb8801308457da43a0e96b114985563740873e62908844536882f8e97b27f320f57416618bbada82bae9b4f07816847432be07611362a0393265632e407d5e54a20743dfaf32b25b75c5772ef53d4fc86fbbc8f355c476cdef00591bc2f2353b3bf7954d5cd56aca19218869c81c8c631f698ac0696214653952a1c5a1b8bf1a4fdc584fa2f4982ddaa0ee'),
('01982a47-b800-7bf7-8ce8-179785cc2eeb', '0199e1bd-e698-78e2-86cc-28ea26577937', 5, 0, '\xa9f4a3eee39c1b6659060c2825039442e437f21d0f9dd417490215a26587cb8dfdb3b59df4fe43bcab7802c5b3883c176fdba391681da20eb1faf692b719c5c5cd5c978f29af9eea8c54765280c14ef9a0585d15334795c39b1c'),
('01982a47-b800-7bf7-8ce8-179785cc2eeb', '0199e1bd-e698-78e2-86cc-28ea26577937', 6, 0, '\x53f583873c7c66e4af1fcad5036787afca0b485e0b7ea592cf41b62e4a3376e2539ec6c95bf7a3078b825b63f78688ab9cb9901ffdf1a6907065c7161e1a138dc665ff325bcdf419f0cd24470a33ad0d2289e9cc608ec2fd2bab8ea6d4ecab8995d49787fcb0b566124cf7ec5c661ab93137a2de1d43b2244d0a820f68cf6c1ea226de2d17490c6d791316593cf8a002b79cb5a9d14c468b6ca0d69296ac5a44b89c77d0b3ab060f7a1d4322e96dfe'),
('01983ee1-2800-7657-85ec-b975f32d636e', '019914c8-1910-75f9-9a19-a774a0bc8045', 1, 0, '\x49aa8df21f856525ec77cf8c35413898c1401dbe44db73b54e84ccf9ab949609ac2230bf798bbd1fc12a1baf0c93dceac49d5520ea630769540984ef5d911adc6b36a13a8da902e6a6a8efe0b467b3d5248c2750e32bb1c78999b3e9c4aea6b20874bb32b799d9e7b1629459728bf439d9abed5845959bb83079f15a891cf800329b21dcdd701c76159a520cf4e55a'),
('01983ee1-2800-7657-85ec-b975f32d636e', '019914c8-1910-75f9-9a19-a774a0bc8045', 0, 0, '\x1e820d47fc5fac72c82f61d5f5bae44e3e5805a0cc037da9020cd7b0efad6e3d9eed123090b62facae58923912734989b939b6da63aae7ec7432eeaa44281128540e11b07dda40745705075f786c51b4cf3b61cdb62f'),
('01983ee1-2800-7657-85ec-b975f32d636e', '019914c8-1910-75f9-9a19-a774a0bc8045', 2, 0, '\x4769859cc469f7a00ebab608b3da9d07bfcea784d1f92686d6fc8ee6bd3f81f04f0f177e80a410604b60eab59305ea5ba3ba263311ab7ea72047a10c6c6dbc0816e92d7b9cb5b9e34afcd4c6627ea3187610d3b0008365792e375a06cc77138bbf5f2fa2efb04377e907570983ab45df7f6755efbf5ac1c72fdf3a9bb7e4e4388ceaae2c0f9fffa5f8e8f4fb8409454227aa511386a7dcea884e01caa2f2aee0356f22baf63491fb5a96718df46c'),
('01983ee1-2800-7657-85ec-b975f32d636e', '019914c8-1910-75f9-9a19-a774a0bc8045', 3, 0, '\x945459d084e2cacc3b94905e09b6c83791c8e7636225e8ee7fa2620ffa608945c46a2386c2054629cef8518feed97024f0453690d971839bfb7afcd376a27a5fcee22209a198947430ae4dc2eaeefc0e475efb'),
('01983ee1-2800-7657-85ec-b975f32d636e', '019914c8-1910-75f9-9a19-a774a0bc8045', 4, 0, '\xb5a8de768672b2b793ca13029f846fa379fc7abc835aa0fba22389a5f9626d7411f8c0077acedfac73a3532eb56543c9fd3514619d297bcfd47f36858c1ad185d785a064e0c01a230595a7196d0f19193053b625a464dbb77f426c71f52e9bed9d4da799b4d27a91b2a04cca66033cf1c5d6139f268ffb157a9c767ef19125ec4bfb201dec761a966eab6061a5bd4bd18c793cb2ac199b1a39eec4904ea3559c96f482f140adf413052c6f6ee96781'),
('01983ee1-2800-7657-85ec-b975f32d636e', '019914c8-1910-75f9-9a19-a774a0bc8045', 5, 0, '\xb4afab8518ed33692c0c04a597870bba18f01ad11150f0ea73839dd8a59f9b256bbe24d7715d7a15abd7aeb0589c494fcadaaee8b3c047d49fb822044c13f80dab1df3a960ba5ec6a296448b0e9d8a'),
('01983ee1-2800-7657-85ec-b975f32d636e', '019914c8-1910-75f9-9a19-a774a0bc8045', 6, 0, '\x54c2858de1b6d2bc1e5eae72963213bebdaa4eb5113b269665386ac274d0ec13165980a50f73903be3c509f9b567f6b3f957254de608041cdddb76a0c55fbc10cf9f4726101c213e0fe2b30c395262ebc030377f249a1d83bc68b37e9eba3077cbf2969601876ae1cd5a3fde3b2dacdf8ee3ba6954036a3baaa0da3f5bfddce43a331ad4242027fe741342df14a3f7df9f7e5a8d59a56b08dbbdb6e24f69dcf2722860b2751e07'),
('01984407-8400-7da5-a5f6-1f198e49bb16', '01991aeb-b130-7c6c-b68f-b8397a9741ca', 1, 0, '\xb0e84068a80ebf53126e8b54ae8610b0f55d10581b93f2b7033fef468eec1a99cd5766b6ffc54ac75a957fa1b65d2dbe56b37f92ed66e29c1af673858b4c143ea5f6de331ef8edf2c44c27350c78d742756720bdad1f056811009ba5946679dd9f7718fe751fa1f16102f560afe7dbfa0042'),
('01984407-8400-7da5-a5f6-1f198e49bb16', '01991aeb-b130-7c6c-b68f-b8397a9741ca', 0, 0, '\x5a10304a81204dda31f0432de9e134f66753c8732021c802d97cdfcb3ed4854e0149b3c1e4a7fe9fce0685c4b6614da858c9566354480bb0e273972cba698f2c7bf46584e06785afe66a2c902b2899874f7a36f1e8ac'),
('01984407-8400-7da5-a5f6-1f198e49bb16', '01991aeb-b130-7c6c-b68f-b8397a9741ca', 2, 0, '\x684db683f423014c67647eec611ccaae26618736317d88ab9e7e27ad060d988c44542e07fc084545254c5185e63668d07b637438c7626f9b48b64fe9227b110366eded2273a0cdffd17dcff47a51f11c05d5a8cf5fc4d01d307ddf1c1a46777f3de9947c6be38528b8f01a9079715714cce81817fbd04d4196e58a6905d307f83bcf9bec2097b47497fb38f8b3e039431f1e73a6474c7142df25c9159cc6607cac266524e7cba280c00e'),
('01984407-8400-7da5-a5f6-1f198e49bb16', '01991aeb-b130-7c6c-b68f-b8397a9741ca', 3, 0, '\x9417eb6af28168aa5bef9e0f31ed192ccd6bf7475fd31b285bcc51dedc726db7097128ed563214433daaaab7ba78642f1fa0637898bacff63b2f71564a719de91977b7010209b5c4d1e30a7f64cb4b'),
('01984407-8400-7da5-a5f6-1f198e49bb16', '01991aeb-b130-7c6c-b68f-b8397a9741ca', 4, 0, '\x802d533b81f3b0e42fc05b794bac134b8eb7081479d8445414110b071fa99abce9740f055567cc07f58950c2b53d1fd73f4513cd63efd183cc0be6ff7eedf8c87905e9ea1ac83800cb64d7e1d2375dc220665a6d0cc9b7aa71328442398bb7ac34db46c2a0bbf98787ec4e0c7412b3b5232a538093b54cbf02f11df05bec6a72baed5870afb8f2083dd94e3e01c92913ee7ccd65e3756b80184a5b85bcf4a7c813f6abc6f6535874237c85d8d198a81e04cffe13'),
('01983ee1-2800-7657-85ec-b975f32d636e', '019914c8-1910-75f9-9a19-a774a0bc8045', 7, 1, '\xac4d15920b2c97948a129716c173af19d0ff36b3453b6263a6527de58af7d911e6f679b81b806fd87c1c2a45afb2d9174526ba37a079b8a8e4708c255344872cc9480b062b86bab7b196705f19a31bb98874a8c9300775c6b35b'),
('01983ee1-2800-7657-85ec-b975f32d636e', '019914c8-1910-75f9-9a19-a774a0bc8045', 8, 1, '\xac159824149aaea0854f882975460e6de207e26c84a1d611a6941b2ae8b0e80d3865dc2c6701596c6b00644c6dfbea715bdb0ce0d0efd17b0fa5dd6a56bee757266b7dacd1e58c51e12f21e3d69099638302451f45c30002d41afd47fb979084e2bd525a2755ae4a272f13d213828e6bd1d4f29b305f8384e45f2f9f1ee5e719a922ca5cd863a27f20271c92ecab1b09454185928a5eb72af93134012c754e1473ff7d39b87fd45025b1ab0ff806cc'),
('01983ee1-2800-7657-85ec-b975f32d636e', '019914c8-1910-75f9-9a19-a774a0bc8045', 9, 1, '\xa4d07c26b253594623077d64f7a6f37382c90e1006022693b0b486f2c79333821bff9c1c6df57c325315b863023c58447dd570481fac406c905a4c575d37e8091f70fc8114afba2809523bc47fc0988b4c5c73da366ea668609e'),
('01983ee1-2800-7657-85ec-b975f32d636e', '019914c8-1910-75f9-9a19-a774a0bc8045', 10, 1, '\x03f7c8dc3e5d254031418f608fe853d6427feb786e6d533aa87da75b2a0b97a572130aeb8e2d84c656c28269029eac6b3679545794d3178cd78eafee34bc246f358240d1aef5e599f48ecbbe8bc6784ee68c4a83dc3552e323e8e332d13fca94b245bedbb9d3ef15e9429c76028ba9003de3ea0419b2740295d4c9ab49fddc6927e8346c0e949442d1fb44e773733ff071e3b3bebed935cb52c5ac96fbaaecf4c030e9303023726f41a972'),
('01983ee1-2800-7657-85ec-b975f32d636e', '019914c8-1910-75f9-9a19-a774a0bc8045', 11, 1, '\x439012f5619ed615b137d8ae18053e732fbcacb95ae2473dbe79dc90a782a2dee13018771beeadda199d86c6ae53f5b037bfa0698af77b5818ccd40d71b0977a3ba98ec2a36b46aa38f00a3abb0a462b3c25b1e1b6de5ca696821dd7937e833563c033ce3c87b7faf52d746517dded0eebaffb9973c06e8e27c2e64e38cf1492763a9a18d645a40c5e328c03d726e7227e6fdc036a9e816458b465ef8521ec37e42b1ebe'),
('01983ee1-2800-7657-85ec-b975f32d636e', '019914c8-1910-75f9-9a19-a774a0bc8045', 12, 1, '\xb89fc1424eafcf94cd8ea58dec49c3a89b23d10d45f7bc0f97d9a0af335bb1369488ab878bc199c2db28bd926c353362425000d078e2a35f55bce710bbbd73595ae8490c45e2b4248875dbc9a8cc5d2ff87c4c5bae922821413b1f552a49048253d2522de134bdc3579c6f516f3061425e24c55a35fc0d2db5799ee123836735563c99d22a9b9c72c025f3470de9701b1d95a15726a21904b1876455492fca9af3ba4f858a485abf2f6377034842742b98f8a66dcc23'),
('01984407-8400-7da5-a5f6-1f198e49bb16', '01996bac-d568-7b8a-961a-5bc7bc555a1d', 1, 0, '\x0bf4de0f4f91d429b441eb38bfeb30bc222baf2f16a49c79dccc05d5e727a4d028ce3e39ec974f659cf81b4c6da12b9001c2ef72910fe0c0d6b18519ce1b604e268a469d71bcf94c8e5678113abaa4c8ea847cf7c7b51074f6ee9ccaec5f1bff870f5244ca56d060da576aa20ac50b39'),
('01984407-8400-7da5-a5f6-1f198e49bb16', '01996bac-d568-7b8a-961a-5bc7bc555a1d', 0, 0, '\x30bace9a9fd8372a72fca4f3e2ca87426555d9ff69ee2f6e8a648429b1f2c988181b41dba45e101d333086e6806ef33ad4a63c017f33a90b8cbfa30a850ddd8fc8b904a2c6d3b8acda68bd9a8ee6815f98b986a04fa0'),
('01984407-8400-7da5-a5f6-1f198e49bb16', '01996bac-d568-7b8a-961a-5bc7bc555a1d', 2, 0, '\x62b0490060bc8252c33acecf04c6243acce68f5c3cef724ac30f6a61a4813766a8e1d251eeb163f4e4148f3d1a8dd6c48b78e5ec208110b32ef0d61f6cd5292b106cca84e8c069ec202b952b2f9bd43a3091df0df4e471a1646c8d98cd7f3f1f4a9edc4ce9a84b4a1a875f136d76bd7b8e33614feee767d8b05889bc51db2599e2646fd5c7a947ba9661e5c85743a362199e5bb23a63139fd1351ec82e94'),
('01984407-8400-7da5-a5f6-1f198e49bb16', '01996bac-d568-7b8a-961a-5bc7bc555a1d', 3, 0, '\x237b2af29925f957ff4f474c4fbda68b29b5843e072ea0d3ba1086faae541606c323a2a9319524fe84ef64ab07b7c484a4da1b9057bbf1491c5c4356ff0811b08e298cf091'),
('01984407-8400-7da5-a5f6-1f198e49bb16', '01996bac-d568-7b8a-961a-5bc7bc555a1d', 4, 0, '\x0246d649beafae289d1fef5be5726993387c6712c6599d6c12a9f5ec2e891e95f25131e545761522db6d7029a2c9848a72b6e26264b25a4c035c15c5aeb9f439ab482341ffcec4b13037076e3b89e338d5bfc35beef78a3ff9e4dad0460b183f82b1a2bee313ace160420e2d5c71e201b3c5aa3f0827bae2ef0db12b3aa39dfae73a6fd9cdb28991202fd94a6d635b34da9440abac4c27fbfda3820b65d489'),
('01983ee1-2800-7657-85ec-b975f32d636e', '0199d3f0-ca08-78f4-82ed-52daa7aa3b53', 1, 0, '\xdb1271e4fc4b57dad0ad04c0557e6faf9d8323a6f47d372c8ff1b88d4f69c8e96799dfd9b9577ad5a4606b9da9b52a317be73d17878327f2012dc05aca3c33cfa0979c968686d879c0f1206ded8b621f150f8a0d6eaa720f8675217b26fccc70175617835efd2e0b0c485be732d0095e09'),
('01983ee1-2800-7657-85ec-b975f32d636e', '0199d3f0-ca08-78f4-82ed-52daa7aa3b53', 0, 0, '\x3c41829ef86a9103fc72407dfa860723f3f391d08672152b2d306c4b1087bb3efec27f4039d138e62c051d4c5e3b38481b57c0fa26c77b1498bd7e29b7840f467fb754b12f877d5631fa305e8e7e36d3427fbef5feef'),
('01983ee1-2800-7657-85ec-b975f32d636e', '0199d3f0-ca08-78f4-82ed-52daa7aa3b53', 2, 0, '\xf18fb6ddda9e9b294da26fbc0f7c05734ce9207ff10d6f484cae1d54f41439f995cb9d357b185c9ddb085b623c1a7050f9d7733eed7e2b8eb74b4423080008485e612c06eee3bb7364b3ef856134570c721ebbf7427c7c6bedc9be1cc5751a2fcc1f3302a9ac4a1ad2d0b799f25120d50c4b9420f32830d1737c128c9d203735c627a13d38b5ad350407501d4f200646c65043557f043fa3f6ef987f8ec82d7eaa16f912ee2192'),
('01983ee1-2800-7657-85ec-b975f32d636e', '0199d3f0-ca08-78f4-82ed-52daa7aa3b53', 3, 0, '\x41d8de1ce8416f64d289255153f7baa62009aaf5db5a845769c25a14522cf91b6234c93408384cd97f9ec609372b0d90bfb47ed50d1f2a6207e2ed9bb504d0ab14487594'),
('01983ee1-2800-7657-85ec-b975f32d636e', '0199d3f0-ca08-78f4-82ed-52daa7aa3b53', 4, 0, '\xa455d086851dab00ca5b8252c72c8dd78b1773d0d363726ffa024dc93f135698466d412e713a9603026bf7aff856806e626132e0b21d358a82969abefc5e2670917587f169bd04cd3f1eaaf1c9cca185b8480d19ec7557306a3226cbc1d82e53bf4bf11d0cec85606d57100ab76f41dbfda2637855349b105aba7421a3d0dd1f053ed86869f282cb5c0500d9ab027bacbf9fd7f1be0b4e46b1b6694456f9ea0a6b93a481391049d670eb63daa1246e89a7eb57'),
('01983ee1-2800-7657-85ec-b975f32d636e', '0199d3f0-ca08-78f4-82ed-52daa7aa3b53', 5, 0, '\x0e3e8d1185029b878a8470f6885847d871e3abef7cb5cad2f13f524325c215af03e2c211e03e5cb51c7cb201f2d58c25a6ea02458973164aa44339c8ad039e10e39b891d88'),
('01983ee1-2800-7657-85ec-b975f32d636e', '0199d3f0-ca08-78f4-82ed-52daa7aa3b53', 6, 0, '\x877f8b72cd914ebbb63ee69a5ea4ec68c78c6ca78f4c1e33ba5430a6fb4745bc55b4617bdc67d064d225191d95a10f36e5428932bbd3a90c780527933c731b7b48af595c2e89b4a00c886e1a324d76eb4c5bed678f0000ef5407adb9119341198ee92046ca86cf53690db6956bd90a1b249caa39a0dec09725d7cb984c202a37e96d3d1add897fcef8027d32a24e6d74b5fb2b974a897b434f469f21ff74679115435e4adfafca89e9cf16efb8245e5bce4f4e6ba2943b'),
('01982a47-b800-7bf7-8ce8-179785cc2eeb', '0199e1bd-e698-78e2-86cc-28ea26577937', 7, 0, '\x44b6d6fa20d21f14a37006e3416c3082b10486ca4eb8337f126c48ab5b3d83d7d3bb18e542f9f9129ba839542799d4c08bbb42caf3f158ac69c5b2e99909e3f76659edea8e'),
('01982a47-b800-7bf7-8ce8-179785cc2eeb', '0199e1bd-e698-78e2-86cc-28ea26577937', 8, 0, '\xa022d87232f46a52294e145bde58ac6ca7d23d91507e639cd9721d5af68ce2c547a441ec3d3310c8d3cf4ba3fd4dc2ed758500c7ccd4f34f972586a6acb4fb15ab8edf3c2a8b46e54e064e671c28ed81abcc0769311e028ac1fe56c2f13d3c7b962c767c2f1315ef63e9f1f510c3a60490733fa7e95995dd5f516810d4825b0c3a4e824f6d43cb1954add333f534325498028b321bcd2b9bc7769d6975502aef6548ac3f4b85f2e5e4d369a1e6d97f1c8402a3'),
('01983ee1-2800-7657-85ec-b975f32d636e', '019a5806-a1c8-711a-97ff-7818bcca3af5', 1, 0, '\x984f7ed33b77807eca95867c7b6322c3f60d6f5929bc41db9145bc133382067f1d7ea064de9207d41668ece85c7df3833015e3257aa80e3341834ba273a5a777bf0a0f0bc1bdd84dad5ce5bb4eee5baefdc1fb072b6edd60795d54aefcff2600c217463a3e5974c4782de8455e9a7a2209fa510012cb735a2a99566db4554555eb4e9832e36c4bdcd3532771b2'),
('01983ee1-2800-7657-85ec-b975f32d636e', '019a5806-a1c8-711a-97ff-7818bcca3af5', 0, 0, '\x3ddd639a9b6dbdbe2b5fca66b441f32fd6a960086c898267283e982a1246c26cd931d4588c8ee91ebf909fcc1ea224dec16a86ef5ea40da0b38e829caa289e0e0fccaf32351a8d517c4eab67154ef8d030e83346c729'),
('01983ee1-2800-7657-85ec-b975f32d636e', '019a5806-a1c8-711a-97ff-7818bcca3af5', 2, 0, '\x05cae319ae51059d4b2c38e934a0a9006088e6fefc91d6ba0afa037d4c29385b96175a9c59df5261debb902a42bf239f9aeffdd129c8f7ef522d78bf16829d27fee03dad8f0e367a22c34c3db4b442720f363d05620483e5227bda5d644002eab6d36c8e2714a8cd87f290ff991fb470d8c50f9ad3a58a2ab1ee66ab7fec684e6b09e6990008d8093008c79d26c29e4f33dd592aae6df60b1a655a25822bc39fa89769601eefcf'),
('01983ee1-2800-7657-85ec-b975f32d636e', '019a5806-a1c8-711a-97ff-7818bcca3af5', 3, 0, '\x6c3906a3d2aacf5078c91d9383ebb129ee8f48f608eb0c7ca1983e3d6307815fce32c861dd580c8607fa7b461bc77ee29bf1bc78e82aa10dd02307e5b503085e7febd074bcac72975a38b338306937'),
('01983ee1-2800-7657-85ec-b975f32d636e', '019a5806-a1c8-711a-97ff-7818bcca3af5', 4, 0, '\xacce3dfaf3e1d6e79fc3e4308b136357214f1ac9300558931fe1a4c1e288d2daa19136312beab232b6c373f12daaac25752cff886e98037c53021b60070a342469ab050c52530db9e8f4f7a061e5c88f9198e0f9e093866c6cd65ecd5f9a92d1565813dbcae3a6a54eeba59fa8898111e0b6f5e2ac54040ba5f7187e9c10058804df74a984e303e4c66e29f312969b6f6433904bee6124b91584b44d59f49139545aff99eb2cbd72bcb29738ad6c4725bebf86dde451'),
('01984407-8400-7da5-a5f6-1f198e49bb16', '019a6437-19a0-7fd0-a00c-62820e2f5b58', 1, 0, '\x21cfa7d72d6cdd027825ee34f36ce2920c29c467f1beb3a4988f8bb30c73e95d57c2a417a2f2ab925a06e1346185bbe332040974953d6e35dae093b92e85448a899320e4968cd3b7512417f5613ed5c91ab4bf976094cbc9e655a067ffa4f8'),
('01984407-8400-7da5-a5f6-1f198e49bb16', '019a6437-19a0-7fd0-a00c-62820e2f5b58', 0, 0, '\x0e9ff7929623ae48701b75bb27d66adb806f88c1a36f960f2e6b30f35e4328d5fa28023052653a28420c3a8c66ac9898bcfd3ffccc0caf94e9c3cb4bd83cc5e3ec68d132b474a01443c2b892772b873f73c9bb441fa2'),
('01984407-8400-7da5-a5f6-1f198e49bb16', '019a6437-19a0-7fd0-a00c-62820e2f5b58', 2, 0, '\x0b4ccee11d995cf2d1cc735a347366943586c558c5ceaf717a5bebf9f764a6182359f39e77f5f4a0183330f0e7bb2f92f82025adce9c625ff4ac022da422a96d0e68e53e6f8272318d9b41c7d95516b45701f38388833dc8447af3b57034ec37ddcd8745d88e9186f6b6f01033490f24c2d78d27ca0b3763ac8279cfb4c75ce42f0dceba6283e6d3aae38ad1e5a3be80214519b0d97cb05cadd250c98981b096de0b96055b1b1f00d53c89'),
('01982521-5c00-781c-850a-92db335ca808', '019a879a-8c60-7efb-8a42-0c4a601429c4', 1, 0, '\xcf28d5d210047ec6c3831024328560aff6db93202eb6ffa1ede4f0c8e0f5d209d1fddf904def4648d0e1d241d4315ac7e4bd2bf3aa8f101365e5e01445ca57a7a4c62f7c48e4e2ba61fab617316065421b7bd1a91b81ea54222da4be43eb91a166c6dc500ddc49de42'),
('019a454c-0000-7a22-a117-8d84f18633d9', '019a739f-1d98-7928-a8de-0e4821a1a59e', 1, 0, '\x1204352de1ae4cfa6b49fd41908d90ae1862a0d1e9929e40d5cf0ec4af1c585222cefba547a069af697d1abd9de5015729c61075ef2a2acc424ec5fba386903b66b17ddb1f91b7211358c78997a4e76f51511b3d99ffb6fad5c24404a7f4757f10285b624cb186f5d9958829fb104af59ae28d66cde786bf74f5de140f0bb67ce12385f72b79254d4d91b35e87b4033229249d165646b3a00cc3ac00762473442a27b2c665a99bf6c27b8f4e63b7bc5cb1ef294c150e87'),
('019a454c-0000-7a22-a117-8d84f18633d9', '019a739f-1d98-7928-a8de-0e4821a1a59e', 0, 0, '\x329a4c8ec7933dd6090d88746ce9f5b499e9419cbc0d0ae0943abe12e3837936c57727c5b49b9fc717c2e5fb60423013e602c10c7134e2a4285f56395491b635fbc6fe27c517e5f965743bd70263fa59e1c016fa1f87'),
('019a454c-0000-7a22-a117-8d84f18633d9', '019a739f-1d98-7928-a8de-0e4821a1a59e', 2, 0, '\x8f33673c7a69f962a537e6341b4d0bc54c9ee1898219fa396d2e1bff05044d1288a39930b92a019a8745a134e81c142d696c576a019cddbdfd7c210f02e03b9e7881102004350e5d1683df85d7b369cdafa3198568896fe5fe3482d7b4a70f59871732a6b186bd98be5b3ec65c143c9364469ef7b3b4d62cd30b5dffac780b3948aebd383a7229c25791afe40dca47dd9276b8aa9598a050c9ec7c551101cb6bf2b8b12a1161cc0b5e8de3be12de6236c0'),
('019a454c-0000-7a22-a117-8d84f18633d9', '019a739f-1d98-7928-a8de-0e4821a1a59e', 3, 0, '\x1c75ecd5a4eebe2434e154d189e8ad042ccd92af424717c6a7b7a1a1cc87bc06e1472c8e0061ab587096f9310097b52b912169eaa4b884e44534d22837211dd47fce709eca0e74664e846838cea75da947807ce23cdc225f85445bdfb5c021e1019fa0fa945d20fc48eff50077a93883d553ac69dc8af5c0eca9ce059822ce740cd3ddf8599dfe109a7ca7dcc795858581b9a5e2a2992dfc73abf57165f4d6d06262c9b92d850d36c97dd081a671'),
('01984407-8400-7da5-a5f6-1f198e49bb16', '019a87de-28f8-75f9-9427-4b5809c33011', 1, 0, '\x121709af1372d38d816ff938018534236c2b1fa090fff31f7001b4223965cee5bc352d8f3255f559847b8a7a6101c8bb34421b1e7b7881b31aba3a196d306f7ec3f804a01e02ff2e320d8aad953477a6f18d4885f6202efa13d8beec42ffb3a1e15458803a9249a0e1c245b1f4d5e0ba66ca09aa00cfe62358f9cd485aae7d153b4e01d7550a5b'),
('01984407-8400-7da5-a5f6-1f198e49bb16', '019a87de-28f8-75f9-9427-4b5809c33011', 0, 0, '\x1d307d8eb5ec2f4fffe0ca892a64f0213c40cb26af03ee07e164b332df158dcabfa97cbd67279ed2cb5b17b82dc708a93673bf54c591cbcd9f6f7cc5e1595896190a41509e00cd3586286beffd2e3defbd9f27c01434'),
('01984407-8400-7da5-a5f6-1f198e49bb16', '019a87de-28f8-75f9-9427-4b5809c33011', 2, 0, '\x90f0b5b940094a294b6b991716cc788b4124b5a4a982ba946169900f9aac3ce3bb15b40d6cde918a31b80de3a5e4c04a9cb9b5bd39845df6c20703ab277f128e73d857400c7c05f2bd7d6313dc48510886004e183c22a308e6d4c3f59cef6971ab590077446d842c406f8d81d019398bfd80b035fe887220e4f698c7c2c5d1f0e04700afa358e29aea11c44a34ba8a100d25c85639e8c6912177bc659f33744a5840dcf7cfb1ebbe'),
('01984407-8400-7da5-a5f6-1f198e49bb16', '019a87de-28f8-75f9-9427-4b5809c33011', 3, 0, '\xdf94341b07bf3e3d988eaa7b0f7bc249f2c7b44757c085faaf46b1e7ecddbf81421a894ac594298479627784d1bcf4505c229f564ff0a2e7190da3afa6e6bb29a84a96be'),
('01984407-8400-7da5-a5f6-1f198e49bb16', '019a87de-28f8-75f9-9427-4b5809c33011', 4, 0, '\xb947b527c9344b01da4b78c1f621e6aed3d6f374b8b3d3f42d896d7dfcd1d257f0a0a9786ae65092f0386a364e2a5a2973f5f6450eebb78a40e10b9ba4bae75c889a80bee935aac25b3c87e30074999527ef2dc76d8427755d5711b13e651d62522941c4447de1e1fd115efd4a88bcd5f0e82b07f4a5485d23bc78f19733b9072bd09051e00c093e86487964726ba506aa9de6c2440cc1c2007c89f831ed765a09e11bc75e7adeb3131aed5a2aa4c9cf72'),
('01984407-8400-7da5-a5f6-1f198e49bb16', '019a87de-28f8-75f9-9427-4b5809c33011', 5, 0, '\xc12af27df5d14107f47844f13b441b00455312d6f8bc8386c01da7cd66d18b05bcbeb8072242c3f8da7bf0c069f311c3b7e867975168acdc1ab05c817d0bcbd36bd7729f81eac7eaa7fe5060eddf518101c2eb98dd3b71cfe55e'),
('01984407-8400-7da5-a5f6-1f198e49bb16', '019a87de-28f8-75f9-9427-4b5809c33011', 6, 0, '\x4aba95f6b4f3bac04a73a08dbefda3e5c27fe9ef9a33ff4394f6179e3ca8166d21e16ecc5ea7ad3ab4cfd7f7f4112351cf193120110a38e17b3cd10386b55a3788db1661883707ad8c1dcd77a1eaac66093c6dadc294761934f9768caec32bb841590bf376dd8a5a4dc88bdd8872c7d05a1de6e813c77323889dbe6d5a3faed8c7e7f87f1b736288303e97a330ebf8b31e3fb69229c9b26d673fff0bebd246a73b551ad9dbcffd36765c6046dbe83fa206e5f7944c43e4'),
('01982521-5c00-781c-850a-92db335ca808', '019a879a-8c60-7efb-8a42-0c4a601429c4', 0, 0, '\x4e7c9deba9842ac7b799479e5a3d7ab767c6bc452bf433cb0f0021ba433a7e63d0839ea0429a91403fa31c75584f111d152e2b8aa0b3e7d6b65f4315a753c1cd077697a54f794f83daa33ce0572fac7f0f1c0e18cb38'),
('01982521-5c00-781c-850a-92db335ca808', '019a879a-8c60-7efb-8a42-0c4a601429c4', 2, 0, '\xadcf7b2bdbb0dd3cec9121eb1d947db83cd97b07416d4a1b144f208941e0603665673d3981a52ed48ba804c0faf221a75d8dfdfaf3e041962ab4a967b26c0a212f12250d6ec66454f3150fd114e23ab63540a5d533c48074d02d71f1090da4634947b9e457f65419c934d7d274d025ba218681a68371d393dc3acb63d5a478dcc4ddb57aeb1e7114ede3860f682b0fe5a237e605824fce3f5d89a7c0d91fbca59fa433f3e86642'),
('01982521-5c00-781c-850a-92db335ca808', '019a879a-8c60-7efb-8a42-0c4a601429c4', 3, 0, '\xf20ad3ac80134f6a00d9250eeea7a9dddd70f1004a42657dd7b85f1879fcce340ef9ae3fc0121c4cbb1d373f25e2fb2199f2c2000fb1fd472ab789bb77524cc4c34a190ed4'),
('01982521-5c00-781c-850a-92db335ca808', '019a879a-8c60-7efb-8a42-0c4a601429c4', 4, 0, '\x87900db472b74af033546a8e904e6bc4937cf861dd509b17a6b271dee6ea21c867cb9b83c8a8da09e965c82273c73b20e44c6c1ff332aaa4df28331f4151ff0488e3623af93433df066daef865e501a6f664a26c308f7560870c010d3d67b19781f4c39ab399ab59766df8b9aeda05d22434e978a55ea70b1ab6dc3ea1fc61ac19d9fccc36dc9b5e749e34d2c8e33bf8d141302d0a6538baa0d5da9111924cf9d50cd180fb691c'),
('0198537a-9800-74ea-aa4b-e7674660a21e', '019a9ceb-51f8-797f-a28c-656bffabae04', 1, 0, '\xcc88cbb70c730dc918e5fe9f75f49cf19a9d6418f89d5e2189fb7074757e2c4eb75a7cb0772183e261981ab7b07744db3b59853484dfca9362a92cb3faac36a8dd5d6ad446800c5caf77a7badb20d257f949b3135abc9e71e9267fe0c76f04f390305f00336239fba1ffb09458b2126551f7'),
('0198537a-9800-74ea-aa4b-e7674660a21e', '019a9ceb-51f8-797f-a28c-656bffabae04', 0, 0, '\xf92e3b7f889456a7ebb267df042f89b309bd4ad2248427f5ca6bfa2811800dd96b8899d78c8d8baef10ef84d6f31a67e151a1521b214182fefd6c85c2aa7b43e92ba9dac9106805f0e6c51a31b98235c4f615c519fb9'),
('0198537a-9800-74ea-aa4b-e7674660a21e', '019a9ceb-51f8-797f-a28c-656bffabae04', 2, 0, '\x299619b769d4198866273a5bfb81d138369574c9ac9134e8738874a1ccdccd42e4ac2a830e9a516940bd3cc2791dcc55ca804d7fd08b1068d1a5b2d3957f265494c31beb9736e77b12f588535833ab672acd96de6c6b62ea2f14920044a3846c8fc9b1ba9be7c5b02bc120ee822b335d69d55f024d117250f90ed31a10af0c3922268aa58bea17db21e6c8d6366767bb0c43435c4f6c0450d1e8021dfa8522b0bf58dbde406c'),
('01983ee1-2800-7657-85ec-b975f32d636e', '019a9b19-4948-74e4-9894-a06c102575ab', 1, 0, '\xe10588871dbb48eb02b838df0c777eaa151bc1572b99ed3a8284573cbd8daae2382a8d7ac2cc799e820bedb29cd8e0b36c1165389393849c964f731d2409cbbb11b9806bd1721563e11cb49e597b176ecc34eab21f57de6ce00018b2c5faa317e5ea5d3b360ca5ab6d0d90931789'),
('01983ee1-2800-7657-85ec-b975f32d636e', '019a9b19-4948-74e4-9894-a06c102575ab', 0, 0, '\xbce9c21389a0e504248d85cd4e6314781b58fbbb1d3b797faff47230229c733cb6e020a67d3ffdedb9d407420f693ab6f682156514fb973e331d03a34c98035ab65d971304bcb57d10d97acd65ad8937f024e910ee25'),
('01983ee1-2800-7657-85ec-b975f32d636e', '019a9b19-4948-74e4-9894-a06c102575ab', 2, 0, '\x926a83dcd16228e8bb05be0a2d36052a02e60edc691ef94dc03a92fdd5e1c85d1d583d3d0ab3967d92f531b262d9b67b51bc4ce1b6abdf59e53480839cc6b5edb08d50ebdb2efb3665bf3b9fce8773513dcd671f60a2c5c068c096a1199cf3c029666e8c8046af89916cd16ac18b20afa0652e828b5f06fd44eade0c90db9d559f7e894932ed0344f666018571d9ae5b6c24a4bff0170d2a76e309630a315b3bfc692151a8e1'),
('01983ee1-2800-7657-85ec-b975f32d636e', '0199d3f0-ca08-78f4-82ed-52daa7aa3b53', 7, 0, '\x4802e8b7dad6381d468188e698a69f8e7754a864959ba31371b78e83f3f435de355e538f708a5c6fbe4a1824fdc713c1e78be5942c670a3bec0542b2ac44283197714f24c4f4fdb28196637b8ad110'),
('01983ee1-2800-7657-85ec-b975f32d636e', '0199d3f0-ca08-78f4-82ed-52daa7aa3b53', 8, 0, '\xd8aa1aaa67862fa851c113706bcee223138cbc86d0644521d6881edd3c1dda9e73eab95c49da704add44bc0de205002733c09a7b729a455e9e05bdda8f79c2dff49c432ed76508e6d5957e3ed436acaeb1d3d941d82c4e0d135db3c49e34b2f273f5fd26a1fcf5dc9396ae4a6d3483ee505e0cdd4dbca0246f6193d8fbef7eea99e5fa1613b25232d8615e23023238a01be664489f78899dfd64afbbcb20846809f995259dbaa266d5d17645da3d40cc32ca02'),
('01983ee1-2800-7657-85ec-b975f32d636e', '0199d3f0-ca08-78f4-82ed-52daa7aa3b53', 9, 0, '\x3e211dcce36bd231ac6dfd73ca213df88896bd35c8e5d073e68eb29f2e461642c4864a5d13ffaa23bc93212019e3eaa19eba93a1ab575467c9c749ca5c8bf2b5df32984c2e'),
('01983ee1-2800-7657-85ec-b975f32d636e', '0199d3f0-ca08-78f4-82ed-52daa7aa3b53', 10, 0, '\xf79f4fdb25af85aaefeb066821502d5be0e8400b8d6230dab1553b74dd8cdc254779f7a5d421989d7ba00eebd34513fe1817e705511866648859df8191507f6d7021792e0f28a762ad5894c9243053c8cfdc99080251431cfedfa4cb8779fa62f2d422e525fd81fc665b831464a50f8ab4f6645af11efe17d84aa8b21faedec5cfdeb1367b0052cf5ab29b820d53a796a11571c701f8c6a1ab2328f19b2bbacb2f460aed27e7'),
('01983ee1-2800-7657-85ec-b975f32d636e', '0199d3f0-ca08-78f4-82ed-52daa7aa3b53', 11, 0, '\xd5751d9a5c4f637abe49e7b3adf611de077cc238b5187b45887b3a8035bf5375fd2f022ab8211af6502e0aa365cc9079d99773a76197b1189d8ba8b514bb5660e184e3022ea667e00dcc1627b1d53d7776891f1fb794a383222c3d40741a0c0968594e34f1d5889974692eaffd04243336fca1'),
('01983ee1-2800-7657-85ec-b975f32d636e', '0199d3f0-ca08-78f4-82ed-52daa7aa3b53', 12, 0, '\xba294f9bdaed4f0c546f585996b789b581be5a07fafd3aabe728a9e487f1be79a65eca834332f1453040558f22b57bc3e441b3e396131ceda36487b02e0688a084eaa803abe1603e4021ab3eafad1c47302973e2bff99862a54ea1f9c63ed8329d132124bb97683ac713b342a3d0635e2b5291510bcfaecfa90effdd8ae1e7d66efb7b2c2e4426e4e7e94b63b30059728f3ce48bd5374fade23414d4d703e6a2b925ed68d6ef'),
('01982521-5c00-781c-850a-92db335ca808', '019ac13f-4af0-70f6-a532-2fb0183e29c1', 1, 0, '\xf43089bdaab14d7ee361b56a85191e465afb2ee8612397f7cd472c4e9c6a5b9c76a37d53dc46c2cb668a80ff3d21881469470ed1b17b2a6fe589e01df13fc1a3d6c340ae001fcf52eb61c07f7c6c234db82556156ab5288536b3e57d5bed22618b'),
('01982521-5c00-781c-850a-92db335ca808', '019ac13f-4af0-70f6-a532-2fb0183e29c1', 0, 0, '\x2a5c9990c6ae7d711e0a703ddbae492ada17f0dd7d0ca575fb893e1a790eada16dfafb0b4947acdaedf052a1a322d285e0a126e132bc2b66a1b236bb8531021b4be01bcbf65cc4a538b9c46064281e8488960d721144'),
('01982521-5c00-781c-850a-92db335ca808', '019ac13f-4af0-70f6-a532-2fb0183e29c1', 2, 0, '\x7332dfec86b40879f349a61adcd19af73f6964a7300cb9c07fe9b6a7450a1a83cdd37050dbc32bf8d7ebb0f59c277c339779197be798b2f14d6b763751dae45fbddbe065a7d9ab4441d7b04239b6c833094d7f173775ec3766fbbd3325dd418a4fb67f53a08076e43af5a8cb469af5016dcd26535f9658b5e80eaa82c73a12a097df63a0ad48b06f2aef01a64261c654b8a0bc6a87db30adba7acbbd961909e3f334ce877528f00195d40c22b5c779f03d37c204c3c2'),
('01982521-5c00-781c-850a-92db335ca808', '019ac13f-4af0-70f6-a532-2fb0183e29c1', 3, 0, '\xb49eeda1185ff9805df458d0e13ca62659b45deefd6e93f102cdc5b2d3dc05cbe381fb32aa296178079ec491b491c2edd3edf8c0ceaa96272298e329ba48de89e46819956489dd9ff313beb274fd9d3e7b81029ea5514cf69c09'),
('01982521-5c00-781c-850a-92db335ca808', '019ac13f-4af0-70f6-a532-2fb0183e29c1', 4, 0, '\x79ac9bdac3714e343efe618a0d468a78f12dbff783dc889c59089549229a1841a6204e23ac397b813ad798546add9a36952f0edad27338cb7961dd1f1f87f5c13048c3b2cd402030780e7acebdc7969a07e3679ddd3ba0b3c30d4a2eebcbc53101ed829b841cb9bf4866a22a3cb66935a3e7fe57cd64e01a4c5ef73dc24c06df1363fa4c8ea876f2ea81c4e2558bcb8171f304463b9dcde6b4a47fa19014dded8af9b3e25c5265b70f49351deb4eadfacdae4e8b840f2d'),
('01982521-5c00-781c-850a-92db335ca808', '019ac13f-4af0-70f6-a532-2fb0183e29c1', 5, 0, '\xabd7f89eb312b3089a29addce13fdd7f52bba7fd8d6b51db6393f4381a26de88a36521f33349ae1ec8d3bf75be2f2192eef06e9706e9789fbc349ac177bf63763bff077061fcdf51feca4ef4a5e813'),
('01982521-5c00-781c-850a-92db335ca808', '019ac13f-4af0-70f6-a532-2fb0183e29c1', 6, 0, '\xe13d7be7cb04b5f83413190a53c77bce18f3772a50bd31fb3de8a4bf1737674bb05bc4aa4934c7da3776e59d8b7bd71706348bdcf67b88dba3cb51d8a3d8e483b6a4d8d9def0f826c0807d1fdcd3143dd7f244a7e5c5cbf13bf39fa218feda5ff8001ddae4f8bdc3918a11b7b4c8b8a930167390606fd89e6f350bbcef13b416a53507674cccff4a051cb0192717ae605479c29988ae7ef2e00218f5dc309349ef688ebe07a77a50ef9d6c48af0d'),
('019a454c-0000-7a22-a117-8d84f18633d9', '019a739f-1d98-7928-a8de-0e4821a1a59e', 4, 0, '\x8acb2c265ab7801dd679444c024ece823acd21618839b2048092345b29e3dc042d293220e634830093263d86419442c2436d1a1c2c606cf41e9494dcd07be162aa995b853a3b00d9bf4b8fc3f5a593d7737c21b204e699b5e668a8b3afc0e436ad12ab1bd1cdc33ff11974ecaaf17c038306ee28a136cfa43994dbea1596d8940e5609943cc5ca77c2137e5e6ed0996aa22eec93b3afe369c195ed931d8c819fb118c054f5cc'),
('019a454c-0000-7a22-a117-8d84f18633d9', '019a739f-1d98-7928-a8de-0e4821a1a59e', 5, 0, '\x8759140fbcbe355edd3292c4925d7fab01313393e3938e936890315761e56f0b5fe5c61e9a950fc179685f7b0c2d14d835363412df665b70130d0db116f54dfd3c467585438217f97d4b8e21c7410cceebd6cf5d1a0439dd6acdd296e0f1377ef45ff026b6c5da671cfaccc54f8dd3ab9159a88451c987280489af2ef5948888f400d0e937fa6fecc15751b02d07222d20113541f9dc1bf4700df7c8084387977ea51eab8d53'),
('019a454c-0000-7a22-a117-8d84f18633d9', '019a739f-1d98-7928-a8de-0e4821a1a59e', 6, 0, '\x336cc31066107dc35103f7f09550d65828766ee874d17087a60ee18272d1b65d3f18f6ab952495c3ce3a7b927c4bf135294a81bc023ff7b64a55c58ecd36f87bade4dc6039e37501a164e3ff736f04bea0f4b733542eb96712966522b33ede8a3bffbf91c7c2a718ae03bd8284408d23c955c461eec4a824dd2863682ea93d6ac1ee9db38ce05289f89995654a142557fcc376aa0e4be85b854695f8979953a831a40e625dbc6a8fc371'),
('01982521-5c00-781c-850a-92db335ca808', '019ac13f-4af0-70f6-a532-2fb0183e29c1', 7, 0, '\x2073095af3c1c0437adfc96295a38fc73ea3d6c17d2aeb5a60af913c55ece4cdec9282018f3d4cb2a0d798c5037021abeea625d6cc52d5d49e619c2a14bbe4189338187abe8905fc42072489b66e9464daf212055277d03810fa'),
('01982521-5c00-781c-850a-92db335ca808', '019ac13f-4af0-70f6-a532-2fb0183e29c1', 8, 0, '\xff4a923d139bfc417f37d1ffceb5f151bb2a0814276504ea5301b3b0ea61ac86449cc99d9bd5d935be122b350fc07f851cf44355dc06e657a6ef8a03986c0a55252e577579addffa02fe39065b0255e71e9887cbaf143a92d128d80406c074dece14a2179ef689228b023efe133ec930d81325837169e63b5cc9396810132c1c02181e9b2c46653800f4429e3ee846e94682ab856ddf8892469cf3be47b6b5f506d1983a40f6c24f'),
('01982521-5c00-781c-850a-92db335ca808', '019ac13f-4af0-70f6-a532-2fb0183e29c1', 9, 0, '\xed5e10a4947d990741123799a4eeb2d970b95423b631c458fb2f83f067f4bfb18dcb28f08eae6b9733a2ad1972068ed8f070e7ca031f308d5bf4ee9f72af2abb9a10eaaa4b6c75f061269ffd78b84510da58b9'),
('01982521-5c00-781c-850a-92db335ca808', '019ac13f-4af0-70f6-a532-2fb0183e29c1', 10, 0, '\x22283792837c693c216e5e3b4b89f283fa4b0866e59712de8800d316fd3768a798d5d775997ff98bfed342b0aa44a3f42e7b146946d1ac4da260130ca4fbab9ab3e88f0c462f7df5f2a3086b4830950620cfe45f0c2ed5acd92b72458d1273b72ab0c0ef0dd138fd42b607aa86c249a14c2c5384a7926fb2eae3476596b8ad7cbce9bfd4679de205f238d86e05740bc6f9fe4dfd051620ed1aa341222c58b6'),
('01983ee1-2800-7657-85ec-b975f32d636e', '019ae556-5a28-7487-a208-81625eb46d38', 1, 0, '\xe9ef37b47c12ca78f9a51589c4053141370e35c148b7ddc74bd3d065f8d792460f32a52aabde7d29807fbf0d85f5f844efc9d33b068a30e42c02fb6d34d586b0d45ca6c0564b40c67a47858d37f7b4c04918e830c86d2258e3468072b59fda88464e5362c4cac99259cf48eee69e4b03d0'),
('01983ee1-2800-7657-85ec-b975f32d636e', '019ae556-5a28-7487-a208-81625eb46d38', 0, 0, '\xdec023179dc83a1c0ff7b1b84af64cc552941eab893286fb1ac8fc87ffd938f6b1b162da885dfc0c2182b01f214dc66b0163e74c721b1bb7f0d81c4fdaf694329903db86aab7555ab9b5839ba4f23262a5f70cf82f73'),
('01983ee1-2800-7657-85ec-b975f32d636e', '019ae556-5a28-7487-a208-81625eb46d38', 2, 0, '\xb998dd07e8d65fc92272fb8e64eb4c8bc7f21fb90690238bb6ebadccca45efc6635a8cd1e2fe1b6723f2e121a60e513b76f7af0d3f58b0047237382df8af444362420f786fe66cdf90e6e244c3b7b7ffe48e6860c777e747085a58b6c23e6eff96f5a65964d84ea655a67504f4ff1e38a5e89639d0d501b3e81804464d275824179b19ff259d26fa370e50ca7f70444a9ea9a40236ee699941c10e8639063428e0371751195a364c'),
('01983ee1-2800-7657-85ec-b975f32d636e', '019ae556-5a28-7487-a208-81625eb46d38', 3, 0, '\x9241771fa74c69b921bb239b147d89f02115b5cabfb15b442594d65fba0173c8c21df63876741fe921b870486d40ef3c2ac85122d0297d0edb87d3386767933f071a0e59'),
('01983ee1-2800-7657-85ec-b975f32d636e', '019ae556-5a28-7487-a208-81625eb46d38', 4, 0, '\xc90c5bd92ed20a0c3ba90e8ff0efc0327d3d99fa476026e1f96b11f09acb93fa82c08e8ad9c66583f9c3c9baaa4ca7cf083d8ec869c341cf3000154bd7abab20b0a9eb303a9b6589dc4b38cd540395186ee630a41ad2d03e86526d584938aab29322ad13880d3e725e7685be3dea82faa2b5eee06316702ae1e4fa33eca59beb0f6e45e3865dd0d2d10e3dbb9ca017cce717d9a607092a1b06ffb699e956168b36945b0d3663ff1e3c49c0'),
('01983ee1-2800-7657-85ec-b975f32d636e', '019ae556-5a28-7487-a208-81625eb46d38', 5, 0, '\x37f9121861f12538cb120be234454dfd1bf7efdf84c824a15b83cc4cfaedac3d9a2e70e9879461ce33430772814c15d696ddadec264b992b5cf6481a5bbeb70e795af477fd'),
('01983ee1-2800-7657-85ec-b975f32d636e', '019ae556-5a28-7487-a208-81625eb46d38', 6, 0, '\xd4012a56eab0c11e7233bbe4a8c51758d117400cf0cffe64d41e7fff307812dc0acc926cbd74274269a1bb24c0ba84e7dab528554170aa05b1f36807dec2181c78e63e06913fa1f9f82219b3b87b2d4bb79ca7794a04a7479157b55f36ab3d7347b3094abeb61fd89666c67f24c53c7f8d03c7913c05bd0b381c5cc031dc328acba98ab35ae137eec947e528550d6dd146115cc281845e1f0b829a959263d23d30b7627b721d79eb1b8f9b'),
('019a454c-0000-7a22-a117-8d84f18633d9', '019ae4e2-2810-7af5-aab4-a4c01b0a38fd', 1, 0, '\x44d7a7294d6d7d9f82f33a66444a84e3cd527c6b035f71657b64c581c71873aa0a2d7dac1bc1d9534f2a0940e98334cad0041b5ab370e060537ccfa40f199ebf1630532d325f395813239c93910420cc3f6379a43d53d3df688a25c831a82245548c3cbef489c2a87816a8cbbbfda1dc0eaa6c0de74abf5244b7837c1b450e0ea3fd97f865f3ef3064d35f8475ccd65050f6fbc91bbf25d371afa2e620d84aad7fd10603d41c01cb35c8f8d3dfdc72e89885e171db6607'),
('019a454c-0000-7a22-a117-8d84f18633d9', '019ae4e2-2810-7af5-aab4-a4c01b0a38fd', 0, 0, '\x00f1b39f5c9e95cabbf13cfc78433296469aea372d2cdd57d5371f632a88a262d64b0cad497700fda89fa6ae39f2c87328e773bcb5928b7967470f1bace75ad9f78840c0982476f450cc53fc7827a00f1aec9f88f396'),
('019a454c-0000-7a22-a117-8d84f18633d9', '019ae4e2-2810-7af5-aab4-a4c01b0a38fd', 2, 0, '\x4a496f9d2ce4e89c1aca4d82a4c9a1794a26d6388d605fdb4989d23cbf6a335ec06b46b33679513025e729b6c17ce2e69cb4f6adbc51a92bcbb3b451dfdf6827bdd97cd8b05d754f14a4283df3ad09d316e0a6c211bc24c7340e750ce1b1f93ce5cf3b9e7b989abd5c1dac4ee81d13323a8fe74e86e0342e6e4214d0a175f1caeb52a17b22d74bef2523a4de20b347b46e224aa965f1a05a8c27b5cd6c22996026b1b017fff02b7209ac8605715b'),
('01982a47-b800-7bf7-8ce8-179785cc2eeb', '019aee5c-af78-7796-bdf3-275ec789b543', 1, 0, '\x12bf92fce91c6c024be6bad83ca48dd7ce4e2fafa81051dfd60167fcb15c5a4573886e76db939039e782d59482ca7d81b13f647326298f98dd9ada46e0f2b173bf7e58b9bb054185bcc265a65f70f0ea2f1f0d9577108510c7cd4af69f00f65a9e1c60c8e3c207ced2a4a390e29758ea1d9e62253082bf6563c58c1ec490c0'),
('01982a47-b800-7bf7-8ce8-179785cc2eeb', '019aee5c-af78-7796-bdf3-275ec789b543', 0, 0, '\x845cceef1dcb4021b013bc400b32d3578b09d18d4c2e1fabf41466da03e94b09a458731b0fd8e1d9da8f0f8668fbbf90a33806bfe0d5b9ec9b79342f8a650beaf228a97064469b476954b164cfdd591e3af29fb398bf'),
('01982a47-b800-7bf7-8ce8-179785cc2eeb', '019aee5c-af78-7796-bdf3-275ec789b543', 2, 0, '\xa81c918c695d0f0f5681ea41db0ebc88bae77ddbbc3249d7094bcddedc992201b4bddc5f5982dc18a1eb90cb99a1a37dbfe932ed1590119cc2223bb52f6e338b0958f1d72b35152e33d0202605a0eeeab5d245660c983ace75de4552474dcff4eb1f9c60e93ba5fedc813413a48fd6124e1bca6ad156d430428fd7abab6d3cad7c14621b9fe1849895f9864c095c47a5d263b2ccf6db95ab66cf47c76124bbe59c8c069eea5f9b89f3f4f74bd1aad1db07d6117cb656'),
('01982a47-b800-7bf7-8ce8-179785cc2eeb', '019aee5c-af78-7796-bdf3-275ec789b543', 3, 0, '\xf9bc662763f3033b6ecf95087fcbe6404a6d363e9afd2df1f47c83463d75ca8cc98c08d0592926cd4bd7763e0e9d518950adc6b3af17c564971b2476a17c03a5163ad96c'),
('01982a47-b800-7bf7-8ce8-179785cc2eeb', '019aee5c-af78-7796-bdf3-275ec789b543', 4, 0, '\x5b4aee3ffd72717ba4ae4bb38212698b9ef71b0e3787aa217fc5eabcc983d1eda115fb70671c0ac1094c768b6577047ec65198cb8301949d98d8db47649af6db13cfa3cb465c47b17c12805337f565da47e6bebf5f96ff87a8796b451b87ce378045901882c21fa2fa0827f2ba8fddf77ee66ec38ff8cf60453fa0308b09eda503f5a2300a09a59c20d03ff7b4f596a8a5a6a91437abfccd265ae9e1139f243451b857fd544f07a73d4828'),
('01982a47-b800-7bf7-8ce8-179785cc2eeb', '019aee5c-af78-7796-bdf3-275ec789b543', 5, 0, '\x63c79395de8efed01141d6fcb210070cd0cf48701f0720ea3a273d5f2c6bd54bf935492b5dbfa8d8c9af8c9e3e17799112eea3ccdab9af400cf6c5197a726b482a4aa34570d9e4047ea314ebe3759651ba3919580b05a76e89eeaf63bf9930356f6f498c4f7e3c88534b22a1ecb5ce8f3d748ce837'),
('01982a47-b800-7bf7-8ce8-179785cc2eeb', '019aee5c-af78-7796-bdf3-275ec789b543', 6, 0, '\xdb58a61042369863cd208f383363d10156cb1a944c623a8d8dd3e3b45d90260ee8b1991d62dba4d880808f1fba78c80ca9a4a92e0bf3d1d0c1becde954a72456b0f39c24dc9b5b97991919ed9e4f0bd7a5c3679154331ae599da2c055cccdb3eeff1a926fb9e8fb4e712f351a4199912027b403b847147c0bfd40a6cee33a8e3a4962ca18c4bf82cc9c1c21ebee8a76be91aa480851876be8e5bb07228381f9f7eb298d2ccfe52c4ce222c'),
('01984407-8400-7da5-a5f6-1f198e49bb16', '01996bac-d568-7b8a-961a-5bc7bc555a1d', 5, 0, '\x2b4b6b8e32cc5ae337b10b2001119d0b7d294855fee8dc4332fb7f06c73e714675453cacecf1b9c82644b09707c8c8103dda24f9a45364c40af7cc18b5be21d379326609'),
('01984407-8400-7da5-a5f6-1f198e49bb16', '01996bac-d568-7b8a-961a-5bc7bc555a1d', 6, 0, '\x41a66eb9e40ca26348f7aec0374e731c92a9e926497a9f177dd6c0c1af05a7c66f380727af29abfec895db11e386fda2b28f968a14f2c4dd6f3f8268ff587ee51e0ac12baa8af3f2241d347b3f6f71b2db6e0704631398d919042e2836975e416b055895f69f22758cf44dde6b39bb667b0029d0f232fd94fb61f0a911e5ca271dd3b1d74beed23d6230d296a9dbdb88ef1444eb77a73f2e120f3a8099946cc3974ea0e1112ba64b8ff5bba83291022f6d9c8279594dd7'),
('01984407-8400-7da5-a5f6-1f198e49bb16', '01996bac-d568-7b8a-961a-5bc7bc555a1d', 7, 0, '\x8871fa2eca6f77a3218fdfed0a7d80132e940a1f57dd754dc83a75ba710638ff522e210219e0156a66901b5f01afb6b0b0d9073857f646f85d74030a2fa5731b6cc8f9e6175fba819048a08cdb0486131aa7889cb18157a82f9d6bdef2beeb2cb1ef9d7fa9ed5d11db5d42ef89465db8654b2ede9031415a91c6f0591cdaa741'),
('01984407-8400-7da5-a5f6-1f198e49bb16', '01996bac-d568-7b8a-961a-5bc7bc555a1d', 8, 0, '\xa7811b719277fa47ff9de27203034b969a9e3d0f665c6f62846daf195cb18db6fb2c25653c1ab9fd1559a555563650ad8c3767bdffeaf19347b12602a7106d15101465c75257096657d543c651c46ece84978d4ad9f3806a4ef6ae7ed515a9a4623b68c44c9170ecdaadc3d94295cae2438ced406bdfd54b1f035cee275bd1feeda9e19ea20723fcdea024ca8278dcf625448faaf264d5d4d193d859cf8f52c6250250ad473824'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019b0726-9258-7d4a-8ae1-84f08ee8da62', 1, 0, '\x57d688dc44f6a541ad134b529ddb9b1ce3a2978bae1a1a5f8c54f213eea5a740ab62f9277b85ccb9661e3c9e8393d7dabbfc5187c9eb950246c9eb34d1f0d428c2a440ae81f0cba755bef12315e22914e2444f47bc656daec13bf41671cea2773ace8a5f3fe489b5adb358350065'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019b0726-9258-7d4a-8ae1-84f08ee8da62', 0, 0, '\x565238782d4e50108f4387a7aa33eb1a983ecd4661fc94c46a036a01e4a9725d334d8f2283c852050ce496859cb47edb0d8deef1b1935a9c9d8772f95e6bc01af6fb8d3fd980533170fb997c0e54ac499bbe9a5a8152'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019b0726-9258-7d4a-8ae1-84f08ee8da62', 2, 0, '\xa36d1c24383489ad6746e1b1d7333a2ba5386c5f15acc01ac990d85eb19ced9acdf73cbb459fd85fb751309ebe313c83dc0058508b895caf7cac3709e6aa5194847b5bfa65f4622bb80f38b9d9afd7a4bf0828e43c181ef3c64ef47f37f919d2d64237398550332874343bb9600203ea378fbed855b84ec543cae2e11a4a84e49c1af2e2bac74828f6be85810737a669814f40fa5586dd80813cfb07525e'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019b0726-9258-7d4a-8ae1-84f08ee8da62', 3, 0, '\xf33323d1db581544eefce58d4ff897b671c222c9200a505249d3d0db294372a634bab066adc968975b52f039779dea5eb5af300a5f91ecc0827220758301594ac821433d'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019b0726-9258-7d4a-8ae1-84f08ee8da62', 4, 0, '\xe3c4bb7b74ec0bb1035068af46c733facb6e862d2cc21b55506836ddf027d7aa199de3eda98b2c9ba16d5f4cbf2f32aa13f0377dc37ad57ece75164dbe79e57a45a39b7484e9368549afec902dc409044f0d1ff584f3523d9b69ebb35cdb87d46e8088480c06a1dd22eb6fd98b1c85b0380a49352215daf8deee2f684f984d9406950999ba0005462e774c0eb88a145ddc417d44b6b4aac04f7f12f79fa6'),
('019a454c-0000-7a22-a117-8d84f18633d9', '019b1784-6030-71bf-9f8c-f39b0946d90d', 1, 0, '\xb67bc03d593d106a0cce84d898d488d80700af62231f8910dbcaa47098055a0b515f45603a666cf5bf04551f71fd1d97eb8cdc3c2104b68b9af22461e678e83bcd68790322bea7805b4e277e5fcd262a6a7a129715ea5ac7119f4c6a79115cdfc0706147cf5d6291602a25013b654af56d13c4add492fb663987ba9b0ec0c4ad666e6e26cbd33d514a02032dd33e82aa6a7e66b2d15ed9e60712fc8db5fa40266ed1657a6083fa'),
('019a454c-0000-7a22-a117-8d84f18633d9', '019b1784-6030-71bf-9f8c-f39b0946d90d', 0, 0, '\xfb406bc469fec9ca926c41bbeb92ea7d5797a69db38594a6e1e3f72f2cdeae7295db4b03b91b6d58487bd96d36543c1d0dea962358e7fc9edf152678e12c503ccf5487643b78c124e4a46b2092d348c60564c054273f');
INSERT INTO buckets VALUES
(8, 1, '\x1a3d7634c7b1cca1a4f6477604aff04b6a515d6d7208197d42f83d17304cfb5ec5b4267149bac0d86055a9272ac4a99a94451ea71a7807743981ffb3'),
(33, 1, '\xcb3912d751464b8f9013901e4ad966d60b0c0abd950b7522abaeb129445a58a0da168757351c0025caf1d2538d94fc9cc6da5137d3a993525b1cfdbb'),
(57, 1, '\x96ab8dbae1970bdda1362badc94688479504a1990c526de1bae286d5f41573efe437011de58ea83ac0a31699dc3bee2eaf8e64cc2f1e4445ccefb383'),
(308, 1, '\xb685460aaea7c69c243db8182a95a2b74d78a38ea2a180819874c59d46c8e0ce583ead924dbbef22d20bffaac57f268c3368eae90be6966807462413'),
(445, 1, '\x560fb147cf25b6fa2e811232fbb9c8a019ff853a48330ac80d7cc403851d24bac376225126b5bf89b3b28aaf3deb466e532a12ee7bb3e5c83d9dd628'),
(542, 1, '\x38c7d5c1311a284a20c1f7e6e89e8f8253e9dc8106f9ead895e0af4ab30066cae3a6efaa5a3889401e4268ed3c88313105e0454a54cabec24ecaf3ab'),
(747, 1, '\x92f36baf6c4d8f56de60f7987b425c7c3a5c662f18c1336adfe3bbd358486073068cac1a3a14e938dbfc16c0c32835b1332c2c0d01ed5b360da2f74c'),
(790, 1, '\xb59186f15ab89d884edf6d9cc7f2d886a191250a00fe24592897cfc254a06068534f346506116728e753aeb6fdcd9d771eea46d9b890134b8568607b'),
(810, 1, '\x5de5c8b1553fbb5c1d130c97ccb298240d05d75471d6d25a6fcedf7637a218db3b36385029790895475438e80cc34a40b0f10ca973eec43af247cceb'),
(864, 1, '\xcfd3845dfa310f6258193badedfe674015a6b2f0b46b1a5a51eab13e0afb074fa0691530e1da482e73698369d4d1c27a31354f082e91d88fa724bc2f'),
(878, 1, '\x96d89f48fcf31ae2419d338067f7820e3c3142ec92e940e18742b7f65f0b49d6332ba1acf7038947db97d4f6a40850e7f720fa49dfbf2a78a98364fd'),
(985, 1, '\xc11cf353194a61ff449b794f4f3c610954def4cf87e80639d47d2c2eb5bffde258347cd1a1b3d7e69acf5caafad81c376d5f66e9ab034595b1dec73a');
INSERT INTO choices VALUES
('0198492d-e000-70c7-b155-287d642b5dbd', 6, '2025-08-30 18:58:42+00', 0, false, 'declined', NULL, 'notice', '\xf1989f97d9e498ac51520305bfd16a8d6ce3be4cd427d029a73343b04f94fe0821eceda4d8a17a87c059015b7d02e2df02bd58d92ca468316bf3cd87'),
('01982521-5c00-781c-850a-92db335ca808', 2, '2025-08-30 14:23:44+00', 0, false, 'declined', NULL, 'notice', '\xd06cba6e9082a1817340ced9823297366b7f390b307110599e447c6b09ed9b7e3dacfd15a3613838aaa38950264700202a18a57f95ac28b81e239943'),
('019839ba-cc00-79cc-9585-d880fd54cc21', 38, '2025-09-01 06:01:24+00', 0, true, 'began', 1, 'notice', '\xe2dab4e7d3084ca9deb2a0c62e0a97809c30f83ef342aae8b085a6dc550e2e883b1a4c9ef4976cd2d983e23cb8386ae7ed3e2fc31591250d7f9789da'),
('0198537a-9800-74ea-aa4b-e7674660a21e', 5, '2025-09-02 17:05:08+00', 0, false, 'declined', NULL, 'notice', '\x38405387a99a24d4043f3aa4f2437ef8c7054455889fc8e5b6d0f9038a28532ff46735df6c824f5a6f938e0066389af675d3fe3848854a924a24eefc'),
('01984407-8400-7da5-a5f6-1f198e49bb16', 6, '2025-09-04 17:34:25+00', 0, true, 'began', 1, 'notice', '\x68364aebfd0562bd8058081394445ecdcd8715b7e467a4bc7544085152d1aac05c93be4fa6be64bd2e1a11d206e4b6fe6f817c298f1b3c4caaed15e6'),
('01983ee1-2800-7657-85ec-b975f32d636e', 29, '2025-09-05 07:42:26+00', 0, true, 'began', 1, 'notice', '\x8d7a4158226bc86c2ca3968a4c50e64eb88c02365fe10b061a87148d2ffaf167cf37bf608546a0ed76b72d7351f98ce93d8363cf1abcd904f5011c36'),
('01982a47-b800-7bf7-8ce8-179785cc2eeb', 8, '2025-09-07 18:22:19+00', 0, false, 'declined', NULL, 'notice', '\xeed6cbecb3b43353fd456991cf33e5f56ded6aa807e401549e6d1b85a8b46c37466a0807637b0848f36036193071999958732b24aaac5b8d54149b13'),
('01985dc7-5000-7a49-83b2-909edfa64934', 8, '2025-09-12 17:01:36+00', 0, true, 'none', NULL, 'notice', '\x43c802b66323ea5894e3742521aa8f21d7067ebaf81ef167561b167d59d71cd363623fdef71518d7be46cc2ae0c339ed583e82cb5230af617e6313ce'),
('019858a0-f400-7d05-8ad5-93a3487e2360', 2, '2025-09-16 17:08:17+00', 0, false, 'declined', NULL, 'notice', '\x9a077cfbae4c9898b00273b3de572065d30b8d315939614477bc52d79f182a256292c317b784c1a2f7e8e7caf5e54d5e01e8f42e00fef9e19b6d7692'),
('019839ba-cc00-79cc-9585-d880fd54cc21', 94, '2025-10-15 00:00:00+00', 0, false, 'withdrew', NULL, 'settings', '\x53eecb5ee393f4db5bae7559879ed6827766fe680bea0c178b17e671613e2785be0eec2c96f4e8945d1196abe63d057076d619e9a6499e100c324829'),
('01982a47-b800-7bf7-8ce8-179785cc2eeb', 20, '2025-11-07 19:59:36+00', 0, true, 'began', 1, 'settings', '\x2274385b1d357cd955468e6ffc68a022834eface6f78b76230013007eeaa667856c227bcd5b306307ff8278b103d6697feaf4b5536eac19fef982a20');
INSERT INTO conversations VALUES
('0198492d-e000-70c7-b155-287d642b5dbd', '0198645b-8440-7f29-86d6-aba8a80d1c99', '\xef2484b790c81674f057e4a8c91307e9', 'chat', false, false, 0, '2025-08-01 06:39:36+00', NULL, NULL, 0, NULL, NULL, false, false),
('01983ee1-2800-7657-85ec-b975f32d636e', '01987020-3a28-70a2-8ab0-6ce20948892e', '\x16eeeb3926b56b22475439188666184c', 'chat', false, false, 0, '2025-08-03 13:30:17+00', NULL, NULL, 0, NULL, NULL, false, false),
('01983ee1-2800-7657-85ec-b975f32d636e', '01987b63-2d50-72de-8c50-028ea639e341', '\x6fc719cfd55604a2f80fa09f135be0b7', 'chat', false, false, 0, '2025-08-05 17:59:14+00', NULL, NULL, 0, NULL, NULL, false, false),
('0198537a-9800-74ea-aa4b-e7674660a21e', '019a1c55-90a8-7314-8598-f21967176e1b', '\x5626cf7a640ea72b434462945ec9c960', 'chat', false, false, 0, '2025-10-25 17:06:01+00', NULL, NULL, 0, NULL, NULL, false, false),
('01983ee1-2800-7657-85ec-b975f32d636e', '01992947-bf80-711c-ad80-d539b9fa05a8', '\x2dd9e11ecff3c124d754075a43da09ba', 'chat', false, false, 0, '2025-09-08 12:23:12+00', NULL, NULL, 0, NULL, NULL, false, true),
('01983494-7000-730e-8ee7-bda5d195c439', '01987157-8978-73c6-9a9d-7dce3ae08956', '\x2658618b7c3ac0623fc5742cd2ace69a', 'chat', false, false, 0, '2025-08-03 19:10:19+00', NULL, NULL, 0, NULL, NULL, false, false),
('01983494-7000-730e-8ee7-bda5d195c439', '0198981e-d430-7b38-be7e-64dd8d3ef25a', '\xa1b4aeedffc5d7d60a14cfa201055c96', 'chat', false, false, 0, '2025-08-11 07:53:34+00', NULL, NULL, 0, NULL, NULL, false, false),
('01984407-8400-7da5-a5f6-1f198e49bb16', '0198a265-ac48-7b53-bf36-feb27d5a435c', '\x6c41369105f75d4136ac1853801f0c0e', 'chat', false, false, 0, '2025-08-13 07:47:09+00', NULL, NULL, 0, NULL, NULL, false, false),
('01983ee1-2800-7657-85ec-b975f32d636e', '0198a4d4-a8a8-7926-83ce-f12da38d843b', '\x0ed506f9cd3d50af62b4ae4882164085', 'chat', false, false, 0, '2025-08-13 19:07:37+00', NULL, NULL, 0, NULL, NULL, false, false),
('01985dc7-5000-7a49-83b2-909edfa64934', '0198b3ef-e078-77a5-8469-081ad63e9d96', '\x00c749ccf8cb0c7b1bf2c60cced737a2', 'chat', false, false, 0, '2025-08-16 17:31:39+00', NULL, NULL, 0, NULL, NULL, false, true),
('01983494-7000-730e-8ee7-bda5d195c439', '0198b2eb-7480-76e6-ade0-714246215f87', '\xde07dd3eeb7cbecd6114d6dfdb58fb5c', 'chat', false, false, 0, '2025-08-16 12:47:12+00', NULL, NULL, 0, NULL, NULL, false, false),
('01983ee1-2800-7657-85ec-b975f32d636e', '019a5806-a1c8-711a-97ff-7818bcca3af5', '\x8041dee45fdaf53fae827bdf67890fb2', 'chat', false, false, 0, '2025-11-06 07:17:01+00', NULL, NULL, 0, 1, 0, false, false),
('01983494-7000-730e-8ee7-bda5d195c439', '0198bc64-fe00-7ce3-a0d9-70c10648a48f', '\xb669218f1078f6d22d150a6e4ed68f01', 'chat', false, false, 0, '2025-08-18 08:56:32+00', NULL, NULL, 0, NULL, NULL, false, false),
('01983ee1-2800-7657-85ec-b975f32d636e', '0198bd1b-ee08-76f9-bce7-c3fffc73f57c', '\xbddcadb36a3a9a21161535da1bedfc41', 'chat', false, false, 0, '2025-08-18 12:16:21+00', '2025-08-23 20:54:21+00', NULL, 0, NULL, NULL, false, false),
('019a454c-0000-7a22-a117-8d84f18633d9', '019a5e26-1f20-7557-8776-5e42f01d9739', '\x7d5bb1bd4dd272bbc6a8e056c06138e5', 'chat', false, false, 0, '2025-11-07 11:49:08+00', NULL, NULL, 0, NULL, NULL, false, false),
('01983494-7000-730e-8ee7-bda5d195c439', '0198e29d-4b40-75ff-ba4a-bedf2d5e7251', '\xebdee6379ee0ad0684fdb3d32b8b0845', 'chat', false, false, 0, '2025-08-25 19:03:36+00', NULL, NULL, 0, NULL, NULL, false, false),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019869f4-ba98-7e87-a29a-8601939cf158', '\xd2f167d6553705beed8619571e289a1a', 'code', false, false, 0, '2025-08-02 08:45:03+00', NULL, NULL, 2, NULL, NULL, false, true),
('01982a47-b800-7bf7-8ce8-179785cc2eeb', '0198f18d-3908-7431-b02b-6154c1895b99', '\x4c150e685bf3af4705e5d9042e3fc093', 'chat', false, false, 0, '2025-08-28 16:40:21+00', NULL, NULL, 0, NULL, NULL, false, false),
('01983ee1-2800-7657-85ec-b975f32d636e', '0198fc31-c950-7630-963f-6e93ecb9997d', '\x0d770dc56cf729116b26bce2e6011e43', 'chat', false, false, 0, '2025-08-30 18:16:18+00', NULL, NULL, 0, NULL, NULL, false, false),
('01983ee1-2800-7657-85ec-b975f32d636e', '0199100c-2740-7b1f-a596-bb0c0aa95e01', '\x9965dbd1dc6f8342616d2c885320ae35', 'chat', false, false, 0, '2025-09-03 14:47:36+00', NULL, NULL, 0, NULL, NULL, false, false),
('01984407-8400-7da5-a5f6-1f198e49bb16', '01991aeb-b130-7c6c-b68f-b8397a9741ca', '\x553be00e4b934f503b0ec5df0a958f32', 'chat', false, false, 0, '2025-09-05 17:27:58+00', NULL, NULL, 0, 1, 0, false, false),
('0198492d-e000-70c7-b155-287d642b5dbd', '01991a5a-f280-7539-afa6-97efcf9c22fe', '\x26758401eaabef200d0f43fb64b32cd8', 'chat', false, false, 0, '2025-09-05 14:49:52+00', NULL, NULL, 0, NULL, NULL, false, false),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019928dc-dc38-7cca-a036-716567cf6de6', '\x8fee00e0f16628efd6b8ca17786d7962', 'code', false, false, 0, '2025-09-08 10:26:27+00', NULL, NULL, 0, 1, 0, false, false),
('01984e54-3c00-7c29-ba54-e7fbf6c7472a', '0198eb38-4fe8-7691-8990-f04605d1b901', '\xaf8ce0cfca8bd39ec3ffdac013acc26c', 'chat', false, false, 0, '2025-08-27 11:09:53+00', NULL, NULL, 0, NULL, NULL, false, true),
('01983ee1-2800-7657-85ec-b975f32d636e', '019914c8-1910-75f9-9a19-a774a0bc8045', '\xd7e1f58fc7182f5c16463dcf81974e13', 'chat', false, false, 0, '2025-09-04 12:51:22+00', NULL, NULL, 1, 1, 0, false, false),
('019839ba-cc00-79cc-9585-d880fd54cc21', '01993dce-e7d0-7fa4-860d-509ee78555ca', '\x4e36b3e450e483f4c83e127ae1bc5c27', 'chat', false, false, 0, '2025-09-12 12:03:14+00', NULL, NULL, 0, 1, 0, false, false),
('0198492d-e000-70c7-b155-287d642b5dbd', '019943ed-76e0-7721-a601-3d91e4805b5b', '\x10e83b11449c8e35db8412c4d5c7ed9b', 'chat', false, false, 0, '2025-09-13 16:34:20+00', NULL, NULL, 0, NULL, NULL, false, false),
('0198537a-9800-74ea-aa4b-e7674660a21e', '019866d8-0590-7079-b570-b3a87cc5ecdd', '\xf3f4495f2fb61192117770a329b3188c', 'chat', false, false, 0, '2025-08-01 18:14:50+00', '2025-09-14 17:14:36+00', NULL, 0, NULL, NULL, false, false),
('019839ba-cc00-79cc-9585-d880fd54cc21', '0199528b-c238-7d40-aad1-30c5e06da26d', '\x98ca0c716df628aabf8b5133e6149d4c', 'code', false, false, 0, '2025-09-16 12:41:55+00', NULL, NULL, 0, 1, 0, false, false),
('019839ba-cc00-79cc-9585-d880fd54cc21', '0199716b-6640-7bd6-930c-9112393e5308', '\xd63f6c89f28c09abf4595e1bea746566', 'code', true, false, 0, '2025-09-22 12:34:48+00', NULL, NULL, 0, NULL, NULL, false, false),
('019839ba-cc00-79cc-9585-d880fd54cc21', '01997bfa-3820-721e-8715-a44452e377b6', '\xdea568e3c56696ad334c8827e8e6ba7a', 'code', false, false, 0, '2025-09-24 13:47:00+00', NULL, NULL, 0, 1, 0, false, false),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019984a2-e4e0-7f5d-ba11-697bda1afb9c', '\x65daaa791e2889ff16d12b1fe686e0cd', 'code', false, false, 0, '2025-09-26 06:08:12+00', NULL, NULL, 0, 1, 0, false, false),
('01985dc7-5000-7a49-83b2-909edfa64934', '0199966b-7db8-7da1-a8ea-0b75bcb6ed6d', '\x23f793f76a191294f86f64f92e7f4fed', 'chat', false, false, 0, '2025-09-29 17:00:51+00', NULL, NULL, 0, NULL, NULL, false, true),
('0198492d-e000-70c7-b155-287d642b5dbd', '019994de-a3f8-724c-8936-e6770170601b', '\xdd7e5da294189d4b1cd3c8e7ee5f74be', 'chat', false, false, 0, '2025-09-29 09:47:23+00', NULL, NULL, 0, NULL, NULL, false, false),
('01985dc7-5000-7a49-83b2-909edfa64934', '0199a651-fc98-7ac6-8e58-4c14a36d8e2d', '\xdf202aadd39637f506df39e2d83d0407', 'chat', false, false, 0, '2025-10-02 19:06:55+00', NULL, NULL, 0, NULL, NULL, false, true),
('019858a0-f400-7d05-8ad5-93a3487e2360', '019968b1-0640-7567-a772-cfe9d0ce6fcd', '\x229ff18f905e3cb487ed712117575f03', 'chat', false, false, 0, '2025-09-20 19:54:16+00', '2025-10-03 20:53:23+00', NULL, 0, NULL, NULL, false, false),
('019839ba-cc00-79cc-9585-d880fd54cc21', '0199aaa0-8e68-798a-9e9e-ddb7037a0ad8', '\x9737480c9f6d0b277b495eabfc72545c', 'chat', false, false, 0, '2025-10-03 15:11:13+00', NULL, NULL, 0, 1, 0, false, false),
('019839ba-cc00-79cc-9585-d880fd54cc21', '0199afc6-2ee8-7198-bda4-95ee1e5a7d32', '\x5ca6723e1f1f4cf7902dc98089c50cac', 'chat', false, false, 0, '2025-10-04 15:10:25+00', NULL, NULL, 0, 1, 0, false, false),
('0198492d-e000-70c7-b155-287d642b5dbd', '0199b92c-d860-7d35-a1bc-0860dde6200f', '\x41f042b5c9f49ddc9134954ccdc5a985', 'chat', false, false, 0, '2025-10-06 10:59:08+00', NULL, NULL, 0, NULL, NULL, false, false),
('0198492d-e000-70c7-b155-287d642b5dbd', '0199d777-fcc8-7bed-93f9-6ab6a340ad9f', '\x8fa1717a0349705e532894d0d31f8c29', 'chat', false, false, 0, '2025-10-12 08:09:49+00', NULL, NULL, 0, NULL, NULL, false, false),
('01984407-8400-7da5-a5f6-1f198e49bb16', '019a6437-19a0-7fd0-a00c-62820e2f5b58', '\x45e733ba513281dfb84884ae9d125965', 'chat', false, false, 0, '2025-11-08 16:05:24+00', NULL, NULL, 0, 1, 0, false, false),
('019a454c-0000-7a22-a117-8d84f18633d9', '019a739f-1d98-7928-a8de-0e4821a1a59e', '\x8a195f6cecdb994ec37c83d90413e9ef', 'chat', false, false, 0, '2025-11-11 15:53:19+00', NULL, NULL, 0, NULL, NULL, false, false),
('01985dc7-5000-7a49-83b2-909edfa64934', '0199f142-ffe0-7485-9e6a-78c65f855949', '\x848dfbc048d5385e4ea71ad17129d562', 'chat', false, false, 0, '2025-10-17 08:22:04+00', NULL, NULL, 0, NULL, NULL, false, true),
('0198537a-9800-74ea-aa4b-e7674660a21e', '0199ade0-1968-77c7-8376-277d079e3d1b', '\x9c4bac6b0f0241bbc9d1e9df50209a46', 'chat', false, false, 0, '2025-10-04 06:19:29+00', NULL, NULL, 0, NULL, NULL, false, false),
('01982a47-b800-7bf7-8ce8-179785cc2eeb', '0199f2c4-8b18-7b7f-a75f-5dfe2511d3de', '\x752fb8074442b64248b8e466b6f67103', 'chat', false, false, 0, '2025-10-17 15:23:11+00', NULL, NULL, 0, NULL, NULL, false, false),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019a0777-dc18-7485-916b-273270d16bb8', '\x025610e78a1daca44d9e9378f7ea51ec', 'code', false, false, 0, '2025-10-21 15:51:27+00', NULL, NULL, 0, NULL, NULL, false, false),
('0198537a-9800-74ea-aa4b-e7674660a21e', '019a0a9f-04e8-7e1f-bd29-599fc073db63', '\xb0d702ccc70d1b4fb7be8f6fe8e8a587', 'chat', false, false, 0, '2025-10-22 06:33:05+00', NULL, NULL, 0, NULL, NULL, false, false),
('019839ba-cc00-79cc-9585-d880fd54cc21', '0199d774-4f60-72e9-9bca-057492e7c3c2', '\x14521274d22c4cd5070482badabd0952', 'code', false, true, 0, '2025-10-12 08:05:48+00', NULL, NULL, 0, NULL, NULL, false, false),
('019a454c-0000-7a22-a117-8d84f18633d9', '019a62fa-a9d0-7ca4-8057-24bb68e6fb25', '\x554ee9443c29576d4c5b78c1bbf1349b', 'chat', false, false, 0, '2025-11-08 10:19:46+00', NULL, NULL, 0, NULL, NULL, false, false),
('01982a47-b800-7bf7-8ce8-179785cc2eeb', '0199e1bd-e698-78e2-86cc-28ea26577937', '\xfac97135e3adaacde86884414eaf2f2f', 'chat', false, false, 0, '2025-10-14 08:02:23+00', NULL, NULL, 0, NULL, NULL, false, false),
('01985dc7-5000-7a49-83b2-909edfa64934', '019a73cf-6110-756f-bb48-313af08a093a', '\xa294cde8ac7a1fa73e58e9a6e0640ac1', 'chat', false, false, 0, '2025-11-11 16:46:02+00', NULL, NULL, 0, NULL, NULL, false, true),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019a72d4-8e20-75bc-a5c1-926afee28897', '\x5b34a868c977a46f0bceae8cbb16f9e7', 'code', false, false, 0, '2025-11-11 12:12:04+00', NULL, NULL, 0, NULL, NULL, false, false),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019a7db4-1fe0-7c3e-90b6-a407a05601c8', '\x66feb1c90dda0bdbf12d3ae68de0bf27', 'code', false, false, 0, '2025-11-13 14:52:28+00', NULL, NULL, 0, NULL, NULL, false, false),
('01984407-8400-7da5-a5f6-1f198e49bb16', '019a87de-28f8-75f9-9427-4b5809c33011', '\xfdc8f11b73ec1344cab2c7b9ae9b239d', 'chat', false, false, 0, '2025-11-15 14:14:35+00', NULL, NULL, 0, 1, 0, false, false),
('01982521-5c00-781c-850a-92db335ca808', '019a879a-8c60-7efb-8a42-0c4a601429c4', '\xc0f869afb482d328911bb909eeb3358c', 'chat', false, false, 0, '2025-11-15 13:00:44+00', NULL, NULL, 0, NULL, NULL, false, false),
('01983ee1-2800-7657-85ec-b975f32d636e', '019a9b19-4948-74e4-9894-a06c102575ab', '\x5ed848120c6843a30d3684a3fd920d80', 'chat', false, false, 0, '2025-11-19 07:51:57+00', NULL, NULL, 0, 1, 0, false, false),
('01983ee1-2800-7657-85ec-b975f32d636e', '0199d3f0-ca08-78f4-82ed-52daa7aa3b53', '\x5839be88cc6be7de9c329b47239c5d8f', 'chat', false, false, 0, '2025-10-11 15:43:17+00', NULL, NULL, 0, 1, 0, false, false),
('01982521-5c00-781c-850a-92db335ca808', '019ac13f-4af0-70f6-a532-2fb0183e29c1', '\x922b86a9a19f694abdb3bd6efa30be7f', 'chat', false, false, 0, '2025-11-26 17:39:02+00', NULL, NULL, 0, NULL, NULL, false, false),
('01983ee1-2800-7657-85ec-b975f32d636e', '019ae556-5a28-7487-a208-81625eb46d38', '\x712c98dea88f6ae2cda59664096aecdb', 'chat', false, false, 0, '2025-12-03 17:50:33+00', NULL, NULL, 0, 1, 0, false, false),
('019a454c-0000-7a22-a117-8d84f18633d9', '019ae4e2-2810-7af5-aab4-a4c01b0a38fd', '\xd1c91248b4cadc13babfe4f38f36c04d', 'chat', false, false, 0, '2025-12-03 15:43:38+00', NULL, NULL, 0, NULL, NULL, false, false),
('0198537a-9800-74ea-aa4b-e7674660a21e', '019a9ceb-51f8-797f-a28c-656bffabae04', '\xa57465579b50da51364196799158f5da', 'chat', false, true, 0, '2025-11-19 16:20:59+00', NULL, NULL, 0, NULL, NULL, false, false),
('01984407-8400-7da5-a5f6-1f198e49bb16', '01996bac-d568-7b8a-961a-5bc7bc555a1d', '\xa3832cf7bd173609748b609dc8a2f270', 'chat', false, false, 0, '2025-09-21 09:48:33+00', NULL, NULL, 0, 1, 0, false, false),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019b0726-9258-7d4a-8ae1-84f08ee8da62', '\x9e12f31b4038aa30fb87671856613118', 'chat', false, false, 0, '2025-12-10 07:25:27+00', NULL, NULL, 0, NULL, NULL, false, false),
('019a454c-0000-7a22-a117-8d84f18633d9', '019b1784-6030-71bf-9f8c-f39b0946d90d', '\xc4b900054bd9588aa8af41ddad450a77', 'chat', false, false, 0, '2025-12-13 11:41:50+00', NULL, NULL, 0, NULL, NULL, false, false),
('01982a47-b800-7bf7-8ce8-179785cc2eeb', '019aee5c-af78-7796-bdf3-275ec789b543', '\x216ad2db1e4b3cf3ada5921970b4d20d', 'chat', false, false, 0, '2025-12-05 11:54:03+00', NULL, '2027-12-15 00:00:00+00', 0, 1, 0, false, false);
INSERT INTO copies VALUES
('0198492d-e000-70c7-b155-287d642b5dbd', '0198645b-8440-7f29-86d6-aba8a80d1c99', 0, 'vault', '00000000-0000-0000-0000-000000000000', '2025-08-01 06:39:36+00', '2025-08-31 23:00:00+00'),
('0198537a-9800-74ea-aa4b-e7674660a21e', '019866d8-0590-7079-b570-b3a87cc5ecdd', 0, 'vault', '00000000-0000-0000-0000-000000000000', '2025-08-01 18:14:50+00', '2025-08-31 23:00:00+00'),
('01983ee1-2800-7657-85ec-b975f32d636e', '019914c8-1910-75f9-9a19-a774a0bc8045', 0, 'vault', '00000000-0000-0000-0000-000000000000', '2025-09-04 12:51:22+00', NULL),
('01984407-8400-7da5-a5f6-1f198e49bb16', '01991aeb-b130-7c6c-b68f-b8397a9741ca', 0, 'vault', '00000000-0000-0000-0000-000000000000', '2025-09-05 17:27:58+00', NULL),
('01983ee1-2800-7657-85ec-b975f32d636e', '01987020-3a28-70a2-8ab0-6ce20948892e', 0, 'vault', '00000000-0000-0000-0000-000000000000', '2025-08-03 13:30:17+00', '2025-09-07 23:00:00+00'),
('01983ee1-2800-7657-85ec-b975f32d636e', '01987b63-2d50-72de-8c50-028ea639e341', 0, 'vault', '00000000-0000-0000-0000-000000000000', '2025-08-05 17:59:14+00', '2025-09-07 23:00:00+00'),
('01983ee1-2800-7657-85ec-b975f32d636e', '019914c8-1910-75f9-9a19-a774a0bc8045', 1, 'vault', '00000000-0000-0000-0000-000000000000', '2025-09-11 16:50:29+00', NULL),
('01983494-7000-730e-8ee7-bda5d195c439', '01987157-8978-73c6-9a9d-7dce3ae08956', 0, 'vault', '00000000-0000-0000-0000-000000000000', '2025-08-03 19:10:19+00', '2025-09-14 23:00:00+00'),
('01983494-7000-730e-8ee7-bda5d195c439', '0198981e-d430-7b38-be7e-64dd8d3ef25a', 0, 'vault', '00000000-0000-0000-0000-000000000000', '2025-08-11 07:53:34+00', '2025-09-14 23:00:00+00'),
('01983ee1-2800-7657-85ec-b975f32d636e', '0198a4d4-a8a8-7926-83ce-f12da38d843b', 0, 'vault', '00000000-0000-0000-0000-000000000000', '2025-08-13 19:07:37+00', '2025-09-14 23:00:00+00'),
('01984407-8400-7da5-a5f6-1f198e49bb16', '0198a265-ac48-7b53-bf36-feb27d5a435c', 0, 'vault', '00000000-0000-0000-0000-000000000000', '2025-08-13 07:47:09+00', '2025-09-14 23:00:00+00'),
('01984407-8400-7da5-a5f6-1f198e49bb16', '01996bac-d568-7b8a-961a-5bc7bc555a1d', 0, 'vault', '00000000-0000-0000-0000-000000000000', '2025-09-21 09:48:33+00', NULL),
('01983494-7000-730e-8ee7-bda5d195c439', '0198b2eb-7480-76e6-ade0-714246215f87', 0, 'vault', '00000000-0000-0000-0000-000000000000', '2025-08-16 12:47:12+00', '2025-09-21 23:00:00+00'),
('01983494-7000-730e-8ee7-bda5d195c439', '0198bc64-fe00-7ce3-a0d9-70c10648a48f', 0, 'vault', '00000000-0000-0000-0000-000000000000', '2025-08-18 08:56:32+00', '2025-09-21 23:00:00+00'),
('01983ee1-2800-7657-85ec-b975f32d636e', '0198bd1b-ee08-76f9-bce7-c3fffc73f57c', 0, 'vault', '00000000-0000-0000-0000-000000000000', '2025-08-18 12:16:21+00', '2025-09-21 23:00:00+00'),
('01985dc7-5000-7a49-83b2-909edfa64934', '0198b3ef-e078-77a5-8469-081ad63e9d96', 0, 'vault', '00000000-0000-0000-0000-000000000000', '2025-08-16 17:31:39+00', '2025-09-21 23:00:00+00'),
('01982a47-b800-7bf7-8ce8-179785cc2eeb', '0198f18d-3908-7431-b02b-6154c1895b99', 0, 'vault', '00000000-0000-0000-0000-000000000000', '2025-08-28 16:40:21+00', '2025-09-28 23:00:00+00'),
('01983494-7000-730e-8ee7-bda5d195c439', '0198e29d-4b40-75ff-ba4a-bedf2d5e7251', 0, 'vault', '00000000-0000-0000-0000-000000000000', '2025-08-25 19:03:36+00', '2025-09-28 23:00:00+00'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019869f4-ba98-7e87-a29a-8601939cf158', 0, 'vault', '00000000-0000-0000-0000-000000000000', '2025-08-02 08:45:03+00', '2025-09-28 23:00:00+00'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019869f4-ba98-7e87-a29a-8601939cf158', 1, 'vault', '00000000-0000-0000-0000-000000000000', '2025-08-08 06:30:36+00', '2025-09-28 23:00:00+00'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019869f4-ba98-7e87-a29a-8601939cf158', 2, 'vault', '00000000-0000-0000-0000-000000000000', '2025-08-18 11:05:09+00', '2025-09-28 23:00:00+00'),
('01983ee1-2800-7657-85ec-b975f32d636e', '0198fc31-c950-7630-963f-6e93ecb9997d', 0, 'vault', '00000000-0000-0000-0000-000000000000', '2025-08-30 18:16:18+00', '2025-10-05 23:00:00+00'),
('01983ee1-2800-7657-85ec-b975f32d636e', '0199100c-2740-7b1f-a596-bb0c0aa95e01', 0, 'vault', '00000000-0000-0000-0000-000000000000', '2025-09-03 14:47:36+00', '2025-10-05 23:00:00+00'),
('01983ee1-2800-7657-85ec-b975f32d636e', '0199d3f0-ca08-78f4-82ed-52daa7aa3b53', 0, 'vault', '00000000-0000-0000-0000-000000000000', '2025-10-11 15:43:17+00', NULL),
('0198492d-e000-70c7-b155-287d642b5dbd', '01991a5a-f280-7539-afa6-97efcf9c22fe', 0, 'vault', '00000000-0000-0000-0000-000000000000', '2025-09-05 14:49:52+00', '2025-10-12 23:00:00+00'),
('01984e54-3c00-7c29-ba54-e7fbf6c7472a', '0198eb38-4fe8-7691-8990-f04605d1b901', 0, 'vault', '00000000-0000-0000-0000-000000000000', '2025-08-27 11:09:53+00', '2025-10-12 23:00:00+00'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019928dc-dc38-7cca-a036-716567cf6de6', 0, 'release', '0199e004-4400-7207-a0c0-662ea34c853d', '2025-10-14 00:00:00+00', NULL),
('019839ba-cc00-79cc-9585-d880fd54cc21', '01993dce-e7d0-7fa4-860d-509ee78555ca', 0, 'release', '0199e004-4400-7207-a0c0-662ea34c853d', '2025-10-14 00:00:00+00', NULL),
('019839ba-cc00-79cc-9585-d880fd54cc21', '0199528b-c238-7d40-aad1-30c5e06da26d', 0, 'release', '0199e004-4400-7207-a0c0-662ea34c853d', '2025-10-14 00:00:00+00', NULL),
('019839ba-cc00-79cc-9585-d880fd54cc21', '01997bfa-3820-721e-8715-a44452e377b6', 0, 'release', '0199e004-4400-7207-a0c0-662ea34c853d', '2025-10-14 00:00:00+00', NULL),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019984a2-e4e0-7f5d-ba11-697bda1afb9c', 0, 'release', '0199e004-4400-7207-a0c0-662ea34c853d', '2025-10-14 00:00:00+00', NULL),
('019839ba-cc00-79cc-9585-d880fd54cc21', '0199aaa0-8e68-798a-9e9e-ddb7037a0ad8', 0, 'release', '0199e004-4400-7207-a0c0-662ea34c853d', '2025-10-14 00:00:00+00', NULL),
('019839ba-cc00-79cc-9585-d880fd54cc21', '0199afc6-2ee8-7198-bda4-95ee1e5a7d32', 0, 'release', '0199e004-4400-7207-a0c0-662ea34c853d', '2025-10-14 00:00:00+00', NULL),
('01983ee1-2800-7657-85ec-b975f32d636e', '019914c8-1910-75f9-9a19-a774a0bc8045', 0, 'release', '0199e004-4400-7207-a0c0-662ea34c853d', '2025-10-14 00:00:00+00', NULL),
('01983ee1-2800-7657-85ec-b975f32d636e', '019914c8-1910-75f9-9a19-a774a0bc8045', 1, 'release', '0199e004-4400-7207-a0c0-662ea34c853d', '2025-10-14 00:00:00+00', NULL),
('01983ee1-2800-7657-85ec-b975f32d636e', '0199d3f0-ca08-78f4-82ed-52daa7aa3b53', 0, 'release', '0199e004-4400-7207-a0c0-662ea34c853d', '2025-10-14 00:00:00+00', NULL),
('01984407-8400-7da5-a5f6-1f198e49bb16', '01991aeb-b130-7c6c-b68f-b8397a9741ca', 0, 'release', '0199e004-4400-7207-a0c0-662ea34c853d', '2025-10-14 00:00:00+00', NULL),
('01984407-8400-7da5-a5f6-1f198e49bb16', '01996bac-d568-7b8a-961a-5bc7bc555a1d', 0, 'release', '0199e004-4400-7207-a0c0-662ea34c853d', '2025-10-14 00:00:00+00', NULL),
('01982a47-b800-7bf7-8ce8-179785cc2eeb', '0199e1bd-e698-78e2-86cc-28ea26577937', 0, 'vault', '00000000-0000-0000-0000-000000000000', '2025-10-14 08:02:23+00', NULL),
('0198492d-e000-70c7-b155-287d642b5dbd', '019943ed-76e0-7721-a601-3d91e4805b5b', 0, 'vault', '00000000-0000-0000-0000-000000000000', '2025-09-13 16:34:20+00', '2025-10-19 23:00:00+00'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '0199716b-6640-7bd6-930c-9112393e5308', 0, 'vault', '00000000-0000-0000-0000-000000000000', '2025-09-22 12:34:48+00', '2025-10-26 23:00:00+00'),
('019858a0-f400-7d05-8ad5-93a3487e2360', '019968b1-0640-7567-a772-cfe9d0ce6fcd', 0, 'vault', '00000000-0000-0000-0000-000000000000', '2025-09-20 19:54:16+00', '2025-10-26 23:00:00+00'),
('0198492d-e000-70c7-b155-287d642b5dbd', '019994de-a3f8-724c-8936-e6770170601b', 0, 'vault', '00000000-0000-0000-0000-000000000000', '2025-09-29 09:47:23+00', '2025-11-02 23:00:00+00'),
('01985dc7-5000-7a49-83b2-909edfa64934', '0199966b-7db8-7da1-a8ea-0b75bcb6ed6d', 0, 'vault', '00000000-0000-0000-0000-000000000000', '2025-09-29 17:00:51+00', '2025-11-02 23:00:00+00'),
('01985dc7-5000-7a49-83b2-909edfa64934', '0199a651-fc98-7ac6-8e58-4c14a36d8e2d', 0, 'vault', '00000000-0000-0000-0000-000000000000', '2025-10-02 19:06:55+00', '2025-11-02 23:00:00+00'),
('01983ee1-2800-7657-85ec-b975f32d636e', '019a5806-a1c8-711a-97ff-7818bcca3af5', 0, 'vault', '00000000-0000-0000-0000-000000000000', '2025-11-06 07:17:01+00', NULL),
('01984407-8400-7da5-a5f6-1f198e49bb16', '019a6437-19a0-7fd0-a00c-62820e2f5b58', 0, 'vault', '00000000-0000-0000-0000-000000000000', '2025-11-08 16:05:24+00', NULL),
('0198492d-e000-70c7-b155-287d642b5dbd', '0199b92c-d860-7d35-a1bc-0860dde6200f', 0, 'vault', '00000000-0000-0000-0000-000000000000', '2025-10-06 10:59:08+00', '2025-11-09 23:00:00+00'),
('019a454c-0000-7a22-a117-8d84f18633d9', '019a739f-1d98-7928-a8de-0e4821a1a59e', 0, 'vault', '00000000-0000-0000-0000-000000000000', '2025-11-11 15:53:19+00', NULL),
('01984407-8400-7da5-a5f6-1f198e49bb16', '019a87de-28f8-75f9-9427-4b5809c33011', 0, 'vault', '00000000-0000-0000-0000-000000000000', '2025-11-15 14:14:35+00', NULL),
('01982521-5c00-781c-850a-92db335ca808', '019a879a-8c60-7efb-8a42-0c4a601429c4', 0, 'vault', '00000000-0000-0000-0000-000000000000', '2025-11-15 13:00:44+00', NULL),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019928dc-dc38-7cca-a036-716567cf6de6', 0, 'vault', '00000000-0000-0000-0000-000000000000', '2025-09-08 10:26:27+00', '2025-11-16 23:00:00+00'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '01993dce-e7d0-7fa4-860d-509ee78555ca', 0, 'vault', '00000000-0000-0000-0000-000000000000', '2025-09-12 12:03:14+00', '2025-11-16 23:00:00+00'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '0199528b-c238-7d40-aad1-30c5e06da26d', 0, 'vault', '00000000-0000-0000-0000-000000000000', '2025-09-16 12:41:55+00', '2025-11-16 23:00:00+00'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '01997bfa-3820-721e-8715-a44452e377b6', 0, 'vault', '00000000-0000-0000-0000-000000000000', '2025-09-24 13:47:00+00', '2025-11-16 23:00:00+00'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019984a2-e4e0-7f5d-ba11-697bda1afb9c', 0, 'vault', '00000000-0000-0000-0000-000000000000', '2025-09-26 06:08:12+00', '2025-11-16 23:00:00+00'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '0199aaa0-8e68-798a-9e9e-ddb7037a0ad8', 0, 'vault', '00000000-0000-0000-0000-000000000000', '2025-10-03 15:11:13+00', '2025-11-16 23:00:00+00'),
('0198537a-9800-74ea-aa4b-e7674660a21e', '0199ade0-1968-77c7-8376-277d079e3d1b', 0, 'vault', '00000000-0000-0000-0000-000000000000', '2025-10-04 06:19:29+00', '2025-11-16 23:00:00+00'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '0199afc6-2ee8-7198-bda4-95ee1e5a7d32', 0, 'vault', '00000000-0000-0000-0000-000000000000', '2025-10-04 15:10:25+00', '2025-11-16 23:00:00+00'),
('0198492d-e000-70c7-b155-287d642b5dbd', '0199d777-fcc8-7bed-93f9-6ab6a340ad9f', 0, 'vault', '00000000-0000-0000-0000-000000000000', '2025-10-12 08:09:49+00', '2025-11-16 23:00:00+00'),
('01985dc7-5000-7a49-83b2-909edfa64934', '0199f142-ffe0-7485-9e6a-78c65f855949', 0, 'vault', '00000000-0000-0000-0000-000000000000', '2025-10-17 08:22:04+00', '2025-11-16 23:00:00+00'),
('01982a47-b800-7bf7-8ce8-179785cc2eeb', '0199f2c4-8b18-7b7f-a75f-5dfe2511d3de', 0, 'vault', '00000000-0000-0000-0000-000000000000', '2025-10-17 15:23:11+00', '2025-11-16 23:00:00+00'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '0199d774-4f60-72e9-9bca-057492e7c3c2', 0, 'vault', '00000000-0000-0000-0000-000000000000', '2025-10-12 08:05:48+00', '2025-11-23 23:00:00+00'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019a0777-dc18-7485-916b-273270d16bb8', 0, 'vault', '00000000-0000-0000-0000-000000000000', '2025-10-21 15:51:27+00', '2025-11-23 23:00:00+00'),
('0198537a-9800-74ea-aa4b-e7674660a21e', '019a0a9f-04e8-7e1f-bd29-599fc073db63', 0, 'vault', '00000000-0000-0000-0000-000000000000', '2025-10-22 06:33:05+00', '2025-11-23 23:00:00+00'),
('01983ee1-2800-7657-85ec-b975f32d636e', '01992947-bf80-711c-ad80-d539b9fa05a8', 0, 'vault', '00000000-0000-0000-0000-000000000000', '2025-09-08 12:23:12+00', '2025-11-30 23:00:00+00'),
('0198537a-9800-74ea-aa4b-e7674660a21e', '019a1c55-90a8-7314-8598-f21967176e1b', 0, 'vault', '00000000-0000-0000-0000-000000000000', '2025-10-25 17:06:01+00', '2025-11-30 23:00:00+00'),
('019a454c-0000-7a22-a117-8d84f18633d9', '019a5e26-1f20-7557-8776-5e42f01d9739', 0, 'vault', '00000000-0000-0000-0000-000000000000', '2025-11-07 11:49:08+00', '2025-12-07 23:00:00+00'),
('01982a47-b800-7bf7-8ce8-179785cc2eeb', '019aee5c-af78-7796-bdf3-275ec789b543', 0, 'release', '019b0068-6400-7dcf-a92d-34ecc4252a3f', '2025-12-09 00:00:00+00', NULL),
('01983ee1-2800-7657-85ec-b975f32d636e', '019914c8-1910-75f9-9a19-a774a0bc8045', 0, 'release', '019b0068-6400-7dcf-a92d-34ecc4252a3f', '2025-12-09 00:00:00+00', NULL),
('01983ee1-2800-7657-85ec-b975f32d636e', '019914c8-1910-75f9-9a19-a774a0bc8045', 1, 'release', '019b0068-6400-7dcf-a92d-34ecc4252a3f', '2025-12-09 00:00:00+00', NULL),
('01983ee1-2800-7657-85ec-b975f32d636e', '0199d3f0-ca08-78f4-82ed-52daa7aa3b53', 0, 'release', '019b0068-6400-7dcf-a92d-34ecc4252a3f', '2025-12-09 00:00:00+00', NULL),
('01983ee1-2800-7657-85ec-b975f32d636e', '019a5806-a1c8-711a-97ff-7818bcca3af5', 0, 'release', '019b0068-6400-7dcf-a92d-34ecc4252a3f', '2025-12-09 00:00:00+00', NULL),
('01983ee1-2800-7657-85ec-b975f32d636e', '019a9b19-4948-74e4-9894-a06c102575ab', 0, 'release', '019b0068-6400-7dcf-a92d-34ecc4252a3f', '2025-12-09 00:00:00+00', NULL),
('01983ee1-2800-7657-85ec-b975f32d636e', '019ae556-5a28-7487-a208-81625eb46d38', 0, 'release', '019b0068-6400-7dcf-a92d-34ecc4252a3f', '2025-12-09 00:00:00+00', NULL),
('01984407-8400-7da5-a5f6-1f198e49bb16', '01991aeb-b130-7c6c-b68f-b8397a9741ca', 0, 'release', '019b0068-6400-7dcf-a92d-34ecc4252a3f', '2025-12-09 00:00:00+00', NULL),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019a72d4-8e20-75bc-a5c1-926afee28897', 0, 'vault', '00000000-0000-0000-0000-000000000000', '2025-11-11 12:12:04+00', '2025-12-14 23:00:00+00'),
('0198537a-9800-74ea-aa4b-e7674660a21e', '019a9ceb-51f8-797f-a28c-656bffabae04', 0, 'vault', '00000000-0000-0000-0000-000000000000', '2025-11-19 16:20:59+00', NULL),
('01983ee1-2800-7657-85ec-b975f32d636e', '019a9b19-4948-74e4-9894-a06c102575ab', 0, 'vault', '00000000-0000-0000-0000-000000000000', '2025-11-19 07:51:57+00', NULL),
('01982521-5c00-781c-850a-92db335ca808', '019ac13f-4af0-70f6-a532-2fb0183e29c1', 0, 'vault', '00000000-0000-0000-0000-000000000000', '2025-11-26 17:39:02+00', NULL),
('01983ee1-2800-7657-85ec-b975f32d636e', '019ae556-5a28-7487-a208-81625eb46d38', 0, 'vault', '00000000-0000-0000-0000-000000000000', '2025-12-03 17:50:33+00', NULL),
('019a454c-0000-7a22-a117-8d84f18633d9', '019ae4e2-2810-7af5-aab4-a4c01b0a38fd', 0, 'vault', '00000000-0000-0000-0000-000000000000', '2025-12-03 15:43:38+00', NULL),
('01982a47-b800-7bf7-8ce8-179785cc2eeb', '019aee5c-af78-7796-bdf3-275ec789b543', 0, 'vault', '00000000-0000-0000-0000-000000000000', '2025-12-05 11:54:03+00', NULL),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019b0726-9258-7d4a-8ae1-84f08ee8da62', 0, 'vault', '00000000-0000-0000-0000-000000000000', '2025-12-10 07:25:27+00', NULL),
('019a454c-0000-7a22-a117-8d84f18633d9', '019b1784-6030-71bf-9f8c-f39b0946d90d', 0, 'vault', '00000000-0000-0000-0000-000000000000', '2025-12-13 11:41:50+00', NULL),
('01984407-8400-7da5-a5f6-1f198e49bb16', '01996bac-d568-7b8a-961a-5bc7bc555a1d', 0, 'release', '019b0068-6400-7dcf-a92d-34ecc4252a3f', '2025-12-09 00:00:00+00', NULL),
('01984407-8400-7da5-a5f6-1f198e49bb16', '019a6437-19a0-7fd0-a00c-62820e2f5b58', 0, 'release', '019b0068-6400-7dcf-a92d-34ecc4252a3f', '2025-12-09 00:00:00+00', NULL),
('01984407-8400-7da5-a5f6-1f198e49bb16', '019a87de-28f8-75f9-9427-4b5809c33011', 0, 'release', '019b0068-6400-7dcf-a92d-34ecc4252a3f', '2025-12-09 00:00:00+00', NULL),
('01982a47-b800-7bf7-8ce8-179785cc2eeb', '019aee5c-af78-7796-bdf3-275ec789b543', 0, 'release', '019b0068-6400-7884-9a08-0982583351b6', '2025-12-09 00:00:00+00', NULL),
('01983ee1-2800-7657-85ec-b975f32d636e', '019914c8-1910-75f9-9a19-a774a0bc8045', 0, 'release', '019b0068-6400-7884-9a08-0982583351b6', '2025-12-09 00:00:00+00', NULL),
('01983ee1-2800-7657-85ec-b975f32d636e', '019914c8-1910-75f9-9a19-a774a0bc8045', 1, 'release', '019b0068-6400-7884-9a08-0982583351b6', '2025-12-09 00:00:00+00', NULL),
('01983ee1-2800-7657-85ec-b975f32d636e', '0199d3f0-ca08-78f4-82ed-52daa7aa3b53', 0, 'release', '019b0068-6400-7884-9a08-0982583351b6', '2025-12-09 00:00:00+00', NULL),
('01983ee1-2800-7657-85ec-b975f32d636e', '019a5806-a1c8-711a-97ff-7818bcca3af5', 0, 'release', '019b0068-6400-7884-9a08-0982583351b6', '2025-12-09 00:00:00+00', NULL),
('01983ee1-2800-7657-85ec-b975f32d636e', '019a9b19-4948-74e4-9894-a06c102575ab', 0, 'release', '019b0068-6400-7884-9a08-0982583351b6', '2025-12-09 00:00:00+00', NULL),
('01983ee1-2800-7657-85ec-b975f32d636e', '019ae556-5a28-7487-a208-81625eb46d38', 0, 'release', '019b0068-6400-7884-9a08-0982583351b6', '2025-12-09 00:00:00+00', NULL),
('01984407-8400-7da5-a5f6-1f198e49bb16', '01991aeb-b130-7c6c-b68f-b8397a9741ca', 0, 'release', '019b0068-6400-7884-9a08-0982583351b6', '2025-12-09 00:00:00+00', NULL),
('01984407-8400-7da5-a5f6-1f198e49bb16', '01996bac-d568-7b8a-961a-5bc7bc555a1d', 0, 'release', '019b0068-6400-7884-9a08-0982583351b6', '2025-12-09 00:00:00+00', NULL),
('01984407-8400-7da5-a5f6-1f198e49bb16', '019a6437-19a0-7fd0-a00c-62820e2f5b58', 0, 'release', '019b0068-6400-7884-9a08-0982583351b6', '2025-12-09 00:00:00+00', NULL),
('01984407-8400-7da5-a5f6-1f198e49bb16', '019a87de-28f8-75f9-9427-4b5809c33011', 0, 'release', '019b0068-6400-7884-9a08-0982583351b6', '2025-12-09 00:00:00+00', NULL),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019a7db4-1fe0-7c3e-90b6-a407a05601c8', 0, 'vault', '00000000-0000-0000-0000-000000000000', '2025-11-13 14:52:28+00', '2025-12-14 23:00:00+00'),
('01985dc7-5000-7a49-83b2-909edfa64934', '019a73cf-6110-756f-bb48-313af08a093a', 0, 'vault', '00000000-0000-0000-0000-000000000000', '2025-11-11 16:46:02+00', '2025-12-14 23:00:00+00'),
('019a454c-0000-7a22-a117-8d84f18633d9', '019a62fa-a9d0-7ca4-8057-24bb68e6fb25', 0, 'vault', '00000000-0000-0000-0000-000000000000', '2025-11-08 10:19:46+00', '2025-12-14 23:00:00+00'),
('01982a47-b800-7bf7-8ce8-179785cc2eeb', '019aee5c-af78-7796-bdf3-275ec789b543', 0, 'safety', '00000000-0000-0000-0000-000000000000', '2025-12-15 00:00:00+00', NULL),
('01983ee1-2800-7657-85ec-b975f32d636e', '019ae556-5a28-7487-a208-81625eb46d38', 0, 'feedback', '019b1f4e-8c00-708e-90b0-60fa16774d46', '2025-12-15 00:00:00+00', NULL);
INSERT INTO feedback VALUES
('01983ee1-2800-7657-85ec-b975f32d636e', '019b1f4e-8c00-708e-90b0-60fa16774d46', '019ae556-5a28-7487-a208-81625eb46d38', NULL, 'up', 'conversation', 0, '2025-12-15 00:00:00+00', 0, false, 1, 0, '2030-12-15 00:00:00+00', DEFAULT, 13, NULL);
INSERT INTO feedback_bodies VALUES
('01983ee1-2800-7657-85ec-b975f32d636e', '019b1f4e-8c00-708e-90b0-60fa16774d46', 0, '\x1711ec8d3e0cb866a6908920aa210c2a544c217a58eb924222a2786f464ebf66b84c666294dfdcb3409eca8b9f05f26cd6b7c2269d65c87a375e7c8b'),
('01983ee1-2800-7657-85ec-b975f32d636e', '019b1f4e-8c00-708e-90b0-60fa16774d46', 1, '\x54ffc977f61c4ba5bc6039a05be9c40b65d82ed5000751fc652c46cfe034ab7718c75d36eca7c3a30aecfe8aea53ba66909a32efadd4a6edb494628fdd1e9eec07a8a96c101379c53bb3abc5f6a302961f7ae7eaf6ecd942507a043fb1344e98ef52493e4fd1940afbcfec9d467dc97748'),
('01983ee1-2800-7657-85ec-b975f32d636e', '019b1f4e-8c00-708e-90b0-60fa16774d46', 2, '\x00c5df4c3fed1148f005c9cc798344aab249ee1915beff77ae5b523f37c25f486c3e7083cf6a0220abea4eddee3ac1f58aab5b428300fb447b7fc1b59d0c3085a4132d135eca26b8c4e4b410fdaeb05bd985f6bfd43469921828f653e343653c5637c18f38f89ec9752dba12ca7ded35d587a88bcde3270e2279f060500ea0bec8b6662537faf5b671980eece9c16cfb2f43ace5e2c7d13ff25c8f146cf48cf963cab59a442f9000'),
('01983ee1-2800-7657-85ec-b975f32d636e', '019b1f4e-8c00-708e-90b0-60fa16774d46', 3, '\xaaeae4209b55c286cb9071c42099427f6d869cb00ba0a1d03f4e72f66d26ede23612e1fe238bd312c812a2f5f3fbb3995bcef134addbda401ace5b81d37615f91172eb4b'),
('01983ee1-2800-7657-85ec-b975f32d636e', '019b1f4e-8c00-708e-90b0-60fa16774d46', 4, '\x35c46760235af10a8f60edf1175983550266dc976b76aae9527fe0d0d5362adfe3922f504b2b31e1bf25dcaa13c840038fc0825e41ff1544477686954d4ea977dc26c48c9d99ecb167bf703a2d4dcb620eba196dc68004917b0ae06c748daa286b98a75361423bd0d5895ceaf5fbf92832f5798aa19675230522abf139355956e16e6615d03c70f05a2e70803027ac9f3011571cf46bdb59c2850cb043d220577f9d2110a035dcfbd5d100'),
('01983ee1-2800-7657-85ec-b975f32d636e', '019b1f4e-8c00-708e-90b0-60fa16774d46', 5, '\x7d2f5ad07f8bbbb724c80b670ac117bde337fa98bc7ee8597bb473a4826fccac29c7b93934b378937734c0787559098631ddfffd6370b208c905762cca11090a57473eabe0'),
('01983ee1-2800-7657-85ec-b975f32d636e', '019b1f4e-8c00-708e-90b0-60fa16774d46', 6, '\xcc2c73bb77af8a36bc39606889ed3842e36a07e5ec5e3c9829f59d298edccf1f77580a83d97f0abf4516db98ae156cdffedf1aa800cde4a50bb1385780eb4acdc132a02d38e600adb231a12021a0ad45c5ceaf5cb18b86c168a1e7ed7fb74c63d2ec72008cdedd4a7d0f31517cc2bff059e33f3f2434e75648714fdbf7a1f2080a57a6e6e2b07e642121b5f33b687a8783f52eeb514fad0ed53fad20ce5ab27cb35eec6f7a01c0c0715c5e');
INSERT INTO flags VALUES
('01982a47-b800-7bf7-8ce8-179785cc2eeb', '019aee5c-af78-7796-bdf3-275ec789b543', 29, '2025-12-15 00:00:00+00', 0.9, '2032-12-15 00:00:00+00', NULL);
INSERT INTO holds VALUES
('01982a47-b800-7bf7-8ce8-179785cc2eeb', '0199e1bd-e698-78e2-86cc-28ea26577937', '\xbe1ef36d5d10ebafe09981570b7e727e', '\x48c2bf2e8ddb1c85f43c0c2128eb6515766fa941ca13ab98eec03e38cb1f8f2b244a', '2025-11-10 14:38:19+00');
INSERT INTO journal VALUES
('01985dc7-5000-7a49-83b2-909edfa64934', 1, 1, '2025-07-31 00:00:00+00', 'account_opened', NULL, false),
('019858a0-f400-7d05-8ad5-93a3487e2360', 1, 2, '2025-07-30 00:00:00+00', 'account_opened', NULL, false),
('0198537a-9800-74ea-aa4b-e7674660a21e', 1, 3, '2025-07-29 00:00:00+00', 'account_opened', NULL, false),
('01984e54-3c00-7c29-ba54-e7fbf6c7472a', 1, 4, '2025-07-28 00:00:00+00', 'account_opened', NULL, false),
('0198492d-e000-70c7-b155-287d642b5dbd', 1, 5, '2025-07-27 00:00:00+00', 'account_opened', NULL, false),
('01984407-8400-7da5-a5f6-1f198e49bb16', 1, 6, '2025-07-26 00:00:00+00', 'account_opened', NULL, false),
('01983ee1-2800-7657-85ec-b975f32d636e', 1, 7, '2025-07-25 00:00:00+00', 'account_opened', NULL, false),
('019839ba-cc00-79cc-9585-d880fd54cc21', 1, 8, '2025-07-24 00:00:00+00', 'account_opened', NULL, false),
('01983494-7000-730e-8ee7-bda5d195c439', 1, 9, '2025-07-23 00:00:00+00', 'account_opened', NULL, false),
('01982a47-b800-7bf7-8ce8-179785cc2eeb', 1, 10, '2025-07-21 00:00:00+00', 'account_opened', NULL, false),
('01982521-5c00-781c-850a-92db335ca808', 1, 11, '2025-07-20 00:00:00+00', 'account_opened', NULL, false),
('01983ee1-2800-7657-85ec-b975f32d636e', 16, 12, '2025-08-23 20:54:21+00', 'deleted', '0198bd1b-ee08-76f9-bce7-c3fffc73f57c', true),
('01983494-7000-730e-8ee7-bda5d195c439', 34, 13, '2025-08-26 18:21:58+00', 'closed', NULL, true),
('01983494-7000-730e-8ee7-bda5d195c439', 35, 14, '2025-08-26 18:21:58+00', 'ended_closed', NULL, true),
('0198492d-e000-70c7-b155-287d642b5dbd', 6, 15, '2025-08-30 18:58:42+00', 'choice', NULL, true),
('01982521-5c00-781c-850a-92db335ca808', 2, 16, '2025-08-30 14:23:44+00', 'choice', NULL, true),
('0198492d-e000-70c7-b155-287d642b5dbd', 7, 17, '2025-08-31 23:00:00+00', 'erased', '0198645b-8440-7f29-86d6-aba8a80d1c99', true),
('0198537a-9800-74ea-aa4b-e7674660a21e', 4, 18, '2025-08-31 23:00:00+00', 'erased', '019866d8-0590-7079-b570-b3a87cc5ecdd', true),
('019839ba-cc00-79cc-9585-d880fd54cc21', 38, 19, '2025-09-01 06:01:24+00', 'choice', NULL, false),
('0198537a-9800-74ea-aa4b-e7674660a21e', 5, 20, '2025-09-02 17:05:08+00', 'choice', NULL, true),
('01984407-8400-7da5-a5f6-1f198e49bb16', 6, 21, '2025-09-04 17:34:25+00', 'choice', NULL, false),
('01983ee1-2800-7657-85ec-b975f32d636e', 29, 22, '2025-09-05 07:42:26+00', 'choice', NULL, false),
('01982a47-b800-7bf7-8ce8-179785cc2eeb', 8, 23, '2025-09-07 18:22:19+00', 'choice', NULL, true),
('01983ee1-2800-7657-85ec-b975f32d636e', 30, 24, '2025-09-07 23:00:00+00', 'erased', '01987020-3a28-70a2-8ab0-6ce20948892e', true),
('01983ee1-2800-7657-85ec-b975f32d636e', 31, 25, '2025-09-07 23:00:00+00', 'erased', '01987b63-2d50-72de-8c50-028ea639e341', true),
('01985dc7-5000-7a49-83b2-909edfa64934', 8, 26, '2025-09-12 17:01:36+00', 'choice', NULL, false),
('0198537a-9800-74ea-aa4b-e7674660a21e', 6, 27, '2025-09-14 17:14:36+00', 'deleted', '019866d8-0590-7079-b570-b3a87cc5ecdd', true),
('01983494-7000-730e-8ee7-bda5d195c439', 36, 28, '2025-09-14 23:00:00+00', 'erased', '01987157-8978-73c6-9a9d-7dce3ae08956', true),
('01983494-7000-730e-8ee7-bda5d195c439', 37, 29, '2025-09-14 23:00:00+00', 'erased', '0198981e-d430-7b38-be7e-64dd8d3ef25a', true),
('01983ee1-2800-7657-85ec-b975f32d636e', 42, 30, '2025-09-14 23:00:00+00', 'erased', '0198a4d4-a8a8-7926-83ce-f12da38d843b', true),
('01984407-8400-7da5-a5f6-1f198e49bb16', 11, 31, '2025-09-14 23:00:00+00', 'erased', '0198a265-ac48-7b53-bf36-feb27d5a435c', true),
('019858a0-f400-7d05-8ad5-93a3487e2360', 2, 32, '2025-09-16 17:08:17+00', 'choice', NULL, true),
('01983494-7000-730e-8ee7-bda5d195c439', 38, 33, '2025-09-21 23:00:00+00', 'erased', '0198b2eb-7480-76e6-ade0-714246215f87', true),
('01983494-7000-730e-8ee7-bda5d195c439', 39, 34, '2025-09-21 23:00:00+00', 'erased', '0198bc64-fe00-7ce3-a0d9-70c10648a48f', true),
('01983ee1-2800-7657-85ec-b975f32d636e', 43, 35, '2025-09-21 23:00:00+00', 'erased', '0198bd1b-ee08-76f9-bce7-c3fffc73f57c', true),
('01985dc7-5000-7a49-83b2-909edfa64934', 9, 36, '2025-09-21 23:00:00+00', 'erased', '0198b3ef-e078-77a5-8469-081ad63e9d96', true),
('01982a47-b800-7bf7-8ce8-179785cc2eeb', 9, 37, '2025-09-28 23:00:00+00', 'erased', '0198f18d-3908-7431-b02b-6154c1895b99', true),
('01983494-7000-730e-8ee7-bda5d195c439', 40, 38, '2025-09-28 23:00:00+00', 'erased', '0198e29d-4b40-75ff-ba4a-bedf2d5e7251', true),
('019839ba-cc00-79cc-9585-d880fd54cc21', 77, 39, '2025-09-28 23:00:00+00', 'erased', '019869f4-ba98-7e87-a29a-8601939cf158', true),
('019858a0-f400-7d05-8ad5-93a3487e2360', 9, 40, '2025-10-03 20:53:23+00', 'deleted', '019968b1-0640-7567-a772-cfe9d0ce6fcd', true),
('01983ee1-2800-7657-85ec-b975f32d636e', 44, 41, '2025-10-05 23:00:00+00', 'erased', '0198fc31-c950-7630-963f-6e93ecb9997d', true),
('01983ee1-2800-7657-85ec-b975f32d636e', 45, 42, '2025-10-05 23:00:00+00', 'erased', '0199100c-2740-7b1f-a596-bb0c0aa95e01', true),
('0198492d-e000-70c7-b155-287d642b5dbd', 24, 43, '2025-10-12 23:00:00+00', 'erased', '01991a5a-f280-7539-afa6-97efcf9c22fe', true),
('01984e54-3c00-7c29-ba54-e7fbf6c7472a', 8, 44, '2025-10-12 23:00:00+00', 'erased', '0198eb38-4fe8-7691-8990-f04605d1b901', true),
('019839ba-cc00-79cc-9585-d880fd54cc21', 94, 45, '2025-10-15 00:00:00+00', 'choice', NULL, true),
('019839ba-cc00-79cc-9585-d880fd54cc21', 95, 46, '2025-10-15 00:00:00+00', 'ended_refused', NULL, true),
('0198492d-e000-70c7-b155-287d642b5dbd', 25, 47, '2025-10-19 23:00:00+00', 'erased', '019943ed-76e0-7721-a601-3d91e4805b5b', true),
('019839ba-cc00-79cc-9585-d880fd54cc21', 132, 48, '2025-10-26 23:00:00+00', 'erased', '0199716b-6640-7bd6-930c-9112393e5308', true),
('019858a0-f400-7d05-8ad5-93a3487e2360', 10, 49, '2025-10-26 23:00:00+00', 'erased', '019968b1-0640-7567-a772-cfe9d0ce6fcd', true),
('019a454c-0000-7a22-a117-8d84f18633d9', 1, 50, '2025-11-02 16:00:00+00', 'account_opened', NULL, false),
('0198492d-e000-70c7-b155-287d642b5dbd', 26, 51, '2025-11-02 23:00:00+00', 'erased', '019994de-a3f8-724c-8936-e6770170601b', true),
('01985dc7-5000-7a49-83b2-909edfa64934', 26, 52, '2025-11-02 23:00:00+00', 'erased', '0199966b-7db8-7da1-a8ea-0b75bcb6ed6d', true),
('01985dc7-5000-7a49-83b2-909edfa64934', 27, 53, '2025-11-02 23:00:00+00', 'erased', '0199a651-fc98-7ac6-8e58-4c14a36d8e2d', true),
('01982a47-b800-7bf7-8ce8-179785cc2eeb', 20, 54, '2025-11-07 19:59:36+00', 'choice', NULL, false),
('0198492d-e000-70c7-b155-287d642b5dbd', 27, 55, '2025-11-09 23:00:00+00', 'erased', '0199b92c-d860-7d35-a1bc-0860dde6200f', true),
('01982a47-b800-7bf7-8ce8-179785cc2eeb', 21, 56, '2025-11-10 14:38:19+00', 'held', '0199e1bd-e698-78e2-86cc-28ea26577937', false),
('01982a47-b800-7bf7-8ce8-179785cc2eeb', 22, 57, '2025-11-16 23:00:00+00', 'erased', '0199f2c4-8b18-7b7f-a75f-5dfe2511d3de', true),
('019839ba-cc00-79cc-9585-d880fd54cc21', 157, 58, '2025-11-16 23:00:00+00', 'erased', '019928dc-dc38-7cca-a036-716567cf6de6', true),
('019839ba-cc00-79cc-9585-d880fd54cc21', 158, 59, '2025-11-16 23:00:00+00', 'erased', '01993dce-e7d0-7fa4-860d-509ee78555ca', true),
('019839ba-cc00-79cc-9585-d880fd54cc21', 159, 60, '2025-11-16 23:00:00+00', 'erased', '0199528b-c238-7d40-aad1-30c5e06da26d', true),
('019839ba-cc00-79cc-9585-d880fd54cc21', 160, 61, '2025-11-16 23:00:00+00', 'erased', '01997bfa-3820-721e-8715-a44452e377b6', true),
('019839ba-cc00-79cc-9585-d880fd54cc21', 161, 62, '2025-11-16 23:00:00+00', 'erased', '019984a2-e4e0-7f5d-ba11-697bda1afb9c', true),
('019839ba-cc00-79cc-9585-d880fd54cc21', 162, 63, '2025-11-16 23:00:00+00', 'erased', '0199aaa0-8e68-798a-9e9e-ddb7037a0ad8', true),
('019839ba-cc00-79cc-9585-d880fd54cc21', 163, 64, '2025-11-16 23:00:00+00', 'erased', '0199afc6-2ee8-7198-bda4-95ee1e5a7d32', true),
('0198492d-e000-70c7-b155-287d642b5dbd', 28, 65, '2025-11-16 23:00:00+00', 'erased', '0199d777-fcc8-7bed-93f9-6ab6a340ad9f', true),
('0198537a-9800-74ea-aa4b-e7674660a21e', 27, 66, '2025-11-16 23:00:00+00', 'erased', '0199ade0-1968-77c7-8376-277d079e3d1b', true),
('01985dc7-5000-7a49-83b2-909edfa64934', 34, 67, '2025-11-16 23:00:00+00', 'erased', '0199f142-ffe0-7485-9e6a-78c65f855949', true),
('019839ba-cc00-79cc-9585-d880fd54cc21', 164, 68, '2025-11-23 23:00:00+00', 'erased', '0199d774-4f60-72e9-9bca-057492e7c3c2', true),
('019839ba-cc00-79cc-9585-d880fd54cc21', 165, 69, '2025-11-23 23:00:00+00', 'erased', '019a0777-dc18-7485-916b-273270d16bb8', true),
('0198537a-9800-74ea-aa4b-e7674660a21e', 30, 70, '2025-11-23 23:00:00+00', 'erased', '019a0a9f-04e8-7e1f-bd29-599fc073db63', true),
('01983ee1-2800-7657-85ec-b975f32d636e', 76, 71, '2025-11-30 23:00:00+00', 'erased', '01992947-bf80-711c-ad80-d539b9fa05a8', true),
('0198537a-9800-74ea-aa4b-e7674660a21e', 31, 72, '2025-11-30 23:00:00+00', 'erased', '019a1c55-90a8-7314-8598-f21967176e1b', true),
('0198537a-9800-74ea-aa4b-e7674660a21e', 32, 73, '2025-12-04 17:07:40+00', 'narrowed', '019a9ceb-51f8-797f-a28c-656bffabae04', true),
('019a454c-0000-7a22-a117-8d84f18633d9', 14, 74, '2025-12-07 23:00:00+00', 'erased', '019a5e26-1f20-7557-8776-5e42f01d9739', true),
('019839ba-cc00-79cc-9585-d880fd54cc21', 170, 75, '2025-12-14 23:00:00+00', 'erased', '019a72d4-8e20-75bc-a5c1-926afee28897', true),
('019839ba-cc00-79cc-9585-d880fd54cc21', 171, 76, '2025-12-14 23:00:00+00', 'erased', '019a7db4-1fe0-7c3e-90b6-a407a05601c8', true),
('01985dc7-5000-7a49-83b2-909edfa64934', 35, 77, '2025-12-14 23:00:00+00', 'erased', '019a73cf-6110-756f-bb48-313af08a093a', true),
('019a454c-0000-7a22-a117-8d84f18633d9', 16, 78, '2025-12-14 23:00:00+00', 'erased', '019a62fa-a9d0-7ca4-8057-24bb68e6fb25', true),
('01982a47-b800-7bf7-8ce8-179785cc2eeb', 29, 79, '2025-12-15 00:00:00+00', 'flagged', '019aee5c-af78-7796-bdf3-275ec789b543', false),
('01983ee1-2800-7657-85ec-b975f32d636e', 83, 80, '2025-12-15 00:00:00+00', 'feedback', '019ae556-5a28-7487-a208-81625eb46d38', false);
INSERT INTO key_pages VALUES
('01983494-7000-730e-8ee7-bda5d195c439', 0, '\x000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000'),
('0198492d-e000-70c7-b155-287d642b5dbd', 0, '\x000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000'),
('019839ba-cc00-79cc-9585-d880fd54cc21', 0, '\x0000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000001f07dfcf22b48ee3f4718cd3ea225a91a5723327a1cf4ac38ca097e829279492ad8143cb9f580240e9d71864336fa6b166e46d886e785f160c86b01b000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000'),
('01985dc7-5000-7a49-83b2-909edfa64934', 0, '\x000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000'),
('01982a47-b800-7bf7-8ce8-179785cc2eeb', 0, '\x00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000019d5032f61fcd0c5a279ced610fac03fb7bed0a2f364ba0e26a2cc4deadba725269716ccfbf277ef0762e785131b2d45e2fe7077c1e8d5b754ad3e45000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000a26b2df945f889aecc76f41560d94209fc98d3717a752c7372dcd19c2161ea13caec35bd6311220ce7f5a4006853e7384912f9f3a179d51fa8b6da169979079e0d8564750aaa3a5c98c8984e8fb75a911507e37b28ad4940bd214e3c112b77b2a782d005dcbd595bbca29dbfa3f7c592bf43f543be1216c9000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000'),
('01984e54-3c00-7c29-ba54-e7fbf6c7472a', 0, '\x000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000'),
('01983ee1-2800-7657-85ec-b975f32d636e', 0, '\x0000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000002daa054b229b7633cdaa843dad84a245f198e33b2b85cdf62ff46c823d4b39681bced83221df7c052732664d7ca87dc92943f72310985c68e364a74d000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000608afe9bb5b2d2a4273ac35c190a7b3ff5996ffdae1f0ef744278144329f517e95490b2b5730ac916355c02bc1703a7800e39824d78620cbd13db9cd4045b1aa447007e61eb18f21a3c90dfe21a3b11efb64ba3a7e3627644e9bcf559e1e5a54afdb6975f7137ea5d2ade21549c1d2c025269e88f59c03750de1166953621ac6971db31d6353bb00ae32b91d1e798ec20a3cd88e069e013d2f678abe4417c1ab8fa08f643dfe3f07802b06d718cef9a76d54e69b0b9b048070d3ef868b9c4f4d0cea109623509e20902c24d1a0e95bf85793d200587ef6edf6c9eaab4db282a84bc6d6eb9877057f1db0762b8fc5e5f49f8241f3720c536632bc9dabe4d2fcf309a176031d15b2f270c9751d9c8446be0a323065f1a394b0426bb953587cf9616c058cf491c69358c01f9bb58468f2377f2c87bbdc33c2644d2f9b476af4524c6c8fa5f696a24de3bff7320f05becb84df05f71dd0c83c86733919c4b8f211829f4e92d319dddf56000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000'),
('019858a0-f400-7d05-8ad5-93a3487e2360', 0, '\x000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000'),
('0198537a-9800-74ea-aa4b-e7674660a21e', 0, '\x00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000072acd077b32699bc1b5e772eb5a9bcac61910bdfd0ed1ad3148051296b1e7fded5f26118efa5158dd810ac58a914572934a0bc18196ba4f187a03c38000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000'),
('019a454c-0000-7a22-a117-8d84f18633d9', 0, '\x00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000087553cc0845557547fa41383c15b895a8eca8fac4261e344371cb061202c6f34d3e5a92b0ed57db17ab97572bad5e181a2bbf04a48fb1c8e8769671a7e88ee8b16d2fa7ff4c5b7f62f457e9b2607c7b6079c82a8ddf825622184b7f0b940c9f8cbd3943b6bed881f85acb00bb6a0985fc09cc59da104e3ca53470ac15fc70c6e8070dcdd266ec6c52570c8c3b9f3f4a34c080d82dab6ecf8bb8116c1e36890574e4a02ddbfedb7512137850c2eecfa2f9af3654c000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000'),
('01984407-8400-7da5-a5f6-1f198e49bb16', 0, '\x0000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000007b5c8e62d24c5ccd939b078453f680d5de730ba3c6c0b53ab4a626b891d8e903a31856e4187f1223e1b49494a8fd593f3f5861c4dc3e09ca14f2e197137d073dce3b6aa0f1074ba18d49a88f9d020621d913c160041bd42dd1a6b8de40815a2bd1f8e55e0a21ffc09df698048db00bf796aa665210ea2e45089cef4b3ebe4fa49bba30f9c8653d0913224dd07f2c43b8511507f2ff8ffb1f28e1522f9834f96b14a43b443c707c0e4f7dc6f252d548e680d4020f2918e65d8de5fdb70be5ac5edeb2d1b528fb8650cd69b803a02268449c169d2dde96e5f1c9b799c500e06a17ed1d8b090b36b801c715f5c29082dffc000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000'),
('01982521-5c00-781c-850a-92db335ca808', 0, '\x125d2f80e816338acd590106ac06b7227ad98311e82bb090b336ec05c5639dc23b174426537ace4f960a1b073c23d3a113f71418c5d47d489ac16228eabbde0795dc6b1e16b34f12db3addbd871a6058034031458ff409e874e574beca64cbc79c0b62383585ebe27cc24c065dc5a3dba102151a385426a3000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000');
INSERT INTO migrations VALUES
(1, 'foundation', '\x3be3c24dcccb1842d7dccdfb70eb5f330e3ba896e96dc20efdaaa6d15358e876', '2026-11-25 03:59:22.720944+00'),
(2, 'web', '\xe9dfafa9a16f125598b0a54bf613b686119cdf40a3c60b95d40dcd8a3b44a647', '2026-11-25 03:59:22.747874+00'),
(3, 'consent', '\x70c5d648450ec8a4fbf8c638f1524b80e48cfd112ebbf4d3a2fdddd97a1d5e36', '2026-11-25 03:59:22.757753+00'),
(4, 'ledger', '\x78845a5c4145bac86a4e7702a9aa4ad12b2a4d70a55c476f970667106ec18e06', '2026-11-25 03:59:22.764969+00'),
(5, 'sweep', '\x4a593ff362e0a98c419feeb251384080802963db7590c6aea3aaf763b13afcab', '2026-11-25 03:59:22.77037+00');
INSERT INTO notices OVERRIDING SYSTEM VALUE VALUES
('019862ed-ac00-79bd-b9ef-dcfa4bf7abf4', 1, 0, 'en', 'existing', '---
policy: article-2025
version: "2025-08-28"
language: en
variant: existing
title: New terms, and a choice that is yours
terms: I accept the new terms.
question: May we use your chats and coding sessions to improve our models?
yes: Use my chats
no: Don’t use my chats
later: Decide later
---

We are changing our consumer terms from 28 August 2025. Beside that we ask one question of its own. Either answer gives you the full service, with the same features and the same limits.

## What we would use your chats for

- **Safety**: models that recognise scams, abuse and other misuse better.
- **Skills**: models that are better at coding, analysis and reasoning.

## What each answer means

- **Use my chats**: your new chats and coding sessions, and old ones that you take up again, may be used. We keep them for 5 years.
- **Don’t use my chats**: nothing is used to improve models. We keep your chats for 30 days, as before.

The same goes for feedback you give us. We keep longer what may be used because building a model takes years.

## What is never used

- Chats that you delete or keep out, and incognito chats.
- Raw output of tools and connectors, unless you paste it yourself.
- Anything from work, government or education plans, or through the API.

We remove personal details such as addresses and numbers before anything is used. We do not sell your data.

If our safety team flags a chat as misuse, we keep a copy of what was flagged for 2 years, to recognise misuse, whatever you answer here.

## Until when

You can put this off until the end of 28 September 2025 (UTC). After that day, writing waits for your answer. Reading, deleting, taking out and choosing stay open. Saying nothing never counts as yes.

## How to change your mind

Go to your [privacy settings](/settings) at any time: one step, either way. After a change to no, your chats are no longer used from that moment, stored ones too, and we keep them for at most 30 days more. A model that has already learnt from them cannot unlearn them.
', '\x0a675900a57f579c05835d39aee189988f33b915eb532b9a8fac1dde67ac4cda', '2025-08-01 00:00:00+00', 'demo'),
('019862ed-ac00-7ba2-a122-c1c97cda2ac4', 2, 0, 'en', 'signup', '---
policy: article-2025
version: "2025-08-28"
language: en
variant: signup
title: Our terms, and a choice that is yours
terms: I accept the terms.
question: May we use your chats and coding sessions to improve our models?
yes: Use my chats
no: Don’t use my chats
---

These are the terms for a new account. Beside them we ask one question of its own. Either answer gives you the full service, with the same features and the same limits.

## What we would use your chats for

- **Safety**: models that recognise scams, abuse and other misuse better.
- **Skills**: models that are better at coding, analysis and reasoning.

## What each answer means

- **Use my chats**: your new chats and coding sessions, and those that you take up again, may be used. We keep them for 5 years.
- **Don’t use my chats**: nothing is used to improve models. We keep your chats for 30 days.

The same goes for feedback you give us. We keep longer what may be used because building a model takes years.

## What is never used

- Chats that you delete or keep out, and incognito chats.
- Raw output of tools and connectors, unless you paste it yourself.
- Anything from work, government or education plans, or through the API.

We remove personal details such as addresses and numbers before anything is used. We do not sell your data.

If our safety team flags a chat as misuse, we keep a copy of what was flagged for 2 years, to recognise misuse, whatever you answer here.

## How to change your mind

Go to your [privacy settings](/settings) at any time: one step, either way. After a change to no, your chats are no longer used from that moment, stored ones too, and we keep them for at most 30 days more. A model that has already learnt from them cannot unlearn them.
', '\xef699a38ca831489f051bbaecb687468f3e42ebeab1747aa5a54a341f8a61040', '2025-08-01 00:00:00+00', 'demo');
INSERT INTO outbox OVERRIDING SYSTEM VALUE VALUES
(1, NULL, 'policy_applied', '2025-08-01 00:00:00+00', '{"number":0,"sha256":"42a37da79868db52b368d2158d3af6411bf005265927769799677b65e0df9426"}', NULL, NULL),
(2, NULL, 'notice_published', '2025-08-01 00:00:00+00', '{"language":"en","number":0,"sha256":"0a675900a57f579c05835d39aee189988f33b915eb532b9a8fac1dde67ac4cda","variant":"existing"}', NULL, NULL),
(3, NULL, 'notice_published', '2025-08-01 00:00:00+00', '{"language":"en","number":0,"sha256":"ef699a38ca831489f051bbaecb687468f3e42ebeab1747aa5a54a341f8a61040","variant":"signup"}', NULL, NULL),
(4, '01985dc7-5000-7a49-83b2-909edfa64934', 'account_opened', '2025-07-31 00:00:00+00', '{"seq":1}', NULL, NULL),
(5, '019858a0-f400-7d05-8ad5-93a3487e2360', 'account_opened', '2025-07-30 00:00:00+00', '{"seq":1}', NULL, NULL),
(6, '0198537a-9800-74ea-aa4b-e7674660a21e', 'account_opened', '2025-07-29 00:00:00+00', '{"seq":1}', NULL, NULL),
(7, '01984e54-3c00-7c29-ba54-e7fbf6c7472a', 'account_opened', '2025-07-28 00:00:00+00', '{"seq":1}', NULL, NULL),
(8, '0198492d-e000-70c7-b155-287d642b5dbd', 'account_opened', '2025-07-27 00:00:00+00', '{"seq":1}', NULL, NULL),
(9, '01984407-8400-7da5-a5f6-1f198e49bb16', 'account_opened', '2025-07-26 00:00:00+00', '{"seq":1}', NULL, NULL),
(10, '01983ee1-2800-7657-85ec-b975f32d636e', 'account_opened', '2025-07-25 00:00:00+00', '{"seq":1}', NULL, NULL),
(11, '019839ba-cc00-79cc-9585-d880fd54cc21', 'account_opened', '2025-07-24 00:00:00+00', '{"seq":1}', NULL, NULL),
(12, '01983494-7000-730e-8ee7-bda5d195c439', 'account_opened', '2025-07-23 00:00:00+00', '{"seq":1}', NULL, NULL),
(13, '01982a47-b800-7bf7-8ce8-179785cc2eeb', 'account_opened', '2025-07-21 00:00:00+00', '{"seq":1}', NULL, NULL),
(14, '01982521-5c00-781c-850a-92db335ca808', 'account_opened', '2025-07-20 00:00:00+00', '{"seq":1}', NULL, NULL),
(15, '01983ee1-2800-7657-85ec-b975f32d636e', 'deleted', '2025-08-23 20:54:21+00', '{"conversation":"0198bd1bee0876f9bce7c3fffc73f57c","seq":16}', NULL, NULL),
(16, '01983494-7000-730e-8ee7-bda5d195c439', 'closed', '2025-08-26 18:21:58+00', '{"seq":34}', NULL, NULL),
(17, '01983494-7000-730e-8ee7-bda5d195c439', 'grant_ended', '2025-08-26 18:21:58+00', '{"cause":"closed","grant":null,"seq":35}', NULL, NULL),
(18, '0198492d-e000-70c7-b155-287d642b5dbd', 'choice', '2025-08-30 18:58:42+00', '{"allow":false,"effect":"declined","seq":6,"version":0}', NULL, NULL),
(19, '01982521-5c00-781c-850a-92db335ca808', 'choice', '2025-08-30 14:23:44+00', '{"allow":false,"effect":"declined","seq":2,"version":0}', NULL, NULL),
(20, '0198492d-e000-70c7-b155-287d642b5dbd', 'key_destroyed', '2025-08-31 23:00:00+00', '{"because":"expired","conversation":"0198645b84407f2986d6aba8a80d1c99","segment":0}', NULL, NULL),
(21, '0198537a-9800-74ea-aa4b-e7674660a21e', 'key_destroyed', '2025-08-31 23:00:00+00', '{"because":"expired","conversation":"019866d805907079b570b3a87cc5ecdd","segment":0}', NULL, NULL),
(22, '019839ba-cc00-79cc-9585-d880fd54cc21', 'choice', '2025-09-01 06:01:24+00', '{"allow":true,"effect":"began","seq":38,"version":0}', NULL, NULL),
(23, '019839ba-cc00-79cc-9585-d880fd54cc21', 'grant_begun', '2025-09-01 06:01:24+00', '{"grant":1,"seq":38,"version":0}', NULL, NULL),
(24, '0198537a-9800-74ea-aa4b-e7674660a21e', 'choice', '2025-09-02 17:05:08+00', '{"allow":false,"effect":"declined","seq":5,"version":0}', NULL, NULL),
(25, '01984407-8400-7da5-a5f6-1f198e49bb16', 'choice', '2025-09-04 17:34:25+00', '{"allow":true,"effect":"began","seq":6,"version":0}', NULL, NULL),
(26, '01984407-8400-7da5-a5f6-1f198e49bb16', 'grant_begun', '2025-09-04 17:34:25+00', '{"grant":1,"seq":6,"version":0}', NULL, NULL),
(27, '01983ee1-2800-7657-85ec-b975f32d636e', 'choice', '2025-09-05 07:42:26+00', '{"allow":true,"effect":"began","seq":29,"version":0}', NULL, NULL),
(28, '01983ee1-2800-7657-85ec-b975f32d636e', 'grant_begun', '2025-09-05 07:42:26+00', '{"grant":1,"seq":29,"version":0}', NULL, NULL),
(29, '01982a47-b800-7bf7-8ce8-179785cc2eeb', 'choice', '2025-09-07 18:22:19+00', '{"allow":false,"effect":"declined","seq":8,"version":0}', NULL, NULL),
(30, '01983ee1-2800-7657-85ec-b975f32d636e', 'key_destroyed', '2025-09-07 23:00:00+00', '{"because":"expired","conversation":"019870203a2870a28ab06ce20948892e","segment":0}', NULL, NULL),
(31, '01983ee1-2800-7657-85ec-b975f32d636e', 'key_destroyed', '2025-09-07 23:00:00+00', '{"because":"expired","conversation":"01987b632d5072de8c50028ea639e341","segment":0}', NULL, NULL),
(32, '01985dc7-5000-7a49-83b2-909edfa64934', 'choice', '2025-09-12 17:01:36+00', '{"allow":true,"effect":"none","seq":8,"version":0}', NULL, NULL),
(33, '0198537a-9800-74ea-aa4b-e7674660a21e', 'deleted', '2025-09-14 17:14:36+00', '{"conversation":"019866d805907079b570b3a87cc5ecdd","seq":6}', NULL, NULL),
(34, '01983494-7000-730e-8ee7-bda5d195c439', 'key_destroyed', '2025-09-14 23:00:00+00', '{"because":"closed","conversation":"01987157897873c69a9d7dce3ae08956","segment":0}', NULL, NULL),
(35, '01983494-7000-730e-8ee7-bda5d195c439', 'key_destroyed', '2025-09-14 23:00:00+00', '{"because":"closed","conversation":"0198981ed4307b38be7e64dd8d3ef25a","segment":0}', NULL, NULL),
(36, '01983ee1-2800-7657-85ec-b975f32d636e', 'key_destroyed', '2025-09-14 23:00:00+00', '{"because":"expired","conversation":"0198a4d4a8a8792683cef12da38d843b","segment":0}', NULL, NULL),
(37, '01984407-8400-7da5-a5f6-1f198e49bb16', 'key_destroyed', '2025-09-14 23:00:00+00', '{"because":"expired","conversation":"0198a265ac487b53bf36feb27d5a435c","segment":0}', NULL, NULL),
(38, '019858a0-f400-7d05-8ad5-93a3487e2360', 'choice', '2025-09-16 17:08:17+00', '{"allow":false,"effect":"declined","seq":2,"version":0}', NULL, NULL),
(39, '01983494-7000-730e-8ee7-bda5d195c439', 'key_destroyed', '2025-09-21 23:00:00+00', '{"because":"closed","conversation":"0198b2eb748076e6ade0714246215f87","segment":0}', NULL, NULL),
(40, '01983494-7000-730e-8ee7-bda5d195c439', 'key_destroyed', '2025-09-21 23:00:00+00', '{"because":"closed","conversation":"0198bc64fe007ce3a0d970c10648a48f","segment":0}', NULL, NULL),
(41, '01983ee1-2800-7657-85ec-b975f32d636e', 'key_destroyed', '2025-09-21 23:00:00+00', '{"because":"deleted","conversation":"0198bd1bee0876f9bce7c3fffc73f57c","segment":0}', NULL, NULL),
(42, '01985dc7-5000-7a49-83b2-909edfa64934', 'key_destroyed', '2025-09-21 23:00:00+00', '{"because":"expired","conversation":"0198b3efe07877a58469081ad63e9d96","segment":0}', NULL, NULL),
(43, '01982a47-b800-7bf7-8ce8-179785cc2eeb', 'key_destroyed', '2025-09-28 23:00:00+00', '{"because":"expired","conversation":"0198f18d39087431b02b6154c1895b99","segment":0}', NULL, NULL),
(44, '01983494-7000-730e-8ee7-bda5d195c439', 'key_destroyed', '2025-09-28 23:00:00+00', '{"because":"closed","conversation":"0198e29d4b4075ffba4abedf2d5e7251","segment":0}', NULL, NULL),
(45, '019839ba-cc00-79cc-9585-d880fd54cc21', 'key_destroyed', '2025-09-28 23:00:00+00', '{"because":"expired","conversation":"019869f4ba987e87a29a8601939cf158","segment":0}', NULL, NULL),
(46, '019839ba-cc00-79cc-9585-d880fd54cc21', 'key_destroyed', '2025-09-28 23:00:00+00', '{"because":"expired","conversation":"019869f4ba987e87a29a8601939cf158","segment":1}', NULL, NULL),
(47, '019839ba-cc00-79cc-9585-d880fd54cc21', 'key_destroyed', '2025-09-28 23:00:00+00', '{"because":"expired","conversation":"019869f4ba987e87a29a8601939cf158","segment":2}', NULL, NULL),
(48, '019858a0-f400-7d05-8ad5-93a3487e2360', 'deleted', '2025-10-03 20:53:23+00', '{"conversation":"019968b106407567a772cfe9d0ce6fcd","seq":9}', NULL, NULL),
(49, '01983ee1-2800-7657-85ec-b975f32d636e', 'key_destroyed', '2025-10-05 23:00:00+00', '{"because":"expired","conversation":"0198fc31c9507630963f6e93ecb9997d","segment":0}', NULL, NULL),
(50, '01983ee1-2800-7657-85ec-b975f32d636e', 'key_destroyed', '2025-10-05 23:00:00+00', '{"because":"expired","conversation":"0199100c27407b1fa596bb0c0aa95e01","segment":0}', NULL, NULL),
(51, '0198492d-e000-70c7-b155-287d642b5dbd', 'key_destroyed', '2025-10-12 23:00:00+00', '{"because":"expired","conversation":"01991a5af2807539afa697efcf9c22fe","segment":0}', NULL, NULL),
(52, '01984e54-3c00-7c29-ba54-e7fbf6c7472a', 'key_destroyed', '2025-10-12 23:00:00+00', '{"because":"expired","conversation":"0198eb384fe876918990f04605d1b901","segment":0}', NULL, NULL),
(53, NULL, 'release_sealed', '2025-10-14 00:00:00+00', '{"manifest_sha256":"ef3a0dac21eedcc49e49a1d31165384178be979cb5704f142b618b97aabfb10e","position":44,"purpose":"improve_models","release":"0199e00444007207a0c0662ea34c853d","root":"adb830206eb11dbe1068f27a5052df0c9af7edbf8c99428f443926a180f90320","rows":11,"version":0}', NULL, NULL),
(54, '019839ba-cc00-79cc-9585-d880fd54cc21', 'choice', '2025-10-15 00:00:00+00', '{"allow":false,"effect":"withdrew","seq":94,"version":0}', NULL, NULL),
(55, '019839ba-cc00-79cc-9585-d880fd54cc21', 'grant_ended', '2025-10-15 00:00:00+00', '{"cause":"refused","grant":1,"seq":95}', NULL, NULL),
(56, '0198492d-e000-70c7-b155-287d642b5dbd', 'key_destroyed', '2025-10-19 23:00:00+00', '{"because":"expired","conversation":"019943ed76e07721a6013d91e4805b5b","segment":0}', NULL, NULL),
(57, '019839ba-cc00-79cc-9585-d880fd54cc21', 'key_destroyed', '2025-10-26 23:00:00+00', '{"because":"incognito","conversation":"0199716b66407bd6930c9112393e5308","segment":0}', NULL, NULL),
(58, '019858a0-f400-7d05-8ad5-93a3487e2360', 'key_destroyed', '2025-10-26 23:00:00+00', '{"because":"deleted","conversation":"019968b106407567a772cfe9d0ce6fcd","segment":0}', NULL, NULL),
(59, '019a454c-0000-7a22-a117-8d84f18633d9', 'account_opened', '2025-11-02 16:00:00+00', '{"seq":1}', NULL, NULL),
(63, '01982a47-b800-7bf7-8ce8-179785cc2eeb', 'choice', '2025-11-07 19:59:36+00', '{"allow":true,"effect":"began","seq":20,"version":0}', NULL, NULL),
(64, '01982a47-b800-7bf7-8ce8-179785cc2eeb', 'grant_begun', '2025-11-07 19:59:36+00', '{"grant":1,"seq":20,"version":0}', NULL, NULL),
(66, '01982a47-b800-7bf7-8ce8-179785cc2eeb', 'held', '2025-11-10 14:38:19+00', '{"conversation":"0199e1bde69878e286cc28ea26577937","seq":21}', NULL, NULL),
(83, '0198537a-9800-74ea-aa4b-e7674660a21e', 'narrowed', '2025-12-04 17:07:40+00', '{"conversation":"019a9ceb51f8797fa28c656bffabae04","seq":32}', NULL, NULL),
(60, '0198492d-e000-70c7-b155-287d642b5dbd', 'key_destroyed', '2025-11-02 23:00:00+00', '{"because":"expired","conversation":"019994dea3f8724c8936e6770170601b","segment":0}', NULL, NULL),
(61, '01985dc7-5000-7a49-83b2-909edfa64934', 'key_destroyed', '2025-11-02 23:00:00+00', '{"because":"expired","conversation":"0199966b7db87da1a8ea0b75bcb6ed6d","segment":0}', NULL, NULL),
(62, '01985dc7-5000-7a49-83b2-909edfa64934', 'key_destroyed', '2025-11-02 23:00:00+00', '{"because":"expired","conversation":"0199a651fc987ac68e584c14a36d8e2d","segment":0}', NULL, NULL),
(65, '0198492d-e000-70c7-b155-287d642b5dbd', 'key_destroyed', '2025-11-09 23:00:00+00', '{"because":"expired","conversation":"0199b92cd8607d35a1bc0860dde6200f","segment":0}', NULL, NULL),
(67, '01982a47-b800-7bf7-8ce8-179785cc2eeb', 'key_destroyed', '2025-11-16 23:00:00+00', '{"because":"expired","conversation":"0199f2c48b187b7fa75f5dfe2511d3de","segment":0}', NULL, NULL),
(68, '019839ba-cc00-79cc-9585-d880fd54cc21', 'key_destroyed', '2025-11-16 23:00:00+00', '{"because":"expired","conversation":"019928dcdc387ccaa036716567cf6de6","segment":0}', NULL, NULL),
(69, '019839ba-cc00-79cc-9585-d880fd54cc21', 'key_destroyed', '2025-11-16 23:00:00+00', '{"because":"expired","conversation":"01993dcee7d07fa4860d509ee78555ca","segment":0}', NULL, NULL),
(70, '019839ba-cc00-79cc-9585-d880fd54cc21', 'key_destroyed', '2025-11-16 23:00:00+00', '{"because":"expired","conversation":"0199528bc2387d40aad130c5e06da26d","segment":0}', NULL, NULL),
(71, '019839ba-cc00-79cc-9585-d880fd54cc21', 'key_destroyed', '2025-11-16 23:00:00+00', '{"because":"expired","conversation":"01997bfa3820721e8715a44452e377b6","segment":0}', NULL, NULL),
(72, '019839ba-cc00-79cc-9585-d880fd54cc21', 'key_destroyed', '2025-11-16 23:00:00+00', '{"because":"expired","conversation":"019984a2e4e07f5dba11697bda1afb9c","segment":0}', NULL, NULL),
(73, '019839ba-cc00-79cc-9585-d880fd54cc21', 'key_destroyed', '2025-11-16 23:00:00+00', '{"because":"expired","conversation":"0199aaa08e68798a9e9eddb7037a0ad8","segment":0}', NULL, NULL),
(74, '019839ba-cc00-79cc-9585-d880fd54cc21', 'key_destroyed', '2025-11-16 23:00:00+00', '{"because":"expired","conversation":"0199afc62ee87198bda495ee1e5a7d32","segment":0}', NULL, NULL),
(75, '0198492d-e000-70c7-b155-287d642b5dbd', 'key_destroyed', '2025-11-16 23:00:00+00', '{"because":"expired","conversation":"0199d777fcc87bed93f96ab6a340ad9f","segment":0}', NULL, NULL),
(76, '0198537a-9800-74ea-aa4b-e7674660a21e', 'key_destroyed', '2025-11-16 23:00:00+00', '{"because":"expired","conversation":"0199ade0196877c78376277d079e3d1b","segment":0}', NULL, NULL),
(77, '01985dc7-5000-7a49-83b2-909edfa64934', 'key_destroyed', '2025-11-16 23:00:00+00', '{"because":"expired","conversation":"0199f142ffe074859e6a78c65f855949","segment":0}', NULL, NULL),
(78, '019839ba-cc00-79cc-9585-d880fd54cc21', 'key_destroyed', '2025-11-23 23:00:00+00', '{"because":"expired","conversation":"0199d7744f6072e99bca057492e7c3c2","segment":0}', NULL, NULL),
(79, '019839ba-cc00-79cc-9585-d880fd54cc21', 'key_destroyed', '2025-11-23 23:00:00+00', '{"because":"expired","conversation":"019a0777dc187485916b273270d16bb8","segment":0}', NULL, NULL),
(80, '0198537a-9800-74ea-aa4b-e7674660a21e', 'key_destroyed', '2025-11-23 23:00:00+00', '{"because":"expired","conversation":"019a0a9f04e87e1fbd29599fc073db63","segment":0}', NULL, NULL),
(81, '01983ee1-2800-7657-85ec-b975f32d636e', 'key_destroyed', '2025-11-30 23:00:00+00', '{"because":"expired","conversation":"01992947bf80711cad80d539b9fa05a8","segment":0}', NULL, NULL),
(82, '0198537a-9800-74ea-aa4b-e7674660a21e', 'key_destroyed', '2025-11-30 23:00:00+00', '{"because":"expired","conversation":"019a1c5590a873148598f21967176e1b","segment":0}', NULL, NULL),
(84, '019a454c-0000-7a22-a117-8d84f18633d9', 'key_destroyed', '2025-12-07 23:00:00+00', '{"because":"expired","conversation":"019a5e261f20755787765e42f01d9739","segment":0}', NULL, NULL),
(85, NULL, 'release_sealed', '2025-12-09 00:00:00+00', '{"manifest_sha256":"dd0c4cb68d982bb3f8303fde4a10000c6bb9d7550d6f3f1bacdeb450d5c5f776","position":74,"purpose":"improve_models","release":"019b006864007dcfa92d34ecc4252a3f","root":"a0fb362370505b31e15c87ac84a755742eb5873a3d5e02869fe0400cf9bda292","rows":10,"version":0}', NULL, NULL),
(86, NULL, 'release_sealed', '2025-12-09 00:00:00+00', '{"manifest_sha256":"1aa3cc4dd6c90d75a325c562f0166a849058b519b4c683cd0f6bb333a46e4ab2","position":74,"purpose":"safety_classifiers","release":"019b0068640078849a080982583351b6","root":"65b84d3e74374bf03dbda070acd5d62ea82fb5ce17dace9bd7ba679cee63a0e0","rows":10,"version":0}', NULL, NULL),
(87, '019839ba-cc00-79cc-9585-d880fd54cc21', 'key_destroyed', '2025-12-14 23:00:00+00', '{"because":"expired","conversation":"019a72d48e2075bca5c1926afee28897","segment":0}', NULL, NULL),
(88, '019839ba-cc00-79cc-9585-d880fd54cc21', 'key_destroyed', '2025-12-14 23:00:00+00', '{"because":"expired","conversation":"019a7db41fe07c3e90b6a407a05601c8","segment":0}', NULL, NULL),
(89, '01985dc7-5000-7a49-83b2-909edfa64934', 'key_destroyed', '2025-12-14 23:00:00+00', '{"because":"expired","conversation":"019a73cf6110756fbb48313af08a093a","segment":0}', NULL, NULL),
(90, '019a454c-0000-7a22-a117-8d84f18633d9', 'key_destroyed', '2025-12-14 23:00:00+00', '{"because":"expired","conversation":"019a62faa9d07ca4805724bb68e6fb25","segment":0}', NULL, NULL),
(91, '01982a47-b800-7bf7-8ce8-179785cc2eeb', 'flagged', '2025-12-15 00:00:00+00', '{"conversation":"019aee5caf787796bdf3275ec789b543","seq":29}', NULL, NULL),
(92, '01983ee1-2800-7657-85ec-b975f32d636e', 'feedback', '2025-12-15 00:00:00+00', '{"conversation":"019ae5565a287487a20881625eb46d38","seq":83}', NULL, NULL);
INSERT INTO policies VALUES
(0, 'article-2025', '2025-08-28', '2025-08-28 00:00:00+00', '{"choice":{"covers":["improve_models","safety_classifiers"]},"decide_by":"2025-09-28","effective":"2025-08-28T00:00:00Z","keep":{"deleted":"P30D","feedback":{"opted_in":"P5Y","opted_out":"P30D"},"flag_score":"P7Y","flagged":"P2Y","incognito":"P30D","opted_in":"P5Y","opted_out":"P30D"},"material":true,"min_age":null,"origins":["assistant","typed","upload"],"policy":"article-2025","reach":"conversation","recipients":[],"scope":{"plans":["free","max","pro"],"surfaces":["app","cli"]},"version":"2025-08-28"}', '\x42a37da79868db52b368d2158d3af6411bf005265927769799677b65e0df9426', '2025-08-01 00:00:00+00', 'demo');
INSERT INTO release_rows VALUES
('019839ba-cc00-79cc-9585-d880fd54cc21', '0199e004-4400-7207-a0c0-662ea34c853d', '\x5855fbb10317cf561f4975adfa9333d2', 0, '019928dc-dc38-7cca-a036-716567cf6de6', '{0}', '{vault}', '{0,0}', '{typed,assistant}', '{1,4}', '{1,2}'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '0199e004-4400-7207-a0c0-662ea34c853d', '\x61a3c9a47ed2764c7ac19a35354967f7', 1, '01993dce-e7d0-7fa4-860d-509ee78555ca', '{0}', '{vault}', '{0,0}', '{typed,assistant}', '{5,6}', '{3,3}'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '0199e004-4400-7207-a0c0-662ea34c853d', '\x45a12532dcc794e5f910d542d9c7ff2a', 2, '0199528b-c238-7d40-aad1-30c5e06da26d', '{0}', '{vault}', '{0,0}', '{typed,assistant}', '{5,8}', '{2,4}'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '0199e004-4400-7207-a0c0-662ea34c853d', '\xaca4207dae7f09ccaf53b74804c9f369', 3, '01997bfa-3820-721e-8715-a44452e377b6', '{0}', '{vault}', '{0,0}', '{typed,assistant}', '{1,4}', '{1,2}'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '0199e004-4400-7207-a0c0-662ea34c853d', '\xf537bedb8ee3f7eddef98cd39f04cd8f', 4, '019984a2-e4e0-7f5d-ba11-697bda1afb9c', '{0}', '{vault}', '{0,0}', '{typed,assistant}', '{5,8}', '{2,4}'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '0199e004-4400-7207-a0c0-662ea34c853d', '\x3e24ba91698c9314823dfa742837c13f', 5, '0199aaa0-8e68-798a-9e9e-ddb7037a0ad8', '{0}', '{vault}', '{0,0}', '{typed,assistant}', '{1,2}', '{1,1}'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '0199e004-4400-7207-a0c0-662ea34c853d', '\x4256b8a31ab51dd787c16181d246387c', 6, '0199afc6-2ee8-7198-bda4-95ee1e5a7d32', '{0}', '{vault}', '{0,0}', '{typed,assistant}', '{1,2}', '{1,1}'),
('01983ee1-2800-7657-85ec-b975f32d636e', '0199e004-4400-7207-a0c0-662ea34c853d', '\x058b6bfed370a91c69ba4abb42f90040', 7, '019914c8-1910-75f9-9a19-a774a0bc8045', '{0,1}', '{vault,vault}', '{0,0,1,1}', '{typed,assistant,typed,assistant}', '{5,6,11,12}', '{3,3,3,3}'),
('01983ee1-2800-7657-85ec-b975f32d636e', '0199e004-4400-7207-a0c0-662ea34c853d', '\x6a2a7391db60d9535a6bd852bd1cab6b', 8, '0199d3f0-ca08-78f4-82ed-52daa7aa3b53', '{0}', '{vault}', '{0,0}', '{typed,assistant}', '{5,6}', '{3,3}'),
('01984407-8400-7da5-a5f6-1f198e49bb16', '0199e004-4400-7207-a0c0-662ea34c853d', '\xc9b30d0b2b63499aa71817069a664c13', 9, '01991aeb-b130-7c6c-b68f-b8397a9741ca', '{0}', '{vault}', '{0,0}', '{typed,assistant}', '{3,4}', '{2,2}'),
('01984407-8400-7da5-a5f6-1f198e49bb16', '0199e004-4400-7207-a0c0-662ea34c853d', '\x587ff086b843af9dfa46bc9ddccf50b4', 10, '01996bac-d568-7b8a-961a-5bc7bc555a1d', '{0}', '{vault}', '{0,0}', '{typed,assistant}', '{3,4}', '{2,2}'),
('01982a47-b800-7bf7-8ce8-179785cc2eeb', '019b0068-6400-7dcf-a92d-34ecc4252a3f', '\xd748882f4cd35de9ab7b770616bf0026', 0, '019aee5c-af78-7796-bdf3-275ec789b543', '{0}', '{vault}', '{0,0}', '{typed,assistant}', '{5,6}', '{3,3}'),
('01983ee1-2800-7657-85ec-b975f32d636e', '019b0068-6400-7dcf-a92d-34ecc4252a3f', '\x5c02a6f4af20469f3e3a889a4568cf80', 1, '019914c8-1910-75f9-9a19-a774a0bc8045', '{0,1}', '{vault,vault}', '{0,0,1,1}', '{typed,assistant,typed,assistant}', '{5,6,11,12}', '{3,3,3,3}'),
('01983ee1-2800-7657-85ec-b975f32d636e', '019b0068-6400-7dcf-a92d-34ecc4252a3f', '\x1d0c1bf38c40eaa609bbb90f06dec80e', 2, '0199d3f0-ca08-78f4-82ed-52daa7aa3b53', '{0}', '{vault}', '{0,0}', '{typed,assistant}', '{11,12}', '{6,6}'),
('01983ee1-2800-7657-85ec-b975f32d636e', '019b0068-6400-7dcf-a92d-34ecc4252a3f', '\xd209c9d536d82b839569363aad16bdd2', 3, '019a5806-a1c8-711a-97ff-7818bcca3af5', '{0}', '{vault}', '{0,0}', '{typed,assistant}', '{3,4}', '{2,2}'),
('01983ee1-2800-7657-85ec-b975f32d636e', '019b0068-6400-7dcf-a92d-34ecc4252a3f', '\xf71a9f27c40f808c94e0e7fd140f8d45', 4, '019a9b19-4948-74e4-9894-a06c102575ab', '{0}', '{vault}', '{0,0}', '{typed,assistant}', '{1,2}', '{1,1}'),
('01983ee1-2800-7657-85ec-b975f32d636e', '019b0068-6400-7dcf-a92d-34ecc4252a3f', '\x0c287e80213f328b5601893b91dc6851', 5, '019ae556-5a28-7487-a208-81625eb46d38', '{0}', '{vault}', '{0,0}', '{typed,assistant}', '{5,6}', '{3,3}'),
('01984407-8400-7da5-a5f6-1f198e49bb16', '019b0068-6400-7dcf-a92d-34ecc4252a3f', '\x67c30d3d59303947557f5c270e98bcd2', 6, '01991aeb-b130-7c6c-b68f-b8397a9741ca', '{0}', '{vault}', '{0,0}', '{typed,assistant}', '{3,4}', '{2,2}'),
('01984407-8400-7da5-a5f6-1f198e49bb16', '019b0068-6400-7dcf-a92d-34ecc4252a3f', '\xf43a336b2a61f2c68d260ec29fc1e237', 7, '01996bac-d568-7b8a-961a-5bc7bc555a1d', '{0}', '{vault}', '{0,0}', '{typed,assistant}', '{3,4}', '{2,2}'),
('01984407-8400-7da5-a5f6-1f198e49bb16', '019b0068-6400-7dcf-a92d-34ecc4252a3f', '\x8cd209ad67bdca11312b0ca5b89382b7', 8, '019a6437-19a0-7fd0-a00c-62820e2f5b58', '{0}', '{vault}', '{0,0}', '{typed,assistant}', '{1,2}', '{1,1}'),
('01984407-8400-7da5-a5f6-1f198e49bb16', '019b0068-6400-7dcf-a92d-34ecc4252a3f', '\xde90e95b283ecf5f02d207783c7591d2', 9, '019a87de-28f8-75f9-9427-4b5809c33011', '{0}', '{vault}', '{0,0}', '{typed,assistant}', '{5,6}', '{3,3}'),
('01982a47-b800-7bf7-8ce8-179785cc2eeb', '019b0068-6400-7884-9a08-0982583351b6', '\xa7d39663597e189a12a37a190eade8a6', 0, '019aee5c-af78-7796-bdf3-275ec789b543', '{0}', '{vault}', '{0,0}', '{typed,assistant}', '{5,6}', '{3,3}'),
('01983ee1-2800-7657-85ec-b975f32d636e', '019b0068-6400-7884-9a08-0982583351b6', '\x0d056c195f0945f3367bedba61c5bbb2', 1, '019914c8-1910-75f9-9a19-a774a0bc8045', '{0,1}', '{vault,vault}', '{0,0,1,1}', '{typed,assistant,typed,assistant}', '{5,6,11,12}', '{3,3,3,3}'),
('01983ee1-2800-7657-85ec-b975f32d636e', '019b0068-6400-7884-9a08-0982583351b6', '\xa5e55f5b14fb19215b101947c4ffe928', 2, '0199d3f0-ca08-78f4-82ed-52daa7aa3b53', '{0}', '{vault}', '{0,0}', '{typed,assistant}', '{11,12}', '{6,6}'),
('01983ee1-2800-7657-85ec-b975f32d636e', '019b0068-6400-7884-9a08-0982583351b6', '\xb72451358bda0b92abce26f5da8477b2', 3, '019a5806-a1c8-711a-97ff-7818bcca3af5', '{0}', '{vault}', '{0,0}', '{typed,assistant}', '{3,4}', '{2,2}'),
('01983ee1-2800-7657-85ec-b975f32d636e', '019b0068-6400-7884-9a08-0982583351b6', '\xfd0f08ea853bc6fd1cc3316cf2dbbb3b', 4, '019a9b19-4948-74e4-9894-a06c102575ab', '{0}', '{vault}', '{0,0}', '{typed,assistant}', '{1,2}', '{1,1}'),
('01983ee1-2800-7657-85ec-b975f32d636e', '019b0068-6400-7884-9a08-0982583351b6', '\xd01c4096595598a106f8e77ccbccda4f', 5, '019ae556-5a28-7487-a208-81625eb46d38', '{0}', '{vault}', '{0,0}', '{typed,assistant}', '{5,6}', '{3,3}'),
('01984407-8400-7da5-a5f6-1f198e49bb16', '019b0068-6400-7884-9a08-0982583351b6', '\xf3d00dfe8cb5d5d1fd342148e7c6b96e', 6, '01991aeb-b130-7c6c-b68f-b8397a9741ca', '{0}', '{vault}', '{0,0}', '{typed,assistant}', '{3,4}', '{2,2}'),
('01984407-8400-7da5-a5f6-1f198e49bb16', '019b0068-6400-7884-9a08-0982583351b6', '\xa6aaae4091dd57f644f94a13c5969d88', 7, '01996bac-d568-7b8a-961a-5bc7bc555a1d', '{0}', '{vault}', '{0,0}', '{typed,assistant}', '{3,4}', '{2,2}'),
('01984407-8400-7da5-a5f6-1f198e49bb16', '019b0068-6400-7884-9a08-0982583351b6', '\xf92d03e84e8dbb017f913bf55b014eff', 8, '019a6437-19a0-7fd0-a00c-62820e2f5b58', '{0}', '{vault}', '{0,0}', '{typed,assistant}', '{1,2}', '{1,1}'),
('01984407-8400-7da5-a5f6-1f198e49bb16', '019b0068-6400-7884-9a08-0982583351b6', '\xa756b509ab7a87e5c4e0b494d1d2a464', 9, '019a87de-28f8-75f9-9427-4b5809c33011', '{0}', '{vault}', '{0,0}', '{typed,assistant}', '{5,6}', '{3,3}');
INSERT INTO releases VALUES
('0199e004-4400-7207-a0c0-662ea34c853d', 'october', 'improve_models', 'sealed', 0, 44, '2025-10-14 00:00:00+00', '2025-10-14 00:00:00+00', 44, 11, 54, '\xadb830206eb11dbe1068f27a5052df0c9af7edbf8c99428f443926a180f90320', '\xef3a0dac21eedcc49e49a1d31165384178be979cb5704f142b618b97aabfb10e'),
('019b0068-6400-7dcf-a92d-34ecc4252a3f', 'december', 'improve_models', 'sealed', 0, 74, '2025-12-09 00:00:00+00', '2025-12-09 00:00:00+00', 74, 10, 58, '\xa0fb362370505b31e15c87ac84a755742eb5873a3d5e02869fe0400cf9bda292', '\xdd0c4cb68d982bb3f8303fde4a10000c6bb9d7550d6f3f1bacdeb450d5c5f776'),
('019b0068-6400-7884-9a08-0982583351b6', 'december-safety', 'safety_classifiers', 'sealed', 0, 74, '2025-12-09 00:00:00+00', '2025-12-09 00:00:00+00', 74, 10, 58, '\x65b84d3e74374bf03dbda070acd5d62ea82fb5ce17dace9bd7ba679cee63a0e0', '\x1aa3cc4dd6c90d75a325c562f0166a849058b519b4c683cd0f6bb333a46e4ab2');
INSERT INTO safety_bodies VALUES
('01982a47-b800-7bf7-8ce8-179785cc2eeb', '019aee5c-af78-7796-bdf3-275ec789b543', 1, 0, '\xd796c1039313475d95d098c525c0b791d97b21e5fa195917f99a4b88359aa100de03ff30a3f30c00de838d236e3e49f99b0ceba85c201800d306ce62a5e8df4d3b0136e56da8e4d053fb9fdec1c3da6c09f5a775250e8294121b08c912e2a60d5f89013344eaec3e8ad8cd409cb86d0d761c193e3a3df438c8d1565482b845'),
('01982a47-b800-7bf7-8ce8-179785cc2eeb', '019aee5c-af78-7796-bdf3-275ec789b543', 2, 0, '\x8cce121dce3e0979259de072f4b94b6abbc232267c5277ef33572e828d6c7ecc2313fadf177cbe8e92814cf616c6b9d4e663777fe1a65661a3b124a0696ed5d033f19bf77da8a9cd4e78154fb857a30cfb1d714b9242dcb555b75019658160532a4c90c272a1ebedaabee1b6bca826b2b85a2e44a5331678ec8ab1eecc884538efafdcd384271d39cc8327af01ff699c0da2eee4bd4f4f14f0506132483b296b4a2a2a31ab2e7ddcfd873f08f7342761765f5cd18c75'),
('01982a47-b800-7bf7-8ce8-179785cc2eeb', '019aee5c-af78-7796-bdf3-275ec789b543', 3, 0, '\x83a49f81e3aa60014d135db591addb868e8da9a4e0d471cad25025c9c721e18d9c8c1cf435d16d896a04b0ccecd4db3d57a12285fc6540eb395a2086f229741fb50ea701'),
('01982a47-b800-7bf7-8ce8-179785cc2eeb', '019aee5c-af78-7796-bdf3-275ec789b543', 4, 0, '\x0195e5bb41db5842753f18c9aaacd44310b29c0589a5438569819a832aafd371e84eb6d7ddb4f4e21f228accb69687da240ac4182186c1b8ba96efdf7174b3021463c5d9b8b6bd007942283059f2c30e95bf8a729cf101ee86efeeeaafd6f161eabfc5c99fbdd7dbf8d1052ed9454672478093d342e85054c029f2783c3f002bff8f60f2c1b12040a5056f19c1e2cfbecaff01ef69ae46517206aa29d5a5f840518b8a936eab203bb2ea7d'),
('01982a47-b800-7bf7-8ce8-179785cc2eeb', '019aee5c-af78-7796-bdf3-275ec789b543', 5, 0, '\x2b3a2a34c12c9613744dbbe3628cc35fc3966bcbd0b9c39c9cdaa26e39c3ced90b685937b46004f527a2995eef3ee46e10410515fd570a9d4d9a2e6b573785211ba4fcffa94dad2243a890cedd9f837af20058c24922d194dc5ed1c77ee11411a21c2fca46352a4dd2578d3a21f655297a8fd1e473'),
('01982a47-b800-7bf7-8ce8-179785cc2eeb', '019aee5c-af78-7796-bdf3-275ec789b543', 6, 0, '\x0abe0b50cf0533425628a5ab373ccadc61f0ec39d9311ccd7d83d439284fc1be936ed4db525746e1e90465a04db99e5f816ba0af9b35a02da537c9d603d88ba442e3bf6a6134c5e827a7bce5880d98249ef8abbf4cf1832cca636e9a7c9821795a31003b4364db80fa569a841ef6da906c3a4e5f3340dc9475241c175d8dd9dae7a4f826ff14cad292deca72917b9395b23e4dead1e1a44363733a520a7128cb03bd352edde09150baa319');
INSERT INTO secrets VALUES
('host_ids', '\x000000015093adb80b76558c7a727d9236dd31d22e0fba5413a4149e48894b30144624b5505d9d5341c9dd85e8325a8b3c6e985ba02e36534b7c3a7951c6494d');
INSERT INTO segments VALUES
('0198492d-e000-70c7-b155-287d642b5dbd', '0198645b-8440-7f29-86d6-aba8a80d1c99', 0, 'free', 'app', true, 0, false, false, NULL, NULL, 1, 4, '2025-08-01 06:41:51+00', true, '2025-08-31 06:41:51+00', DEFAULT, 0, NULL, NULL, NULL, '2025-08-31 23:00:00+00'),
('0198537a-9800-74ea-aa4b-e7674660a21e', '019866d8-0590-7079-b570-b3a87cc5ecdd', 0, 'free', 'app', true, 0, false, false, NULL, NULL, 1, 2, '2025-08-01 18:16:00+00', true, '2025-08-31 18:16:00+00', DEFAULT, 0, NULL, NULL, NULL, '2025-08-31 23:00:00+00'),
('01984407-8400-7da5-a5f6-1f198e49bb16', '01991aeb-b130-7c6c-b68f-b8397a9741ca', 0, 'pro', 'app', true, 0, false, false, 1, 0, 1, 4, '2025-09-05 17:29:51+00', true, '2030-09-05 17:29:51+00', DEFAULT, 0, NULL, 1, NULL, NULL),
('01983ee1-2800-7657-85ec-b975f32d636e', '01987020-3a28-70a2-8ab0-6ce20948892e', 0, 'free', 'app', true, 0, false, false, NULL, NULL, 1, 2, '2025-08-03 13:30:47+00', true, '2025-09-02 13:30:47+00', DEFAULT, 0, NULL, NULL, NULL, '2025-09-07 23:00:00+00'),
('01983ee1-2800-7657-85ec-b975f32d636e', '01987b63-2d50-72de-8c50-028ea639e341', 0, 'free', 'app', true, 0, false, false, NULL, NULL, 1, 6, '2025-08-05 18:02:23+00', true, '2025-09-04 18:02:23+00', DEFAULT, 0, NULL, NULL, NULL, '2025-09-07 23:00:00+00'),
('01983ee1-2800-7657-85ec-b975f32d636e', '019914c8-1910-75f9-9a19-a774a0bc8045', 0, 'free', 'app', true, 0, false, false, NULL, NULL, 1, 6, '2025-09-04 12:55:46+00', true, '2030-09-11 16:55:15+00', DEFAULT, 0, NULL, 6, NULL, NULL),
('01983ee1-2800-7657-85ec-b975f32d636e', '019914c8-1910-75f9-9a19-a774a0bc8045', 1, 'free', 'app', true, 0, false, false, 1, 0, 7, 12, '2025-09-11 16:55:15+00', true, '2030-09-11 16:55:15+00', DEFAULT, 0, NULL, 8, NULL, NULL),
('01983494-7000-730e-8ee7-bda5d195c439', '01987157-8978-73c6-9a9d-7dce3ae08956', 0, 'free', 'app', true, 0, false, false, NULL, NULL, 1, 8, '2025-08-09 14:14:41+00', true, '2025-09-08 14:14:41+00', DEFAULT, 0, NULL, NULL, NULL, '2025-09-14 23:00:00+00'),
('01983494-7000-730e-8ee7-bda5d195c439', '0198981e-d430-7b38-be7e-64dd8d3ef25a', 0, 'free', 'app', true, 0, false, false, NULL, NULL, 1, 6, '2025-08-11 07:57:27+00', true, '2025-09-10 07:57:27+00', DEFAULT, 0, NULL, NULL, NULL, '2025-09-14 23:00:00+00'),
('01984407-8400-7da5-a5f6-1f198e49bb16', '0198a265-ac48-7b53-bf36-feb27d5a435c', 0, 'pro', 'app', true, 0, false, false, NULL, NULL, 1, 4, '2025-08-13 07:48:27+00', true, '2025-09-12 07:48:27+00', DEFAULT, 0, NULL, NULL, NULL, '2025-09-14 23:00:00+00'),
('01983ee1-2800-7657-85ec-b975f32d636e', '0198a4d4-a8a8-7926-83ce-f12da38d843b', 0, 'free', 'app', true, 0, false, false, NULL, NULL, 1, 2, '2025-08-13 19:09:00+00', true, '2025-09-12 19:09:00+00', DEFAULT, 0, NULL, NULL, NULL, '2025-09-14 23:00:00+00'),
('01985dc7-5000-7a49-83b2-909edfa64934', '0198b3ef-e078-77a5-8469-081ad63e9d96', 0, 'education', 'app', false, 0, false, false, NULL, NULL, 1, 6, '2025-08-16 17:35:06+00', true, '2025-09-15 17:35:06+00', DEFAULT, 0, NULL, NULL, NULL, '2025-09-21 23:00:00+00'),
('01983494-7000-730e-8ee7-bda5d195c439', '0198b2eb-7480-76e6-ade0-714246215f87', 0, 'free', 'app', true, 0, false, false, NULL, NULL, 1, 6, '2025-08-16 12:50:59+00', true, '2025-09-15 12:50:59+00', DEFAULT, 0, NULL, NULL, NULL, '2025-09-21 23:00:00+00'),
('01983ee1-2800-7657-85ec-b975f32d636e', '0198bd1b-ee08-76f9-bce7-c3fffc73f57c', 0, 'free', 'app', true, 0, false, false, NULL, NULL, 1, 4, '2025-08-18 12:19:51+00', true, '2025-09-17 12:19:51+00', DEFAULT, 0, NULL, NULL, NULL, '2025-09-21 23:00:00+00'),
('01983494-7000-730e-8ee7-bda5d195c439', '0198bc64-fe00-7ce3-a0d9-70c10648a48f', 0, 'free', 'app', true, 0, false, false, NULL, NULL, 1, 6, '2025-08-18 08:59:37+00', true, '2025-09-17 08:59:37+00', DEFAULT, 0, NULL, NULL, NULL, '2025-09-21 23:00:00+00'),
('01983494-7000-730e-8ee7-bda5d195c439', '0198e29d-4b40-75ff-ba4a-bedf2d5e7251', 0, 'free', 'app', true, 0, false, false, NULL, NULL, 1, 6, '2025-08-25 19:04:46+00', true, '2025-09-24 19:04:46+00', DEFAULT, 0, NULL, NULL, NULL, '2025-09-28 23:00:00+00'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019869f4-ba98-7e87-a29a-8601939cf158', 0, 'pro', 'cli', true, 0, false, false, NULL, NULL, 1, 4, '2025-08-02 08:46:51+00', true, '2025-09-27 06:37:05+00', DEFAULT, 0, NULL, NULL, NULL, '2025-09-28 23:00:00+00'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019869f4-ba98-7e87-a29a-8601939cf158', 1, 'pro', 'bedrock', false, 0, false, false, NULL, NULL, 5, 16, '2025-08-08 06:37:22+00', true, '2025-09-27 06:37:05+00', DEFAULT, 0, NULL, NULL, NULL, '2025-09-28 23:00:00+00'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019869f4-ba98-7e87-a29a-8601939cf158', 2, 'pro', 'cli', true, 0, false, false, NULL, NULL, 17, 36, '2025-08-28 06:37:05+00', true, '2025-09-27 06:37:05+00', DEFAULT, 0, NULL, NULL, NULL, '2025-09-28 23:00:00+00'),
('01982a47-b800-7bf7-8ce8-179785cc2eeb', '0198f18d-3908-7431-b02b-6154c1895b99', 0, 'free', 'app', true, 0, false, false, NULL, NULL, 1, 6, '2025-08-28 16:44:05+00', true, '2025-09-27 16:44:05+00', DEFAULT, 0, NULL, NULL, NULL, '2025-09-28 23:00:00+00'),
('01983ee1-2800-7657-85ec-b975f32d636e', '0198fc31-c950-7630-963f-6e93ecb9997d', 0, 'free', 'app', true, 0, false, false, NULL, NULL, 1, 4, '2025-08-30 18:17:33+00', true, '2025-09-29 18:17:33+00', DEFAULT, 0, NULL, NULL, NULL, '2025-10-05 23:00:00+00'),
('01983ee1-2800-7657-85ec-b975f32d636e', '0199100c-2740-7b1f-a596-bb0c0aa95e01', 0, 'free', 'app', true, 0, false, false, NULL, NULL, 1, 2, '2025-09-03 14:47:42+00', true, '2025-10-03 14:47:42+00', DEFAULT, 0, NULL, NULL, NULL, '2025-10-05 23:00:00+00'),
('0198492d-e000-70c7-b155-287d642b5dbd', '01991a5a-f280-7539-afa6-97efcf9c22fe', 0, 'free', 'app', true, 0, false, false, NULL, NULL, 1, 4, '2025-09-08 06:50:53+00', true, '2025-10-08 06:50:53+00', DEFAULT, 0, NULL, NULL, NULL, '2025-10-12 23:00:00+00'),
('01984e54-3c00-7c29-ba54-e7fbf6c7472a', '0198eb38-4fe8-7691-8990-f04605d1b901', 0, 'work', 'app', false, 0, false, false, NULL, NULL, 1, 6, '2025-09-09 15:59:56+00', true, '2025-10-09 15:59:56+00', DEFAULT, 0, NULL, NULL, NULL, '2025-10-12 23:00:00+00'),
('01982a47-b800-7bf7-8ce8-179785cc2eeb', '0199e1bd-e698-78e2-86cc-28ea26577937', 0, 'free', 'app', true, 0, false, false, NULL, NULL, 1, 8, '2025-10-16 08:11:29+00', true, '2025-11-15 08:11:29+00', DEFAULT, 0, NULL, 1, NULL, NULL),
('0198492d-e000-70c7-b155-287d642b5dbd', '019943ed-76e0-7721-a601-3d91e4805b5b', 0, 'free', 'app', true, 0, false, false, NULL, NULL, 1, 2, '2025-09-13 16:34:33+00', true, '2025-10-13 16:34:33+00', DEFAULT, 0, NULL, NULL, NULL, '2025-10-19 23:00:00+00'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '0199716b-6640-7bd6-930c-9112393e5308', 0, 'pro', 'cli', true, 0, false, false, NULL, NULL, 1, 8, '2025-09-22 12:41:00+00', true, '2025-10-22 12:41:00+00', DEFAULT, 0, NULL, NULL, NULL, '2025-10-26 23:00:00+00'),
('019858a0-f400-7d05-8ad5-93a3487e2360', '019968b1-0640-7567-a772-cfe9d0ce6fcd', 0, 'free', 'app', true, 0, false, false, NULL, NULL, 1, 6, '2025-09-20 19:58:23+00', true, '2025-10-20 19:58:23+00', DEFAULT, 0, NULL, NULL, NULL, '2025-10-26 23:00:00+00'),
('01985dc7-5000-7a49-83b2-909edfa64934', '0199966b-7db8-7da1-a8ea-0b75bcb6ed6d', 0, 'education', 'app', false, 0, false, false, NULL, NULL, 1, 4, '2025-09-29 17:03:29+00', true, '2025-10-29 17:03:29+00', DEFAULT, 0, NULL, NULL, NULL, '2025-11-02 23:00:00+00'),
('0198492d-e000-70c7-b155-287d642b5dbd', '019994de-a3f8-724c-8936-e6770170601b', 0, 'free', 'app', true, 0, false, false, NULL, NULL, 1, 4, '2025-09-29 09:50:15+00', true, '2025-10-29 09:50:15+00', DEFAULT, 0, NULL, NULL, NULL, '2025-11-02 23:00:00+00'),
('01985dc7-5000-7a49-83b2-909edfa64934', '0199a651-fc98-7ac6-8e58-4c14a36d8e2d', 0, 'education', 'app', false, 0, false, false, NULL, NULL, 1, 6, '2025-10-02 19:09:43+00', true, '2025-11-01 19:09:43+00', DEFAULT, 0, NULL, NULL, NULL, '2025-11-02 23:00:00+00'),
('01983ee1-2800-7657-85ec-b975f32d636e', '019a5806-a1c8-711a-97ff-7818bcca3af5', 0, 'free', 'app', true, 0, false, false, 1, 0, 1, 4, '2025-11-06 07:19:19+00', true, '2030-11-06 07:19:19+00', DEFAULT, 0, NULL, 10, NULL, NULL),
('01984407-8400-7da5-a5f6-1f198e49bb16', '019a6437-19a0-7fd0-a00c-62820e2f5b58', 0, 'pro', 'app', true, 0, false, false, 1, 0, 1, 2, '2025-11-08 16:06:42+00', true, '2030-11-08 16:06:42+00', DEFAULT, 0, NULL, 3, NULL, NULL),
('0198492d-e000-70c7-b155-287d642b5dbd', '0199b92c-d860-7d35-a1bc-0860dde6200f', 0, 'free', 'app', true, 0, false, false, NULL, NULL, 1, 2, '2025-10-06 10:59:35+00', true, '2025-11-05 10:59:35+00', DEFAULT, 0, NULL, NULL, NULL, '2025-11-09 23:00:00+00'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019928dc-dc38-7cca-a036-716567cf6de6', 0, 'pro', 'cli', true, 0, false, false, 1, 0, 1, 4, '2025-09-08 10:28:21+00', true, '2025-11-14 00:00:00+00', DEFAULT, 0, NULL, NULL, NULL, '2025-11-16 23:00:00+00'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '01993dce-e7d0-7fa4-860d-509ee78555ca', 0, 'pro', 'app', true, 0, false, false, 1, 0, 1, 6, '2025-09-12 12:07:16+00', true, '2025-11-14 00:00:00+00', DEFAULT, 0, NULL, NULL, NULL, '2025-11-16 23:00:00+00'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '0199528b-c238-7d40-aad1-30c5e06da26d', 0, 'pro', 'cli', true, 0, false, false, 1, 0, 1, 8, '2025-09-16 12:44:42+00', true, '2025-11-14 00:00:00+00', DEFAULT, 0, NULL, NULL, NULL, '2025-11-16 23:00:00+00'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '01997bfa-3820-721e-8715-a44452e377b6', 0, 'pro', 'cli', true, 0, false, false, 1, 0, 1, 4, '2025-09-24 13:49:54+00', true, '2025-11-14 00:00:00+00', DEFAULT, 0, NULL, NULL, NULL, '2025-11-16 23:00:00+00'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019984a2-e4e0-7f5d-ba11-697bda1afb9c', 0, 'pro', 'cli', true, 0, false, false, 1, 0, 1, 8, '2025-09-26 06:14:33+00', true, '2025-11-14 00:00:00+00', DEFAULT, 0, NULL, NULL, NULL, '2025-11-16 23:00:00+00'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '0199aaa0-8e68-798a-9e9e-ddb7037a0ad8', 0, 'pro', 'app', true, 0, false, false, 1, 0, 1, 2, '2025-10-03 15:11:55+00', true, '2025-11-14 00:00:00+00', DEFAULT, 0, NULL, NULL, NULL, '2025-11-16 23:00:00+00'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019a0777-dc18-7485-916b-273270d16bb8', 0, 'pro', 'cli', true, 0, false, false, NULL, NULL, 1, 12, '2025-10-21 15:57:36+00', true, '2025-11-20 15:57:36+00', DEFAULT, 0, NULL, NULL, NULL, '2025-11-23 23:00:00+00'),
('0198537a-9800-74ea-aa4b-e7674660a21e', '019a0a9f-04e8-7e1f-bd29-599fc073db63', 0, 'free', 'app', true, 0, false, false, NULL, NULL, 1, 4, '2025-10-22 06:36:36+00', true, '2025-11-21 06:36:36+00', DEFAULT, 0, NULL, NULL, NULL, '2025-11-23 23:00:00+00'),
('01983ee1-2800-7657-85ec-b975f32d636e', '01992947-bf80-711c-ad80-d539b9fa05a8', 0, 'free', 'bedrock', false, 0, false, false, NULL, NULL, 1, 16, '2025-10-30 14:46:19+00', true, '2025-11-29 14:46:19+00', DEFAULT, 0, NULL, NULL, NULL, '2025-11-30 23:00:00+00'),
('0198537a-9800-74ea-aa4b-e7674660a21e', '019a1c55-90a8-7314-8598-f21967176e1b', 0, 'free', 'app', true, 0, false, false, NULL, NULL, 1, 4, '2025-10-25 17:06:44+00', true, '2025-11-24 17:06:44+00', DEFAULT, 0, NULL, NULL, NULL, '2025-11-30 23:00:00+00'),
('019a454c-0000-7a22-a117-8d84f18633d9', '019a5e26-1f20-7557-8776-5e42f01d9739', 0, 'pro', 'app', true, 0, false, false, NULL, NULL, 1, 2, '2025-11-07 11:51:02+00', false, '2025-12-07 11:51:02+00', DEFAULT, 0, NULL, NULL, NULL, '2025-12-07 23:00:00+00'),
('01984407-8400-7da5-a5f6-1f198e49bb16', '01996bac-d568-7b8a-961a-5bc7bc555a1d', 0, 'pro', 'app', true, 0, false, false, 1, 0, 1, 8, '2025-12-09 12:47:18+00', true, '2030-12-09 12:47:18+00', DEFAULT, 0, NULL, 2, NULL, NULL),
('019a454c-0000-7a22-a117-8d84f18633d9', '019a62fa-a9d0-7ca4-8057-24bb68e6fb25', 0, 'pro', 'app', true, 0, false, false, NULL, NULL, 1, 2, '2025-11-08 10:20:15+00', false, '2025-12-08 10:20:15+00', DEFAULT, 0, NULL, NULL, NULL, '2025-12-14 23:00:00+00'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '0199afc6-2ee8-7198-bda4-95ee1e5a7d32', 0, 'pro', 'app', true, 0, false, false, 1, 0, 1, 2, '2025-10-04 15:10:41+00', true, '2025-11-14 00:00:00+00', DEFAULT, 0, NULL, NULL, NULL, '2025-11-16 23:00:00+00'),
('01985dc7-5000-7a49-83b2-909edfa64934', '0199f142-ffe0-7485-9e6a-78c65f855949', 0, 'education', 'app', false, 0, false, false, NULL, NULL, 1, 6, '2025-10-17 08:25:44+00', true, '2025-11-16 08:25:44+00', DEFAULT, 0, NULL, NULL, NULL, '2025-11-16 23:00:00+00'),
('0198537a-9800-74ea-aa4b-e7674660a21e', '0199ade0-1968-77c7-8376-277d079e3d1b', 0, 'free', 'app', true, 0, false, false, NULL, NULL, 1, 12, '2025-10-17 10:16:21+00', true, '2025-11-16 10:16:21+00', DEFAULT, 0, NULL, NULL, NULL, '2025-11-16 23:00:00+00'),
('01982a47-b800-7bf7-8ce8-179785cc2eeb', '0199f2c4-8b18-7b7f-a75f-5dfe2511d3de', 0, 'free', 'app', true, 0, false, false, NULL, NULL, 1, 2, '2025-10-17 15:23:41+00', true, '2025-11-16 15:23:41+00', DEFAULT, 0, NULL, NULL, NULL, '2025-11-16 23:00:00+00'),
('0198492d-e000-70c7-b155-287d642b5dbd', '0199d777-fcc8-7bed-93f9-6ab6a340ad9f', 0, 'free', 'app', true, 0, false, false, NULL, NULL, 1, 4, '2025-10-12 08:13:29+00', true, '2025-11-11 08:13:29+00', DEFAULT, 0, NULL, NULL, NULL, '2025-11-16 23:00:00+00'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '0199d774-4f60-72e9-9bca-057492e7c3c2', 0, 'pro', 'cli', true, 0, true, false, NULL, NULL, 1, 36, '2025-10-24 07:07:57+00', true, '2025-11-23 07:07:57+00', DEFAULT, 0, NULL, NULL, NULL, '2025-11-23 23:00:00+00'),
('01983ee1-2800-7657-85ec-b975f32d636e', '0199d3f0-ca08-78f4-82ed-52daa7aa3b53', 0, 'free', 'app', true, 0, false, false, 1, 0, 1, 12, '2025-11-25 18:59:08+00', true, '2030-11-25 18:59:08+00', DEFAULT, 0, NULL, 9, NULL, NULL),
('01984407-8400-7da5-a5f6-1f198e49bb16', '019a87de-28f8-75f9-9427-4b5809c33011', 0, 'pro', 'app', true, 0, false, false, 1, 0, 1, 6, '2025-11-15 14:18:17+00', true, '2030-11-15 14:18:17+00', DEFAULT, 0, NULL, 4, NULL, NULL),
('01982521-5c00-781c-850a-92db335ca808', '019a879a-8c60-7efb-8a42-0c4a601429c4', 0, 'free', 'app', true, 0, false, false, NULL, NULL, 1, 4, '2025-11-15 13:03:20+00', true, '2025-12-15 13:03:20+00', DEFAULT, 0, NULL, 0, NULL, NULL),
('0198537a-9800-74ea-aa4b-e7674660a21e', '019a9ceb-51f8-797f-a28c-656bffabae04', 0, 'free', 'app', true, 0, false, false, NULL, NULL, 1, 2, '2025-11-19 16:22:10+00', true, '2025-12-19 16:22:10+00', DEFAULT, 0, NULL, 4, NULL, NULL),
('01983ee1-2800-7657-85ec-b975f32d636e', '019a9b19-4948-74e4-9894-a06c102575ab', 0, 'free', 'app', true, 0, false, false, 1, 0, 1, 2, '2025-11-19 07:52:56+00', true, '2030-11-19 07:52:56+00', DEFAULT, 0, NULL, 11, NULL, NULL),
('019a454c-0000-7a22-a117-8d84f18633d9', '019a739f-1d98-7928-a8de-0e4821a1a59e', 0, 'pro', 'app', true, 0, false, false, NULL, NULL, 1, 6, '2025-11-30 12:04:22+00', false, '2025-12-30 12:04:22+00', DEFAULT, 0, NULL, 2, NULL, NULL),
('01982521-5c00-781c-850a-92db335ca808', '019ac13f-4af0-70f6-a532-2fb0183e29c1', 0, 'free', 'app', true, 0, false, false, NULL, NULL, 1, 10, '2025-12-02 15:38:24+00', true, '2026-01-01 15:38:24+00', DEFAULT, 0, NULL, 1, NULL, NULL),
('01983ee1-2800-7657-85ec-b975f32d636e', '019ae556-5a28-7487-a208-81625eb46d38', 0, 'free', 'app', true, 0, false, false, 1, 0, 1, 6, '2025-12-03 17:54:55+00', true, '2030-12-03 17:54:55+00', DEFAULT, 0, NULL, 12, NULL, NULL),
('019a454c-0000-7a22-a117-8d84f18633d9', '019ae4e2-2810-7af5-aab4-a4c01b0a38fd', 0, 'pro', 'app', true, 0, false, false, NULL, NULL, 1, 2, '2025-12-03 15:44:46+00', false, '2026-01-02 15:44:46+00', DEFAULT, 0, NULL, 3, NULL, NULL),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019b0726-9258-7d4a-8ae1-84f08ee8da62', 0, 'pro', 'app', true, 0, false, false, NULL, NULL, 1, 4, '2025-12-10 07:27:03+00', true, '2026-01-09 07:27:03+00', DEFAULT, 0, NULL, 15, NULL, NULL),
('019a454c-0000-7a22-a117-8d84f18633d9', '019b1784-6030-71bf-9f8c-f39b0946d90d', 0, 'pro', 'app', true, 0, false, false, NULL, NULL, 1, 1, '2025-12-13 11:41:50+00', false, '2026-01-12 11:41:50+00', DEFAULT, 0, NULL, 4, NULL, NULL),
('01985dc7-5000-7a49-83b2-909edfa64934', '019a73cf-6110-756f-bb48-313af08a093a', 0, 'education', 'app', false, 0, false, false, NULL, NULL, 1, 6, '2025-11-11 16:49:08+00', true, '2025-12-11 16:49:08+00', DEFAULT, 0, NULL, NULL, NULL, '2025-12-14 23:00:00+00'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019a72d4-8e20-75bc-a5c1-926afee28897', 0, 'pro', 'cli', true, 0, false, false, NULL, NULL, 1, 12, '2025-11-11 12:19:59+00', true, '2025-12-11 12:19:59+00', DEFAULT, 0, NULL, NULL, NULL, '2025-12-14 23:00:00+00'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019a7db4-1fe0-7c3e-90b6-a407a05601c8', 0, 'pro', 'cli', true, 0, false, false, NULL, NULL, 1, 12, '2025-11-13 15:02:21+00', true, '2025-12-13 15:02:21+00', DEFAULT, 0, NULL, NULL, NULL, '2025-12-14 23:00:00+00'),
('01982a47-b800-7bf7-8ce8-179785cc2eeb', '019aee5c-af78-7796-bdf3-275ec789b543', 0, 'free', 'app', true, 0, false, false, 1, 0, 1, 6, '2025-12-05 11:57:36+00', true, '2030-12-05 11:57:36+00', DEFAULT, 6, '2027-12-15 00:00:00+00', 3, 4, NULL);
INSERT INTO turns VALUES
('0198537a-9800-74ea-aa4b-e7674660a21e', '019866d8-0590-7079-b570-b3a87cc5ecdd', 1, 0, 2, 'user', 'typed', '2025-08-01 18:14:50+00', '\x6ba2f742ca6b2d43f48da3c11fae0df9'),
('0198537a-9800-74ea-aa4b-e7674660a21e', '019866d8-0590-7079-b570-b3a87cc5ecdd', 2, 0, 3, 'assistant', 'assistant', '2025-08-01 18:16:00+00', '\x9817604dce38e26f395696cbcfebfd09'),
('0198492d-e000-70c7-b155-287d642b5dbd', '0198645b-8440-7f29-86d6-aba8a80d1c99', 1, 0, 2, 'user', 'typed', '2025-08-01 06:39:36+00', '\xbb4baf1556219c938f9daca3e1b439a4'),
('0198492d-e000-70c7-b155-287d642b5dbd', '0198645b-8440-7f29-86d6-aba8a80d1c99', 2, 0, 3, 'assistant', 'assistant', '2025-08-01 06:40:08+00', '\x70b7734432d098f06ea1baa5905808cc'),
('0198492d-e000-70c7-b155-287d642b5dbd', '0198645b-8440-7f29-86d6-aba8a80d1c99', 3, 0, 4, 'user', 'typed', '2025-08-01 06:40:23+00', '\x6c1987c954ac98db4df87a71892bdac7'),
('0198492d-e000-70c7-b155-287d642b5dbd', '0198645b-8440-7f29-86d6-aba8a80d1c99', 4, 0, 5, 'assistant', 'assistant', '2025-08-01 06:41:51+00', '\xb6a19b774b1a47ea896ef368989364db'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019869f4-ba98-7e87-a29a-8601939cf158', 1, 0, 2, 'user', 'typed', '2025-08-02 08:45:03+00', '\x76ea73778a06742ee910fcf600a39ac1'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019869f4-ba98-7e87-a29a-8601939cf158', 2, 0, 3, 'assistant', 'assistant', '2025-08-02 08:45:34+00', '\x391666aab0ce1846bd5a4c359b95cfc4'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019869f4-ba98-7e87-a29a-8601939cf158', 3, 0, 4, 'tool', 'tool', '2025-08-02 08:45:41+00', '\x2b405d1fdaf399b20d13b908e5844331'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019869f4-ba98-7e87-a29a-8601939cf158', 4, 0, 5, 'assistant', 'assistant', '2025-08-02 08:46:51+00', '\x851612a533883eab1239dbf100cdb548'),
('01983ee1-2800-7657-85ec-b975f32d636e', '01987020-3a28-70a2-8ab0-6ce20948892e', 1, 0, 2, 'user', 'typed', '2025-08-03 13:30:17+00', '\x8bd1fecb9eb5ad61802313d4419252db'),
('01983ee1-2800-7657-85ec-b975f32d636e', '01987020-3a28-70a2-8ab0-6ce20948892e', 2, 0, 3, 'assistant', 'assistant', '2025-08-03 13:30:47+00', '\x94698b5681ddaf6babc1ad669712cc01'),
('01983494-7000-730e-8ee7-bda5d195c439', '01987157-8978-73c6-9a9d-7dce3ae08956', 1, 0, 2, 'user', 'typed', '2025-08-03 19:10:19+00', '\x60d93a431af6d1e6e423f72c7d3f556b'),
('01983494-7000-730e-8ee7-bda5d195c439', '01987157-8978-73c6-9a9d-7dce3ae08956', 2, 0, 3, 'assistant', 'assistant', '2025-08-03 19:11:33+00', '\xb88dc6571fb2f6286112788eb9b4f170'),
('01983494-7000-730e-8ee7-bda5d195c439', '01987157-8978-73c6-9a9d-7dce3ae08956', 3, 0, 4, 'user', 'typed', '2025-08-03 19:12:31+00', '\xc68af74b759ed8c8f254a9cc21ed8015'),
('01983494-7000-730e-8ee7-bda5d195c439', '01987157-8978-73c6-9a9d-7dce3ae08956', 4, 0, 5, 'assistant', 'assistant', '2025-08-03 19:12:45+00', '\xcf0643c0b9c299de5b1974365f15b333'),
('01983ee1-2800-7657-85ec-b975f32d636e', '01987b63-2d50-72de-8c50-028ea639e341', 1, 0, 4, 'user', 'typed', '2025-08-05 17:59:14+00', '\x1468e7057b582eb683abf800ce84ed25'),
('01983ee1-2800-7657-85ec-b975f32d636e', '01987b63-2d50-72de-8c50-028ea639e341', 2, 0, 5, 'assistant', 'assistant', '2025-08-05 17:59:52+00', '\x3f9362f9fb897f1f22542e2a33859db9'),
('01983ee1-2800-7657-85ec-b975f32d636e', '01987b63-2d50-72de-8c50-028ea639e341', 3, 0, 6, 'user', 'typed', '2025-08-05 18:01:00+00', '\x4abe41cfeb9337680ed9f30eab9eaf51'),
('01983ee1-2800-7657-85ec-b975f32d636e', '01987b63-2d50-72de-8c50-028ea639e341', 4, 0, 7, 'assistant', 'assistant', '2025-08-05 18:02:02+00', '\x5b9f4a7070fbbef49c13098448d30e1d'),
('01983ee1-2800-7657-85ec-b975f32d636e', '01987b63-2d50-72de-8c50-028ea639e341', 5, 0, 8, 'user', 'typed', '2025-08-05 18:02:09+00', '\xfce2cd45a57f7daa82b4257d0e28ee2c'),
('01983ee1-2800-7657-85ec-b975f32d636e', '01987b63-2d50-72de-8c50-028ea639e341', 6, 0, 9, 'assistant', 'assistant', '2025-08-05 18:02:23+00', '\x04ac6c3487ceb903163139495362dea6'),
('01983494-7000-730e-8ee7-bda5d195c439', '01987157-8978-73c6-9a9d-7dce3ae08956', 5, 0, 6, 'user', 'typed', '2025-08-07 08:53:39+00', '\xa27f0e469c1b31fa9bb940e5b7d781f0'),
('01983494-7000-730e-8ee7-bda5d195c439', '01987157-8978-73c6-9a9d-7dce3ae08956', 6, 0, 7, 'assistant', 'assistant', '2025-08-07 08:54:34+00', '\x147abd8f6f920dc0330bc2856a5ec241'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019869f4-ba98-7e87-a29a-8601939cf158', 5, 1, 6, 'user', 'typed', '2025-08-08 06:30:36+00', '\x33802c85a3280997cd7e8131e0e2d70e'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019869f4-ba98-7e87-a29a-8601939cf158', 6, 1, 7, 'assistant', 'assistant', '2025-08-08 06:31:22+00', '\xfd23abf6a0482ae75e6983a43604dd74'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019869f4-ba98-7e87-a29a-8601939cf158', 7, 1, 8, 'tool', 'tool', '2025-08-08 06:31:58+00', '\xf3c96db28e0f9f2437d98dce72f8265a'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019869f4-ba98-7e87-a29a-8601939cf158', 8, 1, 9, 'assistant', 'assistant', '2025-08-08 06:32:20+00', '\xdc5e828f1e93084612e25f491f1dfd3a'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019869f4-ba98-7e87-a29a-8601939cf158', 9, 1, 10, 'user', 'typed', '2025-08-08 06:33:17+00', '\xf7e000ace692f2920a47b195cd290dca'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019869f4-ba98-7e87-a29a-8601939cf158', 10, 1, 11, 'assistant', 'assistant', '2025-08-08 06:34:07+00', '\xa35e0af829e35d3eb24b7e04dfbca597'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019869f4-ba98-7e87-a29a-8601939cf158', 11, 1, 12, 'tool', 'tool', '2025-08-08 06:34:43+00', '\x87904d988166800d10cf32a49604807b'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019869f4-ba98-7e87-a29a-8601939cf158', 12, 1, 13, 'assistant', 'assistant', '2025-08-08 06:34:58+00', '\x6e0522a17f20b83b2fdc91ff2accb387'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019869f4-ba98-7e87-a29a-8601939cf158', 13, 1, 14, 'user', 'typed', '2025-08-08 06:35:45+00', '\x632dddbf6d6d059c5d710a5ef73b24a0'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019869f4-ba98-7e87-a29a-8601939cf158', 14, 1, 15, 'assistant', 'assistant', '2025-08-08 06:36:13+00', '\x378322829630cc0b5ceed91a4dceadd9'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019869f4-ba98-7e87-a29a-8601939cf158', 15, 1, 16, 'tool', 'tool', '2025-08-08 06:36:48+00', '\xaa35d6f7b8d6b4218c13fd761e40cb02'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019869f4-ba98-7e87-a29a-8601939cf158', 16, 1, 17, 'assistant', 'assistant', '2025-08-08 06:37:22+00', '\x0288f8f71498b4a86be20eedcd1959a0'),
('01983494-7000-730e-8ee7-bda5d195c439', '01987157-8978-73c6-9a9d-7dce3ae08956', 7, 0, 8, 'user', 'typed', '2025-08-09 14:14:24+00', '\x4f13723960f847f4b8e69ef513d17a7e'),
('01983494-7000-730e-8ee7-bda5d195c439', '01987157-8978-73c6-9a9d-7dce3ae08956', 8, 0, 9, 'assistant', 'assistant', '2025-08-09 14:14:41+00', '\x08476f6a113dbe07712d865e8a7e958a'),
('01983494-7000-730e-8ee7-bda5d195c439', '0198981e-d430-7b38-be7e-64dd8d3ef25a', 1, 0, 10, 'user', 'typed', '2025-08-11 07:53:34+00', '\x1f184f0a7dd1ddc942f58757f0cb44d3'),
('01983494-7000-730e-8ee7-bda5d195c439', '0198981e-d430-7b38-be7e-64dd8d3ef25a', 2, 0, 11, 'assistant', 'assistant', '2025-08-11 07:53:49+00', '\x9b312b6cbca54aa350b08eddbf05d6c0'),
('01983494-7000-730e-8ee7-bda5d195c439', '0198981e-d430-7b38-be7e-64dd8d3ef25a', 3, 0, 12, 'user', 'typed', '2025-08-11 07:54:52+00', '\x3db5c9fb03013d5b66197bd88391e97c'),
('01983494-7000-730e-8ee7-bda5d195c439', '0198981e-d430-7b38-be7e-64dd8d3ef25a', 4, 0, 13, 'assistant', 'assistant', '2025-08-11 07:56:16+00', '\xc03327b341617a1836236d1291be6258'),
('01983494-7000-730e-8ee7-bda5d195c439', '0198981e-d430-7b38-be7e-64dd8d3ef25a', 5, 0, 14, 'user', 'typed', '2025-08-11 07:56:57+00', '\x5167fee7b7f3c06fe657ed414c7a8109'),
('01983494-7000-730e-8ee7-bda5d195c439', '0198981e-d430-7b38-be7e-64dd8d3ef25a', 6, 0, 15, 'assistant', 'assistant', '2025-08-11 07:57:27+00', '\x07b5416698a6fd54f5f6e8f0966bd110'),
('01984407-8400-7da5-a5f6-1f198e49bb16', '0198a265-ac48-7b53-bf36-feb27d5a435c', 1, 0, 2, 'user', 'typed', '2025-08-13 07:47:09+00', '\x7aa2d410ab79da778dbac97340fca72b'),
('01984407-8400-7da5-a5f6-1f198e49bb16', '0198a265-ac48-7b53-bf36-feb27d5a435c', 2, 0, 3, 'assistant', 'assistant', '2025-08-13 07:47:40+00', '\x0f2ddb41b65e6a4ae69f604522deba9d'),
('01984407-8400-7da5-a5f6-1f198e49bb16', '0198a265-ac48-7b53-bf36-feb27d5a435c', 3, 0, 4, 'user', 'typed', '2025-08-13 07:48:03+00', '\x2b414eadde3933d6732bfe9a6be42f48'),
('01984407-8400-7da5-a5f6-1f198e49bb16', '0198a265-ac48-7b53-bf36-feb27d5a435c', 4, 0, 5, 'assistant', 'assistant', '2025-08-13 07:48:27+00', '\xaab8a4d0b06289916675f83ff30b043b'),
('01983ee1-2800-7657-85ec-b975f32d636e', '0198a4d4-a8a8-7926-83ce-f12da38d843b', 1, 0, 10, 'user', 'typed', '2025-08-13 19:07:37+00', '\x35088442eab5d57bdd79f37dd1789e90'),
('01983ee1-2800-7657-85ec-b975f32d636e', '0198a4d4-a8a8-7926-83ce-f12da38d843b', 2, 0, 11, 'assistant', 'assistant', '2025-08-13 19:09:00+00', '\x19bc69e39f377e670cc1e5b5ae5c047e'),
('01985dc7-5000-7a49-83b2-909edfa64934', '0198b3ef-e078-77a5-8469-081ad63e9d96', 1, 0, 2, 'user', 'typed', '2025-08-16 17:31:39+00', '\xb7765f008d5cca3370f15ca2caabf038'),
('01985dc7-5000-7a49-83b2-909edfa64934', '0198b3ef-e078-77a5-8469-081ad63e9d96', 2, 0, 3, 'assistant', 'assistant', '2025-08-16 17:31:48+00', '\xd96fb166a6562884695c68da168855d8'),
('01985dc7-5000-7a49-83b2-909edfa64934', '0198b3ef-e078-77a5-8469-081ad63e9d96', 3, 0, 4, 'user', 'typed', '2025-08-16 17:32:23+00', '\x9ed4f3872397e25daafaebee91aaf9bd'),
('01985dc7-5000-7a49-83b2-909edfa64934', '0198b3ef-e078-77a5-8469-081ad63e9d96', 4, 0, 5, 'assistant', 'assistant', '2025-08-16 17:33:39+00', '\xa8f2471e13938bd773b096be4d35852a'),
('01985dc7-5000-7a49-83b2-909edfa64934', '0198b3ef-e078-77a5-8469-081ad63e9d96', 5, 0, 6, 'user', 'typed', '2025-08-16 17:34:11+00', '\x3526c6871ff5276f4e0fd77afa457d4d'),
('01985dc7-5000-7a49-83b2-909edfa64934', '0198b3ef-e078-77a5-8469-081ad63e9d96', 6, 0, 7, 'assistant', 'assistant', '2025-08-16 17:35:06+00', '\xfed78f1da65cbc1e0424c4455394e92c'),
('01983494-7000-730e-8ee7-bda5d195c439', '0198b2eb-7480-76e6-ade0-714246215f87', 1, 0, 16, 'user', 'typed', '2025-08-16 12:47:12+00', '\x618ee0f6ab05991d6f514d2dde54b57d'),
('01983494-7000-730e-8ee7-bda5d195c439', '0198b2eb-7480-76e6-ade0-714246215f87', 2, 0, 17, 'assistant', 'assistant', '2025-08-16 12:48:14+00', '\xcf327c498c404985a500406a8ea8737e'),
('01983494-7000-730e-8ee7-bda5d195c439', '0198b2eb-7480-76e6-ade0-714246215f87', 3, 0, 18, 'user', 'typed', '2025-08-16 12:48:54+00', '\x3d79046ff6dd275d88d28f9842799213'),
('01983494-7000-730e-8ee7-bda5d195c439', '0198b2eb-7480-76e6-ade0-714246215f87', 4, 0, 19, 'assistant', 'assistant', '2025-08-16 12:49:44+00', '\x9fa7c8c2a632b6093c9b87cc801a1775'),
('01983494-7000-730e-8ee7-bda5d195c439', '0198b2eb-7480-76e6-ade0-714246215f87', 5, 0, 20, 'user', 'typed', '2025-08-16 12:50:41+00', '\xdf5b7a30e60a4817222be6dfc33c329d'),
('01983494-7000-730e-8ee7-bda5d195c439', '0198b2eb-7480-76e6-ade0-714246215f87', 6, 0, 21, 'assistant', 'assistant', '2025-08-16 12:50:59+00', '\xd7b60a451b16bb5433492d710423175c'),
('01983ee1-2800-7657-85ec-b975f32d636e', '0198bd1b-ee08-76f9-bce7-c3fffc73f57c', 1, 0, 12, 'user', 'typed', '2025-08-18 12:16:21+00', '\xd4833d6e8c0bf62f073618ea636c94bd'),
('01983ee1-2800-7657-85ec-b975f32d636e', '0198bd1b-ee08-76f9-bce7-c3fffc73f57c', 2, 0, 13, 'assistant', 'assistant', '2025-08-18 12:17:15+00', '\x57a8578db5db25befff62e46d256dfe0'),
('01983ee1-2800-7657-85ec-b975f32d636e', '0198bd1b-ee08-76f9-bce7-c3fffc73f57c', 3, 0, 14, 'user', 'typed', '2025-08-18 12:18:31+00', '\x28148e9744fd2cd37b92952f33b7288f'),
('01983ee1-2800-7657-85ec-b975f32d636e', '0198bd1b-ee08-76f9-bce7-c3fffc73f57c', 4, 0, 15, 'assistant', 'assistant', '2025-08-18 12:19:51+00', '\x868bca062108851d45e9baeaf15485e8'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019869f4-ba98-7e87-a29a-8601939cf158', 17, 2, 18, 'user', 'typed', '2025-08-18 11:05:09+00', '\x6da1f0afb330347c56fb56fc391c4d7c'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019869f4-ba98-7e87-a29a-8601939cf158', 18, 2, 19, 'assistant', 'assistant', '2025-08-18 11:05:43+00', '\x37b456236f2b61e455994e9cd52069af'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019869f4-ba98-7e87-a29a-8601939cf158', 19, 2, 20, 'tool', 'tool', '2025-08-18 11:06:37+00', '\xea5392a739d3e1b8dc8b73dce33cfb47'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019869f4-ba98-7e87-a29a-8601939cf158', 20, 2, 21, 'assistant', 'assistant', '2025-08-18 11:07:15+00', '\x9e43220536c62c23c865527f3256a96b'),
('01983494-7000-730e-8ee7-bda5d195c439', '0198bc64-fe00-7ce3-a0d9-70c10648a48f', 1, 0, 22, 'user', 'typed', '2025-08-18 08:56:32+00', '\xde73217651dabe68a9d375b73b077f07'),
('01983494-7000-730e-8ee7-bda5d195c439', '0198bc64-fe00-7ce3-a0d9-70c10648a48f', 2, 0, 23, 'assistant', 'assistant', '2025-08-18 08:57:10+00', '\x32ea0b976bfcf9e65f5b65531ea03574'),
('01983494-7000-730e-8ee7-bda5d195c439', '0198bc64-fe00-7ce3-a0d9-70c10648a48f', 3, 0, 24, 'user', 'typed', '2025-08-18 08:58:04+00', '\x94a0b9025f54b0ffa8b92ebc00b4fd0d'),
('01983494-7000-730e-8ee7-bda5d195c439', '0198bc64-fe00-7ce3-a0d9-70c10648a48f', 4, 0, 25, 'assistant', 'assistant', '2025-08-18 08:59:26+00', '\xdfdee2d0a54f42298cb04ba9b8567184'),
('01983494-7000-730e-8ee7-bda5d195c439', '0198bc64-fe00-7ce3-a0d9-70c10648a48f', 5, 0, 26, 'user', 'typed', '2025-08-18 08:59:32+00', '\xf1a3dcdc64560818feb0bd10caeea33e'),
('01983494-7000-730e-8ee7-bda5d195c439', '0198bc64-fe00-7ce3-a0d9-70c10648a48f', 6, 0, 27, 'assistant', 'assistant', '2025-08-18 08:59:37+00', '\xfa04e26cfb3b13c9f1ba9ba3735938cb'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019869f4-ba98-7e87-a29a-8601939cf158', 21, 2, 22, 'user', 'typed', '2025-08-23 18:32:49+00', '\xf49feb2b6e5983834c8781cc99e99df1'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019869f4-ba98-7e87-a29a-8601939cf158', 22, 2, 23, 'assistant', 'assistant', '2025-08-23 18:34:05+00', '\xe1858e177dfa6f6086c04e5d59256920'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019869f4-ba98-7e87-a29a-8601939cf158', 23, 2, 24, 'tool', 'tool', '2025-08-23 18:34:38+00', '\xf231bc3582523c794d23db71e027e9ef'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019869f4-ba98-7e87-a29a-8601939cf158', 24, 2, 25, 'assistant', 'assistant', '2025-08-23 18:35:48+00', '\x9dd5a5fc92a7c60a5a4d23777561fb36'),
('01982a47-b800-7bf7-8ce8-179785cc2eeb', '0199e1bd-e698-78e2-86cc-28ea26577937', 1, 0, 10, 'user', 'typed', '2025-10-14 08:02:23+00', '\x27388a3f8bca837f74693af443929d95'),
('01982a47-b800-7bf7-8ce8-179785cc2eeb', '0199e1bd-e698-78e2-86cc-28ea26577937', 2, 0, 11, 'assistant', 'assistant', '2025-10-14 08:02:37+00', '\x785c411d03f31429e11cb635b2a5cf3b'),
('01982a47-b800-7bf7-8ce8-179785cc2eeb', '0199e1bd-e698-78e2-86cc-28ea26577937', 3, 0, 12, 'user', 'typed', '2025-10-14 08:03:02+00', '\x9c40b819e2784ebb37398e0599e8900d'),
('01982a47-b800-7bf7-8ce8-179785cc2eeb', '0199e1bd-e698-78e2-86cc-28ea26577937', 4, 0, 13, 'assistant', 'assistant', '2025-10-14 08:03:20+00', '\x66432278cc8092ebb1dd35cd4f737118'),
('01982a47-b800-7bf7-8ce8-179785cc2eeb', '0199e1bd-e698-78e2-86cc-28ea26577937', 5, 0, 14, 'user', 'typed', '2025-10-14 08:04:05+00', '\x823c64a223ee42b4877e0953cd34bd4c'),
('01982a47-b800-7bf7-8ce8-179785cc2eeb', '0199e1bd-e698-78e2-86cc-28ea26577937', 6, 0, 15, 'assistant', 'assistant', '2025-10-14 08:05:20+00', '\xd2f5b0ba857f140209bcb50f2fc92bdb'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '0199d774-4f60-72e9-9bca-057492e7c3c2', 13, 0, 96, 'user', 'typed', '2025-10-16 17:50:35+00', '\x5bf7019e01ed88ea4ca45a065069cb8b'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '0199d774-4f60-72e9-9bca-057492e7c3c2', 14, 0, 97, 'assistant', 'assistant', '2025-10-16 17:51:20+00', '\x03bb9a703f72823a5d19e138b8f002bb'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '0199d774-4f60-72e9-9bca-057492e7c3c2', 15, 0, 98, 'tool', 'tool', '2025-10-16 17:51:38+00', '\xa6714958a86193242c06b1c0e3cf4c27'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '0199d774-4f60-72e9-9bca-057492e7c3c2', 16, 0, 99, 'assistant', 'assistant', '2025-10-16 17:51:42+00', '\xaabd32cfde41a58ee430d862b3a56b6f'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '0199d774-4f60-72e9-9bca-057492e7c3c2', 17, 0, 100, 'user', 'typed', '2025-10-16 17:52:43+00', '\xa380c0151749e1a7d104f88ed8cd7044'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '0199d774-4f60-72e9-9bca-057492e7c3c2', 18, 0, 101, 'assistant', 'assistant', '2025-10-16 17:53:58+00', '\x2142d7420573f0b3604d65f77abd33f6'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '0199d774-4f60-72e9-9bca-057492e7c3c2', 19, 0, 102, 'tool', 'tool', '2025-10-16 17:54:42+00', '\xd9cdfd3bb57878b498b16bad7119dea0'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '0199d774-4f60-72e9-9bca-057492e7c3c2', 20, 0, 103, 'assistant', 'assistant', '2025-10-16 17:55:48+00', '\x6a0cf0271a5be98eee39b80cb2f5cd10'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '0199d774-4f60-72e9-9bca-057492e7c3c2', 21, 0, 104, 'user', 'typed', '2025-10-16 17:56:41+00', '\xd39e5c4d99e7f2220e80340080cb6b0c'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '0199d774-4f60-72e9-9bca-057492e7c3c2', 22, 0, 105, 'assistant', 'assistant', '2025-10-16 17:58:07+00', '\x87c155c28dd13c94290273f23ab2e05f'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '0199d774-4f60-72e9-9bca-057492e7c3c2', 23, 0, 106, 'tool', 'tool', '2025-10-16 17:58:26+00', '\x2ba46013dbed8abb11acd2cbcec25615'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '0199d774-4f60-72e9-9bca-057492e7c3c2', 24, 0, 107, 'assistant', 'assistant', '2025-10-16 17:59:07+00', '\x5937c2e31877c7844c6f605955a91067'),
('01982a47-b800-7bf7-8ce8-179785cc2eeb', '0199e1bd-e698-78e2-86cc-28ea26577937', 7, 0, 16, 'user', 'typed', '2025-10-16 08:10:39+00', '\xfdf8bd73bfcdf9664c2b2104b977dfe6'),
('01982a47-b800-7bf7-8ce8-179785cc2eeb', '0199e1bd-e698-78e2-86cc-28ea26577937', 8, 0, 17, 'assistant', 'assistant', '2025-10-16 08:11:29+00', '\x8110b51faf559adb4f0381bde8acc544'),
('01985dc7-5000-7a49-83b2-909edfa64934', '0199f142-ffe0-7485-9e6a-78c65f855949', 1, 0, 20, 'user', 'typed', '2025-10-17 08:22:04+00', '\xdfebf59285f88a29e06de69b3c5eccd3'),
('01985dc7-5000-7a49-83b2-909edfa64934', '0199f142-ffe0-7485-9e6a-78c65f855949', 2, 0, 21, 'assistant', 'assistant', '2025-10-17 08:23:11+00', '\x06013d9cc2f08ba3d90a0883911a2756'),
('01985dc7-5000-7a49-83b2-909edfa64934', '0199f142-ffe0-7485-9e6a-78c65f855949', 3, 0, 22, 'user', 'typed', '2025-10-17 08:23:16+00', '\xe5b5f3fd81f24a422177110278c38952'),
('01985dc7-5000-7a49-83b2-909edfa64934', '0199f142-ffe0-7485-9e6a-78c65f855949', 4, 0, 23, 'assistant', 'assistant', '2025-10-17 08:23:57+00', '\x398a1542f070d725c4fcc2fee89243e3'),
('01985dc7-5000-7a49-83b2-909edfa64934', '0199f142-ffe0-7485-9e6a-78c65f855949', 5, 0, 24, 'user', 'typed', '2025-10-17 08:25:24+00', '\x8676107da773470302cc97a846ac25ac'),
('01985dc7-5000-7a49-83b2-909edfa64934', '0199f142-ffe0-7485-9e6a-78c65f855949', 6, 0, 25, 'assistant', 'assistant', '2025-10-17 08:25:44+00', '\x83713e99135d92895e9e9d3afde01cc5'),
('0198537a-9800-74ea-aa4b-e7674660a21e', '0199ade0-1968-77c7-8376-277d079e3d1b', 7, 0, 13, 'user', 'typed', '2025-10-17 10:14:12+00', '\x550ba169020e9969918920617fffbe81'),
('0198537a-9800-74ea-aa4b-e7674660a21e', '0199ade0-1968-77c7-8376-277d079e3d1b', 8, 0, 14, 'assistant', 'assistant', '2025-10-17 10:14:24+00', '\xea6bfed9af0782b196b47beabd10d5f4'),
('0198537a-9800-74ea-aa4b-e7674660a21e', '0199ade0-1968-77c7-8376-277d079e3d1b', 9, 0, 15, 'user', 'typed', '2025-10-17 10:15:00+00', '\x239072ee56497948d7ac5bba6150b37f'),
('0198537a-9800-74ea-aa4b-e7674660a21e', '0199ade0-1968-77c7-8376-277d079e3d1b', 10, 0, 16, 'assistant', 'assistant', '2025-10-17 10:15:04+00', '\x2664e42a3fd8a93b6f4b9ceb7f316bc4'),
('0198537a-9800-74ea-aa4b-e7674660a21e', '0199ade0-1968-77c7-8376-277d079e3d1b', 11, 0, 17, 'user', 'typed', '2025-10-17 10:15:20+00', '\x0b4943a80466e61f0cd6101921b74d84'),
('0198537a-9800-74ea-aa4b-e7674660a21e', '0199ade0-1968-77c7-8376-277d079e3d1b', 12, 0, 18, 'assistant', 'assistant', '2025-10-17 10:16:21+00', '\xc8d96a13cee675ec6dfb8480d3d69ef1'),
('01982a47-b800-7bf7-8ce8-179785cc2eeb', '0199f2c4-8b18-7b7f-a75f-5dfe2511d3de', 1, 0, 18, 'user', 'typed', '2025-10-17 15:23:11+00', '\x6535caf5bb4a659f004f42014b98da31'),
('01982a47-b800-7bf7-8ce8-179785cc2eeb', '0199f2c4-8b18-7b7f-a75f-5dfe2511d3de', 2, 0, 19, 'assistant', 'assistant', '2025-10-17 15:23:41+00', '\x3da4d15d820392af1d13ff1d566dc76b'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019a0777-dc18-7485-916b-273270d16bb8', 1, 0, 108, 'user', 'typed', '2025-10-21 15:51:27+00', '\xba4271dd81483b6dfc054984a5bbfb25'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019a0777-dc18-7485-916b-273270d16bb8', 2, 0, 109, 'assistant', 'assistant', '2025-10-21 15:52:03+00', '\x50285e98b394900fb4a73317aa90ba2e'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019a0777-dc18-7485-916b-273270d16bb8', 3, 0, 110, 'tool', 'tool', '2025-10-21 15:52:47+00', '\x481c51d97e4243f8bfccd8f4c94df6d6'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019a0777-dc18-7485-916b-273270d16bb8', 4, 0, 111, 'assistant', 'assistant', '2025-10-21 15:53:01+00', '\x7b6136ea8eddb688829af36b6e5f322c'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019a0777-dc18-7485-916b-273270d16bb8', 5, 0, 112, 'user', 'typed', '2025-10-21 15:53:30+00', '\x5eb05cc8ed531539bafb5b8c1e71c252'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019a0777-dc18-7485-916b-273270d16bb8', 6, 0, 113, 'assistant', 'assistant', '2025-10-21 15:54:04+00', '\x6953512afda15341ee9fffe4ea93c31f'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019a0777-dc18-7485-916b-273270d16bb8', 7, 0, 114, 'tool', 'tool', '2025-10-21 15:55:24+00', '\x5c0436a7ada64a11ee9d811196f27379'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019a0777-dc18-7485-916b-273270d16bb8', 8, 0, 115, 'assistant', 'assistant', '2025-10-21 15:55:39+00', '\x11581bb0dc5ee393217173c5168d2367'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019a0777-dc18-7485-916b-273270d16bb8', 9, 0, 116, 'user', 'typed', '2025-10-21 15:55:47+00', '\x097df5519909fd0749d1ec75d91bbd80'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019a0777-dc18-7485-916b-273270d16bb8', 10, 0, 117, 'assistant', 'assistant', '2025-10-21 15:56:22+00', '\x9a5bd50af22c10469e6bdfeed5566866'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019a0777-dc18-7485-916b-273270d16bb8', 11, 0, 118, 'tool', 'tool', '2025-10-21 15:56:43+00', '\x46af915510e53a85d7ed5ed16c251c3e'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019a0777-dc18-7485-916b-273270d16bb8', 12, 0, 119, 'assistant', 'assistant', '2025-10-21 15:57:36+00', '\xe076b0f7f72abc80f9e5a78afaa26bc3'),
('01983494-7000-730e-8ee7-bda5d195c439', '0198e29d-4b40-75ff-ba4a-bedf2d5e7251', 1, 0, 28, 'user', 'typed', '2025-08-25 19:03:36+00', '\x664727462df397a283c084a93c2f0289'),
('01983494-7000-730e-8ee7-bda5d195c439', '0198e29d-4b40-75ff-ba4a-bedf2d5e7251', 2, 0, 29, 'assistant', 'assistant', '2025-08-25 19:03:53+00', '\x8096669c2ef00a599b6208adf8b5799b'),
('01983494-7000-730e-8ee7-bda5d195c439', '0198e29d-4b40-75ff-ba4a-bedf2d5e7251', 3, 0, 30, 'user', 'typed', '2025-08-25 19:03:57+00', '\xc2953eaa21bf084a0773707f02c0f340'),
('01983494-7000-730e-8ee7-bda5d195c439', '0198e29d-4b40-75ff-ba4a-bedf2d5e7251', 4, 0, 31, 'assistant', 'assistant', '2025-08-25 19:04:10+00', '\xc9e1bec6577978bce4fc36ed7f6512c6'),
('01983494-7000-730e-8ee7-bda5d195c439', '0198e29d-4b40-75ff-ba4a-bedf2d5e7251', 5, 0, 32, 'user', 'typed', '2025-08-25 19:04:40+00', '\xe41a7712fb320a0c7c6cd3d819df18c1'),
('01983494-7000-730e-8ee7-bda5d195c439', '0198e29d-4b40-75ff-ba4a-bedf2d5e7251', 6, 0, 33, 'assistant', 'assistant', '2025-08-25 19:04:46+00', '\x5c933983ce0e99a907ed22f3afe5b28b'),
('01984e54-3c00-7c29-ba54-e7fbf6c7472a', '0198eb38-4fe8-7691-8990-f04605d1b901', 1, 0, 2, 'user', 'typed', '2025-08-27 11:09:53+00', '\xba88b6ac009f8f915cb4c0d2c2eca52e'),
('01984e54-3c00-7c29-ba54-e7fbf6c7472a', '0198eb38-4fe8-7691-8990-f04605d1b901', 2, 0, 3, 'assistant', 'assistant', '2025-08-27 11:10:33+00', '\xd09a6b05b6f34017109e3266ba191210'),
('01984e54-3c00-7c29-ba54-e7fbf6c7472a', '0198eb38-4fe8-7691-8990-f04605d1b901', 3, 0, 4, 'user', 'typed', '2025-08-27 11:11:56+00', '\x82fa83b2927d3ac587b5cdbeddb91e8a'),
('01984e54-3c00-7c29-ba54-e7fbf6c7472a', '0198eb38-4fe8-7691-8990-f04605d1b901', 4, 0, 5, 'assistant', 'assistant', '2025-08-27 11:12:54+00', '\x46aeac033348e4d6355724abad61829a'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019869f4-ba98-7e87-a29a-8601939cf158', 25, 2, 26, 'user', 'typed', '2025-08-28 06:29:26+00', '\x62917e635e429767f80e0a0352b0ee1f'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019869f4-ba98-7e87-a29a-8601939cf158', 26, 2, 27, 'assistant', 'assistant', '2025-08-28 06:30:08+00', '\x0d118873902fa80d89a1227b8906502d'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019869f4-ba98-7e87-a29a-8601939cf158', 27, 2, 28, 'tool', 'tool', '2025-08-28 06:30:37+00', '\x2bc3d6825d62d65492a251598847d96e'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019869f4-ba98-7e87-a29a-8601939cf158', 28, 2, 29, 'assistant', 'assistant', '2025-08-28 06:31:58+00', '\x8b915fa9ae4d21b76205b7ebb8c9c1e8'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019869f4-ba98-7e87-a29a-8601939cf158', 29, 2, 30, 'user', 'typed', '2025-08-28 06:32:13+00', '\x23afc629a4deb669b608d8cf1e9a3ad3'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019869f4-ba98-7e87-a29a-8601939cf158', 30, 2, 31, 'assistant', 'assistant', '2025-08-28 06:32:39+00', '\x69e482183a1fa2c8e6263cf00de51b9a'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019869f4-ba98-7e87-a29a-8601939cf158', 31, 2, 32, 'tool', 'tool', '2025-08-28 06:32:46+00', '\x974082d45d2356021512c544260dc281'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019869f4-ba98-7e87-a29a-8601939cf158', 32, 2, 33, 'assistant', 'assistant', '2025-08-28 06:32:50+00', '\xdebc5fc04ef279f978ed9c2f7e9a5acf'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019869f4-ba98-7e87-a29a-8601939cf158', 33, 2, 34, 'user', 'typed', '2025-08-28 06:34:19+00', '\xb65acc2be33f30bb686f72ee2fca52a5'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019869f4-ba98-7e87-a29a-8601939cf158', 34, 2, 35, 'assistant', 'assistant', '2025-08-28 06:34:36+00', '\xae0536a6c9ef0e05c7173d8f23328758'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019869f4-ba98-7e87-a29a-8601939cf158', 35, 2, 36, 'tool', 'tool', '2025-08-28 06:36:03+00', '\x929a6e626c763a1f1cdc2f6656b86abe'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019869f4-ba98-7e87-a29a-8601939cf158', 36, 2, 37, 'assistant', 'assistant', '2025-08-28 06:37:05+00', '\xe6fc44382e5bb89ad8b171e6671505a9'),
('01982a47-b800-7bf7-8ce8-179785cc2eeb', '0198f18d-3908-7431-b02b-6154c1895b99', 1, 0, 2, 'user', 'typed', '2025-08-28 16:40:21+00', '\xf5ca896eaeffe86a3c361129dd998cae'),
('01982a47-b800-7bf7-8ce8-179785cc2eeb', '0198f18d-3908-7431-b02b-6154c1895b99', 2, 0, 3, 'assistant', 'assistant', '2025-08-28 16:41:13+00', '\x68d8aebdf0974765400a537389dcd43f'),
('01982a47-b800-7bf7-8ce8-179785cc2eeb', '0198f18d-3908-7431-b02b-6154c1895b99', 3, 0, 4, 'user', 'typed', '2025-08-28 16:41:45+00', '\xd757e10f89489f3a88b1fefbdb11757d'),
('01982a47-b800-7bf7-8ce8-179785cc2eeb', '0198f18d-3908-7431-b02b-6154c1895b99', 4, 0, 5, 'assistant', 'assistant', '2025-08-28 16:43:04+00', '\xc513c23d5a72f671a6d539c655323ac6'),
('01982a47-b800-7bf7-8ce8-179785cc2eeb', '0198f18d-3908-7431-b02b-6154c1895b99', 5, 0, 6, 'user', 'typed', '2025-08-28 16:43:36+00', '\x17ee6d6f08943afd6e1416d6dff7b1e8'),
('01982a47-b800-7bf7-8ce8-179785cc2eeb', '0198f18d-3908-7431-b02b-6154c1895b99', 6, 0, 7, 'assistant', 'assistant', '2025-08-28 16:44:05+00', '\x32e26872155bf8cc0e77be2d93a686e2'),
('01983ee1-2800-7657-85ec-b975f32d636e', '0198fc31-c950-7630-963f-6e93ecb9997d', 1, 0, 17, 'user', 'typed', '2025-08-30 18:16:18+00', '\xc75546cd542bfe66420611eb027e88c2'),
('01983ee1-2800-7657-85ec-b975f32d636e', '0198fc31-c950-7630-963f-6e93ecb9997d', 2, 0, 18, 'assistant', 'assistant', '2025-08-30 18:17:19+00', '\x0e80fb473f699a0e848ba88ebddf88f4'),
('01983ee1-2800-7657-85ec-b975f32d636e', '0198fc31-c950-7630-963f-6e93ecb9997d', 3, 0, 19, 'user', 'typed', '2025-08-30 18:17:25+00', '\x84a56579ab7f4e83b897468f20a3389f'),
('01983ee1-2800-7657-85ec-b975f32d636e', '0198fc31-c950-7630-963f-6e93ecb9997d', 4, 0, 20, 'assistant', 'assistant', '2025-08-30 18:17:33+00', '\xb4a672cd85824613fdda34cabd0c8776'),
('01983ee1-2800-7657-85ec-b975f32d636e', '0199100c-2740-7b1f-a596-bb0c0aa95e01', 1, 0, 21, 'user', 'typed', '2025-09-03 14:47:36+00', '\x97587414c89f2168a166106395b19b52'),
('01983ee1-2800-7657-85ec-b975f32d636e', '0199100c-2740-7b1f-a596-bb0c0aa95e01', 2, 0, 22, 'assistant', 'assistant', '2025-09-03 14:47:42+00', '\x37f4f3f185f955618fc76148104ca25a'),
('01983ee1-2800-7657-85ec-b975f32d636e', '019914c8-1910-75f9-9a19-a774a0bc8045', 1, 0, 23, 'user', 'typed', '2025-09-04 12:51:22+00', '\x7de68f5a3b5104757862249a1a6841fe'),
('01983ee1-2800-7657-85ec-b975f32d636e', '019914c8-1910-75f9-9a19-a774a0bc8045', 2, 0, 24, 'assistant', 'assistant', '2025-09-04 12:52:48+00', '\x82703907d6503d5c90382373156b912a'),
('01983ee1-2800-7657-85ec-b975f32d636e', '019914c8-1910-75f9-9a19-a774a0bc8045', 3, 0, 25, 'user', 'typed', '2025-09-04 12:53:45+00', '\xfc0922e1c50fe75a98c01eaa787ad634'),
('01983ee1-2800-7657-85ec-b975f32d636e', '019914c8-1910-75f9-9a19-a774a0bc8045', 4, 0, 26, 'assistant', 'assistant', '2025-09-04 12:55:14+00', '\x77463b4246591820bf39ef58b12f0e69'),
('01983ee1-2800-7657-85ec-b975f32d636e', '019914c8-1910-75f9-9a19-a774a0bc8045', 5, 0, 27, 'user', 'typed', '2025-09-04 12:55:22+00', '\xf00f0f7248f19e9a9c5b54fbd155d10f'),
('01983ee1-2800-7657-85ec-b975f32d636e', '019914c8-1910-75f9-9a19-a774a0bc8045', 6, 0, 28, 'assistant', 'assistant', '2025-09-04 12:55:46+00', '\x170a62a9598b51fa0ea60a4e87e4cf19'),
('0198492d-e000-70c7-b155-287d642b5dbd', '01991a5a-f280-7539-afa6-97efcf9c22fe', 1, 0, 8, 'user', 'typed', '2025-09-05 14:49:52+00', '\x62ded827ec067d03b528405e7a7ffff8'),
('0198492d-e000-70c7-b155-287d642b5dbd', '01991a5a-f280-7539-afa6-97efcf9c22fe', 2, 0, 9, 'assistant', 'assistant', '2025-09-05 14:50:37+00', '\x8f9da517e711bfde30d32ed86959a035'),
('01984407-8400-7da5-a5f6-1f198e49bb16', '01991aeb-b130-7c6c-b68f-b8397a9741ca', 1, 0, 7, 'user', 'typed', '2025-09-05 17:27:58+00', '\x55782911024dda069e20a8a6daa94d00'),
('01984407-8400-7da5-a5f6-1f198e49bb16', '01991aeb-b130-7c6c-b68f-b8397a9741ca', 2, 0, 8, 'assistant', 'assistant', '2025-09-05 17:28:14+00', '\x649c2f744820ca4c542a51a9b8a12bfb'),
('01984407-8400-7da5-a5f6-1f198e49bb16', '01991aeb-b130-7c6c-b68f-b8397a9741ca', 3, 0, 9, 'user', 'typed', '2025-09-05 17:28:52+00', '\x4f08afade5f5c74670bb72419cc96900'),
('01984407-8400-7da5-a5f6-1f198e49bb16', '01991aeb-b130-7c6c-b68f-b8397a9741ca', 4, 0, 10, 'assistant', 'assistant', '2025-09-05 17:29:51+00', '\xafb1b9801e95f2b6e4f34264713661d9'),
('0198492d-e000-70c7-b155-287d642b5dbd', '01991a5a-f280-7539-afa6-97efcf9c22fe', 3, 0, 10, 'user', 'typed', '2025-09-08 06:49:47+00', '\x904b014e0259eab122052e4b0c0ebd96'),
('0198492d-e000-70c7-b155-287d642b5dbd', '01991a5a-f280-7539-afa6-97efcf9c22fe', 4, 0, 11, 'assistant', 'assistant', '2025-09-08 06:50:53+00', '\x9f1e83f7397ab27079c46976a2490f7c'),
('01983ee1-2800-7657-85ec-b975f32d636e', '01992947-bf80-711c-ad80-d539b9fa05a8', 1, 0, 32, 'user', 'typed', '2025-09-08 12:23:12+00', '\x5d0ee533a2a22c97d99b98f51e918878'),
('01983ee1-2800-7657-85ec-b975f32d636e', '01992947-bf80-711c-ad80-d539b9fa05a8', 2, 0, 33, 'assistant', 'assistant', '2025-09-08 12:23:50+00', '\x7c1d110b4afc015201e9c3025772e367'),
('01983ee1-2800-7657-85ec-b975f32d636e', '01992947-bf80-711c-ad80-d539b9fa05a8', 3, 0, 34, 'user', 'typed', '2025-09-08 12:25:12+00', '\x95a54a77a3b5c2131864a7129b092af4'),
('01983ee1-2800-7657-85ec-b975f32d636e', '01992947-bf80-711c-ad80-d539b9fa05a8', 4, 0, 35, 'assistant', 'assistant', '2025-09-08 12:25:31+00', '\x5b07ff24dc9ce0fc11eb0b8464b84299'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019928dc-dc38-7cca-a036-716567cf6de6', 1, 0, 39, 'user', 'typed', '2025-09-08 10:26:27+00', '\x537bf7c68f6fdeee56c55da02df6d554'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019928dc-dc38-7cca-a036-716567cf6de6', 2, 0, 40, 'assistant', 'assistant', '2025-09-08 10:26:52+00', '\x043d376a54e195d3c3a19245210e44f9'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019928dc-dc38-7cca-a036-716567cf6de6', 3, 0, 41, 'tool', 'tool', '2025-09-08 10:28:10+00', '\xa5c75f4f3b8d10176e98a6b1db48309d'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019928dc-dc38-7cca-a036-716567cf6de6', 4, 0, 42, 'assistant', 'assistant', '2025-09-08 10:28:21+00', '\xa854c6d6923f272952ba1cfb48e0f1ce'),
('01984e54-3c00-7c29-ba54-e7fbf6c7472a', '0198eb38-4fe8-7691-8990-f04605d1b901', 5, 0, 6, 'user', 'typed', '2025-09-09 15:59:18+00', '\x81460e5df600f2472ee38a3f041cee1e'),
('01984e54-3c00-7c29-ba54-e7fbf6c7472a', '0198eb38-4fe8-7691-8990-f04605d1b901', 6, 0, 7, 'assistant', 'assistant', '2025-09-09 15:59:56+00', '\xed588e0507df1506398064d71ca1504d'),
('01983ee1-2800-7657-85ec-b975f32d636e', '019914c8-1910-75f9-9a19-a774a0bc8045', 7, 1, 36, 'user', 'typed', '2025-09-11 16:50:29+00', '\xb74e28cf42132f52abff983a00432e6b'),
('01983ee1-2800-7657-85ec-b975f32d636e', '019914c8-1910-75f9-9a19-a774a0bc8045', 8, 1, 37, 'assistant', 'assistant', '2025-09-11 16:51:19+00', '\x60ad525854f068c089c14e1b49a3c2c0'),
('01983ee1-2800-7657-85ec-b975f32d636e', '019914c8-1910-75f9-9a19-a774a0bc8045', 9, 1, 38, 'user', 'typed', '2025-09-11 16:52:34+00', '\xe9cb9eaa22cd64bc3219626617ecff20'),
('01983ee1-2800-7657-85ec-b975f32d636e', '019914c8-1910-75f9-9a19-a774a0bc8045', 10, 1, 39, 'assistant', 'assistant', '2025-09-11 16:53:41+00', '\x2871f43ad882200142da9487715cd9ba'),
('01983ee1-2800-7657-85ec-b975f32d636e', '019914c8-1910-75f9-9a19-a774a0bc8045', 11, 1, 40, 'user', 'typed', '2025-09-11 16:53:53+00', '\xfcf1caa4dce54c972a88f864c0cf53de'),
('01983ee1-2800-7657-85ec-b975f32d636e', '019914c8-1910-75f9-9a19-a774a0bc8045', 12, 1, 41, 'assistant', 'assistant', '2025-09-11 16:55:15+00', '\x7809ae9ea131eb875b36fd11862c15cd'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '01993dce-e7d0-7fa4-860d-509ee78555ca', 1, 0, 43, 'user', 'typed', '2025-09-12 12:03:14+00', '\x81466b57a3d56dcaf1be2223dd5c65ef'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '01993dce-e7d0-7fa4-860d-509ee78555ca', 2, 0, 44, 'assistant', 'assistant', '2025-09-12 12:03:19+00', '\x6de414253e0b45cb5423302a09716fed'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '01993dce-e7d0-7fa4-860d-509ee78555ca', 3, 0, 45, 'user', 'typed', '2025-09-12 12:04:12+00', '\x1d15c9c078f13b5ada380221d55371b2'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '01993dce-e7d0-7fa4-860d-509ee78555ca', 4, 0, 46, 'assistant', 'assistant', '2025-09-12 12:05:09+00', '\x850fb13a9c372d0000fb82923b4982aa'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '01993dce-e7d0-7fa4-860d-509ee78555ca', 5, 0, 47, 'user', 'typed', '2025-09-12 12:06:33+00', '\xfd0908a3fcf3c724a29ec6caf88430a7'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '01993dce-e7d0-7fa4-860d-509ee78555ca', 6, 0, 48, 'assistant', 'assistant', '2025-09-12 12:07:16+00', '\xe87ea1e32cc305a530038cf7b86a3be1'),
('0198492d-e000-70c7-b155-287d642b5dbd', '019943ed-76e0-7721-a601-3d91e4805b5b', 1, 0, 12, 'user', 'typed', '2025-09-13 16:34:20+00', '\x6a668be84b1b8fd3c27168ae98770a51'),
('0198492d-e000-70c7-b155-287d642b5dbd', '019943ed-76e0-7721-a601-3d91e4805b5b', 2, 0, 13, 'assistant', 'assistant', '2025-09-13 16:34:33+00', '\xba6aec56802099372209bfa781236d79'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '0199528b-c238-7d40-aad1-30c5e06da26d', 1, 0, 49, 'user', 'typed', '2025-09-16 12:41:55+00', '\xa61cf7f35c4f5911c9214ce43eab187c'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '0199528b-c238-7d40-aad1-30c5e06da26d', 2, 0, 50, 'assistant', 'assistant', '2025-09-16 12:42:07+00', '\xe1b3287e050bee8e7fd0bfa5b8ca9c98'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '0199528b-c238-7d40-aad1-30c5e06da26d', 3, 0, 51, 'tool', 'tool', '2025-09-16 12:43:28+00', '\x2fd72c2a1e1e871f63b0dfd18bd2735e'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '0199528b-c238-7d40-aad1-30c5e06da26d', 4, 0, 52, 'assistant', 'assistant', '2025-09-16 12:43:48+00', '\xc02fd656fab5b10caebdb208fbbc2719'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '0199528b-c238-7d40-aad1-30c5e06da26d', 5, 0, 53, 'user', 'typed', '2025-09-16 12:44:03+00', '\x3ca3b4405d071d9e9d84c0a6465b3c1b'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '0199528b-c238-7d40-aad1-30c5e06da26d', 6, 0, 54, 'assistant', 'assistant', '2025-09-16 12:44:07+00', '\x37d6e75e9814c7f0f6228cbeda9874da'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '0199528b-c238-7d40-aad1-30c5e06da26d', 7, 0, 55, 'tool', 'tool', '2025-09-16 12:44:13+00', '\xca7523485aa3e80551d8b1360aedebfb'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '0199528b-c238-7d40-aad1-30c5e06da26d', 8, 0, 56, 'assistant', 'assistant', '2025-09-16 12:44:42+00', '\xafc79e8b681e3e9bdf13451b84b55876'),
('019858a0-f400-7d05-8ad5-93a3487e2360', '019968b1-0640-7567-a772-cfe9d0ce6fcd', 1, 0, 3, 'user', 'typed', '2025-09-20 19:54:16+00', '\xd7502b3b3464ad1d04542934ad097639'),
('019858a0-f400-7d05-8ad5-93a3487e2360', '019968b1-0640-7567-a772-cfe9d0ce6fcd', 2, 0, 4, 'assistant', 'assistant', '2025-09-20 19:54:53+00', '\xcca39a56c80289d970c1fbb25c5d95ef'),
('019858a0-f400-7d05-8ad5-93a3487e2360', '019968b1-0640-7567-a772-cfe9d0ce6fcd', 3, 0, 5, 'user', 'typed', '2025-09-20 19:56:03+00', '\x33b5c722841073d4902f142951954f24'),
('019858a0-f400-7d05-8ad5-93a3487e2360', '019968b1-0640-7567-a772-cfe9d0ce6fcd', 4, 0, 6, 'assistant', 'assistant', '2025-09-20 19:56:54+00', '\x71a850155f14fc37155de1e9b5fc6b61'),
('019858a0-f400-7d05-8ad5-93a3487e2360', '019968b1-0640-7567-a772-cfe9d0ce6fcd', 5, 0, 7, 'user', 'typed', '2025-09-20 19:58:04+00', '\x7634e1974bc4c09a77f9305d834071cf'),
('019858a0-f400-7d05-8ad5-93a3487e2360', '019968b1-0640-7567-a772-cfe9d0ce6fcd', 6, 0, 8, 'assistant', 'assistant', '2025-09-20 19:58:23+00', '\xc831e135ac068fb0957ec4a59d67351d'),
('01984407-8400-7da5-a5f6-1f198e49bb16', '01996bac-d568-7b8a-961a-5bc7bc555a1d', 1, 0, 12, 'user', 'typed', '2025-09-21 09:48:33+00', '\xe5c167ff2c80ae31e8e33983aff5e545'),
('01984407-8400-7da5-a5f6-1f198e49bb16', '01996bac-d568-7b8a-961a-5bc7bc555a1d', 2, 0, 13, 'assistant', 'assistant', '2025-09-21 09:49:33+00', '\x1e719c9182b8325f5fc26f9523d802ce'),
('01984407-8400-7da5-a5f6-1f198e49bb16', '01996bac-d568-7b8a-961a-5bc7bc555a1d', 3, 0, 14, 'user', 'typed', '2025-09-21 09:50:15+00', '\xeb7f2b8f0ea22897820c41d767e65549'),
('01984407-8400-7da5-a5f6-1f198e49bb16', '01996bac-d568-7b8a-961a-5bc7bc555a1d', 4, 0, 15, 'assistant', 'assistant', '2025-09-21 09:51:28+00', '\x19fa396a44ac8e44419cb928e23b3f44'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '0199716b-6640-7bd6-930c-9112393e5308', 1, 0, 57, 'user', 'typed', '2025-09-22 12:34:48+00', '\xf5ee9574181c5e612cb048fb6333bb09'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '0199716b-6640-7bd6-930c-9112393e5308', 2, 0, 58, 'assistant', 'assistant', '2025-09-22 12:35:51+00', '\x0efed9ef51d8162f778280e7dc1b8ebd'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '0199716b-6640-7bd6-930c-9112393e5308', 3, 0, 59, 'tool', 'tool', '2025-09-22 12:36:44+00', '\xf0074160c452a2e1f6eb36be062c76a5'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '0199716b-6640-7bd6-930c-9112393e5308', 4, 0, 60, 'assistant', 'assistant', '2025-09-22 12:38:03+00', '\x2319774327c31dd7cc8b6c9d7813dc65'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '0199716b-6640-7bd6-930c-9112393e5308', 5, 0, 61, 'user', 'typed', '2025-09-22 12:39:08+00', '\xb112420367a635acf06e92c45df84223'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '0199716b-6640-7bd6-930c-9112393e5308', 6, 0, 62, 'assistant', 'assistant', '2025-09-22 12:40:23+00', '\x7fa57acd3c80f0a0c4772f4dc23d09e8'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '0199716b-6640-7bd6-930c-9112393e5308', 7, 0, 63, 'tool', 'tool', '2025-09-22 12:40:29+00', '\xc6a6163bfceead0aa21bac03b6f11851'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '0199716b-6640-7bd6-930c-9112393e5308', 8, 0, 64, 'assistant', 'assistant', '2025-09-22 12:41:00+00', '\x20631b8eb37efe7f0b5a203448f349d7'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '01997bfa-3820-721e-8715-a44452e377b6', 1, 0, 65, 'user', 'typed', '2025-09-24 13:47:00+00', '\x33257a5d74f759cc083fc160fc0b38d7'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '01997bfa-3820-721e-8715-a44452e377b6', 2, 0, 66, 'assistant', 'assistant', '2025-09-24 13:47:35+00', '\x61ab7b9fb450ea7be531c55b0c0f7911'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '01997bfa-3820-721e-8715-a44452e377b6', 3, 0, 67, 'tool', 'tool', '2025-09-24 13:48:37+00', '\x332464eefee01e33f6d2cf387ac4df43'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '01997bfa-3820-721e-8715-a44452e377b6', 4, 0, 68, 'assistant', 'assistant', '2025-09-24 13:49:54+00', '\x6d140a3690b9d8298147bf28aeb58dd5'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019984a2-e4e0-7f5d-ba11-697bda1afb9c', 1, 0, 69, 'user', 'typed', '2025-09-26 06:08:12+00', '\x65638081c05c2a7fa36177f57d83b9f5'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019984a2-e4e0-7f5d-ba11-697bda1afb9c', 2, 0, 70, 'assistant', 'assistant', '2025-09-26 06:08:57+00', '\xfd7236e2832d220cf83091884615082b'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019984a2-e4e0-7f5d-ba11-697bda1afb9c', 3, 0, 71, 'tool', 'tool', '2025-09-26 06:10:00+00', '\x9a24c83478597460ab3c1095009db21b'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019984a2-e4e0-7f5d-ba11-697bda1afb9c', 4, 0, 72, 'assistant', 'assistant', '2025-09-26 06:10:32+00', '\x67639c40e064fe56a2aa5961fba05cbc'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019984a2-e4e0-7f5d-ba11-697bda1afb9c', 5, 0, 73, 'user', 'typed', '2025-09-26 06:11:56+00', '\x88f16c73ab338d3edeb7d75203e610ad'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019984a2-e4e0-7f5d-ba11-697bda1afb9c', 6, 0, 74, 'assistant', 'assistant', '2025-09-26 06:12:13+00', '\x91c1ebb838e3141ebb62acd6fa0c3e31'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019984a2-e4e0-7f5d-ba11-697bda1afb9c', 7, 0, 75, 'tool', 'tool', '2025-09-26 06:13:24+00', '\x3cb3ef22a8efd203f735e6a684cd072f'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019984a2-e4e0-7f5d-ba11-697bda1afb9c', 8, 0, 76, 'assistant', 'assistant', '2025-09-26 06:14:33+00', '\x779bff041c2df463f6a2ec6f717e1fc6'),
('01985dc7-5000-7a49-83b2-909edfa64934', '0199966b-7db8-7da1-a8ea-0b75bcb6ed6d', 1, 0, 10, 'user', 'typed', '2025-09-29 17:00:51+00', '\x5b0adee7e38120a0ad8126a164c183e2'),
('01985dc7-5000-7a49-83b2-909edfa64934', '0199966b-7db8-7da1-a8ea-0b75bcb6ed6d', 2, 0, 11, 'assistant', 'assistant', '2025-09-29 17:02:16+00', '\x1f336c9f2712cdd80467f8943abd18d0'),
('01985dc7-5000-7a49-83b2-909edfa64934', '0199966b-7db8-7da1-a8ea-0b75bcb6ed6d', 3, 0, 12, 'user', 'typed', '2025-09-29 17:03:20+00', '\x8ab3e430c6882d4f3b3cecd1b6d2fcbb'),
('01985dc7-5000-7a49-83b2-909edfa64934', '0199966b-7db8-7da1-a8ea-0b75bcb6ed6d', 4, 0, 13, 'assistant', 'assistant', '2025-09-29 17:03:29+00', '\xf891236a2f05cbd24d8624d10fd96ad6'),
('0198492d-e000-70c7-b155-287d642b5dbd', '019994de-a3f8-724c-8936-e6770170601b', 1, 0, 14, 'user', 'typed', '2025-09-29 09:47:23+00', '\x21c0d6e49b7b850caf35e58014501bcc'),
('0198492d-e000-70c7-b155-287d642b5dbd', '019994de-a3f8-724c-8936-e6770170601b', 2, 0, 15, 'assistant', 'assistant', '2025-09-29 09:48:40+00', '\x1d8c7d2638e1d7d0367e01e7ac1ee16d'),
('0198492d-e000-70c7-b155-287d642b5dbd', '019994de-a3f8-724c-8936-e6770170601b', 3, 0, 16, 'user', 'typed', '2025-09-29 09:49:21+00', '\xf624e5c2379dc95fb0bde6257f66ebe0'),
('0198492d-e000-70c7-b155-287d642b5dbd', '019994de-a3f8-724c-8936-e6770170601b', 4, 0, 17, 'assistant', 'assistant', '2025-09-29 09:50:15+00', '\x7fde2e2bd0ed540bbd1afb3892a9b255'),
('01985dc7-5000-7a49-83b2-909edfa64934', '0199a651-fc98-7ac6-8e58-4c14a36d8e2d', 1, 0, 14, 'user', 'typed', '2025-10-02 19:06:55+00', '\x437bc73876fbdb3e1bc06834e5a77236'),
('01985dc7-5000-7a49-83b2-909edfa64934', '0199a651-fc98-7ac6-8e58-4c14a36d8e2d', 2, 0, 15, 'assistant', 'assistant', '2025-10-02 19:07:37+00', '\x1db7e8799816b04a416e3dfea65a98ad'),
('01985dc7-5000-7a49-83b2-909edfa64934', '0199a651-fc98-7ac6-8e58-4c14a36d8e2d', 3, 0, 16, 'user', 'typed', '2025-10-02 19:07:50+00', '\x1a936c8d8a2b25a29d06c64cc98dcc7a'),
('01985dc7-5000-7a49-83b2-909edfa64934', '0199a651-fc98-7ac6-8e58-4c14a36d8e2d', 4, 0, 17, 'assistant', 'assistant', '2025-10-02 19:08:39+00', '\xf88f71ad97a0816e01a04d13df23e8d6'),
('01985dc7-5000-7a49-83b2-909edfa64934', '0199a651-fc98-7ac6-8e58-4c14a36d8e2d', 5, 0, 18, 'user', 'typed', '2025-10-02 19:09:28+00', '\xb261abe2d916fa2edd2794bf93f4fa17'),
('01985dc7-5000-7a49-83b2-909edfa64934', '0199a651-fc98-7ac6-8e58-4c14a36d8e2d', 6, 0, 19, 'assistant', 'assistant', '2025-10-02 19:09:43+00', '\x1c3bd1e8ce1cf99c70b6670d760066f3'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '0199aaa0-8e68-798a-9e9e-ddb7037a0ad8', 1, 0, 78, 'user', 'typed', '2025-10-03 15:11:13+00', '\xa79260d6a2c23c70171b918dc42ae5e1'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '0199aaa0-8e68-798a-9e9e-ddb7037a0ad8', 2, 0, 79, 'assistant', 'assistant', '2025-10-03 15:11:55+00', '\x922809513d9b23ea46ad32162d0ba3c8'),
('0198537a-9800-74ea-aa4b-e7674660a21e', '0199ade0-1968-77c7-8376-277d079e3d1b', 1, 0, 7, 'user', 'typed', '2025-10-04 06:19:29+00', '\x10e05191d90d1351f3aa10e2d0254d8a'),
('0198537a-9800-74ea-aa4b-e7674660a21e', '0199ade0-1968-77c7-8376-277d079e3d1b', 2, 0, 8, 'assistant', 'assistant', '2025-10-04 06:20:42+00', '\x9462f7b5fb475e3be24f0208778aa11f'),
('0198537a-9800-74ea-aa4b-e7674660a21e', '0199ade0-1968-77c7-8376-277d079e3d1b', 3, 0, 9, 'user', 'typed', '2025-10-04 06:22:05+00', '\x3f68b598c7b5644caee4006ef29b0d36'),
('0198537a-9800-74ea-aa4b-e7674660a21e', '0199ade0-1968-77c7-8376-277d079e3d1b', 4, 0, 10, 'assistant', 'assistant', '2025-10-04 06:22:28+00', '\xf87d2680d64b7b0ba5cbc3c2134c622d'),
('0198537a-9800-74ea-aa4b-e7674660a21e', '0199ade0-1968-77c7-8376-277d079e3d1b', 5, 0, 11, 'user', 'typed', '2025-10-04 06:23:12+00', '\x0626d81925f521e5384e3ba32c6a6535'),
('0198537a-9800-74ea-aa4b-e7674660a21e', '0199ade0-1968-77c7-8376-277d079e3d1b', 6, 0, 12, 'assistant', 'assistant', '2025-10-04 06:24:31+00', '\xb94948542a7ccd1ab605875c92211d9b'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '0199afc6-2ee8-7198-bda4-95ee1e5a7d32', 1, 0, 80, 'user', 'typed', '2025-10-04 15:10:25+00', '\x4735c136b667f5cc128beb7a60503950'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '0199afc6-2ee8-7198-bda4-95ee1e5a7d32', 2, 0, 81, 'assistant', 'assistant', '2025-10-04 15:10:41+00', '\xce3659e40469349b051afeb8c57996f6'),
('0198492d-e000-70c7-b155-287d642b5dbd', '0199b92c-d860-7d35-a1bc-0860dde6200f', 1, 0, 18, 'user', 'typed', '2025-10-06 10:59:08+00', '\xccde604c32e98f36766d495bf455f8df'),
('0198492d-e000-70c7-b155-287d642b5dbd', '0199b92c-d860-7d35-a1bc-0860dde6200f', 2, 0, 19, 'assistant', 'assistant', '2025-10-06 10:59:35+00', '\x9c0c6039f0a419cbb0afc5a328d4c2a9'),
('01983ee1-2800-7657-85ec-b975f32d636e', '01992947-bf80-711c-ad80-d539b9fa05a8', 5, 0, 46, 'user', 'typed', '2025-10-08 12:08:31+00', '\xae30946ebeb091a8c90f9061a599f499'),
('01983ee1-2800-7657-85ec-b975f32d636e', '01992947-bf80-711c-ad80-d539b9fa05a8', 6, 0, 47, 'assistant', 'assistant', '2025-10-08 12:09:32+00', '\xd700f386a1ff8046b6cfe038d54b614b'),
('01983ee1-2800-7657-85ec-b975f32d636e', '01992947-bf80-711c-ad80-d539b9fa05a8', 7, 0, 48, 'user', 'typed', '2025-10-08 12:09:43+00', '\x5a7d398d4c0b636c1e4ef7999abcb1e8'),
('01983ee1-2800-7657-85ec-b975f32d636e', '01992947-bf80-711c-ad80-d539b9fa05a8', 8, 0, 49, 'assistant', 'assistant', '2025-10-08 12:09:58+00', '\x3023a5bd702a86ad39c93b3640c81589'),
('01983ee1-2800-7657-85ec-b975f32d636e', '01992947-bf80-711c-ad80-d539b9fa05a8', 9, 0, 50, 'user', 'typed', '2025-10-08 12:11:20+00', '\xc880e07f3340a58cc7b10ae492a6f85e'),
('01983ee1-2800-7657-85ec-b975f32d636e', '01992947-bf80-711c-ad80-d539b9fa05a8', 10, 0, 51, 'assistant', 'assistant', '2025-10-08 12:12:22+00', '\x6582d2a0c55d7feb0264253907ce0484'),
('01983ee1-2800-7657-85ec-b975f32d636e', '0199d3f0-ca08-78f4-82ed-52daa7aa3b53', 1, 0, 52, 'user', 'typed', '2025-10-11 15:43:17+00', '\xb9fe7b8c1fa2cfe91b38c88762793ddc'),
('01983ee1-2800-7657-85ec-b975f32d636e', '0199d3f0-ca08-78f4-82ed-52daa7aa3b53', 2, 0, 53, 'assistant', 'assistant', '2025-10-11 15:44:37+00', '\x8bc677860e2723274982b3802f13658e'),
('01983ee1-2800-7657-85ec-b975f32d636e', '0199d3f0-ca08-78f4-82ed-52daa7aa3b53', 3, 0, 54, 'user', 'typed', '2025-10-11 15:45:28+00', '\x7aa9b885ec945564ad2a5f5a076aa388'),
('01983ee1-2800-7657-85ec-b975f32d636e', '0199d3f0-ca08-78f4-82ed-52daa7aa3b53', 4, 0, 55, 'assistant', 'assistant', '2025-10-11 15:46:00+00', '\x0419506f5c46ece7cb6f3679d47ef3dc'),
('01983ee1-2800-7657-85ec-b975f32d636e', '0199d3f0-ca08-78f4-82ed-52daa7aa3b53', 5, 0, 56, 'user', 'typed', '2025-10-11 15:46:59+00', '\x11fe9621b87f6846a69c5576b8911674'),
('01983ee1-2800-7657-85ec-b975f32d636e', '0199d3f0-ca08-78f4-82ed-52daa7aa3b53', 6, 0, 57, 'assistant', 'assistant', '2025-10-11 15:47:44+00', '\xc9102f531165e5c35ee3994aa83dff2b'),
('0198492d-e000-70c7-b155-287d642b5dbd', '0199d777-fcc8-7bed-93f9-6ab6a340ad9f', 1, 0, 20, 'user', 'typed', '2025-10-12 08:09:49+00', '\xa70f7ae59586cdbd889824376d9008ff'),
('0198492d-e000-70c7-b155-287d642b5dbd', '0199d777-fcc8-7bed-93f9-6ab6a340ad9f', 2, 0, 21, 'assistant', 'assistant', '2025-10-12 08:10:50+00', '\x65d15b7a88b297cfef2d23a749021d58'),
('0198492d-e000-70c7-b155-287d642b5dbd', '0199d777-fcc8-7bed-93f9-6ab6a340ad9f', 3, 0, 22, 'user', 'typed', '2025-10-12 08:12:17+00', '\xf97b64a2956c52a5664bf45e7eee6800'),
('0198492d-e000-70c7-b155-287d642b5dbd', '0199d777-fcc8-7bed-93f9-6ab6a340ad9f', 4, 0, 23, 'assistant', 'assistant', '2025-10-12 08:13:29+00', '\x20d641f6cd5169e4f98bf5f062ac05ca'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '0199d774-4f60-72e9-9bca-057492e7c3c2', 1, 0, 82, 'user', 'typed', '2025-10-12 08:05:48+00', '\x81d3f4f97f982e47f4300456d0904c37'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '0199d774-4f60-72e9-9bca-057492e7c3c2', 2, 0, 83, 'assistant', 'assistant', '2025-10-12 08:05:54+00', '\x06444dfe6235337eec62a4a4c6e2f1e9'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '0199d774-4f60-72e9-9bca-057492e7c3c2', 3, 0, 84, 'tool', 'tool', '2025-10-12 08:06:21+00', '\x8471c3ed623a7e6c45843c17e2372744'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '0199d774-4f60-72e9-9bca-057492e7c3c2', 4, 0, 85, 'assistant', 'assistant', '2025-10-12 08:07:25+00', '\xe0447f31646c3dc246ffedc9f4b14f13'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '0199d774-4f60-72e9-9bca-057492e7c3c2', 5, 0, 86, 'user', 'typed', '2025-10-12 08:08:11+00', '\x82b9576e9e4853ba194dcb4e878c06bf'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '0199d774-4f60-72e9-9bca-057492e7c3c2', 6, 0, 87, 'assistant', 'assistant', '2025-10-12 08:08:51+00', '\x76fa1c303658dd87b8567f8637c6d795'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '0199d774-4f60-72e9-9bca-057492e7c3c2', 7, 0, 88, 'tool', 'tool', '2025-10-12 08:09:04+00', '\xcd3df3306fb2bf51bfb473b10d3f8534'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '0199d774-4f60-72e9-9bca-057492e7c3c2', 8, 0, 89, 'assistant', 'assistant', '2025-10-12 08:09:44+00', '\xafa0b27f3626da0b6260eee8473e592b'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '0199d774-4f60-72e9-9bca-057492e7c3c2', 9, 0, 90, 'user', 'typed', '2025-10-12 08:10:02+00', '\xfb68a243f6bb3b874080fdbbec3ef6ef'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '0199d774-4f60-72e9-9bca-057492e7c3c2', 10, 0, 91, 'assistant', 'assistant', '2025-10-12 08:10:44+00', '\x77d96e1d0807630820b94414ced117ab'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '0199d774-4f60-72e9-9bca-057492e7c3c2', 11, 0, 92, 'tool', 'tool', '2025-10-12 08:10:57+00', '\xdf2afb7e4ca8c3d9576626bcbb5e4c34'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '0199d774-4f60-72e9-9bca-057492e7c3c2', 12, 0, 93, 'assistant', 'assistant', '2025-10-12 08:11:04+00', '\x3535b923863ed8ffd7c2a035d1ea0943'),
('0198537a-9800-74ea-aa4b-e7674660a21e', '019a0a9f-04e8-7e1f-bd29-599fc073db63', 1, 0, 19, 'user', 'typed', '2025-10-22 06:33:05+00', '\x5aa81218320aca9404d2c96daf56538f'),
('0198537a-9800-74ea-aa4b-e7674660a21e', '019a0a9f-04e8-7e1f-bd29-599fc073db63', 2, 0, 20, 'assistant', 'assistant', '2025-10-22 06:34:02+00', '\xa59b1a4bf842fe28789f8c8d0419cca6'),
('0198537a-9800-74ea-aa4b-e7674660a21e', '019a0a9f-04e8-7e1f-bd29-599fc073db63', 3, 0, 21, 'user', 'typed', '2025-10-22 06:35:13+00', '\xc9f1170501094f0836dcd3ac91017dc5'),
('0198537a-9800-74ea-aa4b-e7674660a21e', '019a0a9f-04e8-7e1f-bd29-599fc073db63', 4, 0, 22, 'assistant', 'assistant', '2025-10-22 06:36:36+00', '\xdafd0a5a29d1656ce3c8386e26d8848d'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '0199d774-4f60-72e9-9bca-057492e7c3c2', 25, 0, 120, 'user', 'typed', '2025-10-24 07:00:32+00', '\xd3f59519460780903d7b37f55c46308f'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '0199d774-4f60-72e9-9bca-057492e7c3c2', 26, 0, 121, 'assistant', 'assistant', '2025-10-24 07:01:00+00', '\x047e861fc99106a4f2dbc19b1fa79e88'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '0199d774-4f60-72e9-9bca-057492e7c3c2', 27, 0, 122, 'tool', 'tool', '2025-10-24 07:01:55+00', '\x6f3b7f3184885f09d5ee4f3de61a9b88'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '0199d774-4f60-72e9-9bca-057492e7c3c2', 28, 0, 123, 'assistant', 'assistant', '2025-10-24 07:01:59+00', '\x257ebfdea893c0fd5aea1c12c9ce1ccb'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '0199d774-4f60-72e9-9bca-057492e7c3c2', 29, 0, 124, 'user', 'typed', '2025-10-24 07:03:25+00', '\x7c29172068f73a16fc27258d14068a0f'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '0199d774-4f60-72e9-9bca-057492e7c3c2', 30, 0, 125, 'assistant', 'assistant', '2025-10-24 07:04:50+00', '\xa369eea1a65d1e5e38ce675495e8e9f1'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '0199d774-4f60-72e9-9bca-057492e7c3c2', 31, 0, 126, 'tool', 'tool', '2025-10-24 07:05:25+00', '\xfbfabfdb1ae810736f471a862fbc1deb'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '0199d774-4f60-72e9-9bca-057492e7c3c2', 32, 0, 127, 'assistant', 'assistant', '2025-10-24 07:05:33+00', '\x317c88a34c8249b47b73b3a9cba6cb92'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '0199d774-4f60-72e9-9bca-057492e7c3c2', 33, 0, 128, 'user', 'typed', '2025-10-24 07:06:25+00', '\x314def3662945b28d23fa01df933dcd8'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '0199d774-4f60-72e9-9bca-057492e7c3c2', 34, 0, 129, 'assistant', 'assistant', '2025-10-24 07:06:32+00', '\x81841270d8ad69f536f5d0b3bfe0a166'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '0199d774-4f60-72e9-9bca-057492e7c3c2', 35, 0, 130, 'tool', 'tool', '2025-10-24 07:07:10+00', '\xf678b5ab344fd435fed2b9903ad23199'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '0199d774-4f60-72e9-9bca-057492e7c3c2', 36, 0, 131, 'assistant', 'assistant', '2025-10-24 07:07:57+00', '\xfc276fc4f7038a33c4e2c981c5aa661b'),
('0198537a-9800-74ea-aa4b-e7674660a21e', '019a1c55-90a8-7314-8598-f21967176e1b', 1, 0, 23, 'user', 'typed', '2025-10-25 17:06:01+00', '\x122109c57f4fdd432763481b864b3e14'),
('0198537a-9800-74ea-aa4b-e7674660a21e', '019a1c55-90a8-7314-8598-f21967176e1b', 2, 0, 24, 'assistant', 'assistant', '2025-10-25 17:06:09+00', '\x1c93a12a18a1d35756b258fab235dcab'),
('0198537a-9800-74ea-aa4b-e7674660a21e', '019a1c55-90a8-7314-8598-f21967176e1b', 3, 0, 25, 'user', 'typed', '2025-10-25 17:06:16+00', '\x997ebdfc30de30d7b9947dd9bf1e6c32'),
('0198537a-9800-74ea-aa4b-e7674660a21e', '019a1c55-90a8-7314-8598-f21967176e1b', 4, 0, 26, 'assistant', 'assistant', '2025-10-25 17:06:44+00', '\x1026068295a40282cb57da633968ea08'),
('01983ee1-2800-7657-85ec-b975f32d636e', '01992947-bf80-711c-ad80-d539b9fa05a8', 11, 0, 58, 'user', 'typed', '2025-10-30 14:42:25+00', '\x565c244965378d3036b563bac0c514db'),
('01983ee1-2800-7657-85ec-b975f32d636e', '01992947-bf80-711c-ad80-d539b9fa05a8', 12, 0, 59, 'assistant', 'assistant', '2025-10-30 14:43:39+00', '\x8c0a42725c7f711b6f49beb9f840b95b'),
('01983ee1-2800-7657-85ec-b975f32d636e', '01992947-bf80-711c-ad80-d539b9fa05a8', 13, 0, 60, 'user', 'typed', '2025-10-30 14:44:25+00', '\x2cfde68de7dac19e995a48cf08c945d6'),
('01983ee1-2800-7657-85ec-b975f32d636e', '01992947-bf80-711c-ad80-d539b9fa05a8', 14, 0, 61, 'assistant', 'assistant', '2025-10-30 14:45:19+00', '\xb40220351e194a637810e2cd5d4be0b9'),
('01983ee1-2800-7657-85ec-b975f32d636e', '01992947-bf80-711c-ad80-d539b9fa05a8', 15, 0, 62, 'user', 'typed', '2025-10-30 14:46:07+00', '\x4abd7e3641bfebb1f73161a7e5ddeac7'),
('01983ee1-2800-7657-85ec-b975f32d636e', '01992947-bf80-711c-ad80-d539b9fa05a8', 16, 0, 63, 'assistant', 'assistant', '2025-10-30 14:46:19+00', '\x64b7ea25b9d14022a34d095691b0054d'),
('01983ee1-2800-7657-85ec-b975f32d636e', '019a5806-a1c8-711a-97ff-7818bcca3af5', 1, 0, 64, 'user', 'typed', '2025-11-06 07:17:01+00', '\x5e5f25d35d9bbd09ab4400a97976d561'),
('01983ee1-2800-7657-85ec-b975f32d636e', '019a5806-a1c8-711a-97ff-7818bcca3af5', 2, 0, 65, 'assistant', 'assistant', '2025-11-06 07:17:51+00', '\x7462fadbc67705e5010089d0e91cd03f'),
('01983ee1-2800-7657-85ec-b975f32d636e', '019a5806-a1c8-711a-97ff-7818bcca3af5', 3, 0, 66, 'user', 'typed', '2025-11-06 07:17:58+00', '\x5053ff8f1734a9cc644b615573b8abbd'),
('01983ee1-2800-7657-85ec-b975f32d636e', '019a5806-a1c8-711a-97ff-7818bcca3af5', 4, 0, 67, 'assistant', 'assistant', '2025-11-06 07:19:19+00', '\xe4b0bfda7367e3c1ffb01a854f8a2004'),
('019a454c-0000-7a22-a117-8d84f18633d9', '019a5e26-1f20-7557-8776-5e42f01d9739', 1, 0, 2, 'assistant', 'assistant', '2025-11-07 11:49:08+00', '\x8a0a2b10e1ca7e20c53a686aa2f23102'),
('019a454c-0000-7a22-a117-8d84f18633d9', '019a5e26-1f20-7557-8776-5e42f01d9739', 2, 0, 3, 'assistant', 'assistant', '2025-11-07 11:51:02+00', '\x4078d8a94910884f6bb3fa6520156bca'),
('01984407-8400-7da5-a5f6-1f198e49bb16', '019a6437-19a0-7fd0-a00c-62820e2f5b58', 1, 0, 16, 'user', 'typed', '2025-11-08 16:05:24+00', '\x08f2e061b09e034360479407349355f0'),
('01984407-8400-7da5-a5f6-1f198e49bb16', '019a6437-19a0-7fd0-a00c-62820e2f5b58', 2, 0, 17, 'assistant', 'assistant', '2025-11-08 16:06:42+00', '\x9c71f7b56df8d2d02727e20b5b7e9553'),
('019a454c-0000-7a22-a117-8d84f18633d9', '019a62fa-a9d0-7ca4-8057-24bb68e6fb25', 1, 0, 4, 'assistant', 'assistant', '2025-11-08 10:19:46+00', '\xc0f1e97fd778057fd862826734d59118'),
('019a454c-0000-7a22-a117-8d84f18633d9', '019a62fa-a9d0-7ca4-8057-24bb68e6fb25', 2, 0, 5, 'assistant', 'assistant', '2025-11-08 10:20:15+00', '\x928d55a77d631a4de060cdb008c9e706'),
('01985dc7-5000-7a49-83b2-909edfa64934', '019a73cf-6110-756f-bb48-313af08a093a', 1, 0, 28, 'user', 'typed', '2025-11-11 16:46:02+00', '\x93b1a977237e7291a25e822628719d0a'),
('01985dc7-5000-7a49-83b2-909edfa64934', '019a73cf-6110-756f-bb48-313af08a093a', 2, 0, 29, 'assistant', 'assistant', '2025-11-11 16:46:56+00', '\x57bdefd615353d5fcfc5ede1f2ef75cc'),
('01985dc7-5000-7a49-83b2-909edfa64934', '019a73cf-6110-756f-bb48-313af08a093a', 3, 0, 30, 'user', 'typed', '2025-11-11 16:47:10+00', '\xd044df6b1236d8f06bf89e533ea3793b'),
('01985dc7-5000-7a49-83b2-909edfa64934', '019a73cf-6110-756f-bb48-313af08a093a', 4, 0, 31, 'assistant', 'assistant', '2025-11-11 16:48:19+00', '\xc9f8fac78102f860ee9e11c293e52a39'),
('01985dc7-5000-7a49-83b2-909edfa64934', '019a73cf-6110-756f-bb48-313af08a093a', 5, 0, 32, 'user', 'typed', '2025-11-11 16:48:34+00', '\x376c97a20d02f2a0851d7c14027e44d0'),
('01985dc7-5000-7a49-83b2-909edfa64934', '019a73cf-6110-756f-bb48-313af08a093a', 6, 0, 33, 'assistant', 'assistant', '2025-11-11 16:49:08+00', '\x7b88b76e815acb3f797ba7ca07e21680'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019a72d4-8e20-75bc-a5c1-926afee28897', 1, 0, 133, 'user', 'typed', '2025-11-11 12:12:04+00', '\x074cf7c2893a8b9faed164fabab1b4c2'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019a72d4-8e20-75bc-a5c1-926afee28897', 2, 0, 134, 'assistant', 'assistant', '2025-11-11 12:12:50+00', '\x98852446a15f447b2e02cf7ed1034b7c'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019a72d4-8e20-75bc-a5c1-926afee28897', 3, 0, 135, 'tool', 'tool', '2025-11-11 12:14:02+00', '\x2b1ba93ba4786b385dcbbf9fa3e89ce4'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019a72d4-8e20-75bc-a5c1-926afee28897', 4, 0, 136, 'assistant', 'assistant', '2025-11-11 12:14:27+00', '\xf6903d53bcb105b406070a2c2b5dcae0'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019a72d4-8e20-75bc-a5c1-926afee28897', 5, 0, 137, 'user', 'typed', '2025-11-11 12:14:42+00', '\x803c349440baeb5a32c020b123c6514a'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019a72d4-8e20-75bc-a5c1-926afee28897', 6, 0, 138, 'assistant', 'assistant', '2025-11-11 12:14:48+00', '\xd79c2c8ea3b26b47edb20821f8fe4910'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019a72d4-8e20-75bc-a5c1-926afee28897', 7, 0, 139, 'tool', 'tool', '2025-11-11 12:15:09+00', '\xce000aeacbb6d862f8f7897782904573'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019a72d4-8e20-75bc-a5c1-926afee28897', 8, 0, 140, 'assistant', 'assistant', '2025-11-11 12:15:17+00', '\xfab7c8c8568012e8d645be9df5ed4c82'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019a72d4-8e20-75bc-a5c1-926afee28897', 9, 0, 141, 'user', 'typed', '2025-11-11 12:16:42+00', '\xa30018abdf83b56720b182a7338ddeab'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019a72d4-8e20-75bc-a5c1-926afee28897', 10, 0, 142, 'assistant', 'assistant', '2025-11-11 12:18:02+00', '\x0a3bdfdd21e9f90558ba31b048f8af53'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019a72d4-8e20-75bc-a5c1-926afee28897', 11, 0, 143, 'tool', 'tool', '2025-11-11 12:19:02+00', '\x68a37fc862eb1acf46b80e59f25e8f4d'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019a72d4-8e20-75bc-a5c1-926afee28897', 12, 0, 144, 'assistant', 'assistant', '2025-11-11 12:19:59+00', '\xf389d464c86f1796cec96a15b21a7bce'),
('019a454c-0000-7a22-a117-8d84f18633d9', '019a739f-1d98-7928-a8de-0e4821a1a59e', 1, 0, 6, 'assistant', 'assistant', '2025-11-11 15:53:19+00', '\x9177ea3aa8d7d08ef60ec8815fb24b12'),
('019a454c-0000-7a22-a117-8d84f18633d9', '019a739f-1d98-7928-a8de-0e4821a1a59e', 2, 0, 7, 'assistant', 'assistant', '2025-11-11 15:53:53+00', '\x86e51122edc52a8fd95958649bf0ec5a'),
('019a454c-0000-7a22-a117-8d84f18633d9', '019a739f-1d98-7928-a8de-0e4821a1a59e', 3, 0, 8, 'assistant', 'assistant', '2025-11-11 15:55:52+00', '\xa82225173f2262ccc2a4c5fbe656d2d5'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019a7db4-1fe0-7c3e-90b6-a407a05601c8', 1, 0, 145, 'user', 'typed', '2025-11-13 14:52:28+00', '\x7105c154ea543a9d9f2730c2818558f2'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019a7db4-1fe0-7c3e-90b6-a407a05601c8', 2, 0, 146, 'assistant', 'assistant', '2025-11-13 14:53:11+00', '\xe242a73711b16f799aa5b6100236f9c1'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019a7db4-1fe0-7c3e-90b6-a407a05601c8', 3, 0, 147, 'tool', 'tool', '2025-11-13 14:54:26+00', '\x1ea927f531a912cc15d3e5bfc882c4dd'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019a7db4-1fe0-7c3e-90b6-a407a05601c8', 4, 0, 148, 'assistant', 'assistant', '2025-11-13 14:55:11+00', '\x14dcd09ed69d4f84d22ca635c261c883'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019a7db4-1fe0-7c3e-90b6-a407a05601c8', 5, 0, 149, 'user', 'typed', '2025-11-13 14:55:36+00', '\x6c12c6da1ff2a5fe556d3c3f7c78bc93'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019a7db4-1fe0-7c3e-90b6-a407a05601c8', 6, 0, 150, 'assistant', 'assistant', '2025-11-13 14:57:03+00', '\x3b75b05a411c3d8211cdb6cf9404b6c8'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019a7db4-1fe0-7c3e-90b6-a407a05601c8', 7, 0, 151, 'tool', 'tool', '2025-11-13 14:57:51+00', '\xe87df04da82e850d210c7f8c32da4e9d'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019a7db4-1fe0-7c3e-90b6-a407a05601c8', 8, 0, 152, 'assistant', 'assistant', '2025-11-13 14:59:18+00', '\x0e296008cb3e1d16503231716991b320'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019a7db4-1fe0-7c3e-90b6-a407a05601c8', 9, 0, 153, 'user', 'typed', '2025-11-13 15:00:21+00', '\x5260e57ba15ebb395ce9947cdb1c0af9'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019a7db4-1fe0-7c3e-90b6-a407a05601c8', 10, 0, 154, 'assistant', 'assistant', '2025-11-13 15:01:18+00', '\x50e7d2e1b0f2d77bf9769f5637e3e174'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019a7db4-1fe0-7c3e-90b6-a407a05601c8', 11, 0, 155, 'tool', 'tool', '2025-11-13 15:01:30+00', '\xcb9229d81778ebdc2f4bbb7044dc358a'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019a7db4-1fe0-7c3e-90b6-a407a05601c8', 12, 0, 156, 'assistant', 'assistant', '2025-11-13 15:02:21+00', '\xfbe6f385ce30a2749f0db7e5b890bf5a'),
('01984407-8400-7da5-a5f6-1f198e49bb16', '019a87de-28f8-75f9-9427-4b5809c33011', 1, 0, 18, 'user', 'typed', '2025-11-15 14:14:35+00', '\xe28e50ca3e3639769fa40bc2a111c417'),
('01984407-8400-7da5-a5f6-1f198e49bb16', '019a87de-28f8-75f9-9427-4b5809c33011', 2, 0, 19, 'assistant', 'assistant', '2025-11-15 14:14:48+00', '\x0655e14695da1d5228ace4d3ca1dc931'),
('01984407-8400-7da5-a5f6-1f198e49bb16', '019a87de-28f8-75f9-9427-4b5809c33011', 3, 0, 20, 'user', 'typed', '2025-11-15 14:16:11+00', '\xad98a7c95be253d2362d0d4045bc013d'),
('01984407-8400-7da5-a5f6-1f198e49bb16', '019a87de-28f8-75f9-9427-4b5809c33011', 4, 0, 21, 'assistant', 'assistant', '2025-11-15 14:16:29+00', '\xf8502147408ebabf07e8230219555220'),
('01984407-8400-7da5-a5f6-1f198e49bb16', '019a87de-28f8-75f9-9427-4b5809c33011', 5, 0, 22, 'user', 'typed', '2025-11-15 14:17:15+00', '\x3e124cd7ada2dd92605c015a47bba63c'),
('01984407-8400-7da5-a5f6-1f198e49bb16', '019a87de-28f8-75f9-9427-4b5809c33011', 6, 0, 23, 'assistant', 'assistant', '2025-11-15 14:18:17+00', '\x989ec08ead1d040106b16def94014cb9'),
('01982521-5c00-781c-850a-92db335ca808', '019a879a-8c60-7efb-8a42-0c4a601429c4', 1, 0, 3, 'user', 'typed', '2025-11-15 13:00:44+00', '\xd0ca830534a3d57623c9209b254d1479'),
('01982521-5c00-781c-850a-92db335ca808', '019a879a-8c60-7efb-8a42-0c4a601429c4', 2, 0, 4, 'assistant', 'assistant', '2025-11-15 13:00:48+00', '\x4b3e577c7e8bdf5e15bd7f0ba420abb4'),
('01982521-5c00-781c-850a-92db335ca808', '019a879a-8c60-7efb-8a42-0c4a601429c4', 3, 0, 5, 'user', 'typed', '2025-11-15 13:02:12+00', '\x8a127c44309880d5debb20c4f5b1c8c8'),
('01982521-5c00-781c-850a-92db335ca808', '019a879a-8c60-7efb-8a42-0c4a601429c4', 4, 0, 6, 'assistant', 'assistant', '2025-11-15 13:03:20+00', '\xc11de61628b2fef1e776064314c71262'),
('0198537a-9800-74ea-aa4b-e7674660a21e', '019a9ceb-51f8-797f-a28c-656bffabae04', 1, 0, 28, 'user', 'typed', '2025-11-19 16:20:59+00', '\xc100839c94e213b20791e400dad16979'),
('0198537a-9800-74ea-aa4b-e7674660a21e', '019a9ceb-51f8-797f-a28c-656bffabae04', 2, 0, 29, 'assistant', 'assistant', '2025-11-19 16:22:10+00', '\x189452b1e4b126e6627fda2a6a8dffca'),
('01983ee1-2800-7657-85ec-b975f32d636e', '019a9b19-4948-74e4-9894-a06c102575ab', 1, 0, 68, 'user', 'typed', '2025-11-19 07:51:57+00', '\xc46913c6951e48d560fbbc6cd6db9718'),
('01983ee1-2800-7657-85ec-b975f32d636e', '019a9b19-4948-74e4-9894-a06c102575ab', 2, 0, 69, 'assistant', 'assistant', '2025-11-19 07:52:56+00', '\x53358e58804e4d2abbdc104ec7d72190'),
('01983ee1-2800-7657-85ec-b975f32d636e', '0199d3f0-ca08-78f4-82ed-52daa7aa3b53', 7, 0, 70, 'user', 'typed', '2025-11-25 18:55:04+00', '\x77695c62b3dc0efeb8c8003507e1277c'),
('01983ee1-2800-7657-85ec-b975f32d636e', '0199d3f0-ca08-78f4-82ed-52daa7aa3b53', 8, 0, 71, 'assistant', 'assistant', '2025-11-25 18:56:06+00', '\x87fe3a0af0c5902123c1b2db14adf8a2'),
('01983ee1-2800-7657-85ec-b975f32d636e', '0199d3f0-ca08-78f4-82ed-52daa7aa3b53', 9, 0, 72, 'user', 'typed', '2025-11-25 18:56:23+00', '\x8e903a20690125106be54ee701beae3c'),
('01983ee1-2800-7657-85ec-b975f32d636e', '0199d3f0-ca08-78f4-82ed-52daa7aa3b53', 10, 0, 73, 'assistant', 'assistant', '2025-11-25 18:57:51+00', '\xeff1856d869bbb45e93ee34b1f4f43bd'),
('01983ee1-2800-7657-85ec-b975f32d636e', '0199d3f0-ca08-78f4-82ed-52daa7aa3b53', 11, 0, 74, 'user', 'typed', '2025-11-25 18:59:03+00', '\xa190e2d866a0595256e9664bb299a6ee'),
('01983ee1-2800-7657-85ec-b975f32d636e', '0199d3f0-ca08-78f4-82ed-52daa7aa3b53', 12, 0, 75, 'assistant', 'assistant', '2025-11-25 18:59:08+00', '\xbcf6ca50f73d93d5c0ff7bbf8a5447a3'),
('01982521-5c00-781c-850a-92db335ca808', '019ac13f-4af0-70f6-a532-2fb0183e29c1', 1, 0, 7, 'user', 'typed', '2025-11-26 17:39:02+00', '\xe37b95511616487cfc5721450a1a55a2'),
('01982521-5c00-781c-850a-92db335ca808', '019ac13f-4af0-70f6-a532-2fb0183e29c1', 2, 0, 8, 'assistant', 'assistant', '2025-11-26 17:39:06+00', '\x752b56714aa176b2aa8e3c623ebb93ba'),
('01982521-5c00-781c-850a-92db335ca808', '019ac13f-4af0-70f6-a532-2fb0183e29c1', 3, 0, 9, 'user', 'typed', '2025-11-26 17:39:34+00', '\x4ca98dc06105bcbeb94f09b5a56d7689'),
('01982521-5c00-781c-850a-92db335ca808', '019ac13f-4af0-70f6-a532-2fb0183e29c1', 4, 0, 10, 'assistant', 'assistant', '2025-11-26 17:40:23+00', '\x4232910182c7fb4967b61c65841f1c06'),
('01982521-5c00-781c-850a-92db335ca808', '019ac13f-4af0-70f6-a532-2fb0183e29c1', 5, 0, 11, 'user', 'typed', '2025-11-26 17:41:18+00', '\x611e0ac2cf3dbf5850777a7ca6569bce'),
('01982521-5c00-781c-850a-92db335ca808', '019ac13f-4af0-70f6-a532-2fb0183e29c1', 6, 0, 12, 'assistant', 'assistant', '2025-11-26 17:42:06+00', '\x75b70d4233c0ec1754fa85bdaf611ee9'),
('019a454c-0000-7a22-a117-8d84f18633d9', '019a739f-1d98-7928-a8de-0e4821a1a59e', 4, 0, 9, 'assistant', 'assistant', '2025-11-30 12:01:00+00', '\xa93897a8547508c9d8fe82dd2cd46e8d'),
('019a454c-0000-7a22-a117-8d84f18633d9', '019a739f-1d98-7928-a8de-0e4821a1a59e', 5, 0, 10, 'assistant', 'assistant', '2025-11-30 12:02:52+00', '\xfd9d9c3c744e3bde27567505373e601e'),
('019a454c-0000-7a22-a117-8d84f18633d9', '019a739f-1d98-7928-a8de-0e4821a1a59e', 6, 0, 11, 'assistant', 'assistant', '2025-11-30 12:04:22+00', '\x3d4383e20e4d96fed8ab996de8cf7833'),
('01982521-5c00-781c-850a-92db335ca808', '019ac13f-4af0-70f6-a532-2fb0183e29c1', 7, 0, 13, 'user', 'typed', '2025-12-02 15:36:29+00', '\xcdbced11b19129b5281c3d6b876c0124'),
('01982521-5c00-781c-850a-92db335ca808', '019ac13f-4af0-70f6-a532-2fb0183e29c1', 8, 0, 14, 'assistant', 'assistant', '2025-12-02 15:37:25+00', '\x14f98e9a24c19d877a24c71f8098a0c8'),
('01982521-5c00-781c-850a-92db335ca808', '019ac13f-4af0-70f6-a532-2fb0183e29c1', 9, 0, 15, 'user', 'typed', '2025-12-02 15:37:49+00', '\xb3aa9d2f5b4476944491a8bcc394f92f'),
('01982521-5c00-781c-850a-92db335ca808', '019ac13f-4af0-70f6-a532-2fb0183e29c1', 10, 0, 16, 'assistant', 'assistant', '2025-12-02 15:38:24+00', '\xc7d596823d642e24bceae581874a13e0'),
('01983ee1-2800-7657-85ec-b975f32d636e', '019ae556-5a28-7487-a208-81625eb46d38', 1, 0, 77, 'user', 'typed', '2025-12-03 17:50:33+00', '\xb6f2b4154b421e421bc2b8cc0015fab6'),
('01983ee1-2800-7657-85ec-b975f32d636e', '019ae556-5a28-7487-a208-81625eb46d38', 2, 0, 78, 'assistant', 'assistant', '2025-12-03 17:51:25+00', '\x578053b326b0bdc5a87f08ff92f5f267'),
('01983ee1-2800-7657-85ec-b975f32d636e', '019ae556-5a28-7487-a208-81625eb46d38', 3, 0, 79, 'user', 'typed', '2025-12-03 17:51:41+00', '\xb6fe7b966647e80b83478ffb4cd43b0d'),
('01983ee1-2800-7657-85ec-b975f32d636e', '019ae556-5a28-7487-a208-81625eb46d38', 4, 0, 80, 'assistant', 'assistant', '2025-12-03 17:52:44+00', '\x5cd005fd7322af3359bb8a462f1d460b'),
('01983ee1-2800-7657-85ec-b975f32d636e', '019ae556-5a28-7487-a208-81625eb46d38', 5, 0, 81, 'user', 'typed', '2025-12-03 17:53:46+00', '\xdddc5f0f6bdbf9c218250809a8cadcd3'),
('01983ee1-2800-7657-85ec-b975f32d636e', '019ae556-5a28-7487-a208-81625eb46d38', 6, 0, 82, 'assistant', 'assistant', '2025-12-03 17:54:55+00', '\xce781fa73c605711d6b438be25d5d62d'),
('019a454c-0000-7a22-a117-8d84f18633d9', '019ae4e2-2810-7af5-aab4-a4c01b0a38fd', 1, 0, 12, 'assistant', 'assistant', '2025-12-03 15:43:38+00', '\xe39f92dcba4e416a29a56f1818a7f8eb'),
('019a454c-0000-7a22-a117-8d84f18633d9', '019ae4e2-2810-7af5-aab4-a4c01b0a38fd', 2, 0, 13, 'assistant', 'assistant', '2025-12-03 15:44:46+00', '\x233136ea2446ee628c943465ddf82f78'),
('01982a47-b800-7bf7-8ce8-179785cc2eeb', '019aee5c-af78-7796-bdf3-275ec789b543', 1, 0, 23, 'user', 'typed', '2025-12-05 11:54:03+00', '\x5a0cf4502662397394a4eef8bae74941'),
('01982a47-b800-7bf7-8ce8-179785cc2eeb', '019aee5c-af78-7796-bdf3-275ec789b543', 2, 0, 24, 'assistant', 'assistant', '2025-12-05 11:55:06+00', '\x21eed50ca401a7314bff9a27249dd581'),
('01982a47-b800-7bf7-8ce8-179785cc2eeb', '019aee5c-af78-7796-bdf3-275ec789b543', 3, 0, 25, 'user', 'typed', '2025-12-05 11:55:51+00', '\x6efee55de95fb672fc38e195e7e44b53'),
('01982a47-b800-7bf7-8ce8-179785cc2eeb', '019aee5c-af78-7796-bdf3-275ec789b543', 4, 0, 26, 'assistant', 'assistant', '2025-12-05 11:56:09+00', '\x9707cca5aae46ca59a438010c253fb1e'),
('01982a47-b800-7bf7-8ce8-179785cc2eeb', '019aee5c-af78-7796-bdf3-275ec789b543', 5, 0, 27, 'user', 'typed', '2025-12-05 11:57:08+00', '\xabed512548d33ba780bde15022536b25'),
('01982a47-b800-7bf7-8ce8-179785cc2eeb', '019aee5c-af78-7796-bdf3-275ec789b543', 6, 0, 28, 'assistant', 'assistant', '2025-12-05 11:57:36+00', '\x1cafa8fb5cbe9d3a9330619b5267cfe3'),
('01984407-8400-7da5-a5f6-1f198e49bb16', '01996bac-d568-7b8a-961a-5bc7bc555a1d', 5, 0, 24, 'user', 'typed', '2025-12-09 12:46:00+00', '\xd0b834571c581b201fc7b1c3f7d4ee87'),
('01984407-8400-7da5-a5f6-1f198e49bb16', '01996bac-d568-7b8a-961a-5bc7bc555a1d', 6, 0, 25, 'assistant', 'assistant', '2025-12-09 12:46:17+00', '\x34078a9aee20231c81f29e4fd64f73e2'),
('01984407-8400-7da5-a5f6-1f198e49bb16', '01996bac-d568-7b8a-961a-5bc7bc555a1d', 7, 0, 26, 'user', 'typed', '2025-12-09 12:46:47+00', '\xec8375bdd2b399bee13bdc3225b61209'),
('01984407-8400-7da5-a5f6-1f198e49bb16', '01996bac-d568-7b8a-961a-5bc7bc555a1d', 8, 0, 27, 'assistant', 'assistant', '2025-12-09 12:47:18+00', '\x7d62f448ec729cebd9cd84ac0df01924'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019b0726-9258-7d4a-8ae1-84f08ee8da62', 1, 0, 166, 'user', 'typed', '2025-12-10 07:25:27+00', '\xc6166120ca15fe6db86dfb3ea129feef'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019b0726-9258-7d4a-8ae1-84f08ee8da62', 2, 0, 167, 'assistant', 'assistant', '2025-12-10 07:26:25+00', '\xf0c384839672977a1030b2645795d4c2'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019b0726-9258-7d4a-8ae1-84f08ee8da62', 3, 0, 168, 'user', 'typed', '2025-12-10 07:26:54+00', '\x66624b43dfc4812c6e58d7a2a7d191de'),
('019839ba-cc00-79cc-9585-d880fd54cc21', '019b0726-9258-7d4a-8ae1-84f08ee8da62', 4, 0, 169, 'assistant', 'assistant', '2025-12-10 07:27:03+00', '\xe753b57b7e71fc6cadf60d64147df5b4'),
('019a454c-0000-7a22-a117-8d84f18633d9', '019b1784-6030-71bf-9f8c-f39b0946d90d', 1, 0, 15, 'assistant', 'assistant', '2025-12-13 11:41:50+00', '\x7818e2637955c2b934b2780327ca188f');
SELECT pg_catalog.setval('public.journal_position', 80, true);
SELECT pg_catalog.setval('public.notices_position_seq', 2, true);
SELECT pg_catalog.setval('public.outbox_outbox_id_seq', 92, true);
ALTER TABLE ONLY public.accounts
    ADD CONSTRAINT accounts_host_hmac_key UNIQUE (host_hmac);
ALTER TABLE ONLY public.accounts
    ADD CONSTRAINT accounts_pkey PRIMARY KEY (account_id);
ALTER TABLE ONLY public.api_keys
    ADD CONSTRAINT api_keys_name_key UNIQUE (name);
ALTER TABLE ONLY public.api_keys
    ADD CONSTRAINT api_keys_pkey PRIMARY KEY (key_id);
ALTER TABLE ONLY public.bodies
    ADD CONSTRAINT bodies_pkey PRIMARY KEY (account_id, conversation_id, turn);
ALTER TABLE ONLY public.buckets
    ADD CONSTRAINT buckets_pkey PRIMARY KEY (bucket);
ALTER TABLE ONLY public.choices
    ADD CONSTRAINT choices_pkey PRIMARY KEY (account_id, seq);
ALTER TABLE ONLY public.conversations
    ADD CONSTRAINT conversations_account_id_host_hmac_key UNIQUE (account_id, host_hmac);
ALTER TABLE ONLY public.conversations
    ADD CONSTRAINT conversations_pkey PRIMARY KEY (account_id, conversation_id);
ALTER TABLE ONLY public.copies
    ADD CONSTRAINT copies_pkey PRIMARY KEY (account_id, conversation_id, segment, place, reference);
ALTER TABLE ONLY public.feedback_bodies
    ADD CONSTRAINT feedback_bodies_pkey PRIMARY KEY (account_id, feedback_id, turn);
ALTER TABLE ONLY public.feedback
    ADD CONSTRAINT feedback_pkey PRIMARY KEY (account_id, feedback_id);
ALTER TABLE ONLY public.flags
    ADD CONSTRAINT flags_pkey PRIMARY KEY (account_id, conversation_id, seq);
ALTER TABLE ONLY public.holds
    ADD CONSTRAINT holds_pkey PRIMARY KEY (account_id, conversation_id, matter_hmac);
ALTER TABLE ONLY public.idempotency_keys
    ADD CONSTRAINT idempotency_keys_pkey PRIMARY KEY (caller_hmac, key_hmac);
ALTER TABLE ONLY public.journal
    ADD CONSTRAINT journal_pkey PRIMARY KEY (account_id, seq);
ALTER TABLE ONLY public.key_pages
    ADD CONSTRAINT key_pages_pkey PRIMARY KEY (account_id, page);
ALTER TABLE ONLY public.log_accounts
    ADD CONSTRAINT log_accounts_pkey PRIMARY KEY (account_id, log_year);
ALTER TABLE ONLY public.logs
    ADD CONSTRAINT logs_pkey PRIMARY KEY (log_year);
ALTER TABLE ONLY public.migrations
    ADD CONSTRAINT migrations_pkey PRIMARY KEY (number);
ALTER TABLE ONLY public.notices
    ADD CONSTRAINT notices_pkey PRIMARY KEY (notice_id);
ALTER TABLE ONLY public.notices
    ADD CONSTRAINT notices_version_language_variant_sha256_key UNIQUE (version, language, variant, sha256);
ALTER TABLE ONLY public.outbox
    ADD CONSTRAINT one_leaf_a_place UNIQUE (log_year, index);
ALTER TABLE ONLY public.outbox
    ADD CONSTRAINT outbox_pkey PRIMARY KEY (outbox_id);
ALTER TABLE ONLY public.policies
    ADD CONSTRAINT policies_effective_key UNIQUE (effective);
ALTER TABLE ONLY public.policies
    ADD CONSTRAINT policies_pkey PRIMARY KEY (number);
ALTER TABLE ONLY public.policies
    ADD CONSTRAINT policies_version_key UNIQUE (version);
ALTER TABLE ONLY public.policy_plans
    ADD CONSTRAINT policy_plans_pkey PRIMARY KEY (policy_sha256, base);
ALTER TABLE ONLY public.release_rows
    ADD CONSTRAINT release_rows_pkey PRIMARY KEY (account_id, release_id, row_id);
ALTER TABLE ONLY public.releases
    ADD CONSTRAINT releases_name_key UNIQUE (name);
ALTER TABLE ONLY public.releases
    ADD CONSTRAINT releases_pkey PRIMARY KEY (release_id);
ALTER TABLE ONLY public.safety_bodies
    ADD CONSTRAINT safety_bodies_pkey PRIMARY KEY (account_id, conversation_id, turn);
ALTER TABLE ONLY public.secrets
    ADD CONSTRAINT secrets_pkey PRIMARY KEY (name);
ALTER TABLE ONLY public.segments
    ADD CONSTRAINT segments_pkey PRIMARY KEY (account_id, conversation_id, segment);
ALTER TABLE ONLY public.sessions
    ADD CONSTRAINT sessions_pkey PRIMARY KEY (session_sha256);
ALTER TABLE ONLY public.shown
    ADD CONSTRAINT shown_pkey PRIMARY KEY (account_id, shown_id);
ALTER TABLE ONLY public.signals
    ADD CONSTRAINT signals_pkey PRIMARY KEY (account_id, occurred_at);
ALTER TABLE ONLY public.staff
    ADD CONSTRAINT staff_email_key UNIQUE (email);
ALTER TABLE ONLY public.staff_links
    ADD CONSTRAINT staff_links_pkey PRIMARY KEY (link_sha256);
ALTER TABLE ONLY public.staff
    ADD CONSTRAINT staff_pkey PRIMARY KEY (staff_id);
ALTER TABLE ONLY public.staff_reads
    ADD CONSTRAINT staff_reads_pkey PRIMARY KEY (account_id, read_id);
ALTER TABLE ONLY public.terms
    ADD CONSTRAINT terms_pkey PRIMARY KEY (account_id, version);
ALTER TABLE ONLY public.turns
    ADD CONSTRAINT turns_pkey PRIMARY KEY (account_id, conversation_id, turn);
ALTER TABLE ONLY public.used_tokens
    ADD CONSTRAINT used_tokens_pkey PRIMARY KEY (token_sha256);
CREATE INDEX accounts_granted_by_version ON public.accounts USING btree (seen) WHERE (grant_no IS NOT NULL);
CREATE INDEX conversations_by_id ON public.conversations USING btree (conversation_id);
CREATE INDEX feedback_by_conversation ON public.feedback USING btree (account_id, conversation_id);
CREATE UNIQUE INDEX feedback_by_host ON public.feedback USING btree (account_id, host_hmac) WHERE (host_hmac IS NOT NULL);
CREATE INDEX feedback_due ON public.feedback USING btree (due_on) WHERE (erased_at IS NULL);
CREATE INDEX flags_score_due ON public.flags USING btree (score_until);
CREATE INDEX idempotency_keys_by_age ON public.idempotency_keys USING btree (kept_at);
CREATE INDEX journal_endings ON public.journal USING btree ("position") WHERE ends;
CREATE INDEX outbox_choices ON public.outbox USING btree (account_id) WHERE (entry = 'choice'::text);
CREATE INDEX outbox_waiting ON public.outbox USING btree (outbox_id) WHERE (index IS NULL);
CREATE INDEX release_rows_by_conversation ON public.release_rows USING btree (account_id, conversation_id);
CREATE UNIQUE INDEX release_rows_by_ordinal ON public.release_rows USING btree (release_id, ordinal);
CREATE INDEX segments_due ON public.segments USING btree (due_on, account_id) WHERE (erased_at IS NULL);
CREATE INDEX segments_safety_due ON public.segments USING btree (safety_until) WHERE (safety_slot IS NOT NULL);
CREATE INDEX sessions_by_end ON public.sessions USING btree (ends_at);
CREATE INDEX shown_by_time ON public.shown USING btree (account_id, shown_at);
CREATE UNIQUE INDEX turns_by_host ON public.turns USING btree (account_id, conversation_id, host_hmac) WHERE (host_hmac IS NOT NULL);
CREATE INDEX used_tokens_by_end ON public.used_tokens USING btree (expires_at);
ALTER TABLE ONLY public.accounts
    ADD CONSTRAINT accounts_bucket_fkey FOREIGN KEY (bucket) REFERENCES public.buckets(bucket);
ALTER TABLE ONLY public.choices
    ADD CONSTRAINT choices_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.accounts(account_id);
ALTER TABLE ONLY public.choices
    ADD CONSTRAINT choices_version_fkey FOREIGN KEY (version) REFERENCES public.policies(number);
ALTER TABLE ONLY public.conversations
    ADD CONSTRAINT conversations_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.accounts(account_id);
ALTER TABLE ONLY public.feedback
    ADD CONSTRAINT feedback_account_id_conversation_id_fkey FOREIGN KEY (account_id, conversation_id) REFERENCES public.conversations(account_id, conversation_id);
ALTER TABLE ONLY public.feedback
    ADD CONSTRAINT feedback_version_fkey FOREIGN KEY (version) REFERENCES public.policies(number);
ALTER TABLE ONLY public.flags
    ADD CONSTRAINT flags_account_id_conversation_id_fkey FOREIGN KEY (account_id, conversation_id) REFERENCES public.conversations(account_id, conversation_id);
ALTER TABLE ONLY public.holds
    ADD CONSTRAINT holds_account_id_conversation_id_fkey FOREIGN KEY (account_id, conversation_id) REFERENCES public.conversations(account_id, conversation_id);
ALTER TABLE ONLY public.journal
    ADD CONSTRAINT journal_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.accounts(account_id);
ALTER TABLE ONLY public.key_pages
    ADD CONSTRAINT key_pages_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.accounts(account_id);
ALTER TABLE ONLY public.notices
    ADD CONSTRAINT notices_version_fkey FOREIGN KEY (version) REFERENCES public.policies(number);
ALTER TABLE ONLY public.release_rows
    ADD CONSTRAINT release_rows_release_id_fkey FOREIGN KEY (release_id) REFERENCES public.releases(release_id);
ALTER TABLE ONLY public.releases
    ADD CONSTRAINT releases_version_fkey FOREIGN KEY (version) REFERENCES public.policies(number);
ALTER TABLE ONLY public.segments
    ADD CONSTRAINT segments_account_id_conversation_id_fkey FOREIGN KEY (account_id, conversation_id) REFERENCES public.conversations(account_id, conversation_id);
ALTER TABLE ONLY public.segments
    ADD CONSTRAINT segments_version_fkey FOREIGN KEY (version) REFERENCES public.policies(number);
ALTER TABLE ONLY public.sessions
    ADD CONSTRAINT sessions_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.accounts(account_id);
ALTER TABLE ONLY public.sessions
    ADD CONSTRAINT sessions_staff_id_fkey FOREIGN KEY (staff_id) REFERENCES public.staff(staff_id);
ALTER TABLE ONLY public.shown
    ADD CONSTRAINT shown_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.accounts(account_id);
ALTER TABLE ONLY public.shown
    ADD CONSTRAINT shown_notice_id_fkey FOREIGN KEY (notice_id) REFERENCES public.notices(notice_id);
ALTER TABLE ONLY public.signals
    ADD CONSTRAINT signals_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.accounts(account_id);
ALTER TABLE ONLY public.staff_links
    ADD CONSTRAINT staff_links_staff_id_fkey FOREIGN KEY (staff_id) REFERENCES public.staff(staff_id);
ALTER TABLE ONLY public.staff_reads
    ADD CONSTRAINT staff_reads_account_id_conversation_id_fkey FOREIGN KEY (account_id, conversation_id) REFERENCES public.conversations(account_id, conversation_id);
ALTER TABLE ONLY public.staff_reads
    ADD CONSTRAINT staff_reads_staff_id_fkey FOREIGN KEY (staff_id) REFERENCES public.staff(staff_id);
ALTER TABLE ONLY public.terms
    ADD CONSTRAINT terms_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.accounts(account_id);
ALTER TABLE ONLY public.terms
    ADD CONSTRAINT terms_account_id_shown_id_fkey FOREIGN KEY (account_id, shown_id) REFERENCES public.shown(account_id, shown_id);
ALTER TABLE ONLY public.terms
    ADD CONSTRAINT terms_version_fkey FOREIGN KEY (version) REFERENCES public.policies(number);
ALTER TABLE ONLY public.turns
    ADD CONSTRAINT turns_account_id_conversation_id_segment_fkey FOREIGN KEY (account_id, conversation_id, segment) REFERENCES public.segments(account_id, conversation_id, segment);
