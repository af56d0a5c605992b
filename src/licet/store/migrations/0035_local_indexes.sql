-- What belongs to an account is unique within the account: a unique index that spans all accounts would need them in one
-- place. These four are for finding alone from now on. Each value stays unique by how it is made: the ids are random
-- (74 and 122 bits), the number of an event is given by one at a time from a sequence, and a release whose rows share a
-- number is not sealed.
DROP INDEX release_rows_by_ordinal;
CREATE INDEX release_rows_by_ordinal ON release_rows (release_id, ordinal);
DROP INDEX erasures_by_id;
CREATE INDEX erasures_by_id ON erasures (erasure_id);
DROP INDEX events_by_id;
CREATE INDEX events_by_id ON events (event_id);
DROP INDEX events_by_number;
CREATE INDEX events_by_number ON events (number) WHERE number IS NOT NULL;
