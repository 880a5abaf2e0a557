-- The queue (one run row beside each job), what jobs read and leave behind, and the files of tables.

CREATE TABLE query_run (
    job_id uuid NOT NULL PRIMARY KEY REFERENCES query_job (id),
    tenant_id uuid NOT NULL REFERENCES tenant (id),
    created_by uuid NOT NULL,
    options jsonb NOT NULL DEFAULT '{}',
    progress jsonb,
    error jsonb,
    ready_at timestamp,
    holder text,
    lease_expires_at timestamp,
    attempt integer NOT NULL DEFAULT 0,
    max_attempts integer NOT NULL DEFAULT 3,
    cancel_requested boolean NOT NULL DEFAULT false,
    traceparent text,
    created_at timestamp NOT NULL DEFAULT now(),
    ended_at timestamp,
    swept_at timestamp,
    CONSTRAINT query_run_attempt_check CHECK (attempt BETWEEN 0 AND max_attempts),
    CONSTRAINT query_run_max_attempts_check CHECK (max_attempts BETWEEN 1 AND 100),
    CONSTRAINT query_run_traceparent_check CHECK (char_length(traceparent) <= 256)
);

CREATE TABLE import_run (
    job_id uuid NOT NULL PRIMARY KEY REFERENCES import_job (id),
    tenant_id uuid NOT NULL REFERENCES tenant (id),
    created_by uuid NOT NULL,
    options jsonb NOT NULL DEFAULT '{}',
    progress jsonb,
    error jsonb,
    ready_at timestamp,
    holder text,
    lease_expires_at timestamp,
    attempt integer NOT NULL DEFAULT 0,
    max_attempts integer NOT NULL DEFAULT 3,
    cancel_requested boolean NOT NULL DEFAULT false,
    traceparent text,
    created_at timestamp NOT NULL DEFAULT now(),
    ended_at timestamp,
    swept_at timestamp,
    CONSTRAINT import_run_attempt_check CHECK (attempt BETWEEN 0 AND max_attempts),
    CONSTRAINT import_run_max_attempts_check CHECK (max_attempts BETWEEN 1 AND 100),
    CONSTRAINT import_run_traceparent_check CHECK (char_length(traceparent) <= 256)
);

CREATE TABLE export_run (
    job_id uuid NOT NULL PRIMARY KEY REFERENCES export_job (id),
    tenant_id uuid NOT NULL REFERENCES tenant (id),
    created_by uuid NOT NULL,
    options jsonb NOT NULL DEFAULT '{}',
    progress jsonb,
    error jsonb,
    ready_at timestamp,
    holder text,
    lease_expires_at timestamp,
    attempt integer NOT NULL DEFAULT 0,
    max_attempts integer NOT NULL DEFAULT 3,
    cancel_requested boolean NOT NULL DEFAULT false,
    traceparent text,
    created_at timestamp NOT NULL DEFAULT now(),
    ended_at timestamp,
    swept_at timestamp,
    CONSTRAINT export_run_attempt_check CHECK (attempt BETWEEN 0 AND max_attempts),
    CONSTRAINT export_run_max_attempts_check CHECK (max_attempts BETWEEN 1 AND 100),
    CONSTRAINT export_run_traceparent_check CHECK (char_length(traceparent) <= 256)
);

COMMENT ON TABLE query_run IS E'The queue of query jobs\n\nWhat query_job has no column for: who asked, with which options, and which worker holds it.';
COMMENT ON TABLE import_run IS E'The queue of import jobs\n\nWhat import_job has no column for: source, progress, and which worker holds it.';
COMMENT ON TABLE export_run IS E'The queue of export jobs\n\nWhat export_job has no column for: target, progress, and which worker holds it.';
COMMENT ON COLUMN query_run.ready_at IS 'From when a worker may take the job';
COMMENT ON COLUMN import_run.ready_at IS 'From when a worker may take the job; none while its content is awaited';
COMMENT ON COLUMN export_run.ready_at IS 'From when a worker may take the job';

