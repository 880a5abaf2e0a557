-- Who sees and writes which rows. Forced on every relation, so that it binds the owner, too.
--
-- A policy decides by row only: `tenant_id = current_tenant() OR EXISTS (correlated path to an active
-- participant)`, ownership first. Which columns a role may write is said by grants. Policies that refer to
-- each other would recurse (42P17): that of project_participant reads nothing but one definer function.

-- The caller's standing in a project: 'owner', 'active', or none.
CREATE FUNCTION project_standing(project uuid) RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT CASE WHEN o.tenant_id = me.tenant_id THEN 'owner' ELSE 'active' END
    FROM project_participant me
    JOIN project o ON o.id = me.project_id
    WHERE me.project_id = $1 AND me.tenant_id = current_tenant() AND me.is_active
$$;

DO $$
DECLARE
    relation text;
BEGIN
    FOR relation IN
        SELECT c.relname FROM pg_class c
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND c.relname <> '__diesel_schema_migrations'
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', relation);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', relation);
        -- The doors, and the triggers that look further than their caller, run as the owner.
        EXECUTE format('CREATE POLICY doors ON %I TO datacovey_owner USING (true) WITH CHECK (true)', relation);
        -- Whose rows they are is one rule for every role; what a role may do with them is its grants.
        IF relation NOT IN ('tenant', 'object_garbage') THEN
            EXECUTE format('CREATE POLICY writes ON %I FOR INSERT WITH CHECK (tenant_id = current_tenant())', relation);
            EXECUTE format('CREATE POLICY changes ON %I FOR UPDATE USING (tenant_id = current_tenant())', relation);
            EXECUTE format('CREATE POLICY deletes ON %I FOR DELETE USING (tenant_id = current_tenant())', relation);
        END IF;
    END LOOP;
END
$$;

-- Seen by their tenant and nobody else.
CREATE POLICY sees ON tenant FOR SELECT USING (id = current_tenant());
CREATE POLICY changes ON tenant FOR UPDATE USING (id = current_tenant());
CREATE POLICY sees ON "user" FOR SELECT USING (tenant_id = current_tenant());
CREATE POLICY sees ON "query" FOR SELECT USING (tenant_id = current_tenant());
CREATE POLICY sees ON query_history FOR SELECT USING (tenant_id = current_tenant());
CREATE POLICY sees ON query_job FOR SELECT USING (tenant_id = current_tenant());
CREATE POLICY sees ON query_run FOR SELECT USING (tenant_id = current_tenant());
CREATE POLICY sees ON query_result FOR SELECT USING (tenant_id = current_tenant());
CREATE POLICY sees ON release_audit FOR SELECT USING (tenant_id = current_tenant());
CREATE POLICY sees ON import_job FOR SELECT USING (tenant_id = current_tenant());
CREATE POLICY sees ON import_job_history FOR SELECT USING (tenant_id = current_tenant());
CREATE POLICY sees ON import_run FOR SELECT USING (tenant_id = current_tenant());
CREATE POLICY sees ON upload_chunk FOR SELECT USING (tenant_id = current_tenant());
CREATE POLICY sees ON rejected_row FOR SELECT USING (tenant_id = current_tenant());
CREATE POLICY sees ON export_job FOR SELECT USING (tenant_id = current_tenant());
CREATE POLICY sees ON export_job_history FOR SELECT USING (tenant_id = current_tenant());
CREATE POLICY sees ON export_run FOR SELECT USING (tenant_id = current_tenant());
CREATE POLICY sees ON table_version FOR SELECT USING (tenant_id = current_tenant());
CREATE POLICY sees ON table_file FOR SELECT USING (tenant_id = current_tenant());
CREATE POLICY sees ON idempotency FOR SELECT USING (tenant_id = current_tenant());

-- The platform makes tenants and manages users of any tenant, and nothing else of theirs.
CREATE POLICY platform_sees ON tenant FOR SELECT TO datacovey_identity USING (is_platform());
CREATE POLICY platform_writes ON tenant FOR INSERT TO datacovey_identity WITH CHECK (is_platform());
CREATE POLICY platform_changes ON tenant FOR UPDATE TO datacovey_identity USING (is_platform());
CREATE POLICY platform_sees ON "user" FOR SELECT TO datacovey_identity USING (is_platform());
CREATE POLICY platform_writes ON "user" FOR INSERT TO datacovey_identity WITH CHECK (is_platform());
CREATE POLICY platform_changes ON "user" FOR UPDATE TO datacovey_identity USING (is_platform());

-- Shared within a project. What another tenant owns is in sight while its owner is an active participant,
-- so that who leaves or is archived takes it along at once.
CREATE POLICY sees ON project_participant FOR SELECT
    USING (tenant_id = current_tenant() OR project_standing(project_id) IS NOT NULL);

