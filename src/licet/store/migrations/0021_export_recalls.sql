-- Rows of a plain export that may no longer be used, and that its recipient is to delete and to answer for by a day: of one
-- account, each row once. What is erased is in `recalls`, by its erasure.
CREATE TABLE export_recalls (
    recall_no       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id      uuid NOT NULL,
    export_id       uuid NOT NULL REFERENCES exports,
    ordinals        integer[] NOT NULL CONSTRAINT a_recall_names_rows CHECK (cardinality(ordinals) > 0),
    recalled_at     timestamptz NOT NULL,
    due_at          timestamptz NOT NULL,
    acknowledged_at timestamptz,
    CONSTRAINT rows_are_acknowledged_after_their_recall CHECK (acknowledged_at >= recalled_at)
);
CREATE INDEX export_recalls_by_export ON export_recalls (export_id);
CREATE INDEX export_recalls_by_account ON export_recalls (account_id);