-- Only what still waits or runs is looked for, so the queue's index stays as small as the queue.
CREATE INDEX query_run_open_idx ON query_run (ready_at, job_id) WHERE ended_at IS NULL;
CREATE INDEX import_run_open_idx ON import_run (ready_at, job_id) WHERE ended_at IS NULL;
CREATE INDEX export_run_open_idx ON export_run (ready_at, job_id) WHERE ended_at IS NULL;
CREATE INDEX query_run_unswept_idx ON query_run (ended_at) WHERE ended_at IS NOT NULL AND swept_at IS NULL;
CREATE INDEX import_run_unswept_idx ON import_run (ended_at) WHERE ended_at IS NOT NULL AND swept_at IS NULL;
CREATE INDEX export_run_unswept_idx ON export_run (ended_at) WHERE ended_at IS NOT NULL AND swept_at IS NULL;
CREATE INDEX query_run_tenant_id_idx ON query_run (tenant_id, ended_at);
CREATE INDEX import_run_tenant_id_idx ON import_run (tenant_id, ended_at);
CREATE INDEX export_run_tenant_id_idx ON export_run (tenant_id, ended_at);

CREATE TABLE upload_chunk (
    job_id uuid NOT NULL REFERENCES import_job (id),
    "offset" bigint NOT NULL,
    tenant_id uuid NOT NULL REFERENCES tenant (id),
    bytes bigint NOT NULL,
    path text NOT NULL,
    created_at timestamp NOT NULL DEFAULT now(),
    PRIMARY KEY (job_id, "offset"),
    CONSTRAINT upload_chunk_offset_check CHECK ("offset" >= 0),
    CONSTRAINT upload_chunk_bytes_check CHECK (bytes > 0)
);

COMMENT ON TABLE upload_chunk IS
    E'Committed parts of an upload\n\nThey follow each other without a gap, so that any instance can go on.';

CREATE INDEX upload_chunk_tenant_id_idx ON upload_chunk (tenant_id, job_id);

CREATE TABLE rejected_row (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job_id uuid NOT NULL REFERENCES import_job (id),
    tenant_id uuid NOT NULL REFERENCES tenant (id),
    line bigint NOT NULL,
    field text,
    reason text NOT NULL,
    value text,
    CONSTRAINT rejected_row_value_check CHECK (char_length(value) <= 200)
);

COMMENT ON TABLE rejected_row IS E'Records that an import did not take\n\nTheir values are shortened.';

CREATE INDEX rejected_row_job_id_idx ON rejected_row (job_id, id);
CREATE INDEX rejected_row_tenant_id_idx ON rejected_row (tenant_id, job_id);

CREATE TABLE table_version (
    table_id uuid NOT NULL REFERENCES "table" (id),
    version bigint NOT NULL,
    content_version bigint NOT NULL,
    tenant_id uuid NOT NULL REFERENCES tenant (id),
    import_job_id uuid REFERENCES import_job (id),
    mode text NOT NULL,
    rows bigint NOT NULL,
    bytes bigint NOT NULL,
    unique_columns text[] NOT NULL DEFAULT '{}',
    created_at timestamp NOT NULL DEFAULT now(),
    PRIMARY KEY (table_id, version),
    CONSTRAINT table_version_version_check CHECK (version >= 1 AND content_version BETWEEN 1 AND version),
    CONSTRAINT table_version_mode_check CHECK (mode IN ('append', 'replace', 'empty_only')),
    CONSTRAINT table_version_size_check CHECK (rows >= 0 AND bytes >= 0)
);

COMMENT ON TABLE table_version IS
    E'The content of a table over time\n\nA version per committed import; queries pin one, caches key on content.';
COMMENT ON COLUMN table_version.content_version IS 'The first version with the same content';
COMMENT ON COLUMN table_version.rows IS 'Rows of the whole table at this version';
COMMENT ON COLUMN table_version.bytes IS 'Bytes of all files of this version';
COMMENT ON COLUMN table_version.unique_columns IS 'Columns proven unique over all files of this version';

CREATE INDEX table_version_tenant_id_idx ON table_version (tenant_id, table_id);
CREATE INDEX table_version_import_job_id_idx ON table_version (import_job_id);

CREATE TABLE table_file (
    table_id uuid NOT NULL,
    added_in bigint NOT NULL,
    path text NOT NULL,
    tenant_id uuid NOT NULL REFERENCES tenant (id),
    removed_in bigint,
    format text NOT NULL,
    rows bigint NOT NULL,
    bytes bigint NOT NULL,
    checksum text NOT NULL,
    statistics jsonb NOT NULL DEFAULT '{}',
    created_at timestamp NOT NULL DEFAULT now(),
    PRIMARY KEY (table_id, added_in, path),
    CONSTRAINT table_file_table_id_added_in_fkey
        FOREIGN KEY (table_id, added_in) REFERENCES table_version (table_id, version),
    CONSTRAINT table_file_table_id_removed_in_fkey
        FOREIGN KEY (table_id, removed_in) REFERENCES table_version (table_id, version),
    CONSTRAINT table_file_removed_in_check CHECK (removed_in > added_in),
    CONSTRAINT table_file_size_check CHECK (rows >= 0 AND bytes >= 0)
);

