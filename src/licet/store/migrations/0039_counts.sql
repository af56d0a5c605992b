-- What `licet status` and the console's first page show of all accounts and all content, counted as it changes (ADR 24).
--
-- Each change of a counted table adds rows of differences, by a trigger and so in the transaction of the change, whoever
-- writes. Nothing is updated, so no writer waits for another. What was added is folded together from time to time: the
-- tables are as long as there are kinds of accounts, and days on which something ends. `licet doctor` counts again.
CREATE TABLE account_counts (
    plan         text NOT NULL,
    age          smallint,
    region       text,
    seen         smallint NOT NULL,
    opened_under smallint,
    closed       boolean NOT NULL,
    answers      text NOT NULL,
    accounts     bigint NOT NULL
);
CREATE TABLE content_counts (
    what    text NOT NULL CONSTRAINT counted_content_is_known
            CHECK (what IN ('conversations', 'flagged', 'segments', 'safety', 'feedback')),
    ends_on date,
    is_long boolean NOT NULL,
    items   bigint NOT NULL,
    turns   bigint NOT NULL,
    bytes   bigint NOT NULL
);

-- How many sealed bytes lie under a row, so that the row says alone what moves when its end moves.
ALTER TABLE segments ADD COLUMN stored_bytes bigint NOT NULL DEFAULT 0, ADD COLUMN safety_bytes bigint NOT NULL DEFAULT 0;
ALTER TABLE feedback ADD COLUMN stored_bytes bigint NOT NULL DEFAULT 0;
UPDATE segments s SET stored_bytes = b.bytes
  FROM (SELECT account_id, conversation_id, segment, sum(coalesce(octet_length(sealed), object_length)) AS bytes
          FROM bodies GROUP BY 1, 2, 3) b
 WHERE (s.account_id, s.conversation_id, s.segment) = (b.account_id, b.conversation_id, b.segment);
UPDATE segments s SET safety_bytes = b.bytes
  FROM (SELECT account_id, conversation_id, segment, sum(octet_length(sealed)) AS bytes FROM safety_bodies GROUP BY 1, 2, 3) b
 WHERE (s.account_id, s.conversation_id, s.segment) = (b.account_id, b.conversation_id, b.segment);
UPDATE feedback f SET stored_bytes = b.bytes
  FROM (SELECT account_id, feedback_id, sum(octet_length(sealed)) AS bytes FROM feedback_bodies GROUP BY 1, 2) b
 WHERE (f.account_id, f.feedback_id) = (b.account_id, b.feedback_id);

-- The version that was effective at an instant. In plpgsql, whose plans are kept: PostgreSQL before 18 plans a function in SQL at
-- each call.
CREATE FUNCTION version_at(at timestamptz) RETURNS smallint LANGUAGE plpgsql STABLE AS
    $$ BEGIN RETURN (SELECT max(number) FROM policies WHERE effective <= at); END $$;

-- An answer as the counts name it: question, standing, version, and whether a grant of the account is in force.
CREATE FUNCTION counted_answer(question text, standing text, answered smallint, grant_no integer) RETURNS text
    LANGUAGE sql IMMUTABLE AS
    $$ SELECT question || ':' || standing || ':' || coalesce(answered::text, '') || ':' || (grant_no IS NOT NULL)::int::text $$;
CREATE FUNCTION answers_of(account uuid) RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT coalesce(string_agg(counted_answer(question, standing, answered, grant_no), ',' ORDER BY question COLLATE "C"), '')
              FROM standings WHERE account_id = account);
END $$;
-- No age above 25 is told apart: policies ask for less, or the accounts are read.
CREATE FUNCTION counted_age(age smallint) RETURNS smallint LANGUAGE sql IMMUTABLE AS 'SELECT least(age, 25::smallint)';

-- The last day on which something is kept. What a row adds to the counts.
CREATE FUNCTION last_day(until timestamptz) RETURNS date LANGUAGE sql IMMUTABLE AS
    $$ SELECT (until AT TIME ZONE 'UTC' - interval '1 microsecond')::date $$;
CREATE FUNCTION counted_segment(s segments)
    RETURNS TABLE (what text, ends_on date, is_long boolean, items bigint, turns bigint, bytes bigint)
    LANGUAGE sql IMMUTABLE AS
    $$ SELECT 'segments', last_day((s).keep_until),
              ((s).keep_until AT TIME ZONE 'UTC') > ((s).last_at AT TIME ZONE 'UTC') + interval '1 year',
              1::bigint, ((s).last_turn - (s).first_turn + 1)::bigint, (s).stored_bytes WHERE (s).erased_at IS NULL
       UNION ALL
       SELECT 'safety', last_day((s).safety_until), true, 1::bigint, 0::bigint, (s).safety_bytes
        WHERE (s).safety_slot IS NOT NULL $$;
