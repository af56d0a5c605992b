-- Which models learnt from which rows, and who was handed rows in clear.

-- A model that was trained on a release. `statement` is the signed one about how it came about, `consumed` the record of
-- the rows that it learnt from, each as it lies beside the model.
CREATE TABLE models (
    model_id    uuid PRIMARY KEY,
    name        text NOT NULL CONSTRAINT model_name_is_a_name CHECK (name ~ '^[a-z0-9][a-z0-9_.-]{0,63}$'),
    release_id  uuid NOT NULL REFERENCES releases,
    recipe      text NOT NULL CONSTRAINT recipe_is_a_name CHECK (recipe ~ '^[a-z0-9][a-z0-9_.-]{0,63}$'),
    rows        integer NOT NULL CONSTRAINT a_model_learnt_from_rows CHECK (rows >= 1),
    first_gate  integer NOT NULL,
    last_gate   integer NOT NULL,
    started_at  timestamptz NOT NULL,
    finished_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    statement   bytea NOT NULL,
    consumed    bytea NOT NULL,
    retired_at  timestamptz,
    CONSTRAINT a_run_ends_after_it_began CHECK (finished_at >= started_at),
    CONSTRAINT the_gate_never_goes_back CHECK (last_gate >= first_gate)
);
CREATE INDEX models_by_release ON models (release_id);

-- The rows of `models.consumed` once more, to be asked by row: one bit a row (get_bit), 2,048 rows of a release each,
-- none where no bit is set. The bits lie in the key's index as well, so that the models of a row are read side by side.
CREATE TABLE model_rows (
    release_id uuid NOT NULL REFERENCES releases,
    chunk      integer NOT NULL,
    model_id   uuid NOT NULL REFERENCES models,
    bits       bytea NOT NULL CONSTRAINT a_chunk_is_whole CHECK (octet_length(bits) = 256),
    PRIMARY KEY (release_id, chunk, model_id) INCLUDE (bits)
);
ALTER TABLE model_rows ALTER COLUMN bits SET STORAGE PLAIN;

-- Rows that left in clear, to a recipient that the policy names. Erasures are recalled from them by `handouts`.
CREATE TABLE exports (
    export_id       uuid PRIMARY KEY,
    handout_id      uuid NOT NULL REFERENCES handouts,
    release_id      uuid NOT NULL REFERENCES releases,
    format          text NOT NULL CONSTRAINT export_format_is_known CHECK (format IN ('trl', 'openai', 'axolotl')),
    rows            integer NOT NULL,
    ordinals        bytea NOT NULL,
    made_at         timestamptz NOT NULL,
    recalled_at     timestamptz,
    due_at          timestamptz,
    acknowledged_at timestamptz,
    CONSTRAINT a_recall_has_its_day CHECK ((recalled_at IS NULL) = (due_at IS NULL)),
    CONSTRAINT an_export_is_acknowledged_after_its_recall CHECK (acknowledged_at >= recalled_at)
);
CREATE INDEX exports_by_release ON exports (release_id);
