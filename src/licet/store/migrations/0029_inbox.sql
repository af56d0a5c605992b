-- Who of the staff has an item of the inbox, and what was done with it. An item is gone from the inbox with what it tells of;
-- what was done stays. `item` is its kind and its subject; `account_id` whose it is, null of what is nobody's.
CREATE TABLE inbox_items (
    item       text PRIMARY KEY CONSTRAINT item_is_a_kind_and_a_subject CHECK (item ~ '^[a-z]+:[A-Za-z0-9_.+-]{1,180}$'),
    account_id uuid REFERENCES accounts,
    staff_id   uuid REFERENCES staff,
    taken_at   timestamptz,
    steps      integer NOT NULL,
    CONSTRAINT who_has_an_item_took_it CHECK ((staff_id IS NULL) = (taken_at IS NULL))
);
CREATE INDEX inbox_items_by_staff ON inbox_items (staff_id, taken_at, item) WHERE staff_id IS NOT NULL;

-- Each step, in order. `words` is what was written with it, sealed: under the own key of the account that it is about, of a
-- request without one under the request's, of anything else under a secret of the installation. `done` is of an act: null
-- while it is under way, false where it was refused. `tells`: the person may be told, as they may not of a hold whose matter
-- forbids it. Rows are only added, and an act is ended once.
CREATE TABLE inbox_steps (
    item       text NOT NULL REFERENCES inbox_items,
    step_no    integer NOT NULL,
    step       text NOT NULL CONSTRAINT inbox_step_is_known CHECK (step IN ('taken', 'given_back', 'handed', 'noted', 'acted')),
    act        text NOT NULL DEFAULT '' CONSTRAINT an_act_has_a_name CHECK (act ~ '^[a-z_]{0,32}$'),
    at         timestamptz NOT NULL,
    account_id uuid REFERENCES accounts,
    tells      boolean NOT NULL DEFAULT false,
    staff_id   uuid NOT NULL REFERENCES staff,
    to_staff   uuid REFERENCES staff,
    done       boolean,
    words      bytea,
    PRIMARY KEY (item, step_no),
    CONSTRAINT only_a_handing_names_another CHECK ((step = 'handed') = (to_staff IS NOT NULL)),
    CONSTRAINT only_an_act_has_a_name CHECK ((step = 'acted') = (act <> '')),
    CONSTRAINT only_an_act_is_ended CHECK (step = 'acted' OR done IS NULL),
    CONSTRAINT nobody_is_told_of_what_is_nobody_s CHECK (account_id IS NOT NULL OR NOT tells)
);
CREATE INDEX inbox_steps_by_account ON inbox_steps (account_id, at) WHERE account_id IS NOT NULL;

-- What waits, in the order of its day, so that a page of the inbox looks at its own rows only. A clock that stands still is
-- ordered by what is left of it. The first of both is of those that run, or whose receipt nobody has confirmed.
CREATE INDEX rights_requests_running ON rights_requests (
    (least(due_at, CASE WHEN acknowledged_at IS NULL THEN acknowledge_by END)), request_id)
    WHERE ended_at IS NULL AND (NOT stops OR (acknowledged_at IS NULL AND acknowledge_by IS NOT NULL));
CREATE INDEX rights_requests_stopped ON rights_requests (
    (extract(epoch FROM (due_at - paused_at))::float8), request_id)
    WHERE ended_at IS NULL AND stops AND (acknowledged_at IS NOT NULL OR acknowledge_by IS NULL);
CREATE INDEX suggestions_open_by_time ON suggestions (suggested_at, conversation_id) WHERE decided_at IS NULL;
DROP INDEX holds_by_review;
CREATE INDEX holds_by_review ON holds (review_at, conversation_id, matter_hmac);
