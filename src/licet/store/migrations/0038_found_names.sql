-- Where a detector of names found them in the turns of a segment, so that the next release reads new turns only. Sealed under a
-- key that is derived from the segment's key: it ends with it, and the row goes with the segment's bodies. It holds no text.
CREATE TABLE found_names (
    account_id      uuid NOT NULL,
    conversation_id uuid NOT NULL,
    segment         smallint NOT NULL,
    sealed          bytea NOT NULL,
    PRIMARY KEY (account_id, conversation_id, segment)
);
ALTER TABLE found_names ALTER COLUMN sealed SET STORAGE EXTERNAL;
