-- Canary audits whose result is kept beside a model, with the figures of each group of planted accounts. `exposed` counts the
-- canaries of the groups that the audit's own model knows, of those that it must not know.
CREATE TABLE canary_audits (
    audit_id    uuid PRIMARY KEY,
    model_id    uuid NOT NULL REFERENCES models,
    audited_at  timestamptz NOT NULL,
    audited_by  text NOT NULL,
    licet       text NOT NULL,
    recipe      text NOT NULL,
    verdict     text NOT NULL CONSTRAINT audit_verdict_is_known CHECK (verdict IN ('passed', 'failed', 'inconclusive')),
    planted     integer NOT NULL,
    exposed     integer NOT NULL CONSTRAINT only_planted_canaries_are_exposed CHECK (exposed BETWEEN 0 AND planted),
    bound       double precision NOT NULL CONSTRAINT audit_bound_is_a_probability CHECK (bound > 0 AND bound < 1),
    rows        integer NOT NULL,
    steps       integer NOT NULL,
    seed        bigint NOT NULL,
    broken      text NOT NULL
);
CREATE INDEX canary_audits_by_model ON canary_audits (model_id, audited_at);

CREATE TABLE canary_audit_groups (
    audit_id     uuid NOT NULL REFERENCES canary_audits,
    canary_group text NOT NULL CONSTRAINT canary_group_is_a_name CHECK (canary_group ~ '^[a-z][a-z_]{0,31}$'),
    planted      integer NOT NULL,
    handed       integer NOT NULL,
    exposure     double precision NOT NULL,
    p            double precision NOT NULL,
    PRIMARY KEY (audit_id, canary_group)
);
