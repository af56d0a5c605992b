-- The epochs of the key chain. No key material is here: an epoch's key exists only inside the key provider.
--
-- The newest one wraps what is new. A rotation opens an epoch, wraps everything anew under it, then retires those
-- before; a retired one is destroyed in the provider once no backup can hold what it wraps.

CREATE TABLE epochs (
    number       integer PRIMARY KEY CONSTRAINT epochs_count_from_one CHECK (number >= 1),
    rotation     text NOT NULL CONSTRAINT rotation_is_known CHECK (rotation IN ('first', 'daily', 'weekly')),
    opened_at    timestamptz,
    complete_at  timestamptz,
    retired_at   timestamptz,
    destroyed_at timestamptz,
    CONSTRAINT only_the_first_opens_unrotated CHECK ((rotation = 'first') = (opened_at IS NULL)),
    CONSTRAINT retired_before_destroyed CHECK (destroyed_at IS NULL OR retired_at <= destroyed_at)
);

-- Accounts in which a key was destroyed since their own key was made. Marked in the transaction that destroys it,
-- unmarked in the one that gives the account a new key. `daily` says which rotation is to do so.
CREATE TABLE spent_accounts (
    account_id uuid PRIMARY KEY REFERENCES accounts,
    bucket     integer NOT NULL,
    daily      boolean NOT NULL
);
CREATE INDEX spent_accounts_by_bucket ON spent_accounts (bucket);

-- A rotation goes on where it was by the buckets that are not under its epoch yet.
CREATE INDEX buckets_by_epoch ON buckets (epoch, bucket);

-- A bucket that gets a new key takes all its accounts along.
CREATE INDEX accounts_by_bucket ON accounts (bucket);
