-- expand: what each caller has used of their rate, over all hosts
-- When a caller's rate is used up no more: one row for each who called a moment ago, by 64 bits of an HMAC. It may be lost: a
-- caller is then allowed what one is who did not call before. So it is in no WAL.
CREATE UNLOGGED TABLE rates (
    caller bigint PRIMARY KEY,
    due_at timestamptz NOT NULL
);
