-- contract: the planner's statistics hold no samples of sealed bytes, wrapped keys and HMACs
ALTER TABLE accounts ALTER COLUMN wrapped_key SET STATISTICS 0;
ALTER TABLE key_pages ALTER COLUMN slots SET STATISTICS 0;
ALTER TABLE turns ALTER COLUMN host_hmac SET STATISTICS 0;
ALTER TABLE bodies ALTER COLUMN sealed SET STATISTICS 0;
ALTER TABLE safety_bodies ALTER COLUMN sealed SET STATISTICS 0;
ALTER TABLE found_names ALTER COLUMN sealed SET STATISTICS 0;
ALTER TABLE feedback_bodies ALTER COLUMN sealed SET STATISTICS 0;

-- ANALYZE passes over such a column, and so leaves the samples that it took before. PostgreSQL 18 has a function that removes
-- them. Before it, a column that is given a type loses its statistics, even if it had that type, and its kind of storage.
-- No row is rewritten; but every body is read once, because a constraint names the column, and an index of turns is built
-- anew. That is why this step contracts.
DO $$
DECLARE
    k record;
BEGIN
    FOR k IN VALUES ('accounts', 'wrapped_key'), ('key_pages', 'slots'), ('turns', 'host_hmac'), ('bodies', 'sealed'),
                    ('safety_bodies', 'sealed'), ('found_names', 'sealed'), ('feedback_bodies', 'sealed') LOOP
        IF to_regproc('pg_catalog.pg_clear_attribute_stats') IS NOT NULL THEN
            PERFORM pg_clear_attribute_stats(current_schema()::text, k.column1, k.column2, false);
        ELSE
            EXECUTE format('ALTER TABLE %I ALTER COLUMN %I TYPE bytea', k.column1, k.column2);
            IF k.column2 = 'sealed' THEN
                EXECUTE format('ALTER TABLE %I ALTER COLUMN sealed SET STORAGE EXTERNAL', k.column1);
            END IF;
        END IF;
    END LOOP;
END $$;
