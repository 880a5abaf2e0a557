-- Rules that the database keeps on every path. A broken rule is an error whose CONSTRAINT names the rule
-- and whose SQLSTATE says its kind: 23503 no such parent, 23514 the row is wrong or moves where it may not,
-- 42501 not allowed to this caller, 55000 something above is archived.
--
-- Functions that look at rows the caller may not see run as their owner, are called by triggers only, and
-- find the caller in current_tenant(). Functions that need the role of the statement run as the caller.

-- A parent that the caller may not see does not exist: the words are those of the foreign key itself.
CREATE FUNCTION raise_no_parent(child text, key text, id uuid, parent text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'foreign_key_violation',
        MESSAGE = format('insert or update on table "%s" violates foreign key constraint "%s_%s_fkey"',
                         child, child, key),
        DETAIL = format('Key (%s)=(%s) is not present in table "%s".', key, id, parent),
        SCHEMA = 'public', TABLE = child, CONSTRAINT = format('%s_%s_fkey', child, key);
END $$;

CREATE FUNCTION raise_archived(parent text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'object_not_in_prerequisite_state',
        MESSAGE = format('the %s is archived', parent),
        CONSTRAINT = parent || '_archived';
END $$;

CREATE FUNCTION raise_forbidden(rule text, message text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege', MESSAGE = message, CONSTRAINT = rule;
END $$;

-- The caller's own row in a project, active or none.
CREATE FUNCTION own_participation(project uuid) RETURNS project_participant LANGUAGE sql STABLE AS $$
    SELECT p FROM project_participant p
    WHERE p.project_id = project AND p.tenant_id = current_tenant() AND p.is_active
$$;

-- Parents. Their rows are locked FOR SHARE: an archive at the same time waits, or is seen here.

CREATE FUNCTION project_parent() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    archived boolean;
BEGIN
    SELECT t.archived_at IS NOT NULL INTO archived FROM tenant t WHERE t.id = NEW.tenant_id FOR SHARE;
    IF archived AND NEW.archived_at IS NULL THEN
        PERFORM raise_archived('tenant');
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION dataset_parent() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    above project;
    mine project_participant := own_participation(NEW.project_id);
BEGIN
    SELECT * INTO above FROM project p WHERE p.id = NEW.project_id FOR SHARE;
    IF above.id IS NULL OR mine.project_id IS NULL THEN
        PERFORM raise_no_parent('dataset', 'project_id', NEW.project_id, 'project');
    END IF;
    IF NOT mine.can_contribute THEN
        PERFORM raise_forbidden('project_participant_can_contribute', 'the tenant may not contribute to the project');
    END IF;
    IF NEW.archived_at IS NULL AND above.archived_at IS NOT NULL THEN
        PERFORM raise_archived('project');
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION table_parent() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    above dataset;
    above_project project;
    mine project_participant;
BEGIN
    SELECT * INTO above FROM dataset d WHERE d.id = NEW.dataset_id FOR SHARE;
    mine := own_participation(above.project_id);
    -- A dataset is seen by its owner, and by active participants while its owner is one of them.
    IF above.id IS NULL OR (
        above.tenant_id IS DISTINCT FROM current_tenant() AND (
            mine.project_id IS NULL OR NOT EXISTS (
                SELECT FROM project_participant o
                WHERE o.project_id = above.project_id AND o.tenant_id = above.tenant_id AND o.is_active
            )
        )
    ) THEN
        PERFORM raise_no_parent('table', 'dataset_id', NEW.dataset_id, 'dataset');
    END IF;
    IF mine.project_id IS NULL OR NOT mine.can_contribute THEN
        PERFORM raise_forbidden('project_participant_can_contribute', 'the tenant may not contribute to the project');
    END IF;
    IF NEW.archived_at IS NULL THEN
        SELECT * INTO above_project FROM project p WHERE p.id = above.project_id FOR SHARE;
        IF above_project.archived_at IS NOT NULL THEN
            PERFORM raise_archived('project');
        ELSIF above.archived_at IS NOT NULL THEN
            PERFORM raise_archived('dataset');
        END IF;
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION query_parent() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    above project;
    mine project_participant := own_participation(NEW.project_id);
BEGIN
    SELECT * INTO above FROM project p WHERE p.id = NEW.project_id FOR SHARE;
    IF above.id IS NULL OR mine.project_id IS NULL THEN
        PERFORM raise_no_parent('query', 'project_id', NEW.project_id, 'project');
    END IF;
    IF NOT mine.can_query THEN
        PERFORM raise_forbidden('project_participant_can_query', 'the tenant may not query the project');
    END IF;
    IF NEW.archived_at IS NULL AND above.archived_at IS NOT NULL THEN
        PERFORM raise_archived('project');
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION query_job_parent() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    above "query";
    mine project_participant;
BEGIN
    SELECT * INTO above FROM "query" q WHERE q.id = NEW.query_id AND q.tenant_id = current_tenant() FOR SHARE;
    IF above.id IS NULL THEN
        PERFORM raise_no_parent('query_job', 'query_id', NEW.query_id, 'query');
    END IF;
    mine := own_participation(above.project_id);
    IF mine.project_id IS NULL OR NOT mine.can_query THEN
        PERFORM raise_forbidden('project_participant_can_query', 'the tenant may not query the project');
    END IF;
    IF above.archived_at IS NOT NULL THEN
        PERFORM raise_archived('query');
    ELSIF EXISTS (SELECT FROM project p WHERE p.id = above.project_id AND p.archived_at IS NOT NULL) THEN
        PERFORM raise_archived('project');
    END IF;
    RETURN NEW;
END $$;

-- Whether the caller sees the table: its owner, or an active participant while both owners above are.
CREATE FUNCTION sees_table(above "table", above_dataset dataset) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT above.tenant_id = current_tenant() OR (
        (own_participation(above_dataset.project_id)).is_active
        AND NOT EXISTS (
            SELECT FROM unnest(ARRAY[above.tenant_id, above_dataset.tenant_id]) AS owner (tenant_id)
            WHERE NOT EXISTS (
                SELECT FROM project_participant o
                WHERE o.project_id = above_dataset.project_id AND o.tenant_id = owner.tenant_id AND o.is_active
            )
        )
    )
$$;

-- Jobs and policies belong to the owner of the table.
CREATE FUNCTION table_child_parent() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    above "table";
    above_dataset dataset;
    above_project project;
BEGIN
    IF TG_TABLE_NAME = 'table_policy' THEN
        -- A release that rests on the present policy comes before the new one, or sees it.
        SELECT * INTO above FROM "table" t WHERE t.id = NEW.table_id FOR NO KEY UPDATE;
    ELSE
        SELECT * INTO above FROM "table" t WHERE t.id = NEW.table_id FOR SHARE;
    END IF;
    SELECT * INTO above_dataset FROM dataset d WHERE d.id = above.dataset_id FOR SHARE;
    IF above.id IS NULL OR sees_table(above, above_dataset) IS NOT TRUE THEN
        PERFORM raise_no_parent(TG_TABLE_NAME, 'table_id', NEW.table_id, 'table');
    END IF;
    IF above.tenant_id <> current_tenant() THEN
        PERFORM raise_forbidden('table_owner', 'the table belongs to another tenant');
    END IF;
    IF (to_jsonb(NEW) ->> 'archived_at') IS NULL THEN
        SELECT * INTO above_project FROM project p WHERE p.id = above_dataset.project_id FOR SHARE;
        IF above_project.archived_at IS NOT NULL THEN
            PERFORM raise_archived('project');
        ELSIF above_dataset.archived_at IS NOT NULL THEN
            PERFORM raise_archived('dataset');
        ELSIF above.archived_at IS NOT NULL THEN
            PERFORM raise_archived('table');
        END IF;
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER parent BEFORE INSERT ON "user" FOR EACH ROW EXECUTE FUNCTION project_parent();
CREATE TRIGGER parent_on_restore BEFORE UPDATE ON "user" FOR EACH ROW
    WHEN (OLD.archived_at IS NOT NULL AND NEW.archived_at IS NULL) EXECUTE FUNCTION project_parent();
CREATE TRIGGER parent BEFORE INSERT ON project FOR EACH ROW EXECUTE FUNCTION project_parent();
CREATE TRIGGER parent_on_restore BEFORE UPDATE ON project FOR EACH ROW
    WHEN (OLD.archived_at IS NOT NULL AND NEW.archived_at IS NULL) EXECUTE FUNCTION project_parent();
CREATE TRIGGER parent BEFORE INSERT ON dataset FOR EACH ROW EXECUTE FUNCTION dataset_parent();
CREATE TRIGGER parent_on_change BEFORE UPDATE ON dataset FOR EACH ROW
    WHEN (OLD.project_id <> NEW.project_id OR (OLD.archived_at IS NOT NULL AND NEW.archived_at IS NULL))
    EXECUTE FUNCTION dataset_parent();
CREATE TRIGGER parent BEFORE INSERT ON "table" FOR EACH ROW EXECUTE FUNCTION table_parent();
CREATE TRIGGER parent_on_change BEFORE UPDATE ON "table" FOR EACH ROW
    WHEN (OLD.dataset_id <> NEW.dataset_id OR (OLD.archived_at IS NOT NULL AND NEW.archived_at IS NULL))
    EXECUTE FUNCTION table_parent();
CREATE TRIGGER parent BEFORE INSERT ON "query" FOR EACH ROW EXECUTE FUNCTION query_parent();
CREATE TRIGGER parent_on_restore BEFORE UPDATE ON "query" FOR EACH ROW
    WHEN (OLD.archived_at IS NOT NULL AND NEW.archived_at IS NULL) EXECUTE FUNCTION query_parent();
CREATE TRIGGER parent BEFORE INSERT ON query_job FOR EACH ROW EXECUTE FUNCTION query_job_parent();
CREATE TRIGGER parent BEFORE INSERT ON import_job FOR EACH ROW EXECUTE FUNCTION table_child_parent();
CREATE TRIGGER parent BEFORE INSERT ON export_job FOR EACH ROW EXECUTE FUNCTION table_child_parent();
CREATE TRIGGER parent BEFORE INSERT ON table_policy FOR EACH ROW EXECUTE FUNCTION table_child_parent();

-- Data and policies stay where they were put: a table that holds either does not move, nor what is above it.
CREATE FUNCTION stays_with_data() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF EXISTS (
        SELECT FROM "table" t
        WHERE (t.id = NEW.id OR t.dataset_id = NEW.id)
          AND (EXISTS (SELECT FROM table_version v WHERE v.table_id = t.id)
               OR EXISTS (SELECT FROM table_policy p WHERE p.table_id = t.id))
    ) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation',
            MESSAGE = format('the %s holds data or a policy and stays where it is', TG_TABLE_NAME),
            CONSTRAINT = TG_TABLE_NAME || '_stays_with_data';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER stays_with_data BEFORE UPDATE ON dataset FOR EACH ROW
    WHEN (OLD.project_id <> NEW.project_id) EXECUTE FUNCTION stays_with_data();
CREATE TRIGGER stays_with_data BEFORE UPDATE ON "table" FOR EACH ROW
    WHEN (OLD.dataset_id <> NEW.dataset_id) EXECUTE FUNCTION stays_with_data();

-- Columns that never change, named by the trigger's arguments.
CREATE FUNCTION keeps_columns() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    before jsonb := to_jsonb(OLD);
    after jsonb := to_jsonb(NEW);
    kept text;
BEGIN
    FOREACH kept IN ARRAY TG_ARGV LOOP
        IF before -> kept IS DISTINCT FROM after -> kept THEN
            RAISE EXCEPTION USING
                ERRCODE = 'check_violation',
                MESSAGE = format('%s of %s never changes', kept, TG_TABLE_NAME),
                COLUMN = kept, CONSTRAINT = format('%s_%s_kept', TG_TABLE_NAME, kept);
        END IF;
    END LOOP;
    RETURN NEW;
END $$;

CREATE TRIGGER keeps_columns BEFORE UPDATE ON tenant FOR EACH ROW
    EXECUTE FUNCTION keeps_columns('id', 'created_at');
CREATE TRIGGER keeps_columns BEFORE UPDATE ON "user" FOR EACH ROW
    EXECUTE FUNCTION keeps_columns('id', 'tenant_id', 'created_at');
CREATE TRIGGER keeps_columns BEFORE UPDATE ON project FOR EACH ROW
    EXECUTE FUNCTION keeps_columns('id', 'tenant_id', 'created_at');
CREATE TRIGGER keeps_columns BEFORE UPDATE ON dataset FOR EACH ROW
    EXECUTE FUNCTION keeps_columns('id', 'tenant_id', 'created_at');
CREATE TRIGGER keeps_columns BEFORE UPDATE ON "table" FOR EACH ROW
    EXECUTE FUNCTION keeps_columns('id', 'tenant_id', 'created_at');
CREATE TRIGGER keeps_columns BEFORE UPDATE ON "query" FOR EACH ROW
    EXECUTE FUNCTION keeps_columns('id', 'tenant_id', 'project_id', 'created_at');
CREATE TRIGGER keeps_columns BEFORE UPDATE ON query_job FOR EACH ROW
    EXECUTE FUNCTION keeps_columns('id', 'tenant_id', 'query_id', 'created_at');
CREATE TRIGGER keeps_columns BEFORE UPDATE ON import_job FOR EACH ROW
    EXECUTE FUNCTION keeps_columns('id', 'tenant_id', 'table_id', 'created_at');
CREATE TRIGGER keeps_columns BEFORE UPDATE ON export_job FOR EACH ROW
    EXECUTE FUNCTION keeps_columns('id', 'tenant_id', 'table_id', 'created_at');
CREATE TRIGGER keeps_columns BEFORE UPDATE ON project_participant FOR EACH ROW
    EXECUTE FUNCTION keeps_columns('project_id', 'tenant_id', 'created_at');
CREATE TRIGGER keeps_columns BEFORE UPDATE ON query_run FOR EACH ROW
    EXECUTE FUNCTION keeps_columns('job_id', 'tenant_id', 'created_by', 'created_at', 'traceparent');
CREATE TRIGGER keeps_columns BEFORE UPDATE ON import_run FOR EACH ROW
    EXECUTE FUNCTION keeps_columns('job_id', 'tenant_id', 'created_by', 'created_at', 'traceparent');
CREATE TRIGGER keeps_columns BEFORE UPDATE ON export_run FOR EACH ROW
    EXECUTE FUNCTION keeps_columns('job_id', 'tenant_id', 'created_by', 'created_at', 'traceparent');

-- Records that only grow. A file may be taken out of the newest version, once.
CREATE FUNCTION only_grows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'check_violation',
        MESSAGE = format('rows of %s are never changed', TG_TABLE_NAME),
        CONSTRAINT = TG_TABLE_NAME || '_only_grows';
END $$;

CREATE TRIGGER only_grows BEFORE UPDATE ON table_version FOR EACH ROW EXECUTE FUNCTION only_grows();
CREATE TRIGGER only_grows BEFORE UPDATE ON table_policy FOR EACH ROW EXECUTE FUNCTION only_grows();
CREATE TRIGGER only_grows BEFORE UPDATE OR DELETE ON release_audit FOR EACH ROW EXECUTE FUNCTION only_grows();
CREATE TRIGGER only_grows BEFORE UPDATE ON table_file FOR EACH ROW
    WHEN (OLD.removed_in IS NOT NULL OR NEW.removed_in IS NULL
          OR (OLD.table_id, OLD.added_in, OLD.path, OLD.tenant_id, OLD.format, OLD.rows, OLD.bytes, OLD.checksum,
              OLD.statistics, OLD.created_at)
             IS DISTINCT FROM
             (NEW.table_id, NEW.added_in, NEW.path, NEW.tenant_id, NEW.format, NEW.rows, NEW.bytes, NEW.checksum,
              NEW.statistics, NEW.created_at))
    EXECUTE FUNCTION only_grows();

-- A tenant changes its own name; whether it exists, and whose sign-ins are its own, is the platform's to say.
CREATE FUNCTION tenant_is_the_platforms() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_user = 'datacovey_identity' AND NOT is_platform() THEN
        PERFORM raise_forbidden('tenant_platform', 'only the platform may change this of a tenant');
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER tenant_is_the_platforms BEFORE UPDATE ON tenant FOR EACH ROW
    WHEN ((OLD.archived_at, OLD.auth0_org_id) IS DISTINCT FROM (NEW.archived_at, NEW.auth0_org_id))
    EXECUTE FUNCTION tenant_is_the_platforms();

-- A tenant never loses its last Org admin. The tenant's row is the lock: two demotions at a time queue up.
CREATE FUNCTION tenant_keeps_an_admin() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM FROM tenant t WHERE t.id = OLD.tenant_id FOR NO KEY UPDATE;
    IF FOUND AND NOT EXISTS (
        SELECT FROM "user" u WHERE u.tenant_id = OLD.tenant_id AND u.role = 'Org admin' AND u.archived_at IS NULL
    ) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation',
            MESSAGE = 'the tenant would be left without an Org admin',
            TABLE = 'user', CONSTRAINT = 'tenant_keeps_an_admin';
    END IF;
    RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER tenant_keeps_an_admin AFTER UPDATE ON "user"
    DEFERRABLE INITIALLY IMMEDIATE FOR EACH ROW
    WHEN (OLD.role = 'Org admin' AND OLD.archived_at IS NULL
          AND (NEW.role <> 'Org admin' OR NEW.archived_at IS NOT NULL))
    EXECUTE FUNCTION tenant_keeps_an_admin();
CREATE CONSTRAINT TRIGGER tenant_keeps_an_admin_on_delete AFTER DELETE ON "user"
    DEFERRABLE INITIALLY IMMEDIATE FOR EACH ROW
    WHEN (OLD.role = 'Org admin' AND OLD.archived_at IS NULL)
    EXECUTE FUNCTION tenant_keeps_an_admin();

-- Participants.

CREATE FUNCTION project_owner_participates() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    INSERT INTO project_participant (project_id, tenant_id, status) VALUES (NEW.id, NEW.tenant_id, 'active');
    RETURN NULL;
END $$;

CREATE TRIGGER owner_participates AFTER INSERT ON project FOR EACH ROW
    EXECUTE FUNCTION project_owner_participates();

-- What the row must be, whoever writes it.
CREATE FUNCTION participant_parents() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    above project;
    invited tenant;
BEGIN
    SELECT * INTO above FROM project p WHERE p.id = NEW.project_id FOR SHARE;
    IF above.tenant_id = NEW.tenant_id AND (NEW.status <> 'active' OR NOT NEW.can_contribute OR NOT NEW.can_query) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation',
            MESSAGE = 'the owner of a project is always an active participant with all rights',
            CONSTRAINT = 'project_participant_owner';
    END IF;
    IF NEW.status = 'invited' AND (TG_OP = 'INSERT' OR OLD.status <> 'invited') THEN
        IF above.archived_at IS NOT NULL THEN
            PERFORM raise_archived('project');
        END IF;
        SELECT * INTO invited FROM tenant t WHERE t.id = NEW.tenant_id FOR SHARE;
        -- Nobody can be asked there: for the inviter that is the same as no such tenant.
        IF invited.id IS NULL OR invited.archived_at IS NOT NULL THEN
            PERFORM raise_no_parent('project_participant', 'tenant_id', NEW.tenant_id, 'tenant');
        END IF;
    END IF;
    IF TG_OP = 'UPDATE'
       AND (OLD.status, OLD.can_contribute, OLD.can_query) IS DISTINCT FROM (NEW.status, NEW.can_contribute, NEW.can_query)
    THEN
        NEW.changed_at := utc_now();
    END IF;
    RETURN NEW;
END $$;

-- Which way it may move: the inviter invites and removes, the invited answers and leaves through the doors.
CREATE FUNCTION participant_moves() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    by_door boolean := current_user = 'datacovey_owner';
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.status <> 'invited' AND NOT by_door THEN
            RAISE EXCEPTION USING
                ERRCODE = 'check_violation',
                MESSAGE = 'a participant begins as invited',
                CONSTRAINT = 'project_participant_status_moves';
        END IF;
    ELSIF NOT (CASE
        WHEN by_door THEN (OLD.status, NEW.status) IN (('invited', 'active'), ('invited', 'declined'), ('active', 'left'))
        ELSE (NEW.status = 'invited' AND OLD.status IN ('declined', 'left', 'removed'))
             OR (NEW.status = 'removed' AND OLD.status IN ('invited', 'active'))
    END) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation',
            MESSAGE = format('a participant cannot go from %s to %s', OLD.status, NEW.status),
            CONSTRAINT = 'project_participant_status_moves';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER moves BEFORE INSERT ON project_participant FOR EACH ROW EXECUTE FUNCTION participant_moves();
CREATE TRIGGER moves_on_change BEFORE UPDATE ON project_participant FOR EACH ROW
    WHEN (OLD.status <> NEW.status) EXECUTE FUNCTION participant_moves();
CREATE TRIGGER parents BEFORE INSERT OR UPDATE ON project_participant FOR EACH ROW
    EXECUTE FUNCTION participant_parents();

CREATE FUNCTION tenant_archive_reaches_projects() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    UPDATE project_participant p SET tenant_archived = NEW.archived_at IS NOT NULL WHERE p.tenant_id = NEW.id;
    RETURN NULL;
END $$;

CREATE TRIGGER archive_reaches_projects AFTER UPDATE ON tenant FOR EACH ROW
    WHEN ((OLD.archived_at IS NULL) <> (NEW.archived_at IS NULL))
    EXECUTE FUNCTION tenant_archive_reaches_projects();

-- Jobs move only forward. Arguments: the words for pending, running, completed and failed.
--   pending -> running             through claim_job alone
--   running -> completed           through commit_import and release; an export by its worker
--   pending or running -> failed   a cancel by the client, a failure by the worker
CREATE FUNCTION job_moves() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    pending text := TG_ARGV[0];
    running text := TG_ARGV[1];
    completed text := TG_ARGV[2];
    failed text := TG_ARGV[3];
    by_door boolean := current_user = 'datacovey_owner';
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.status <> pending THEN
            RAISE EXCEPTION USING
                ERRCODE = 'check_violation',
                MESSAGE = format('a job begins as %s', pending),
                CONSTRAINT = TG_TABLE_NAME || '_status_moves';
        END IF;
        RETURN NEW;
    END IF;
    IF OLD.status IN (completed, failed)
       AND to_jsonb(NEW) - 'archived_at' IS DISTINCT FROM to_jsonb(OLD) - 'archived_at'
       OR OLD.status <> NEW.status AND NOT (CASE NEW.status
            WHEN running THEN OLD.status = pending AND by_door
            WHEN completed THEN OLD.status = running
                AND (by_door OR (TG_TABLE_NAME = 'export_job' AND current_user = 'datacovey_transfer_worker'))
            WHEN failed THEN OLD.status IN (pending, running)
            ELSE false
        END)
    THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation',
            MESSAGE = format('a job cannot go from %s to %s', OLD.status, NEW.status),
            CONSTRAINT = TG_TABLE_NAME || '_status_moves';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER moves BEFORE INSERT OR UPDATE ON query_job FOR EACH ROW
    EXECUTE FUNCTION job_moves('PENDING', 'RUNNING', 'DONE', 'ERROR');
CREATE TRIGGER moves BEFORE INSERT OR UPDATE ON import_job FOR EACH ROW
    EXECUTE FUNCTION job_moves('pending', 'running', 'completed', 'failed');
CREATE TRIGGER moves BEFORE INSERT OR UPDATE ON export_job FOR EACH ROW
    EXECUTE FUNCTION job_moves('pending', 'running', 'completed', 'failed');

-- The times of a query job are the database's, and what a client's cancel means is written here once.
CREATE FUNCTION query_job_times() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        NEW.created := utc_now();
        NEW.updated_at := NEW.created;
    ELSIF NEW IS DISTINCT FROM OLD THEN
        NEW.updated_at := utc_now();
        IF OLD.status <> NEW.status AND NEW.status IN ('DONE', 'ERROR') THEN
            NEW.ended := coalesce(NEW.ended, utc_now());
            IF current_user = 'datacovey_query' THEN
                NEW.error_result := '{"reason": "CANCELLED", "message": "the job was cancelled"}';
            END IF;
        END IF;
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER times BEFORE INSERT OR UPDATE ON query_job FOR EACH ROW EXECUTE FUNCTION query_job_times();

-- The end of a job ends its run, so that the queue forgets it in the same transaction.
CREATE FUNCTION job_ends_run() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    -- The role of the caller: current_user is the owner in here.
    cancelled boolean := current_setting('role') IN ('datacovey_query', 'datacovey_transfer');
    run text := replace(TG_TABLE_NAME, '_job', '_run');
BEGIN
    EXECUTE format(
        'UPDATE %I SET ended_at = utc_now(), lease_expires_at = NULL, cancel_requested = cancel_requested OR $2,
             error = CASE WHEN $2 THEN coalesce(error, $3) ELSE error END
         WHERE job_id = $1 AND ended_at IS NULL', run)
    USING NEW.id, cancelled, '{"reason": "CANCELLED", "message": "the job was cancelled"}'::jsonb;
    RETURN NULL;
END $$;

CREATE TRIGGER ends_run AFTER UPDATE ON query_job FOR EACH ROW
    WHEN (OLD.status <> NEW.status AND NEW.status IN ('DONE', 'ERROR')) EXECUTE FUNCTION job_ends_run();
CREATE TRIGGER ends_run AFTER UPDATE ON import_job FOR EACH ROW
    WHEN (OLD.status <> NEW.status AND NEW.status IN ('completed', 'failed')) EXECUTE FUNCTION job_ends_run();
CREATE TRIGGER ends_run AFTER UPDATE ON export_job FOR EACH ROW
    WHEN (OLD.status <> NEW.status AND NEW.status IN ('completed', 'failed')) EXECUTE FUNCTION job_ends_run();

-- A client adds to a run only until a worker may take it, and never writes what is the queue's.
CREATE FUNCTION run_moves() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.ready_at IS NOT NULL AND current_user IN ('datacovey_query', 'datacovey_transfer') THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation',
            MESSAGE = 'the job is with the workers already',
            CONSTRAINT = TG_TABLE_NAME || '_is_ready';
    END IF;
    IF TG_OP = 'UPDATE' AND OLD.ended_at IS NOT NULL
       AND to_jsonb(NEW) - 'swept_at' IS DISTINCT FROM to_jsonb(OLD) - 'swept_at'
    THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation',
            MESSAGE = 'the job has ended',
            CONSTRAINT = TG_TABLE_NAME || '_has_ended';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER moves BEFORE UPDATE ON query_run FOR EACH ROW EXECUTE FUNCTION run_moves();
CREATE TRIGGER moves BEFORE UPDATE ON import_run FOR EACH ROW EXECUTE FUNCTION run_moves();
CREATE TRIGGER moves BEFORE UPDATE ON export_run FOR EACH ROW EXECUTE FUNCTION run_moves();

-- Chunks of an upload follow each other; the run's row is the lock. DETAIL is the offset
-- given and the one to go on from.
CREATE FUNCTION upload_chunk_follows() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    above import_run;
    expected bigint;
BEGIN
    SELECT * INTO above FROM import_run r WHERE r.job_id = NEW.job_id AND r.tenant_id = current_tenant() FOR UPDATE;
    IF above.job_id IS NULL THEN
        PERFORM raise_no_parent('upload_chunk', 'job_id', NEW.job_id, 'import_job');
    END IF;
    IF above.ready_at IS NOT NULL OR above.ended_at IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation',
            MESSAGE = 'the upload is finished',
            CONSTRAINT = 'upload_chunk_is_finished';
    END IF;
    SELECT coalesce(max(c."offset" + c.bytes), 0) INTO expected FROM upload_chunk c WHERE c.job_id = NEW.job_id;
    IF NEW."offset" <> expected THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation',
            MESSAGE = 'the offset is wrong',
            DETAIL = format('%s %s', NEW."offset", expected),
            CONSTRAINT = 'upload_chunk_follows';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER follows BEFORE INSERT ON upload_chunk FOR EACH ROW EXECUTE FUNCTION upload_chunk_follows();
CREATE TRIGGER only_grows BEFORE UPDATE ON upload_chunk FOR EACH ROW EXECUTE FUNCTION only_grows();

-- Whoever waits is told on the channel `datacovey_job`: "<kind> <job id> <status>", and
-- "<kind> <job id> ready" where a worker may take the job.
CREATE FUNCTION job_tells() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('datacovey_job', format('%s %s %s', replace(TG_TABLE_NAME, '_job', ''), NEW.id, NEW.status));
    RETURN NULL;
END $$;

CREATE FUNCTION run_tells() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('datacovey_job', format('%s %s ready', replace(TG_TABLE_NAME, '_run', ''), NEW.job_id));
    RETURN NULL;
END $$;

CREATE TRIGGER tells AFTER INSERT ON query_job FOR EACH ROW EXECUTE FUNCTION job_tells();
CREATE TRIGGER tells_on_change AFTER UPDATE ON query_job FOR EACH ROW
    WHEN (OLD.status <> NEW.status) EXECUTE FUNCTION job_tells();
CREATE TRIGGER tells AFTER INSERT ON import_job FOR EACH ROW EXECUTE FUNCTION job_tells();
CREATE TRIGGER tells_on_change AFTER UPDATE ON import_job FOR EACH ROW
    WHEN (OLD.status <> NEW.status) EXECUTE FUNCTION job_tells();
CREATE TRIGGER tells AFTER INSERT ON export_job FOR EACH ROW EXECUTE FUNCTION job_tells();
CREATE TRIGGER tells_on_change AFTER UPDATE ON export_job FOR EACH ROW
    WHEN (OLD.status <> NEW.status) EXECUTE FUNCTION job_tells();

CREATE TRIGGER tells AFTER INSERT ON query_run FOR EACH ROW
    WHEN (NEW.ready_at IS NOT NULL) EXECUTE FUNCTION run_tells();
CREATE TRIGGER tells AFTER INSERT ON import_run FOR EACH ROW
    WHEN (NEW.ready_at IS NOT NULL) EXECUTE FUNCTION run_tells();
CREATE TRIGGER tells_on_change AFTER UPDATE ON import_run FOR EACH ROW
    WHEN (NEW.ended_at IS NULL AND NEW.ready_at IS NOT NULL
          AND (OLD.ready_at IS NULL OR (OLD.holder IS NOT NULL AND NEW.holder IS NULL)))
    EXECUTE FUNCTION run_tells();
CREATE TRIGGER tells AFTER INSERT ON export_run FOR EACH ROW
    WHEN (NEW.ready_at IS NOT NULL) EXECUTE FUNCTION run_tells();
CREATE TRIGGER tells_on_change AFTER UPDATE ON query_run FOR EACH ROW
    WHEN (NEW.ended_at IS NULL AND OLD.holder IS NOT NULL AND NEW.holder IS NULL) EXECUTE FUNCTION run_tells();
CREATE TRIGGER tells_on_change AFTER UPDATE ON export_run FOR EACH ROW
    WHEN (NEW.ended_at IS NULL AND OLD.holder IS NOT NULL AND NEW.holder IS NULL) EXECUTE FUNCTION run_tells();
