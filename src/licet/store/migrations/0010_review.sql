-- What is done to a release after its seal: samples that people read, who signed it off, and dead rows taken out of it.

ALTER TABLE staff_reads DROP CONSTRAINT read_reason_is_known;
ALTER TABLE staff_reads ADD CONSTRAINT read_reason_is_known
    CHECK (reason IN ('misuse_review', 'person_request', 'legal_matter', 'incident', 'release_review'));

-- A sample of a release. `statement` is what was found, signed, once every row of it was read or is out of reach.
-- `bound_ppm`: so many in a million rows at most hold what identifies somebody, at 95 % confidence.
CREATE TABLE reviews (
    review_id        uuid PRIMARY KEY,
    release_id       uuid NOT NULL REFERENCES releases,
    manifest_sha256  bytea NOT NULL CONSTRAINT reviewed_manifest_is_sha256 CHECK (length(manifest_sha256) = 32),
    drawn_at         timestamptz NOT NULL,
    closed_at        timestamptz,
    statement        text,
    statement_sha256 bytea,
    bound_ppm        integer CONSTRAINT bound_is_a_share CHECK (bound_ppm BETWEEN 0 AND 1000000),
    CONSTRAINT a_closed_review_states_its_bound CHECK (
        (closed_at IS NULL) = (statement IS NULL) AND (closed_at IS NULL) = (bound_ppm IS NULL)
        AND (closed_at IS NULL) = (statement_sha256 IS NULL))
);
CREATE UNIQUE INDEX one_review_of_a_release_is_open ON reviews (release_id) WHERE closed_at IS NULL;

-- A row of a sample. `drawn_by` says whether chance alone chose it, which a bound can rest on, or its risk;
-- `staff_id` and `read_at` who opened it last and when; of a row that was out of reach, when that was found.
CREATE TABLE review_rows (
    review_id uuid NOT NULL REFERENCES reviews,
    ordinal   integer NOT NULL,
    drawn_by  text NOT NULL CONSTRAINT drawn_by_is_known CHECK (drawn_by IN ('chance', 'risk')),
    finding   text CONSTRAINT finding_is_known CHECK (finding IN (
                  'nothing', 'name', 'contact', 'place', 'number', 'secret', 'other', 'out_of_reach')),
    staff_id  uuid REFERENCES staff,
    read_at   timestamptz,
    PRIMARY KEY (review_id, ordinal),
    CONSTRAINT a_finding_has_its_time CHECK (finding IS NULL OR read_at IS NOT NULL),
    CONSTRAINT a_finding_has_its_reader CHECK (finding IS NULL OR (staff_id IS NULL) = (finding = 'out_of_reach'))
);

-- Signatures under one release: of two people, each under the manifest and the review that they had before them.
-- `via` is where they said so: the console knows who is signed in, the command line believes whoever runs it.
CREATE TABLE sign_offs (
    release_id       uuid NOT NULL REFERENCES releases,
    staff_id         uuid NOT NULL REFERENCES staff,
    via              text NOT NULL CONSTRAINT signed_via_is_known CHECK (via IN ('console', 'cli')),
    manifest_sha256  bytea NOT NULL,
    statement_sha256 bytea NOT NULL,
    signed_at        timestamptz NOT NULL,
    PRIMARY KEY (release_id, statement_sha256, staff_id)
);

-- The addenda of a release, to the letter: what a purge took out of its parts.
CREATE TABLE purges (
    release_id uuid NOT NULL REFERENCES releases,
    number     integer NOT NULL CONSTRAINT purges_are_numbered CHECK (number >= 1),
    document   text NOT NULL,
    sha256     bytea NOT NULL CONSTRAINT purge_hash_is_sha256 CHECK (length(sha256) = 32),
    purged_at  timestamptz NOT NULL,
    PRIMARY KEY (release_id, number)
);
