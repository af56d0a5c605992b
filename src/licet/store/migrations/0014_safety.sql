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
    decision        text CONSTRAINT decision_is_known CHECK (decision IN ('flagged', 'dismissed', 'overturned')),
    decided_at      timestamptz,
    decided_by      uuid REFERENCES staff,
    PRIMARY KEY (account_id, conversation_id),
    FOREIGN KEY (account_id, conversation_id) REFERENCES conversations,
    CONSTRAINT a_score_has_its_model CHECK ((score IS NULL) = (model_sha256 IS NULL)),
    CONSTRAINT a_decision_is_whole CHECK (num_nonnulls(decision, decided_at, decided_by) IN (0, 3))
);
CREATE INDEX suggestions_open ON suggestions (score DESC) WHERE decided_at IS NULL;
