-- contract: what lies in releases is registered by their rows alone (ADR 26)
DELETE FROM copies WHERE place = 'release';
ALTER TABLE copies DROP CONSTRAINT place_is_known;
ALTER TABLE copies ADD CONSTRAINT place_is_known CHECK (place IN ('vault', 'safety', 'feedback', 'export'));
