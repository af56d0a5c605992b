-- expand: the database remembers how far the restriction journal had come, and its chain value there; `logged` is the number that
-- the log was last told, and when. A journal that ends before it has lost records. `since` is the record with which an
-- operator had it begin anew: what does not fit before that is known.
CREATE TABLE journal_heads (
    journal   uuid PRIMARY KEY,
    number    bigint NOT NULL,
    chain     bytea NOT NULL,
    logged    bigint NOT NULL DEFAULT 0,
    logged_at timestamptz,
    since     bigint,
    since_chain bytea,
    CONSTRAINT a_head_is_of_a_record CHECK ((number = 0 AND chain = '') OR (number > 0 AND octet_length(chain) = 32))
);
