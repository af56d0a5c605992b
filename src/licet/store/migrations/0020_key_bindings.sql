-- What a service's key stands for: who holds the row keys that it leases and of which releases (names, or the beginning of
-- names before a `*`), and which endpoint it acknowledges for. `own` says that the recipient is the installation's own
-- machines, to whom nothing is handed over; every other one must be among the policy's recipients at each lease. A key of
-- before is bound to nothing, and neither leases nor acknowledges any more.
ALTER TABLE api_keys ADD recipient text CONSTRAINT key_recipient_is_a_name CHECK (recipient ~ '^[a-z0-9][a-z0-9_.-]{0,63}$');
ALTER TABLE api_keys ADD own boolean NOT NULL DEFAULT false;
ALTER TABLE api_keys ADD releases text[];
ALTER TABLE api_keys ADD endpoint_id uuid REFERENCES endpoints;
ALTER TABLE api_keys ADD CONSTRAINT key_leases_named_releases CHECK ((recipient IS NULL) = (releases IS NULL));
