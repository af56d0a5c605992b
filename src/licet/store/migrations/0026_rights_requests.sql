-- Where an account's person lives, as its host told: whose clock holds for their requests. None: the strictest of all.
ALTER TABLE accounts
    ADD COLUMN region text CONSTRAINT region_is_of_iso_3166 CHECK (region ~ '^[A-Z]{2}(-[A-Z0-9]{1,3})?$');

-- Requests of people under the law (access, erasure, objection ..): by when each is to be answered, and what happened to it.
-- Somebody who has no account here is entered by staff; what they wrote is under a secret of the request's own, `request_..`.

-- `region`: whose clock holds, as it was at receipt. `paused_at`: since when it waits for its person; `stops`: whether its
-- clock stands still meanwhile, and `stopped` how long it did before.
CREATE TABLE rights_requests (
    request_id      uuid PRIMARY KEY,
    account_id      uuid REFERENCES accounts,
    kind            text NOT NULL CONSTRAINT right_is_known CHECK (kind IN
                    ('access', 'portability', 'rectification', 'erasure', 'restriction', 'objection', 'complaint')),
    via             text NOT NULL CONSTRAINT a_request_came_by_a_known_way CHECK (via IN ('page', 'api', 'staff')),
    region          text CONSTRAINT a_request_has_a_region_of_iso_3166 CHECK (region ~ '^[A-Z]{2}(-[A-Z0-9]{1,3})?$'),
    received_at     timestamptz NOT NULL,
    due_at          timestamptz NOT NULL,
    acknowledge_by  timestamptz,
    acknowledged_at timestamptz,
    extended_at     timestamptz,
    paused_at       timestamptz,
    stops           boolean NOT NULL DEFAULT false,
    stopped         interval NOT NULL DEFAULT '0',
    state           text NOT NULL CONSTRAINT request_state_is_known
                    CHECK (state IN ('open', 'paused', 'answered', 'refused', 'withdrawn')),
    ended_at        timestamptz,
    forgotten_at    timestamptz,
    CONSTRAINT without_an_account_staff_entered_it CHECK (account_id IS NOT NULL OR via = 'staff'),
    CONSTRAINT a_request_is_due_after_its_receipt CHECK (due_at > received_at),
    CONSTRAINT what_waits_is_paused CHECK ((state = 'paused') = (paused_at IS NOT NULL)),
    CONSTRAINT what_ended_has_its_end CHECK ((state IN ('open', 'paused')) = (ended_at IS NULL)),
    CONSTRAINT only_what_waits_stops CHECK (NOT stops OR paused_at IS NOT NULL),
    CONSTRAINT what_is_forgotten_ended CHECK (forgotten_at IS NULL OR ended_at IS NOT NULL)
);
CREATE INDEX rights_requests_due ON rights_requests (due_at, request_id) WHERE ended_at IS NULL;
CREATE INDEX rights_requests_by_date ON rights_requests (due_at, request_id);
CREATE INDEX rights_requests_by_account ON rights_requests (account_id, request_id);
CREATE INDEX rights_requests_to_forget ON rights_requests (ended_at) WHERE account_id IS NULL AND forgotten_at IS NULL;

-- Each step, in order; `words` is what was written with it, sealed. Rows are only ever added, and their words taken away.
CREATE TABLE rights_steps (
    request_id uuid NOT NULL REFERENCES rights_requests,
    step_no    integer NOT NULL,
    step       text NOT NULL CONSTRAINT request_step_is_known CHECK (step IN
               ('received', 'identified', 'no_recorded', 'acknowledged', 'paused', 'replied', 'resumed', 'extended',
                'answered', 'refused', 'withdrawn')),
    at         timestamptz NOT NULL,
    by         text NOT NULL CONSTRAINT who_took_a_step_is_named
               CHECK (by ~ '^(person|licet|(host|staff|user):[^[:space:]]{1,254})$'),
    reason     text NOT NULL DEFAULT '' CONSTRAINT a_step_s_reason_is_a_name CHECK (reason ~ '^[a-z_]{0,32}$'),
    words      bytea,
    PRIMARY KEY (request_id, step_no)
);

-- A host hears of each request of an account, when it is received and when it ends.
ALTER TABLE events
    DROP CONSTRAINT event_kind_is_known,
    ADD CONSTRAINT event_kind_is_known CHECK (kind IN (
        'choice.changed', 'conversation.must_leave', 'conversation.erased', 'account.erased', 'release.recalled',
        'request.received', 'request.ended'));