CREATE POLICY sees ON project FOR SELECT USING (
    tenant_id = current_tenant()
    OR EXISTS (
        SELECT FROM project_participant me
        WHERE me.project_id = project.id AND me.tenant_id = current_tenant() AND me.is_active
    )
);

CREATE POLICY sees ON dataset FOR SELECT USING (
    tenant_id = current_tenant()
    OR EXISTS (
        SELECT FROM project_participant me
        JOIN project_participant owner ON owner.project_id = me.project_id
        WHERE me.project_id = dataset.project_id AND me.tenant_id = current_tenant() AND me.is_active
          AND owner.tenant_id = dataset.tenant_id AND owner.is_active
    )
);

CREATE POLICY sees ON dataset_history FOR SELECT USING (
    tenant_id = current_tenant()
    OR EXISTS (
        SELECT FROM project_participant me
        JOIN project_participant owner ON owner.project_id = me.project_id
        WHERE me.project_id = dataset_history.project_id AND me.tenant_id = current_tenant() AND me.is_active
          AND owner.tenant_id = dataset_history.tenant_id AND owner.is_active
    )
);

-- The dataset in the path is under its own policy, so its owner has to be active as well.
CREATE POLICY sees ON "table" FOR SELECT USING (
    tenant_id = current_tenant()
    OR EXISTS (
        SELECT FROM dataset above
        JOIN project_participant me ON me.project_id = above.project_id
        JOIN project_participant owner ON owner.project_id = above.project_id
        WHERE above.id = "table".dataset_id AND me.tenant_id = current_tenant() AND me.is_active
          AND owner.tenant_id = "table".tenant_id AND owner.is_active
    )
);

CREATE POLICY sees ON table_history FOR SELECT USING (
    tenant_id = current_tenant()
    OR EXISTS (
        SELECT FROM dataset above
        JOIN project_participant me ON me.project_id = above.project_id
        JOIN project_participant owner ON owner.project_id = above.project_id
        WHERE above.id = table_history.dataset_id AND me.tenant_id = current_tenant() AND me.is_active
          AND owner.tenant_id = table_history.tenant_id AND owner.is_active
    )
);

CREATE POLICY sees ON table_policy FOR SELECT USING (
    tenant_id = current_tenant() OR EXISTS (SELECT FROM "table" above WHERE above.id = table_policy.table_id)
);

-- A participant's row is its project owner's to write; the participant's own answers go through doors.
DROP POLICY writes ON project_participant;
DROP POLICY changes ON project_participant;
DROP POLICY deletes ON project_participant;
CREATE POLICY writes ON project_participant FOR INSERT
    WITH CHECK (project_standing(project_id) = 'owner' AND invited_by = current_user_id());
CREATE POLICY changes ON project_participant FOR UPDATE
    USING (project_standing(project_id) = 'owner');

-- A run belongs to a job of the same tenant, and is its creator's own.
DROP POLICY writes ON query_run;
DROP POLICY writes ON import_run;
DROP POLICY writes ON export_run;
CREATE POLICY writes ON query_run FOR INSERT WITH CHECK (
    tenant_id = current_tenant() AND created_by = current_user_id()
    AND EXISTS (SELECT FROM query_job above WHERE above.id = job_id AND above.tenant_id = current_tenant())
);
CREATE POLICY writes ON import_run FOR INSERT WITH CHECK (
    tenant_id = current_tenant() AND created_by = current_user_id()
    AND EXISTS (SELECT FROM import_job above WHERE above.id = job_id AND above.tenant_id = current_tenant())
);
CREATE POLICY writes ON export_run FOR INSERT WITH CHECK (
    tenant_id = current_tenant() AND created_by = current_user_id()
    AND EXISTS (SELECT FROM export_job above WHERE above.id = job_id AND above.tenant_id = current_tenant())
);
DROP POLICY writes ON rejected_row;
CREATE POLICY writes ON rejected_row FOR INSERT WITH CHECK (
    tenant_id = current_tenant()
    AND EXISTS (SELECT FROM import_job above WHERE above.id = job_id AND above.tenant_id = current_tenant())
);
DROP POLICY writes ON table_policy;
CREATE POLICY writes ON table_policy FOR INSERT
    WITH CHECK (tenant_id = current_tenant() AND created_by = current_user_id());

-- Objects to delete belong to no tenant; workers add to them and read them through `sweep`.
CREATE POLICY writes ON object_garbage FOR INSERT TO datacovey_query_worker, datacovey_transfer_worker
    WITH CHECK (true);

-- Grants.

