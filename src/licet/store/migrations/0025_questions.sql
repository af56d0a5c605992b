-- A version asks several questions, and a grant has a scope: the account, a project or a conversation. What stands in the
-- tables so far was the one question `training`, answered for the account.
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
INSERT INTO standings (account_id, question, standing, answered, granted_before, grant_no)
SELECT account_id, 'training', standing, answered, grants > 0, grant_no
  FROM accounts WHERE standing <> 'undecided' OR answered IS NOT NULL OR grants > 0;

DROP INDEX accounts_granted_by_version;
ALTER TABLE accounts
    DROP CONSTRAINT standing_is_known,
    DROP CONSTRAINT grant_only_by_choice,
    DROP CONSTRAINT closed_ends_the_grant,
    DROP CONSTRAINT grant_is_the_newest,
    ADD COLUMN in_force integer NOT NULL DEFAULT 0;
ALTER TABLE accounts RENAME COLUMN grants TO granted;
UPDATE accounts SET in_force = 1 WHERE grant_no IS NOT NULL;
ALTER TABLE accounts
    DROP COLUMN standing,
    DROP COLUMN grant_no,
    DROP COLUMN answered,
    ADD CONSTRAINT grants_in_force_were_given CHECK (in_force BETWEEN 0 AND granted),
    ADD CONSTRAINT closed_ends_the_grants CHECK (closed_at IS NULL OR in_force = 0);
CREATE INDEX accounts_granted_by_version ON accounts (seen) WHERE in_force > 0;

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

ALTER TABLE conversations
    ADD COLUMN project_id uuid,
    ADD CONSTRAINT a_project_is_the_account_s FOREIGN KEY (account_id, project_id) REFERENCES projects,
    ADD COLUMN deciding_grants integer[] NOT NULL DEFAULT '{}',
    ADD COLUMN deciding_narrowing integer NOT NULL DEFAULT 0;
ALTER TABLE conversations RENAME COLUMN widenings TO narrowings;
UPDATE conversations
   SET narrowings = narrowings + narrowed::int,
       deciding_grants = CASE WHEN deciding_grant_no IS NULL THEN '{}' ELSE ARRAY[deciding_grant_no] END,
       deciding_narrowing = coalesce(deciding_grant_widening, 0);
ALTER TABLE conversations
    DROP COLUMN deciding_grant_no,
    DROP COLUMN deciding_grant_widening,
    ALTER COLUMN deciding_stale TYPE text USING CASE WHEN deciding_stale THEN 'training' ELSE '' END;
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

-- `grants`: those that the segment was given under, one a question; `narrowing`: how often the conversation had been kept
-- out by then. `stale` and `origins` are names between commas.
ALTER TABLE segments
    DROP CONSTRAINT a_grant_is_whole,
    DROP CONSTRAINT nothing_is_granted_out_of_scope,
    ADD COLUMN grants integer[] NOT NULL DEFAULT '{}',
    ADD COLUMN narrowing integer NOT NULL DEFAULT 0,
    ADD COLUMN origins text NOT NULL DEFAULT '';
UPDATE segments s
   SET grants = CASE WHEN grant_no IS NULL THEN '{}' ELSE ARRAY[grant_no] END,
       narrowing = coalesce(grant_widening, 0),
       origins = coalesce((SELECT string_agg(DISTINCT t.origin, ',' ORDER BY t.origin) FROM turns t
                            WHERE t.account_id = s.account_id AND t.conversation_id = s.conversation_id
                              AND t.turn BETWEEN s.first_turn AND s.last_turn), '');
ALTER TABLE segments
    DROP COLUMN grant_no,
    DROP COLUMN grant_widening,
    ALTER COLUMN stale TYPE text USING CASE WHEN stale THEN 'training' ELSE '' END,
    ADD CONSTRAINT nothing_is_granted_out_of_scope CHECK (grants = '{}' OR (in_scope AND NOT narrowed)),
    ADD CONSTRAINT narrowing_is_of_a_grant CHECK (grants <> '{}' OR narrowing = 0);

ALTER TABLE feedback RENAME COLUMN grant_widening TO grant_narrowing;

-- A choice answers one question, for one scope. `because` says why it had no effect; `kept`
-- are the grants that a no named, as numbers between commas.
ALTER TABLE choices
    ADD COLUMN question text,
    ADD COLUMN project_id uuid,
    ADD COLUMN conversation_id uuid,
    ADD COLUMN because text,
    ADD COLUMN kept text NOT NULL DEFAULT '',
    ADD CONSTRAINT at_most_one_scope CHECK (num_nonnulls(project_id, conversation_id) <= 1);
UPDATE choices SET question = 'training';
ALTER TABLE choices ADD CONSTRAINT what_had_an_effect_answers CHECK (effect = 'none' OR question IS NOT NULL);
