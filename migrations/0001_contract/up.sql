-- The relations of the API contract: their columns, types, defaults, keys and comments are exact.
-- Comments read as PostgREST splits them: first line the title, then a blank line and the description.

-- What is made here is for the roles that later migrations name, and for nobody else.
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

-- Whom the transaction acts for. A local setting goes back to '' and not to NULL when it ends.
-- Plain SQL functions without settings of their own, so that the planner puts them in line.
CREATE FUNCTION current_tenant() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
    RETURN nullif(pg_catalog.current_setting('datacovey.tenant', true), '')::uuid;

CREATE FUNCTION current_user_id() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
    RETURN nullif(pg_catalog.current_setting('datacovey.user', true), '')::uuid;

-- Whether the caller's token carries the scope `platform`.
CREATE FUNCTION is_platform() RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE
    RETURN coalesce(pg_catalog.current_setting('datacovey.platform', true), '') = 'on';

-- Columns hold UTC without a zone, whatever the zone of the session.
CREATE FUNCTION utc_now() RETURNS timestamp LANGUAGE sql VOLATILE PARALLEL SAFE
    RETURN pg_catalog.clock_timestamp() AT TIME ZONE 'UTC';

CREATE TABLE tenant (
    id uuid NOT NULL DEFAULT gen_random_uuid() PRIMARY KEY,
    name text NOT NULL,
    auth0_org_id text,
    created_at timestamp DEFAULT now(),
    archived_at timestamp,
    CONSTRAINT tenant_name_check CHECK (char_length(name) <= 200 AND name ~ '\S'),
    CONSTRAINT tenant_auth0_org_id_check CHECK (char_length(auth0_org_id) BETWEEN 1 AND 255)
);

COMMENT ON TABLE tenant IS E'Organization or company using the DataCovey platform\n\nRepresents a distinct organization that participates in secure data sharing and querying. Each tenant''s data is strictly isolated from others.';
COMMENT ON COLUMN tenant.id IS 'Unique identifier for the tenant';
COMMENT ON COLUMN tenant.name IS 'Display name of the organization';
COMMENT ON COLUMN tenant.auth0_org_id IS 'Auth0 organization identifier for SSO integration';
COMMENT ON COLUMN tenant.created_at IS 'Timestamp when the tenant was created';

CREATE TABLE "user" (
    id uuid NOT NULL DEFAULT gen_random_uuid() PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenant (id),
    auth0_id text NOT NULL,
    email text NOT NULL,
    name text NOT NULL,
    role text NOT NULL,
    created_at timestamp DEFAULT now(),
    archived_at timestamp,
    CONSTRAINT user_auth0_id_check CHECK (char_length(auth0_id) BETWEEN 1 AND 255),
    CONSTRAINT user_email_check CHECK (char_length(email) <= 320 AND email ~ '^[^@\s]+@[^@\s]+$'),
    CONSTRAINT user_name_check CHECK (char_length(name) <= 200 AND name ~ '\S'),
    CONSTRAINT user_role_check CHECK (role IN ('Org admin', 'Dataset editor', 'Dataset user'))
);

COMMENT ON TABLE "user" IS E'Platform user within a tenant organization\n\nUsers belong to a tenant organization and have specific roles that determine their access levels and capabilities within the platform.';
COMMENT ON COLUMN "user".id IS 'Unique identifier for the user';
COMMENT ON COLUMN "user".tenant_id IS 'Reference to the tenant organization the user belongs to';
COMMENT ON COLUMN "user".auth0_id IS 'Auth0 user identifier for authentication';
COMMENT ON COLUMN "user".email IS 'User email address used for communication';
COMMENT ON COLUMN "user".name IS 'Display name of the user';
COMMENT ON COLUMN "user".role IS 'User role determining access permissions: Dataset editor, Dataset user, or Org admin';
COMMENT ON COLUMN "user".created_at IS 'Timestamp when the user was created';

CREATE TABLE project (
    id uuid NOT NULL DEFAULT gen_random_uuid() PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenant (id),
    name text NOT NULL,
    description text,
    created_at timestamp DEFAULT now(),
    archived_at timestamp,
    CONSTRAINT project_name_check CHECK (char_length(name) <= 200 AND name ~ '\S'),
    CONSTRAINT project_description_check CHECK (char_length(description) <= 10000)
);