CREATE FUNCTION counted_feedback(f feedback)
    RETURNS TABLE (what text, ends_on date, is_long boolean, items bigint, turns bigint, bytes bigint)
    LANGUAGE sql IMMUTABLE AS
    $$ SELECT 'feedback', last_day((f).keep_until),
              ((f).keep_until AT TIME ZONE 'UTC') > ((f).given_at AT TIME ZONE 'UTC') + interval '1 year',
              1::bigint, 0::bigint, (f).stored_bytes WHERE (f).erased_at IS NULL $$;
CREATE FUNCTION counted_conversation(c conversations)
    RETURNS TABLE (what text, ends_on date, is_long boolean, items bigint, turns bigint, bytes bigint)
    LANGUAGE sql IMMUTABLE AS
    $$ SELECT 'conversations', NULL::date, false, 1::bigint, 0::bigint, 0::bigint
       UNION ALL
       SELECT 'flagged', last_day((c).safety_until), false, 1::bigint, 0::bigint, 0::bigint
        WHERE (c).safety_until IS NOT NULL $$;

-- Accounts
CREATE FUNCTION count_accounts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO account_counts
    SELECT plan, counted_age(age), region, seen, version_at(opened_at), closed_at IS NOT NULL, answers_of(account_id),
           CASE TG_OP WHEN 'INSERT' THEN count(*) ELSE -count(*) END
      FROM changed GROUP BY 1, 2, 3, 4, 5, 6, 7;
    RETURN NULL;
END $$;
CREATE TRIGGER accounts_are_counted AFTER INSERT ON accounts REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION count_accounts();
CREATE TRIGGER accounts_removed_are_counted AFTER DELETE ON accounts REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION count_accounts();

-- By row, with a condition that most changes of an account do not meet: they cost no call.
CREATE FUNCTION count_changed_account() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    answers CONSTANT text := answers_of(NEW.account_id);
BEGIN
    INSERT INTO account_counts VALUES
        (OLD.plan, counted_age(OLD.age), OLD.region, OLD.seen, version_at(OLD.opened_at), OLD.closed_at IS NOT NULL, answers, -1),
        (NEW.plan, counted_age(NEW.age), NEW.region, NEW.seen, version_at(NEW.opened_at), NEW.closed_at IS NOT NULL, answers, 1);
    RETURN NULL;
END $$;
CREATE TRIGGER accounts_changed_are_counted AFTER UPDATE ON accounts FOR EACH ROW
    WHEN ((OLD.plan, OLD.age, OLD.region, OLD.seen, OLD.closed_at, OLD.opened_at)
          IS DISTINCT FROM (NEW.plan, NEW.age, NEW.region, NEW.seen, NEW.closed_at, NEW.opened_at))
    EXECUTE FUNCTION count_changed_account();

-- The accounts of these answers, from what they had answered before one statement to what they have now. One statement
-- adds answers or changes them: of one that did both, neither trigger would see what the other was given.
-- With one plan for all arrays: to plan anew for each takes ten times as long as to run it.
CREATE FUNCTION count_answers_between(removed standings[], added standings[]) RETURNS void LANGUAGE plpgsql
    SET plan_cache_mode = force_generic_plan AS $$
BEGIN
    WITH said AS (
        SELECT s.account_id, s.question, counted_answer(s.question, s.standing, s.answered, s.grant_no) AS answer,
               'now' AS kind
          FROM (SELECT account_id FROM unnest(removed) UNION SELECT account_id FROM unnest(added)) t
          JOIN standings s USING (account_id)
        UNION ALL
        SELECT account_id, question, counted_answer(question, standing, answered, grant_no), 'removed' FROM unnest(removed)
        UNION ALL
        SELECT account_id, question, NULL, 'added' FROM unnest(added)
    ), each AS (
        SELECT account_id, question, max(answer) FILTER (WHERE kind = 'now') AS now,
               CASE WHEN bool_or(kind = 'removed') THEN max(answer) FILTER (WHERE kind = 'removed')
                    WHEN NOT bool_or(kind = 'added') THEN max(answer) FILTER (WHERE kind = 'now') END AS before
          FROM said GROUP BY 1, 2
    ), whole AS (
        SELECT account_id, coalesce(string_agg(now, ',' ORDER BY question COLLATE "C"), '') AS now,
               coalesce(string_agg(before, ',' ORDER BY question COLLATE "C"), '') AS before
          FROM each GROUP BY 1
    )
    INSERT INTO account_counts
    SELECT a.plan, counted_age(a.age), a.region, a.seen, version_at(a.opened_at), a.closed_at IS NOT NULL,
           CASE v.sign WHEN 1 THEN w.now ELSE w.before END, sum(v.sign)
      FROM whole w JOIN accounts a USING (account_id) CROSS JOIN (VALUES (1), (-1)) v(sign)
     WHERE w.now <> w.before
     GROUP BY 1, 2, 3, 4, 5, 6, 7 HAVING sum(v.sign) <> 0;
