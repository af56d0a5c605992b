-- Which formats there are is train.exports.Format's to say: another one needs no migration.
ALTER TABLE exports
    DROP CONSTRAINT export_format_is_known,
    ADD CONSTRAINT export_format_is_a_name CHECK (format ~ '^[a-z][a-z0-9_-]{0,31}$');
