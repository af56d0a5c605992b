-- Erasures with their states and certificates, who was handed what, backups, and the fence of a restored database.

-- What a deletion, a closure or the end of a hold owes: an erasure, from the request to the certificate. The states
-- follow one another and each has its time; `conversation_id` is null where the whole account is to be erased.
CREATE TABLE erasures (
    account_id      uuid NOT NULL REFERENCES accounts,
    erasure_id      uuid NOT NULL,
    conversation_id uuid,
    cause           text NOT NULL CONSTRAINT erasure_cause_is_known CHECK (cause IN ('deletion', 'closure', 'hold_released')),
    state           text NOT NULL CONSTRAINT erasure_state_is_known
                    CHECK (state IN ('requested', 'fenced', 'shredded', 'swept', 'verified')),
    requested_at    timestamptz NOT NULL,
    fenced_at       timestamptz,
    shredded_at     timestamptz,
    swept_at        timestamptz,
    verified_at     timestamptz,
    certificate     text,
    PRIMARY KEY (account_id, erasure_id),
    CONSTRAINT an_account_is_erased_by_its_closure CHECK ((conversation_id IS NULL) = (cause = 'closure')),
    CONSTRAINT states_have_their_times CHECK (
        (fenced_at IS NOT NULL) = (state <> 'requested')
        AND (shredded_at IS NOT NULL) = (state IN ('shredded', 'swept', 'verified'))
        AND (swept_at IS NOT NULL) = (state IN ('swept', 'verified'))
        AND (verified_at IS NOT NULL) = (state = 'verified')
        AND (certificate IS NOT NULL) = (state = 'verified'))
);
CREATE UNIQUE INDEX erasures_by_id ON erasures (erasure_id);
CREATE INDEX outbox_certificates ON outbox (payload) WHERE entry = 'certificate';
CREATE INDEX erasures_open ON erasures (requested_at) WHERE state <> 'verified';

-- A release's files in somebody's hands. Names of recipients are names, not sentences.
CREATE TABLE handouts (
    handout_id uuid PRIMARY KEY,
    release_id uuid NOT NULL REFERENCES releases,
    recipient  text NOT NULL CONSTRAINT recipient_is_a_name CHECK (recipient ~ '^[a-z0-9][a-z0-9_.-]{0,63}$'),
    handed_at  timestamptz NOT NULL,
    UNIQUE (release_id, recipient)
);

-- What a recipient has to take out of use, for one erasure, and to acknowledge by a day.
CREATE TABLE recalls (
    account_id      uuid NOT NULL,
    erasure_id      uuid NOT NULL,
    handout_id      uuid NOT NULL REFERENCES handouts,
    recalled_at     timestamptz NOT NULL,
    due_at          timestamptz NOT NULL,
    acknowledged_at timestamptz,
    PRIMARY KEY (account_id, erasure_id, handout_id),
    FOREIGN KEY (account_id, erasure_id) REFERENCES erasures,
    CONSTRAINT acknowledged_after_it_was_recalled CHECK (acknowledged_at >= recalled_at)
);
CREATE INDEX recalls_open ON recalls (handout_id) WHERE acknowledged_at IS NULL;

-- Backups hold everything that was kept when they were made, until they are pruned or their day has come.
CREATE TABLE backups (
    backup_id  uuid PRIMARY KEY,
    made_at    timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    pruned_at  timestamptz,
    CONSTRAINT a_backup_expires_after_it_was_made CHECK (expires_at > made_at)
);

-- The lives of this database: 0 from its beginning, one more for each restore. A restriction says in which it was told;
-- `position` is the newest of `journal` when the life began.
CREATE TABLE lives (
    life     integer PRIMARY KEY,
    journal  uuid NOT NULL,
    position bigint NOT NULL,
    begun_at timestamptz NOT NULL,
    backup   uuid
);

-- While a row stands here no key is unwrapped. It is never part of a backup, so that a restore cannot lift it.
CREATE TABLE IF NOT EXISTS fence (
    one      boolean PRIMARY KEY DEFAULT true CONSTRAINT there_is_one_fence CHECK (one),
    begun_at timestamptz NOT NULL
);
