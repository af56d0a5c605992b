-- A person can take a single feedback back: its time is over then, and the next sweep erases its copy.
ALTER TABLE feedback
    ADD taken_back_at timestamptz,
    ADD CONSTRAINT feedback_taken_back_is_over CHECK (keep_until <= taken_back_at);
