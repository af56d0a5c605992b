-- What staff page through: erasures by when they were asked for, readings by their ids, recalls by their day.
CREATE INDEX erasures_by_request ON erasures (requested_at, erasure_id);
DROP INDEX erasures_open;
CREATE INDEX erasures_open ON erasures (requested_at, erasure_id) WHERE state <> 'verified';
CREATE UNIQUE INDEX staff_reads_by_id ON staff_reads (read_id);
CREATE INDEX flags_by_time ON flags (flagged_at, conversation_id, seq);
CREATE INDEX recalls_due ON recalls (due_at, erasure_id, handout_id) WHERE acknowledged_at IS NULL;
