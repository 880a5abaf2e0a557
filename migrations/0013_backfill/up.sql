-- Who holds the scope `backfill` writes rows of job and history relations as plain data: moving in from
-- another system, external workers, redaction, retention. Every column is theirs and nothing runs; tenant
-- and keys hold, and each such act leaves a record where that caller cannot reach.
--
-- Histories still follow what happens to jobs, and who watches a job is still told.

CREATE TABLE backfill_audit (
    id uuid NOT NULL DEFAULT gen_random_uuid() PRIMARY KEY,
    tenant_id uuid NOT NULL,
    user_id uuid NOT NULL,
    relation text NOT NULL,
    "before" jsonb,
    "after" jsonb,
    created_at timestamp NOT NULL DEFAULT now(),
    CONSTRAINT backfill_audit_change_check CHECK ("before" IS NOT NULL OR "after" IS NOT NULL)
);

COMMENT ON TABLE backfill_audit IS
    E'What was written as plain data\n\nA row per row inserted, changed or deleted, as it was before and after. Read by whoever owns the database.';
COMMENT ON COLUMN backfill_audit.user_id IS 'Who did it';
COMMENT ON COLUMN backfill_audit."before" IS 'The row as it was; none where it was inserted';
COMMENT ON COLUMN backfill_audit."after" IS 'The row as it became; none where it was deleted';

CREATE INDEX backfill_audit_tenant_id_idx ON backfill_audit (tenant_id, created_at, id);

ALTER TABLE backfill_audit ENABLE ROW LEVEL SECURITY;
ALTER TABLE backfill_audit FORCE ROW LEVEL SECURITY;
CREATE POLICY doors ON backfill_audit TO datacovey_owner USING (true) WITH CHECK (true);
CREATE TRIGGER only_grows BEFORE UPDATE OR DELETE ON backfill_audit FOR EACH ROW EXECUTE FUNCTION only_grows();

CREATE FUNCTION backfill_leaves_a_record() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    INSERT INTO backfill_audit (tenant_id, user_id, relation, "before", "after")
    VALUES (current_tenant(), current_user_id(), TG_TABLE_NAME, to_jsonb(OLD), to_jsonb(NEW));
    RETURN NULL;
END $$;

-- A job that has a run is the workers' until that ends, and what a job is under is its tenant's own.
-- Arguments: the column that names the parent, and the parent's relation.
CREATE FUNCTION backfill_keeps_job() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    parent uuid := (to_jsonb(NEW) ->> TG_ARGV[0])::uuid;
    found_one boolean;
BEGIN
    IF TG_OP <> 'INSERT' THEN
        EXECUTE format('SELECT EXISTS (SELECT FROM %I r WHERE r.job_id = $1 AND r.ended_at IS NULL)',
                       replace(TG_TABLE_NAME, '_job', '_run'))
            INTO found_one USING OLD.id;
        IF found_one THEN
            RAISE EXCEPTION USING
                ERRCODE = 'check_violation',
                MESSAGE = 'the job is with the workers; cancel it first',
                CONSTRAINT = TG_TABLE_NAME || '_is_with_the_workers';
        END IF;
        IF TG_OP = 'DELETE' THEN
            RETURN OLD;
        END IF;
    END IF;
    -- Another tenant's row is refused by row-level security, which says nothing of the parent.
    IF NEW.tenant_id IS DISTINCT FROM current_tenant() THEN
        RETURN NEW;
    END IF;
    EXECUTE format('SELECT EXISTS (SELECT FROM %I p WHERE p.id = $1 AND p.tenant_id = $2)', TG_ARGV[1])
        INTO found_one USING parent, NEW.tenant_id;
    IF NOT found_one THEN
        PERFORM raise_no_parent(TG_TABLE_NAME, TG_ARGV[0], parent, TG_ARGV[1]);
    END IF;
    RETURN NEW;
END $$;

-- Nobody writes the past of what is another tenant's. Argument: the relation that this is the history of.
CREATE FUNCTION backfill_keeps_history() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    anothers boolean;
BEGIN
    EXECUTE format(
        'SELECT EXISTS (SELECT FROM %I r WHERE r.id = $1 AND r.tenant_id IS DISTINCT FROM current_tenant())
             OR EXISTS (SELECT FROM %I h WHERE h.id = $1 AND h.tenant_id IS DISTINCT FROM current_tenant())',
        TG_ARGV[0], TG_TABLE_NAME)
        INTO anothers USING NEW.id;
    IF anothers THEN
        -- In the words of row-level security: an id that is taken is no news to whom it is none of.
        PERFORM raise_forbidden(TG_TABLE_NAME || '_tenant',
            format('new row violates row-level security policy for table "%s"', TG_TABLE_NAME));
    END IF;
    RETURN NEW;
