-- Builds of releases that are not sealed yet: how far each has come, so that one that was killed goes on from there. All of
-- it goes with the seal. What is `sealed` is so under the build's own secret, `build_..` in `secrets`: a rotation finds it
-- there, and without it nothing of this opens.

-- What a build is made with: it goes on only with the same.
CREATE TABLE builds (
    release_id    uuid PRIMARY KEY REFERENCES releases,
    plan          text NOT NULL,
    software      text NOT NULL,
    rows_per_part integer NOT NULL,
    stage         text NOT NULL CONSTRAINT build_stage_is_known CHECK (stage IN ('reading', 'electing', 'elected'))
);

-- A page that was decided: the last conversation of it, the rows up to its end, and sealed what was counted and proved.
CREATE TABLE build_pages (
    release_id      uuid NOT NULL REFERENCES builds,
    page            integer NOT NULL,
    rows            integer NOT NULL,
    account_id      uuid NOT NULL,
    conversation_id uuid NOT NULL,
    sealed          bytea NOT NULL,
    PRIMARY KEY (release_id, page)
);
ALTER TABLE build_pages ALTER COLUMN sealed SET STORAGE EXTERNAL;

-- A part on the disk: the row after its last as it was first written, the hash of its file, and of what is about to take the
-- file's place, empty where nothing does.
CREATE TABLE build_parts (
    release_id uuid NOT NULL REFERENCES builds,
    part       integer NOT NULL,
    ends       integer NOT NULL,
    sha256     bytea NOT NULL,
    becomes    bytea,
    PRIMARY KEY (release_id, part)
);

-- Rows that were taken out again, with whose they were and why: all of it sealed.
CREATE TABLE build_gone (
    number     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    release_id uuid NOT NULL REFERENCES builds,
    sealed     bytea NOT NULL
);
CREATE INDEX build_gone_by_release ON build_gone (release_id);