COMMENT ON TABLE project IS E'Collaboration space for data sharing\n\nProjects provide isolated spaces where organizations can define shared dataset schemas and perform secure data operations.';
COMMENT ON COLUMN project.id IS 'Unique identifier for the project';
COMMENT ON COLUMN project.tenant_id IS 'Reference to the tenant organization that owns the project';
COMMENT ON COLUMN project.name IS 'Display name of the project';
COMMENT ON COLUMN project.description IS 'Detailed description of the project purpose and scope';
COMMENT ON COLUMN project.created_at IS 'Timestamp when the project was created';

CREATE TABLE dataset (
    id uuid NOT NULL DEFAULT gen_random_uuid() PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenant (id),
    project_id uuid NOT NULL REFERENCES project (id),
    name text NOT NULL,
    description text,
    created_at timestamp DEFAULT now(),
    archived_at timestamp,
    CONSTRAINT dataset_name_check CHECK (char_length(name) <= 200 AND name ~ '\S'),
    CONSTRAINT dataset_description_check CHECK (char_length(description) <= 10000)
);

COMMENT ON TABLE dataset IS E'Collection of related data tables within a project\n\nDatasets organize related tables within a project, enabling structured data sharing and querying between participating organizations.';
COMMENT ON COLUMN dataset.id IS 'Unique identifier for the dataset';
COMMENT ON COLUMN dataset.tenant_id IS 'Reference to the tenant organization that owns the dataset';
COMMENT ON COLUMN dataset.project_id IS 'Reference to the project this dataset belongs to';
COMMENT ON COLUMN dataset.name IS 'Display name of the dataset';
COMMENT ON COLUMN dataset.description IS 'Detailed description of the dataset contents and purpose';
COMMENT ON COLUMN dataset.created_at IS 'Timestamp when the dataset was created';

CREATE TABLE "table" (
    id uuid NOT NULL DEFAULT gen_random_uuid() PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenant (id),
    dataset_id uuid NOT NULL REFERENCES dataset (id),
    name text NOT NULL,
    schema jsonb NOT NULL,
    created_at timestamp DEFAULT now(),
    archived_at timestamp,
    CONSTRAINT table_name_check CHECK (char_length(name) <= 200 AND name ~ '\S')
);

COMMENT ON TABLE "table" IS E'Data table definition within a dataset\n\nTables define the structure of data that can be shared and queried, with schema specifications that ensure data consistency and compatibility.';
COMMENT ON COLUMN "table".id IS 'Unique identifier for the table';
COMMENT ON COLUMN "table".tenant_id IS 'Reference to the tenant organization that owns the table';
COMMENT ON COLUMN "table".dataset_id IS 'Reference to the dataset this table belongs to';
COMMENT ON COLUMN "table".name IS 'Display name of the table';
COMMENT ON COLUMN "table".schema IS 'JSON schema definition specifying the table structure and constraints';
COMMENT ON COLUMN "table".created_at IS 'Timestamp when the table was created';

CREATE TABLE "query" (
    id uuid NOT NULL DEFAULT gen_random_uuid() PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenant (id),
    project_id uuid NOT NULL REFERENCES project (id),
    query_text text NOT NULL,
    created_at timestamp DEFAULT now(),
    archived_at timestamp,
    CONSTRAINT query_query_text_check CHECK (char_length(query_text) <= 100000 AND query_text ~ '\S')
);

COMMENT ON TABLE "query" IS E'Secure data query definitions\n\nStores queries that perform secure operations on shared data, such as aggregations and set algebra operations, while preserving data privacy.';
COMMENT ON COLUMN "query".id IS 'Unique identifier for the query';
COMMENT ON COLUMN "query".tenant_id IS 'Reference to the tenant organization that created the query';
COMMENT ON COLUMN "query".project_id IS 'Reference to the project this query belongs to';
COMMENT ON COLUMN "query".query_text IS 'The actual query text to be executed';
COMMENT ON COLUMN "query".created_at IS 'Timestamp when the query was created';

CREATE TABLE query_job (
    id uuid NOT NULL DEFAULT gen_random_uuid() PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenant (id),
    query_id uuid NOT NULL REFERENCES "query" (id),
    bigquery_job_id text NOT NULL,
    status text NOT NULL,
    error_result jsonb,
    error_details jsonb,
    created timestamp,
    started timestamp,
    ended timestamp,
    total_rows bigint,
    total_bytes_processed bigint,
    total_slot_ms bigint,
    cache_hit boolean,
    dml_stats jsonb,
    query_plan jsonb,
    timeline jsonb,
    destination_table jsonb,
    num_dml_affected_rows bigint,
    script_statistics jsonb,
    session_info jsonb,
    transaction_info jsonb,
    reservation_usage jsonb,
    created_at timestamp DEFAULT now(),
    updated_at timestamp DEFAULT now(),
    CONSTRAINT query_job_bigquery_job_id_check CHECK (char_length(bigquery_job_id) <= 1024),
    CONSTRAINT query_job_status_check CHECK (status IN ('PENDING', 'RUNNING', 'DONE', 'ERROR'))
);

