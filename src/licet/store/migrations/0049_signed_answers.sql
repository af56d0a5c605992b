-- contract: an answer to a recall may be signed with the recipient's own key; existing recalls are checked
-- What a recipient answers to a recall may be signed with their own key, which is registered under their name.
ALTER TABLE recalls ADD COLUMN signed text;
ALTER TABLE recalls ADD CONSTRAINT signed_where_it_is_acknowledged CHECK (signed IS NULL OR acknowledged_at IS NOT NULL);

CREATE TABLE recipient_keys (
    recipient     text PRIMARY KEY CONSTRAINT keyed_recipient_is_a_name CHECK (recipient ~ '^[a-z0-9][a-z0-9_.-]{0,63}$'),
    vkey          text NOT NULL,
    registered_at timestamptz NOT NULL
);
