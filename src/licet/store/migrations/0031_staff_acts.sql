-- Limits of a service's key beside its scopes, and each change of them. `version` is what a change compares: a second person
-- who saw the key as it was before is refused.
ALTER TABLE api_keys ADD COLUMN expires_at timestamptz;
ALTER TABLE api_keys ADD COLUMN requests_per_minute integer
    CONSTRAINT key_rate_is_positive CHECK (requests_per_minute BETWEEN 1 AND 1000000);
ALTER TABLE api_keys ADD COLUMN version integer NOT NULL DEFAULT 1 CONSTRAINT key_version_is_positive CHECK (version > 0);

-- Who changed or revoked a key, when and why. The limits are those that the key had until then.
CREATE TABLE api_key_changes (
    key_id              uuid NOT NULL REFERENCES api_keys,
    version             integer NOT NULL,
    act                 text NOT NULL CONSTRAINT key_act_is_known CHECK (act IN ('limited', 'revoked')),
    changed_at          timestamptz NOT NULL,
    changed_by          text NOT NULL,
    reason              text NOT NULL CONSTRAINT key_reason_is_short CHECK (length(reason) BETWEEN 1 AND 500),
    scopes              text[] NOT NULL,
    releases            text[],
    requests_per_minute integer,
    expires_at          timestamptz,
    PRIMARY KEY (key_id, version)
);

-- Why a model is used no more, and who said so; null for one that was retired before this was asked.
ALTER TABLE models ADD COLUMN retired_by text;
ALTER TABLE models ADD COLUMN retired_reason text
    CONSTRAINT retired_reason_is_short CHECK (length(retired_reason) BETWEEN 1 AND 500);