COMMENT ON TABLE query_job IS E'Query execution tracking and statistics\n\nTracks the execution of queries on BigQuery, including performance metrics, resource usage, and execution status.';
COMMENT ON COLUMN query_job.id IS 'Unique identifier for the query job';
COMMENT ON COLUMN query_job.tenant_id IS 'Reference to the tenant organization that owns the query job';
COMMENT ON COLUMN query_job.query_id IS 'Reference to the query being executed';
COMMENT ON COLUMN query_job.bigquery_job_id IS 'BigQuery job identifier for tracking';
COMMENT ON COLUMN query_job.status IS 'Current status of the query job: PENDING, RUNNING, DONE, or ERROR';
COMMENT ON COLUMN query_job.error_result IS 'Error information if the query failed';
COMMENT ON COLUMN query_job.error_details IS 'Detailed error information and stack traces';
COMMENT ON COLUMN query_job.created IS 'Timestamp when the BigQuery job was created';
COMMENT ON COLUMN query_job.started IS 'Timestamp when the query started executing';
COMMENT ON COLUMN query_job.ended IS 'Timestamp when the query finished executing';
COMMENT ON COLUMN query_job.total_rows IS 'Number of rows processed by the query';
COMMENT ON COLUMN query_job.total_bytes_processed IS 'Amount of data processed in bytes';
COMMENT ON COLUMN query_job.total_slot_ms IS 'Total slot milliseconds used by the query';
COMMENT ON COLUMN query_job.cache_hit IS 'Whether the query results were served from cache';
COMMENT ON COLUMN query_job.dml_stats IS 'Statistics for DML operations';
COMMENT ON COLUMN query_job.query_plan IS 'Execution plan of the query';
COMMENT ON COLUMN query_job.timeline IS 'Timeline of query execution phases';
COMMENT ON COLUMN query_job.destination_table IS 'Target table for query results';
COMMENT ON COLUMN query_job.num_dml_affected_rows IS 'Number of rows affected by DML operations';
COMMENT ON COLUMN query_job.script_statistics IS 'Statistics for script execution';
COMMENT ON COLUMN query_job.session_info IS 'Information about the query session';
COMMENT ON COLUMN query_job.transaction_info IS 'Information about the transaction';
COMMENT ON COLUMN query_job.reservation_usage IS 'Resource reservation usage details';
COMMENT ON COLUMN query_job.created_at IS 'Timestamp when the job record was created';
COMMENT ON COLUMN query_job.updated_at IS 'Timestamp when the job record was last updated';

CREATE TABLE import_job (
    id uuid NOT NULL DEFAULT gen_random_uuid() PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenant (id),
    table_id uuid NOT NULL REFERENCES "table" (id),
    status text NOT NULL,
    created_at timestamp DEFAULT now(),
    archived_at timestamp,
    CONSTRAINT import_job_status_check CHECK (status IN ('pending', 'running', 'completed', 'failed'))
);

COMMENT ON TABLE import_job IS E'Data import operation tracking\n\nTracks the status and progress of data import operations into tables, ensuring data integrity and visibility of import processes.';
COMMENT ON COLUMN import_job.id IS 'Unique identifier for the import job';
COMMENT ON COLUMN import_job.tenant_id IS 'Reference to the tenant organization performing the import';
COMMENT ON COLUMN import_job.table_id IS 'Reference to the table being imported into';
COMMENT ON COLUMN import_job.status IS 'Current status of the import job: pending, running, completed, or failed';
COMMENT ON COLUMN import_job.created_at IS 'Timestamp when the import job was created';

CREATE TABLE export_job (
    id uuid NOT NULL DEFAULT gen_random_uuid() PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenant (id),
    table_id uuid NOT NULL REFERENCES "table" (id),
    status text NOT NULL,
    created_at timestamp DEFAULT now(),
    archived_at timestamp,
    CONSTRAINT export_job_status_check CHECK (status IN ('pending', 'running', 'completed', 'failed'))
);

