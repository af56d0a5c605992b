-- expand: what `licet release stats` and `licet release duplicates` counted last of a release, for the console to show
CREATE TABLE release_figures (
    release_id uuid NOT NULL REFERENCES releases,
    counted    text NOT NULL CONSTRAINT figures_are_known CHECK (counted IN ('stats', 'duplicates')),
    counted_at timestamptz NOT NULL,
    figures    bytea NOT NULL,
    PRIMARY KEY (release_id, counted)
);