END $$;

DO $$
DECLARE
    job record;
    history text;
    relation text;
BEGIN
    FOR job IN
        SELECT * FROM (VALUES
            ('query_job', 'query_id', 'query', 'query_job_parent', $w$'PENDING', 'RUNNING', 'DONE', 'ERROR'$w$),
            ('import_job', 'table_id', 'table', 'table_child_parent', $w$'pending', 'running', 'completed', 'failed'$w$),
            ('export_job', 'table_id', 'table', 'table_child_parent', $w$'pending', 'running', 'completed', 'failed'$w$)
        ) AS jobs (name, key, parent, checks_parent, states)
    LOOP
        -- The rules of jobs that run, for everybody else.
        EXECUTE format(
            'CREATE OR REPLACE TRIGGER parent BEFORE INSERT ON %I FOR EACH ROW
                 WHEN (current_user <> ''datacovey_backfill'') EXECUTE FUNCTION %I()', job.name, job.checks_parent);
        EXECUTE format(
            'CREATE OR REPLACE TRIGGER keeps_columns BEFORE UPDATE ON %I FOR EACH ROW
                 WHEN (current_user <> ''datacovey_backfill'')
                 EXECUTE FUNCTION keeps_columns(''id'', ''tenant_id'', %L, ''created_at'')', job.name, job.key);
        EXECUTE format(
            'CREATE OR REPLACE TRIGGER moves BEFORE INSERT OR UPDATE ON %I FOR EACH ROW
                 WHEN (current_user <> ''datacovey_backfill'') EXECUTE FUNCTION job_moves(%s)', job.name, job.states);
        -- Those of plain data.
        EXECUTE format(
            'CREATE TRIGGER backfill_keeps BEFORE INSERT OR UPDATE OR DELETE ON %I FOR EACH ROW
                 WHEN (current_user = ''datacovey_backfill'') EXECUTE FUNCTION backfill_keeps_job(%L, %L)',
            job.name, job.key, job.parent);
        EXECUTE format(
            'CREATE TRIGGER backfill_keeps_columns BEFORE UPDATE ON %I FOR EACH ROW
                 WHEN (current_user = ''datacovey_backfill'') EXECUTE FUNCTION keeps_columns(''id'', ''tenant_id'')',
            job.name);
    END LOOP;
    CREATE OR REPLACE TRIGGER times BEFORE INSERT OR UPDATE ON query_job FOR EACH ROW
        WHEN (current_user <> 'datacovey_backfill') EXECUTE FUNCTION query_job_times();

    FOREACH history IN ARRAY ARRAY['dataset', 'table', 'query', 'import_job', 'export_job'] LOOP
        EXECUTE format(
            'CREATE TRIGGER backfill_keeps BEFORE INSERT OR UPDATE ON %I FOR EACH ROW
                 WHEN (current_user = ''datacovey_backfill'') EXECUTE FUNCTION backfill_keeps_history(%L)',
            history || '_history', history);
    END LOOP;

    FOREACH relation IN ARRAY ARRAY[
        'query_job', 'import_job', 'export_job', 'dataset_history', 'table_history', 'query_history',
        'import_job_history', 'export_job_history'
    ] LOOP
        EXECUTE format(
            'CREATE TRIGGER backfill_leaves_a_record AFTER INSERT OR UPDATE OR DELETE ON %I FOR EACH ROW
                 WHEN (current_user = ''datacovey_backfill'') EXECUTE FUNCTION backfill_leaves_a_record()', relation);
        EXECUTE format('GRANT INSERT, UPDATE, DELETE ON %I TO datacovey_backfill', relation);
    END LOOP;
END $$;

GRANT SELECT ON __diesel_schema_migrations,
    tenant, "user", project, dataset, "table", "query", query_job, import_job, export_job,
    dataset_history, table_history, query_history, import_job_history, export_job_history,
    project_participant
TO datacovey_backfill;
GRANT EXECUTE ON FUNCTION current_tenant(), current_user_id(), is_platform(), utc_now(), project_standing(uuid),
    raise_forbidden(text, text)
TO datacovey_backfill;
