-- What of a release may no longer be used, by ordinal, and who was given row keys.

-- A release's withdrawn rows as a roaring bitmap: it only grows, and `number` counts how often it did. It is what was
-- decided up to `position` of the journal under the policies that `decided_under` hashes. `due` are the rows whose end
-- comes before `horizon`; no other row ends by time alone before then.
CREATE TABLE withdrawn (
    release_id    uuid PRIMARY KEY REFERENCES releases,
    number        integer NOT NULL,
    position      bigint NOT NULL,
    decided_under bytea NOT NULL,
    horizon       timestamptz NOT NULL,
    due_ordinals  integer[] NOT NULL,
    due_untils    timestamptz[] NOT NULL,
    bitmap        bytea NOT NULL,
    cardinality   integer NOT NULL,
    grown_at      timestamptz NOT NULL,
    CONSTRAINT every_due_row_has_its_end CHECK (cardinality(due_ordinals) = cardinality(due_untils))
);

-- Every lease that left this machine: which part, for whom, how many rows were asked for and how many keys were given.
CREATE TABLE leases (
    lease_id   uuid PRIMARY KEY,
    release_id uuid NOT NULL REFERENCES releases,
    recipient  text NOT NULL CONSTRAINT lease_recipient_is_a_name CHECK (recipient ~ '^[a-z0-9][a-z0-9_.-]{0,63}$'),
    part       integer NOT NULL CONSTRAINT part_is_a_number CHECK (part >= 0),
    asked      integer NOT NULL,
    given      integer NOT NULL,
    key_id     uuid NOT NULL REFERENCES api_keys,
    given_at   timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    CONSTRAINT no_more_is_given_than_asked CHECK (given BETWEEN 0 AND asked),
    CONSTRAINT a_lease_holds_an_hour_at_most CHECK (expires_at <= given_at + interval '1 hour')
);
CREATE INDEX leases_by_release ON leases (release_id, given_at);
