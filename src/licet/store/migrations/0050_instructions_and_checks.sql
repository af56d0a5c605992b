-- contract: what a host instructs its model with is a turn, and feedback may be a host's own check of an answer
--
-- Instructions have the role `system`, which an older server cannot read; a policy permits them by their origin.
ALTER TABLE turns DROP CONSTRAINT role_is_known;
ALTER TABLE turns ADD CONSTRAINT role_is_known CHECK (role IN ('user', 'assistant', 'tool', 'system'));

-- A check: of what, from a closed list, and a score where there is one.
ALTER TABLE feedback
    ADD COLUMN check_name text NOT NULL DEFAULT '' CONSTRAINT check_is_known
        CHECK (check_name IN ('', 'tests', 'build', 'lint', 'task', 'accepted', 'reward')),
    ADD COLUMN score double precision,
    ADD CONSTRAINT a_score_is_of_a_check CHECK (score IS NULL OR (check_name <> '' AND score BETWEEN -1e9 AND 1e9)),
    ADD CONSTRAINT a_check_shares_nothing CHECK (check_name = '' OR (share = 'rating' AND key_slot IS NULL));
