-- Papers that the law asks for, as they were signed: at a position of the log. A leaf names each by its hash.
CREATE TABLE documents (
    sha256   bytea PRIMARY KEY CONSTRAINT document_hash_is_sha256 CHECK (length(sha256) = 32),
    kind     text NOT NULL CONSTRAINT document_kind_is_a_name CHECK (kind ~ '^[a-z][a-z0-9-]{0,31}$'),
    log_year smallint NOT NULL,
    entries  bigint NOT NULL CONSTRAINT a_document_counts_entries CHECK (entries >= 1),
    made_at  timestamptz NOT NULL,
    made_by  text NOT NULL,
    document text NOT NULL
);
CREATE INDEX documents_by_kind ON documents (kind, made_at);
CREATE INDEX outbox_documents ON outbox (payload) WHERE entry = 'document_made';