END $$;
-- One answer that changes, as by most choices, is counted by a shorter statement, in half of the time.
CREATE FUNCTION count_answers() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND (SELECT count(*) FROM added) = 1 THEN
        INSERT INTO account_counts
        SELECT a.plan, counted_age(a.age), a.region, a.seen, version_at(a.opened_at), a.closed_at IS NOT NULL,
               CASE v.sign WHEN 1 THEN w.now ELSE w.before END, v.sign
          FROM (SELECT n.account_id, answers_of(n.account_id) AS now,
                       (SELECT string_agg(CASE WHEN s.question = n.question
                                               THEN counted_answer(r.question, r.standing, r.answered, r.grant_no)
                                               ELSE counted_answer(s.question, s.standing, s.answered, s.grant_no) END,
                                          ',' ORDER BY s.question COLLATE "C")
                          FROM standings s WHERE s.account_id = n.account_id) AS before
                  FROM added n CROSS JOIN removed r) w
          JOIN accounts a USING (account_id) CROSS JOIN (VALUES (1), (-1)) v(sign)
         WHERE w.now <> w.before;
        RETURN NULL;
    END IF;
    CASE TG_OP
        WHEN 'INSERT' THEN PERFORM count_answers_between(NULL, (SELECT array_agg(ROW(n.*)::standings) FROM added n));
        WHEN 'UPDATE' THEN PERFORM count_answers_between(
            (SELECT array_agg(ROW(r.*)::standings) FROM removed r), (SELECT array_agg(ROW(n.*)::standings) FROM added n));
        ELSE PERFORM count_answers_between((SELECT array_agg(ROW(r.*)::standings) FROM removed r), NULL);
    END CASE;
    RETURN NULL;
END $$;
CREATE TRIGGER answers_are_counted AFTER INSERT ON standings REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION count_answers();
CREATE TRIGGER answers_changed_are_counted AFTER UPDATE ON standings REFERENCING OLD TABLE AS removed NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION count_answers();
CREATE TRIGGER answers_removed_are_counted AFTER DELETE ON standings REFERENCING OLD TABLE AS removed
    FOR EACH STATEMENT EXECUTE FUNCTION count_answers();

-- A version moves the accounts that were opened since it is effective. Of a version that becomes effective later there are none.
CREATE FUNCTION count_under_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO account_counts
    SELECT a.plan, counted_age(a.age), a.region, a.seen,
           CASE v.sign WHEN 1 THEN version_at(a.opened_at)
                ELSE (SELECT max(number) FROM policies p WHERE p.effective <= a.opened_at
                         AND p.number NOT IN (SELECT number FROM added)) END,
           a.closed_at IS NOT NULL, answers_of(a.account_id), sum(v.sign)
      FROM accounts a CROSS JOIN (VALUES (1), (-1)) v(sign)
     WHERE a.opened_at >= (SELECT min(effective) FROM added)
     GROUP BY 1, 2, 3, 4, 5, 6, 7;
    RETURN NULL;
END $$;
CREATE TRIGGER versions_are_counted AFTER INSERT ON policies REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION count_under_version();

-- Content
CREATE FUNCTION count_segments() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    CASE TG_OP
        WHEN 'INSERT' THEN
            INSERT INTO content_counts SELECT k.what, k.ends_on, k.is_long, sum(k.items), sum(k.turns), sum(k.bytes)
              FROM added s, counted_segment(ROW(s.*)::segments) k GROUP BY 1, 2, 3;
        WHEN 'UPDATE' THEN
            INSERT INTO content_counts
            SELECT k.what, k.ends_on, k.is_long, sum(k.sign * k.items), sum(k.sign * k.turns), sum(k.sign * k.bytes)
              FROM (SELECT 1 AS sign, n.* FROM added s, counted_segment(ROW(s.*)::segments) n
                    UNION ALL SELECT -1, o.* FROM removed s, counted_segment(ROW(s.*)::segments) o) k
             GROUP BY 1, 2, 3 HAVING (sum(k.sign * k.items), sum(k.sign * k.turns), sum(k.sign * k.bytes)) <> (0, 0, 0);
        ELSE
            INSERT INTO content_counts SELECT k.what, k.ends_on, k.is_long, -sum(k.items), -sum(k.turns), -sum(k.bytes)
              FROM removed s, counted_segment(ROW(s.*)::segments) k GROUP BY 1, 2, 3;
    END CASE;
    RETURN NULL;
