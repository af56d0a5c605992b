-- What curation costs a release as training data: the signed statements of measurements, newest beside the manifest.
CREATE TABLE release_measurements (
    measurement_id   uuid PRIMARY KEY,
    release_id       uuid NOT NULL REFERENCES releases,
    measured_at      timestamptz NOT NULL,
    statement        text NOT NULL,
    statement_sha256 bytea NOT NULL CONSTRAINT measurement_digest_is_sha256 CHECK (octet_length(statement_sha256) = 32)
);
CREATE INDEX release_measurements_by_release ON release_measurements (release_id, measured_at);
