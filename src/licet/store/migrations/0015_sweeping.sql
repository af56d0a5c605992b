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