COMMENT ON TABLE export_job IS E'Data export operation tracking\n\nTracks the status and progress of data export operations from tables, ensuring secure and controlled data extraction.';
COMMENT ON COLUMN export_job.id IS 'Unique identifier for the export job';
COMMENT ON COLUMN export_job.tenant_id IS 'Reference to the tenant organization performing the export';
COMMENT ON COLUMN export_job.table_id IS 'Reference to the table being exported from';
COMMENT ON COLUMN export_job.status IS 'Current status of the export job: pending, running, completed, or failed';
COMMENT ON COLUMN export_job.created_at IS 'Timestamp when the export job was created';

CREATE TABLE dataset_history (
    id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    project_id uuid NOT NULL,
    name text NOT NULL,
    description text,
    created_at timestamp,
    changed_at timestamp DEFAULT now(),
    action text NOT NULL
);


CREATE TABLE table_history (
    id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    dataset_id uuid NOT NULL,
    name text NOT NULL,
    schema jsonb NOT NULL,
    created_at timestamp,
    changed_at timestamp DEFAULT now(),
    action text NOT NULL
);


CREATE TABLE query_history (
    id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    project_id uuid NOT NULL,
    query_text text NOT NULL,
    created_at timestamp,
    changed_at timestamp DEFAULT now(),
    action text NOT NULL
);


CREATE TABLE import_job_history (
    id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    table_id uuid NOT NULL,
    status text NOT NULL,
    created_at timestamp,
    changed_at timestamp DEFAULT now(),
    action text NOT NULL
);


CREATE TABLE export_job_history (
    id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    table_id uuid NOT NULL,
    status text NOT NULL,
    created_at timestamp,
    changed_at timestamp DEFAULT now(),
    action text NOT NULL
);


-- Names that SQL addresses, and what a sign-in is found by, are unique among rows that are not archived.
CREATE UNIQUE INDEX tenant_auth0_org_id_key ON tenant (auth0_org_id) WHERE archived_at IS NULL;
CREATE UNIQUE INDEX user_auth0_id_key ON "user" (tenant_id, auth0_id) WHERE archived_at IS NULL;
CREATE UNIQUE INDEX user_email_key ON "user" (tenant_id, lower(email)) WHERE archived_at IS NULL;
CREATE UNIQUE INDEX dataset_name_key ON dataset (project_id, name) WHERE archived_at IS NULL;
CREATE UNIQUE INDEX table_name_key ON "table" (dataset_id, name) WHERE archived_at IS NULL;

-- Foreign keys, and the pages of lists, which go by id.
CREATE INDEX user_tenant_id_idx ON "user" (tenant_id, id);
CREATE INDEX project_tenant_id_idx ON project (tenant_id, id);
CREATE INDEX dataset_tenant_id_idx ON dataset (tenant_id, id);
CREATE INDEX dataset_project_id_idx ON dataset (project_id, id);
CREATE INDEX table_tenant_id_idx ON "table" (tenant_id, id);
CREATE INDEX table_dataset_id_idx ON "table" (dataset_id, id);
CREATE INDEX query_tenant_id_idx ON "query" (tenant_id, id);
CREATE INDEX query_project_id_idx ON "query" (project_id, id);
CREATE INDEX query_job_tenant_id_idx ON query_job (tenant_id, id);
CREATE INDEX query_job_query_id_idx ON query_job (query_id, id);
CREATE INDEX import_job_tenant_id_idx ON import_job (tenant_id, id);
CREATE INDEX import_job_table_id_idx ON import_job (table_id, id);
CREATE INDEX export_job_tenant_id_idx ON export_job (tenant_id, id);
CREATE INDEX export_job_table_id_idx ON export_job (table_id, id);

CREATE INDEX dataset_history_id_idx ON dataset_history (id, changed_at);
CREATE INDEX dataset_history_tenant_id_idx ON dataset_history (tenant_id, changed_at);
CREATE INDEX table_history_id_idx ON table_history (id, changed_at);
CREATE INDEX table_history_tenant_id_idx ON table_history (tenant_id, changed_at);
CREATE INDEX query_history_id_idx ON query_history (id, changed_at);
CREATE INDEX query_history_tenant_id_idx ON query_history (tenant_id, changed_at);
CREATE INDEX import_job_history_id_idx ON import_job_history (id, changed_at);
CREATE INDEX import_job_history_tenant_id_idx ON import_job_history (tenant_id, changed_at);
CREATE INDEX export_job_history_id_idx ON export_job_history (id, changed_at);
CREATE INDEX export_job_history_tenant_id_idx ON export_job_history (tenant_id, changed_at);
