-- contract: the identity with which staff signed in is kept beside what needs two of them; existing rows are checked
-- The identity of the identity provider with which staff signed in: SHA-256 over issuer and subject. NULL where a link began
-- the session, and on the command line: one person can be any number of those.
ALTER TABLE sessions ADD COLUMN identity bytea CONSTRAINT session_identity_is_sha256 CHECK (length(identity) = 32);
ALTER TABLE policy_proposals
    ADD COLUMN proposed_identity bytea CONSTRAINT proposed_identity_is_sha256 CHECK (length(proposed_identity) = 32),
    ADD COLUMN ended_identity bytea CONSTRAINT ended_identity_is_sha256 CHECK (length(ended_identity) = 32),
    ADD CONSTRAINT another_identity_applies CHECK (state <> 'applied' OR ended_identity <> proposed_identity);
ALTER TABLE sign_offs ADD COLUMN identity bytea CONSTRAINT signing_identity_is_sha256 CHECK (length(identity) = 32);
ALTER TABLE review_rows ADD COLUMN identity bytea CONSTRAINT reading_identity_is_sha256 CHECK (length(identity) = 32);
ALTER TABLE second_findings
    ADD COLUMN identity bytea CONSTRAINT second_identity_is_sha256 CHECK (length(identity) = 32);
