-- expand: a refusal that a host recorded before the account's newest event takes effect when it comes in
-- `recorded_at` is its own time, by which the same record is known when it is brought in again.
ALTER TABLE choices ADD COLUMN recorded_at timestamptz;