END $$;
CREATE TRIGGER segments_are_counted AFTER INSERT ON segments REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION count_segments();
CREATE TRIGGER segments_changed_are_counted AFTER UPDATE ON segments REFERENCING OLD TABLE AS removed NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION count_segments();
CREATE TRIGGER segments_removed_are_counted AFTER DELETE ON segments REFERENCING OLD TABLE AS removed
    FOR EACH STATEMENT EXECUTE FUNCTION count_segments();

CREATE FUNCTION count_feedback() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    CASE TG_OP
        WHEN 'INSERT' THEN
            INSERT INTO content_counts SELECT k.what, k.ends_on, k.is_long, sum(k.items), sum(k.turns), sum(k.bytes)
              FROM added s, counted_feedback(ROW(s.*)::feedback) k GROUP BY 1, 2, 3;
        WHEN 'UPDATE' THEN
            INSERT INTO content_counts
            SELECT k.what, k.ends_on, k.is_long, sum(k.sign * k.items), sum(k.sign * k.turns), sum(k.sign * k.bytes)
              FROM (SELECT 1 AS sign, n.* FROM added s, counted_feedback(ROW(s.*)::feedback) n
                    UNION ALL SELECT -1, o.* FROM removed s, counted_feedback(ROW(s.*)::feedback) o) k
             GROUP BY 1, 2, 3 HAVING (sum(k.sign * k.items), sum(k.sign * k.turns), sum(k.sign * k.bytes)) <> (0, 0, 0);
        ELSE
            INSERT INTO content_counts SELECT k.what, k.ends_on, k.is_long, -sum(k.items), -sum(k.turns), -sum(k.bytes)
              FROM removed s, counted_feedback(ROW(s.*)::feedback) k GROUP BY 1, 2, 3;
    END CASE;
    RETURN NULL;
END $$;
CREATE TRIGGER feedback_is_counted AFTER INSERT ON feedback REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION count_feedback();
CREATE TRIGGER feedback_changed_is_counted AFTER UPDATE ON feedback REFERENCING OLD TABLE AS removed NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION count_feedback();
CREATE TRIGGER feedback_removed_is_counted AFTER DELETE ON feedback REFERENCING OLD TABLE AS removed
    FOR EACH STATEMENT EXECUTE FUNCTION count_feedback();

CREATE FUNCTION count_conversations() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO content_counts
    SELECT k.what, k.ends_on, k.is_long, sum(CASE TG_OP WHEN 'INSERT' THEN k.items ELSE -k.items END), 0, 0
      FROM changed c, counted_conversation(ROW(c.*)::conversations) k GROUP BY 1, 2, 3;
    RETURN NULL;
END $$;
CREATE TRIGGER conversations_are_counted AFTER INSERT ON conversations REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION count_conversations();
CREATE TRIGGER conversations_removed_are_counted AFTER DELETE ON conversations REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION count_conversations();
CREATE FUNCTION count_flagged() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO content_counts
    SELECT what, ends_on, is_long, items, turns, bytes FROM counted_conversation(NEW) WHERE what = 'flagged'
    UNION ALL
    SELECT what, ends_on, is_long, -items, turns, bytes FROM counted_conversation(OLD) WHERE what = 'flagged';
    RETURN NULL;
END $$;
CREATE TRIGGER flagged_are_counted AFTER UPDATE ON conversations FOR EACH ROW
    WHEN (OLD.safety_until IS DISTINCT FROM NEW.safety_until) EXECUTE FUNCTION count_flagged();

-- What is here already.
INSERT INTO account_counts
SELECT plan, counted_age(age), region, seen, version_at(opened_at), closed_at IS NOT NULL, answers_of(account_id), count(*)
  FROM accounts GROUP BY 1, 2, 3, 4, 5, 6, 7;
INSERT INTO content_counts
SELECT k.what, k.ends_on, k.is_long, sum(k.items), sum(k.turns), sum(k.bytes)
  FROM (SELECT k.* FROM segments s, counted_segment(s) k
        UNION ALL SELECT k.* FROM feedback f, counted_feedback(f) k
        UNION ALL SELECT k.* FROM conversations c, counted_conversation(c) k) k GROUP BY 1, 2, 3;
