-- What a legal hold is for, in a closed word beside its sealed matter; when somebody is to ask whether it still must be;
-- who placed it; and whether its person may be told of it.
ALTER TABLE holds
    ADD COLUMN reason    text NOT NULL DEFAULT 'other'
        CONSTRAINT a_hold_has_a_known_reason
        CHECK (reason IN ('litigation', 'investigation', 'regulator', 'preservation_order', 'other')),
    ADD COLUMN review_at timestamptz,
    ADD COLUMN placed_by text NOT NULL DEFAULT '',
    ADD COLUMN is_told   boolean NOT NULL DEFAULT true;
UPDATE holds SET review_at = placed_at + interval '180 days';
ALTER TABLE holds
    ALTER COLUMN review_at SET NOT NULL,
    ALTER COLUMN reason DROP DEFAULT,
    ALTER COLUMN placed_by DROP DEFAULT,
    ALTER COLUMN is_told DROP DEFAULT,
    ADD CONSTRAINT a_hold_is_reviewed_after_it_was_placed CHECK (review_at > placed_at);
CREATE INDEX holds_by_review ON holds (review_at);
