-- What staff ordered in the console about the system itself, each with its reason. `about` says of what: an endpoint, a kind of
-- rotation. Work in the background is open until it has ended; of each kind one is open at most.
CREATE TABLE staff_orders (
    order_id   uuid PRIMARY KEY,
    kind       text NOT NULL CONSTRAINT order_kind_is_a_name CHECK (kind ~ '^[a-z][a-z_]{0,31}$'),
    about      text NOT NULL CONSTRAINT order_is_about_a_name CHECK (length(about) <= 100),
    reason     text NOT NULL CONSTRAINT an_order_has_a_reason CHECK (length(reason) BETWEEN 1 AND 500),
    ordered_at timestamptz NOT NULL,
    ordered_by text NOT NULL,
    ended_at   timestamptz,
    outcome    text CONSTRAINT order_outcome_is_known CHECK (outcome IN ('done', 'failed')),
    said       text,
    CONSTRAINT an_order_that_ended_has_an_outcome CHECK ((ended_at IS NULL) = (outcome IS NULL))
);
CREATE INDEX staff_orders_by_time ON staff_orders (ordered_at, order_id);
CREATE INDEX staff_orders_by_kind ON staff_orders (kind, ordered_at);
CREATE UNIQUE INDEX staff_orders_open ON staff_orders (kind) WHERE ended_at IS NULL;

-- Where each backup was written, as its program named the folder; null for those of which only the restriction journal tells.
ALTER TABLE backups ADD COLUMN folder text;

-- Drills: a backup was restored into a scratch place, and what was found there.
CREATE TABLE drills (
    drill_id   uuid PRIMARY KEY,
    backup_id  uuid NOT NULL REFERENCES backups,
    drilled_at timestamptz NOT NULL,
    drilled_by text NOT NULL,
    outcome    text NOT NULL CONSTRAINT drill_outcome_is_known CHECK (outcome IN ('proved', 'failed')),
    said       text NOT NULL,
    accounts   bigint NOT NULL,
    segments   bigint NOT NULL,
    keys       bigint NOT NULL,
    entries    bigint NOT NULL
);
CREATE INDEX drills_by_time ON drills (drilled_at, drill_id);

-- What the pages of a recipient and of a notice ask.
CREATE INDEX handouts_by_recipient ON handouts (recipient, handed_at);
CREATE INDEX handouts_by_time ON handouts (handed_at, handout_id);
CREATE INDEX recalls_by_handout ON recalls (handout_id, due_at);
CREATE INDEX leases_by_recipient ON leases (recipient, given_at);
CREATE INDEX shown_by_notice ON shown (notice_id, shown_at);

-- An endpoint that staff paused is sent nothing until they resume it.
ALTER TABLE endpoints DROP CONSTRAINT disabled_because_is_known;
ALTER TABLE endpoints ADD CONSTRAINT disabled_because_is_known
    CHECK (disabled_because IN ('failing', 'gone', 'restored', 'paused'));
