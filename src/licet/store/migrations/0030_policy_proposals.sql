-- Where the accounts' journal was when a plan was drawn: what happened since may have changed it.
ALTER TABLE policy_plans ADD COLUMN position bigint NOT NULL DEFAULT 0;

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
    CONSTRAINT an_ended_proposal_says_when_and_by_whom CHECK (
        (state = 'open') = (ended_at IS NULL) AND (ended_at IS NULL) = (ended_by IS NULL)),
    CONSTRAINT another_person_applies CHECK (state <> 'applied' OR ended_by <> proposed_by)
);
CREATE UNIQUE INDEX one_open_proposal_a_text ON policy_proposals (policy_sha256) WHERE state = 'open';
