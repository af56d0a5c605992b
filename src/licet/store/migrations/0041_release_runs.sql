-- contract: what rows of a release were made from lies packed, a run of rows of one account in a row of the database (ADR 26)
ALTER TABLE release_rows RENAME TO release_rows_before;
-- What the rows of a release came from: in a row here are those of one account in one block of 64 ordinals, from `first` on,
-- or some of them. `sources` has for each row its place behind `first`, the keys that its own key is derived from, and its
-- sources (`release/row_runs.py`); `origins` are the names of their origins, between commas. The id of a row follows from its
-- ordinal; `row_ids` are those of releases before, which were drawn.
CREATE TABLE release_runs (
    account_id    uuid NOT NULL,
    release_id    uuid NOT NULL REFERENCES releases,
    first         integer NOT NULL,
    origins       text NOT NULL,
    conversations uuid[] NOT NULL,
    sources       bytea[] NOT NULL,
    row_ids       bytea[],
    PRIMARY KEY (account_id, release_id, first),
    CONSTRAINT a_run_is_whole CHECK (cardinality(sources) BETWEEN 1 AND 64 AND cardinality(conversations) = cardinality(sources))
);
CREATE INDEX release_runs_by_block ON release_runs (release_id, (first / 64));

-- Rows of before, with their ids and four bytes a number. All origins of a release stand in each of its runs.
WITH names AS (
    SELECT release_id, array_agg(DISTINCT origin ORDER BY origin) AS origins
      FROM release_rows_before CROSS JOIN LATERAL unnest(source_origins) AS o(origin) GROUP BY release_id
), packed AS (
    SELECT b.account_id, b.release_id, b.ordinal, b.conversation_id, b.row_id,
           array_to_string(coalesce(n.origins, '{}'), ',') AS origins,
           min(b.ordinal) OVER (PARTITION BY b.account_id, b.release_id, b.ordinal / 64) AS first,
           int4send(cardinality(b.key_segments))
           || coalesce((SELECT string_agg(int4send(k.segment * 2 + (k.place = 'safety')::int), '' ORDER BY k.n)
                          FROM unnest(b.key_segments, b.key_places) WITH ORDINALITY AS k(segment, place, n)), '')
           || coalesce((SELECT string_agg(int4send(s.segment) || int4send(array_position(n.origins, s.origin) - 1)
                                          || int4send(s.turn) || int4send(s.turns), '' ORDER BY s.n)
                          FROM unnest(b.source_segments, b.source_origins, b.source_turns, b.source_counts)
                               WITH ORDINALITY AS s(segment, origin, turn, turns, n)), '') AS numbers
      FROM release_rows_before b LEFT JOIN names n USING (release_id)
)
INSERT INTO release_runs (account_id, release_id, first, origins, conversations, sources, row_ids)
SELECT account_id, release_id, first, origins, array_agg(conversation_id ORDER BY ordinal),
       array_agg(set_byte('\x00', 0, 128 + ordinal - first) || numbers ORDER BY ordinal), array_agg(row_id ORDER BY ordinal)
  FROM packed GROUP BY account_id, release_id, first, origins;
DROP TABLE release_rows_before;
-- The number at a place of the numbers behind a row's first byte, the first at place 1: of one byte, or of four where that byte
-- says so. PostgreSQL puts these functions into the statements that call them. For that, what is given to one that names it
-- twice must be a column and no long expression; a range of places tells the planner that they are few.
CREATE FUNCTION release_row_number(made bytea, place integer) RETURNS integer LANGUAGE sql IMMUTABLE AS
    'SELECT CASE WHEN get_byte(made, 0) < 128 THEN get_byte(made, place)
        ELSE (get_byte(made, 4 * place - 3) << 24) | (get_byte(made, 4 * place - 2) << 16)
           | (get_byte(made, 4 * place - 1) << 8) | get_byte(made, 4 * place) END';
-- The keys that a row's own is derived from, in order.
CREATE FUNCTION release_row_keys(made bytea) RETURNS TABLE (place integer, segment smallint, is_safety boolean)
    LANGUAGE sql IMMUTABLE ROWS 1 AS
    'SELECT p, (release_row_number(made, p) >> 1)::smallint, release_row_number(made, p) & 1 = 1
       FROM generate_series(2, 1 + release_row_number(made, 1)) p WHERE p BETWEEN 2 AND 2147483647';
-- The sources that a lease decides by: of each segment and origin the last turn, and how many there are.
CREATE FUNCTION release_row_sources(made bytea, origins text)
    RETURNS TABLE (segment smallint, origin text, turn integer, turns integer) LANGUAGE sql IMMUTABLE ROWS 2 AS
    'SELECT release_row_number(made, p)::smallint, split_part(origins, '','', 1 + release_row_number(made, p + 1)),
            release_row_number(made, p + 2), release_row_number(made, p + 3)
       FROM generate_series(2 + release_row_number(made, 1),
                            CASE WHEN get_byte(made, 0) < 128 THEN length(made) - 1 ELSE length(made) / 4 END, 4) p
      WHERE p BETWEEN 2 AND 2147483647';
-- The blocks that ordinals lie in.
CREATE FUNCTION release_blocks(ordinals integer[]) RETURNS integer[] LANGUAGE sql IMMUTABLE AS
    'SELECT coalesce(array_agg(DISTINCT n / 64), ''{}'') FROM unnest(ordinals) n';
-- The rows, one by one: found by account, or by release and block.
CREATE VIEW release_rows AS
    SELECT r.account_id, r.release_id, r.first / 64 AS block, r.first + (get_byte(m.sources, 0) & 63) AS ordinal,
           m.conversation_id, m.sources, r.origins, m.row_id
      FROM release_runs r
     CROSS JOIN LATERAL unnest(r.conversations, r.sources, r.row_ids) AS m(conversation_id, sources, row_id);
