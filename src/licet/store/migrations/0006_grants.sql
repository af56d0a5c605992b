-- A release asks whether the log of the year tells of each account's grant, and of each policy version.
CREATE INDEX outbox_grants ON outbox (account_id) WHERE entry IN ('grant_begun', 'grant_affirmed', 'grant_stands');
CREATE INDEX outbox_policies ON outbox (outbox_id) WHERE entry IN ('policy_applied', 'policy_stands');
