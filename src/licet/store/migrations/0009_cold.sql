-- Old sealed bodies may lie in objects outside of the database, many segments to an object; the row then says where.
--
-- An object is intended before it is written, so that what a crash left half-done has a name. Only the bodies that were
-- moved with it ever refer to it, so that one which has none left stays empty; it is deleted a while after.
CREATE TABLE cold_objects (
    object_id   uuid PRIMARY KEY,
    due_month   date NOT NULL,
    intended_at timestamptz NOT NULL,
    written_at  timestamptz,
    bytes       bigint,
    sha256      bytea CONSTRAINT object_hash_is_sha256 CHECK (length(sha256) = 32),
    emptied_at  timestamptz,
    CONSTRAINT a_written_object_is_known CHECK (num_nonnulls(written_at, bytes, sha256) IN (0, 3)),
    CONSTRAINT only_a_written_object_empties CHECK (emptied_at IS NULL OR written_at IS NOT NULL)
);

ALTER TABLE bodies ALTER COLUMN sealed DROP NOT NULL;
ALTER TABLE bodies ADD COLUMN object_id uuid;
ALTER TABLE bodies ADD COLUMN object_offset bigint;
ALTER TABLE bodies ADD COLUMN object_length integer;
ALTER TABLE bodies ADD CONSTRAINT a_body_is_in_one_place CHECK (num_nonnulls(sealed, object_id) = 1);
ALTER TABLE bodies ADD CONSTRAINT a_place_in_an_object_is_whole
    CHECK (num_nonnulls(object_id, object_offset, object_length) IN (0, 3));
-- No foreign key to the object: checked body by body it was four tenths of the time of moving them, and one run at a
-- time, under its lock, writes an object's row and every reference to it.
CREATE INDEX bodies_by_object ON bodies (object_id) WHERE object_id IS NOT NULL;
