-- A question counts as it was shown: a yes to one that is older than the account's newest choice has no effect, and the same
-- answer to one showing is one choice.
ALTER TABLE choices ADD shown_id uuid;
ALTER TABLE shown ADD after_seq bigint NOT NULL DEFAULT 0;
UPDATE shown s SET after_seq = c.seq
  FROM (SELECT s.account_id, s.shown_id, max(c.seq) AS seq FROM shown s JOIN choices c
            ON c.account_id = s.account_id AND c.occurred_at < s.shown_at GROUP BY 1, 2) c
 WHERE (c.account_id, c.shown_id) = (s.account_id, s.shown_id);
ALTER TABLE shown ALTER after_seq DROP DEFAULT;
