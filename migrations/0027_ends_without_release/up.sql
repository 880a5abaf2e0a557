-- Runs that ended without a release, for the owners of what they read or would have read: refused before the first
-- read, failed or cancelled after it. Told, as failures were, where the owner's tables are all there is but for
-- reference tables: when somebody cancels may depend on what else the run was of.

ALTER TABLE release_audit DROP CONSTRAINT release_audit_outcome_check;
ALTER TABLE release_audit ADD CONSTRAINT release_audit_outcome_check
    CHECK (outcome IN ('released', 'cached', 'failed', 'refused', 'cancelled'));

ALTER TABLE query_run ADD COLUMN reads jsonb;
COMMENT ON COLUMN query_run.reads IS
    '{"tables", "normalized_query"} of what a worker began to read; NULL before, and where nothing is another''s';

-- What owners are told of an end without a release. The caller has checked whose run it is.
CREATE FUNCTION tell_owners(run query_run, tables jsonb, normalized_query text, outcome text) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
    project uuid;
BEGIN
    SELECT q.project_id INTO project FROM query_job j JOIN "query" q ON q.id = j.query_id WHERE j.id = run.job_id;
    INSERT INTO release_audit (tenant_id, table_id, project_id, analyst_tenant_id, analyst_user_id, query_job_id,
        policy_version, normalized_query, outcome, released_groups, suppressed_groups)
    SELECT told.tenant_id, told.table_id, project, run.tenant_id, run.created_by, run.job_id, told.policy_version,
           tell_owners.normalized_query, tell_owners.outcome, 0, NULL
    FROM told_to_owners(project, tables, jsonb_build_array(jsonb_build_object(
             'tables', (SELECT jsonb_agg(used.table_id) FROM jsonb_to_recordset(tables) AS used (table_id uuid)),
             'released', 0, 'suppressed', 0))) told
    WHERE told.suppressed IS NOT NULL AND told.policy_version IS NOT NULL;
END $$;

-- As record_failure, which a worker of the version before calls, for either end; in the transaction that ends it.
CREATE FUNCTION record_end(
    job uuid, worker text, lease_attempt integer, tables jsonb, normalized_query text, outcome text
) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF outcome IN ('failed', 'refused') IS NOT TRUE THEN
        RAISE EXCEPTION USING ERRCODE = 'check_violation', MESSAGE = 'an end is failed or refused',
            CONSTRAINT = 'record_end_outcome';
    END IF;
    PERFORM tell_owners(held_query_run(job, worker, lease_attempt), tables, normalized_query, outcome);
END $$;

-- Notes what a worker is about to read, so that it is known should the run be cancelled.
CREATE FUNCTION note_reads(job uuid, worker text, lease_attempt integer, tables jsonb, normalized_query text)
RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM held_query_run(job, worker, lease_attempt);
    UPDATE query_run r SET reads = jsonb_build_object('tables', tables, 'normalized_query', normalized_query)
    WHERE r.job_id = job;
END $$;

CREATE FUNCTION query_job_tells_owners() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    run query_run;
BEGIN
    SELECT * INTO run FROM query_run r WHERE r.job_id = NEW.id;
    -- A client's role ends a job by cancelling it, and no other way.
    IF current_setting('role') = 'datacovey_query' AND run.reads IS NOT NULL THEN
        PERFORM tell_owners(run, run.reads -> 'tables', run.reads ->> 'normalized_query', 'cancelled');
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER tells_owners AFTER UPDATE ON query_job FOR EACH ROW
    WHEN (OLD.status = 'RUNNING' AND NEW.status = 'ERROR') EXECUTE FUNCTION query_job_tells_owners();

GRANT EXECUTE ON FUNCTION record_end(uuid, text, integer, jsonb, text, text),
    note_reads(uuid, text, integer, jsonb, text) TO datacovey_query_worker;
