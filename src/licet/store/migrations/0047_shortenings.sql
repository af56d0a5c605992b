-- expand: the dates that a plan showed, account by account, so that what is shortened is what was shown
CREATE TABLE policy_shortenings (
    shortening_id uuid NOT NULL,  -- of the plan; it begins with its time
    account_id    uuid NOT NULL,
    dates_sha256  bytea NOT NULL,
    PRIMARY KEY (shortening_id, account_id)
);