GRANT SELECT ON __diesel_schema_migrations TO
    datacovey_identity, datacovey_catalog, datacovey_query, datacovey_transfer,
    datacovey_query_worker, datacovey_transfer_worker;
GRANT EXECUTE ON FUNCTION current_tenant(), current_user_id(), is_platform(), utc_now(), project_standing(uuid),
    raise_forbidden(text, text)
TO
    datacovey_identity, datacovey_catalog, datacovey_query, datacovey_transfer,
    datacovey_query_worker, datacovey_transfer_worker;

-- Every service reads the contract's relations, so that one can be shown together with another;
-- project_participant is in the path of their policies.
GRANT SELECT ON
    tenant, "user", project, dataset, "table", "query", query_job, import_job, export_job,
    dataset_history, table_history, query_history, import_job_history, export_job_history,
    project_participant
TO
    datacovey_identity, datacovey_catalog, datacovey_query, datacovey_transfer,
    datacovey_query_worker, datacovey_transfer_worker;

GRANT SELECT, INSERT ON idempotency TO
    datacovey_identity, datacovey_catalog, datacovey_query, datacovey_transfer;

GRANT INSERT (id, name, auth0_org_id, created_at, archived_at),
    UPDATE (name, auth0_org_id, archived_at) ON tenant TO datacovey_identity;
GRANT INSERT (id, tenant_id, auth0_id, email, name, role, created_at, archived_at),
    UPDATE (auth0_id, email, name, role, archived_at) ON "user" TO datacovey_identity;

GRANT INSERT (id, tenant_id, name, description, created_at, archived_at),
    UPDATE (name, description, archived_at) ON project TO datacovey_catalog;
GRANT INSERT (id, tenant_id, project_id, name, description, created_at, archived_at),
    UPDATE (project_id, name, description, archived_at) ON dataset TO datacovey_catalog;
GRANT INSERT (id, tenant_id, dataset_id, name, schema, created_at, archived_at),
    UPDATE (dataset_id, name, schema, archived_at) ON "table" TO datacovey_catalog;
GRANT INSERT (project_id, tenant_id, status, can_contribute, can_query, invited_by),
    UPDATE (status, can_contribute, can_query, invited_by) ON project_participant TO datacovey_catalog;
GRANT SELECT, INSERT (table_id, version, tenant_id, policy, created_by) ON table_policy TO datacovey_catalog;
-- Whether a table holds data decides which changes of its schema pass.
GRANT SELECT ON table_version TO datacovey_catalog;

GRANT INSERT (id, tenant_id, project_id, query_text, created_at, archived_at),
    UPDATE (query_text, archived_at) ON "query" TO datacovey_query;
GRANT INSERT (id, tenant_id, query_id, bigquery_job_id, status, created_at),
    UPDATE (status) ON query_job TO datacovey_query;
GRANT SELECT, INSERT (job_id, tenant_id, created_by, options, ready_at, max_attempts, traceparent)
    ON query_run TO datacovey_query;
GRANT SELECT ON query_result, release_audit, table_policy TO datacovey_query;

GRANT INSERT (id, tenant_id, table_id, status, created_at, archived_at),
    UPDATE (status, archived_at) ON import_job, export_job TO datacovey_transfer;
GRANT SELECT, INSERT (job_id, tenant_id, created_by, options, ready_at, max_attempts, traceparent),
    UPDATE (options, progress, ready_at) ON import_run, export_run TO datacovey_transfer;
GRANT SELECT, INSERT (job_id, "offset", tenant_id, bytes, path) ON upload_chunk TO datacovey_transfer;
GRANT SELECT ON rejected_row, table_version, table_file TO datacovey_transfer;

-- Workers act for the creator of their job, within the creator's tenant.
GRANT SELECT ON query_run, query_result, table_policy TO datacovey_query_worker;
GRANT UPDATE (status, bigquery_job_id, error_result, error_details, created, started, ended, query_plan, timeline)
    ON query_job TO datacovey_query_worker;
GRANT UPDATE (progress, error, holder, lease_expires_at, max_attempts) ON query_run TO datacovey_query_worker;
GRANT INSERT (path) ON object_garbage TO datacovey_query_worker, datacovey_transfer_worker;

GRANT SELECT ON import_run, export_run, upload_chunk, rejected_row, table_version, table_file
    TO datacovey_transfer_worker;
GRANT UPDATE (status) ON import_job, export_job TO datacovey_transfer_worker;
GRANT UPDATE (progress, error, holder, lease_expires_at, max_attempts)
    ON import_run, export_run TO datacovey_transfer_worker;
GRANT INSERT (job_id, tenant_id, line, field, reason, value), DELETE ON rejected_row TO datacovey_transfer_worker;
