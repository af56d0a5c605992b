-- What staff page through: erasures by when they were asked for, readings by their ids, recalls by their day.
CREATE INDEX erasures_by_request ON erasures (requested_at, erasure_id);
DROP INDEX erasures_open;
CREATE INDEX erasures_open ON erasures (requested_at, erasure_id) WHERE state <> 'verified';
CREATE UNIQUE INDEX staff_reads_by_id ON staff_reads (read_id);
CREATE INDEX flags_by_time ON flags (flagged_at, conversation_id, seq);
CREATE INDEX recalls_due ON recalls (due_at, erasure_id, handout_id) WHERE acknowledged_at IS NULL;

-- What a second reader found in a row of a sample, without knowing what the first one had found. `finding` is null while the
-- row is open before them.
CREATE TABLE second_findings (
    review_id uuid NOT NULL,
    ordinal   integer NOT NULL,
    staff_id  uuid NOT NULL REFERENCES staff,
    finding   text CONSTRAINT second_finding_is_known CHECK (finding IN (
                  'nothing', 'name', 'contact', 'place', 'number', 'secret', 'other', 'out_of_reach')),
    read_at   timestamptz NOT NULL,
    PRIMARY KEY (review_id, ordinal),
    FOREIGN KEY (review_id, ordinal) REFERENCES review_rows
);
