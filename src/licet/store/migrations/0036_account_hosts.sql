-- Which account the host means by its own id, as an HMAC: the one thing that must be unique over all accounts, in a table
-- of its own. It names accounts and references none, so that it can lie elsewhere than they do.
CREATE TABLE account_hosts (
    host_hmac  bytea PRIMARY KEY,
    account_id uuid NOT NULL
);
INSERT INTO account_hosts (host_hmac, account_id) SELECT host_hmac, account_id FROM accounts;
ALTER TABLE accounts DROP COLUMN host_hmac;
