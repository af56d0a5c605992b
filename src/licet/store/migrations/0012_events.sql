-- Events for the hosts: what they are to hear, who hears it, and what they said to it.
--
-- An event is written in the transaction of what it tells, and only while there is an endpoint to hear it. Content is
-- never in one, nor any id of the host's.

-- Whoever hears. Without a `url` it reads the events itself. A removed one stays, because certificates name it.
CREATE TABLE endpoints (
    endpoint_id      uuid PRIMARY KEY,
    name             text NOT NULL CONSTRAINT endpoint_name_is_a_name CHECK (name ~ '^[a-z0-9][a-z0-9_.-]{0,63}$'),
    url              text,
    kinds            text[] NOT NULL CONSTRAINT an_endpoint_hears_something CHECK (cardinality(kinds) > 0),
    made_at          timestamptz NOT NULL,
    failing_since    timestamptz,
    disabled_at      timestamptz,
    disabled_because text CONSTRAINT disabled_because_is_known CHECK (disabled_because IN ('failing', 'gone', 'restored')),
    removed_at       timestamptz,
    CONSTRAINT a_disabled_endpoint_says_why CHECK ((disabled_at IS NULL) = (disabled_because IS NULL))
);
CREATE UNIQUE INDEX endpoints_by_name ON endpoints (name) WHERE removed_at IS NULL;

-- The secrets that an endpoint's messages are signed with: one, or for a while two. Each is wrapped in `secrets`, where
-- a rotation of the key chain finds it.
CREATE TABLE endpoint_secrets (
    endpoint_id uuid NOT NULL REFERENCES endpoints,
    secret      text NOT NULL UNIQUE REFERENCES secrets ON DELETE CASCADE,
    made_at     timestamptz NOT NULL,
    ends_at     timestamptz,
    PRIMARY KEY (endpoint_id, secret)
);

-- `row_no` is the order in which rows were written: that of an account is the order of its verbs, which hold its lock.
-- `number` is the place in the one order that readers go by, given after the commit by one at a time: what becomes
-- visible later always stands above what was read before.
CREATE SEQUENCE event_numbers;
CREATE TABLE events (
    account_id     uuid NOT NULL REFERENCES accounts,
    event_id       uuid NOT NULL DEFAULT gen_random_uuid(),
    row_no         bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    number         bigint,
    kind           text NOT NULL CONSTRAINT event_kind_is_known CHECK (kind IN (
                       'choice.changed', 'conversation.must_leave', 'conversation.erased', 'account.erased',
                       'release.recalled')),
    occurred_at    timestamptz NOT NULL,
    erasure_id     uuid,
    acknowledge_by timestamptz,
    facts          text NOT NULL,
    PRIMARY KEY (account_id, event_id),
    CONSTRAINT only_what_must_leave_is_acknowledged CHECK (
        (acknowledge_by IS NULL) = (kind <> 'conversation.must_leave'))
);
CREATE UNIQUE INDEX events_by_id ON events (event_id);
CREATE UNIQUE INDEX events_by_number ON events (number) WHERE number IS NOT NULL;
CREATE INDEX events_waiting ON events (row_no) WHERE number IS NULL;
CREATE INDEX events_by_erasure ON events (account_id, erasure_id) WHERE erasure_id IS NOT NULL;
CREATE INDEX events_by_time ON events (occurred_at);

-- An event and an endpoint that is to hear it. `next_at` is null where nothing is sent: the endpoint reads by itself, or
-- was removed. `acknowledge_by` repeats the event's, so that what is overdue is found by an index of its own.
CREATE TABLE deliveries (
    account_id      uuid NOT NULL,
    event_id        uuid NOT NULL,
    endpoint_id     uuid NOT NULL REFERENCES endpoints,
    row_no          bigint NOT NULL,
    attempts        integer NOT NULL DEFAULT 0,
    next_at         timestamptz,
    answer          text,
    delivered_at    timestamptz,
    acknowledge_by  timestamptz,
    acknowledged_at timestamptz,
    PRIMARY KEY (account_id, event_id, endpoint_id),
    FOREIGN KEY (account_id, event_id) REFERENCES events ON DELETE CASCADE
);
CREATE INDEX deliveries_due ON deliveries (endpoint_id, next_at)
    WHERE delivered_at IS NULL AND next_at IS NOT NULL;
CREATE INDEX deliveries_in_order ON deliveries (endpoint_id, account_id, row_no)
    WHERE delivered_at IS NULL AND next_at IS NOT NULL;
CREATE INDEX deliveries_owed ON deliveries (endpoint_id, acknowledge_by)
    WHERE acknowledged_at IS NULL AND acknowledge_by IS NOT NULL;