COMMENT ON TABLE table_file IS
    E'Which objects make up a table at which version\n\nA file belongs to the versions from added_in on, before removed_in.';
COMMENT ON COLUMN table_file.statistics IS 'Per column: what is known of the values in this file';

CREATE INDEX table_file_table_id_removed_in_idx ON table_file (table_id, removed_in);
CREATE INDEX table_file_tenant_id_idx ON table_file (tenant_id, table_id);

CREATE TABLE query_result (
    job_id uuid NOT NULL PRIMARY KEY REFERENCES query_job (id),
    tenant_id uuid NOT NULL REFERENCES tenant (id),
    path text NOT NULL,
    rows bigint NOT NULL,
    bytes bigint NOT NULL,
    schema jsonb NOT NULL DEFAULT '[]',
    cache_key text,
    created_at timestamp NOT NULL DEFAULT now(),
    expires_at timestamp NOT NULL,
    CONSTRAINT query_result_size_check CHECK (rows >= 0 AND bytes >= 0)
);

COMMENT ON TABLE query_result IS E'Where the released rows of a query are\n\nReadable by the tenant that asked, until they expire.';
COMMENT ON COLUMN query_result.schema IS 'The columns of the result, in order';
COMMENT ON COLUMN query_result.cache_key IS 'Equal for equal questions of one tenant over equal content and policies';

CREATE INDEX query_result_tenant_id_idx ON query_result (tenant_id, cache_key);
CREATE INDEX query_result_expires_at_idx ON query_result (expires_at);

-- Ids without foreign keys: the record outlives what it speaks of.
CREATE TABLE release_audit (
    id uuid NOT NULL DEFAULT gen_random_uuid() PRIMARY KEY,
    tenant_id uuid NOT NULL,
    table_id uuid NOT NULL,
    project_id uuid NOT NULL,
    analyst_tenant_id uuid NOT NULL,
    analyst_user_id uuid NOT NULL,
    query_job_id uuid NOT NULL,
    policy_version bigint NOT NULL,
    normalized_query text NOT NULL,
    outcome text NOT NULL,
    released_groups bigint NOT NULL,
    suppressed_groups bigint,
    created_at timestamp NOT NULL DEFAULT now(),
    CONSTRAINT release_audit_outcome_check CHECK (outcome IN ('released', 'cached'))
);

COMMENT ON TABLE release_audit IS
    E'The data owner''s record of who learned what\n\nA row per restricted table of another tenant that a released result rests on.';
COMMENT ON COLUMN release_audit.tenant_id IS 'The owner of the table, who reads the record';
COMMENT ON COLUMN release_audit.suppressed_groups IS 'Only where every restricted source is the reader''s own';

CREATE INDEX release_audit_tenant_id_idx ON release_audit (tenant_id, created_at, id);
CREATE INDEX release_audit_table_id_idx ON release_audit (table_id, created_at, id);

CREATE TABLE object_garbage (
    path text NOT NULL PRIMARY KEY,
    since timestamp NOT NULL DEFAULT now()
);

COMMENT ON TABLE object_garbage IS
    E'Objects to delete\n\nNot before `since`. Written by the transaction that orphaned them, removed once they are gone. A path that ends with a slash means all below it.';

CREATE INDEX object_garbage_since_idx ON object_garbage (since);

CREATE TABLE idempotency (
    tenant_id uuid NOT NULL REFERENCES tenant (id),
    request_id text NOT NULL,
    method text NOT NULL,
    request_hash bytea NOT NULL,
    resource_id uuid NOT NULL,
    created_at timestamp NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, request_id),
    CONSTRAINT idempotency_request_id_check CHECK (char_length(request_id) BETWEEN 1 AND 128)
);

COMMENT ON TABLE idempotency IS
    E'Which request made which resource\n\nA replay of a request answers with the same resource.';

CREATE INDEX idempotency_created_at_idx ON idempotency (created_at);
