-- What a row may be put under and what of it never changes: rules that the database keeps on every path.
-- A broken rule is an error whose CONSTRAINT names the rule and whose SQLSTATE says its kind: 23503 no such
-- parent, 23514 the row is wrong or moves where it may not, 42501 not allowed to this caller, 55000 something
-- above is archived.
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
    -- What is not the caller's to write is refused by row-level security, which says nothing of the tenant.
    IF NEW.tenant_id IS DISTINCT FROM current_tenant() AND NOT is_platform() THEN
        RETURN NEW;
    END IF;
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
