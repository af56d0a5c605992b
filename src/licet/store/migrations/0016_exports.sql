-- An export is a place of the register: rows in clear, with a recipient, whose answer a certificate lists.

ALTER TABLE copies DROP CONSTRAINT place_is_known, ADD CONSTRAINT place_is_known
    CHECK (place IN ('vault', 'safety', 'feedback', 'release', 'export'));
-- An acknowledgement ends the copies of one export, whosever they are.
CREATE INDEX copies_exported ON copies (reference) WHERE place = 'export';

-- Which rows of its release an export of before holds lies in a bitmap that no statement reads: all of them are registered,
-- a copy too many on record rather than one too few.
INSERT INTO copies (account_id, conversation_id, segment, place, reference, registered_at, ended_at)
SELECT DISTINCT r.account_id, r.conversation_id, s.segment, 'export', e.export_id, e.made_at, e.acknowledged_at
  FROM exports e JOIN release_rows r USING (release_id) CROSS JOIN LATERAL unnest(r.key_segments) AS s(segment);
