-- Doors of the workers. Everything about a job is serialized by its job row, which is locked before its
-- run; a lease is named by holder and attempt, and whoever no longer holds it changes nothing.

CREATE FUNCTION require_worker(kind text) RETURNS void LANGUAGE plpgsql STABLE AS $$
BEGIN
    -- current_user is the owner in here; the role the caller set is not.
    IF current_setting('role') IS DISTINCT FROM (CASE
        WHEN kind = 'query' THEN 'datacovey_query_worker'
        WHEN kind IN ('import', 'export') THEN 'datacovey_transfer_worker'
    END) THEN
        PERFORM raise_forbidden('worker_of_kind', format('this role does no %s jobs', kind));
    END IF;
END $$;

CREATE FUNCTION raise_lease_lost() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'object_not_in_prerequisite_state',
        MESSAGE = 'the job has ended or is held by another worker', CONSTRAINT = 'job_is_held';
END $$;

-- Ends a job as failed; the caller has locked its row.
CREATE FUNCTION fail_job(kind text, job uuid, reason text, message text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    error jsonb := jsonb_build_object('reason', reason, 'message', message);
BEGIN
    EXECUTE format('UPDATE %I SET error = $2 WHERE job_id = $1 AND ended_at IS NULL', kind || '_run')
        USING job, error;
    IF kind = 'query' THEN
        UPDATE query_job j SET status = 'ERROR', error_result = error
        WHERE j.id = job AND j.status IN ('PENDING', 'RUNNING');
    ELSE
        EXECUTE format('UPDATE %I SET status = ''failed'' WHERE id = $1 AND status IN (''pending'', ''running'')',
                       kind || '_job')
            USING job;
    END IF;
END $$;

-- The role of a job's creator, none where user or tenant is archived.
CREATE FUNCTION creator_role(tenant uuid, creator uuid) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT u.role FROM "user" u JOIN tenant t ON t.id = u.tenant_id
    WHERE u.id = creator AND t.id = $1 AND u.archived_at IS NULL AND t.archived_at IS NULL
$$;

-- What is archived above a table, the nearest last; none where nothing is.
CREATE FUNCTION archived_above_table(table_id uuid) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT CASE
        WHEN p.archived_at IS NOT NULL THEN 'project'
        WHEN d.archived_at IS NOT NULL THEN 'dataset'
        WHEN t.archived_at IS NOT NULL THEN 'table'
    END
    FROM "table" t JOIN dataset d ON d.id = t.dataset_id JOIN project p ON p.id = d.project_id
    WHERE t.id = $1
$$;

-- Leases the next ready run: of the tenant with the fewest running first, then the longest ready. A lease
-- that ran out is taken over with the next attempt. A job that can no longer run is failed on the way.
--
-- Claims of one kind queue up behind each other, which makes fairness and the limit exact; they are short.
CREATE FUNCTION claim_job(kind text, worker text, lease_ms bigint, max_running_per_tenant bigint)
RETURNS TABLE (
    job_id uuid, tenant_id uuid, parent_id uuid, created_by uuid, creator_role text, attempt integer,
    max_attempts integer, options jsonb, progress jsonb, traceparent text, lease_expires_at timestamp
)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    now_utc timestamp := utc_now();
    next_job record;
    run query_run;
    role_of_creator text;
    archived text;
BEGIN
    PERFORM require_worker(kind);
    IF worker = '' OR lease_ms <= 0 OR max_running_per_tenant <= 0 THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = 'a claim needs a worker, a lease and a limit above zero';
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('datacovey claim ' || kind, 0));
    LOOP
        EXECUTE format(
            'SELECT j.id, j.%3$I AS parent_id
             FROM %1$I r
             JOIN %2$I j ON j.id = r.job_id
             LEFT JOIN (
                 SELECT b.tenant_id, count(*) AS running FROM %1$I b
                 WHERE b.ended_at IS NULL AND b.holder IS NOT NULL AND b.lease_expires_at > $1 GROUP BY b.tenant_id
             ) busy ON busy.tenant_id = r.tenant_id
             WHERE r.ended_at IS NULL AND r.ready_at <= $1
               AND (r.lease_expires_at IS NULL OR r.lease_expires_at <= $1)
               AND coalesce(busy.running, 0) < $2
             ORDER BY coalesce(busy.running, 0), r.ready_at, r.job_id
             LIMIT 1 FOR UPDATE OF j SKIP LOCKED',
            kind || '_run', kind || '_job', CASE kind WHEN 'query' THEN 'query_id' ELSE 'table_id' END)
        INTO next_job USING now_utc, max_running_per_tenant;
        IF next_job.id IS NULL THEN
            RETURN;
        END IF;
        -- The three run relations are of one shape.
        EXECUTE format('SELECT * FROM %I r WHERE r.job_id = $1', kind || '_run') INTO run USING next_job.id;
        IF run.ended_at IS NOT NULL OR run.lease_expires_at > now_utc THEN
            CONTINUE;
        END IF;
        role_of_creator := creator_role(run.tenant_id, run.created_by);
        IF kind = 'query' THEN
            SELECT CASE WHEN p.archived_at IS NOT NULL THEN 'project' WHEN q.archived_at IS NOT NULL THEN 'query' END
            INTO archived FROM "query" q JOIN project p ON p.id = q.project_id WHERE q.id = next_job.parent_id;
        ELSE
            archived := archived_above_table(next_job.parent_id);
        END IF;
        IF run.attempt >= run.max_attempts THEN
            PERFORM fail_job(kind, run.job_id, 'ATTEMPTS_EXHAUSTED', 'the job was tried too often without coming to an end');
        ELSIF role_of_creator IS NULL THEN
            PERFORM fail_job(kind, run.job_id, 'CREATOR_ARCHIVED', 'the creator of the job is archived');
        ELSIF archived IS NOT NULL THEN
            PERFORM fail_job(kind, run.job_id, 'ARCHIVED', format('the %s is archived', archived));
        ELSE
            EXECUTE format(
                'UPDATE %I r SET holder = $2, attempt = r.attempt + 1, lease_expires_at = $3
                 WHERE r.job_id = $1 RETURNING r.*', kind || '_run')
            INTO run USING run.job_id, worker, utc_now() + lease_ms * interval '1 millisecond';
            IF kind = 'query' THEN
                UPDATE query_job j SET status = 'RUNNING', started = coalesce(j.started, utc_now())
                WHERE j.id = run.job_id AND j.status = 'PENDING';
            ELSE
                EXECUTE format('UPDATE %I SET status = ''running'' WHERE id = $1 AND status = ''pending''', kind || '_job')
                    USING run.job_id;
            END IF;
            RETURN QUERY SELECT run.job_id, run.tenant_id, next_job.parent_id::uuid, run.created_by, role_of_creator,
                run.attempt, run.max_attempts, run.options, run.progress, run.traceparent, run.lease_expires_at;
            RETURN;
        END IF;
    END LOOP;
END $$;

-- Makes an import visible: the files, the new version, the end of the job. `base_version` is the version
-- against which uniqueness was proven (0 before the first import); NULL where nothing depends on it.
-- Answers the version.
CREATE FUNCTION commit_import(
    job uuid, worker text, lease_attempt integer, used_schema jsonb, base_version bigint, mode text,
    unique_columns text[], files jsonb, final_progress jsonb
) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    j import_job;
    run import_run;
    target "table";
    archived text;
    latest table_version;
    next_version bigint;
    file_count bigint;
BEGIN
    PERFORM require_worker('import');
    SELECT * INTO j FROM import_job i WHERE i.id = job AND i.tenant_id = current_tenant() FOR UPDATE;
    SELECT * INTO run FROM import_run r WHERE r.job_id = job FOR UPDATE;
    IF j.id IS NULL OR run.job_id IS NULL OR j.status <> 'running'
       OR run.holder IS DISTINCT FROM worker OR run.attempt <> lease_attempt
    THEN
        PERFORM raise_lease_lost();
    END IF;

    -- Imports into one table queue up here, and an archive or a new schema comes before or after.
    SELECT * INTO target FROM "table" t WHERE t.id = j.table_id FOR NO KEY UPDATE;
    PERFORM FROM dataset d JOIN project p ON p.id = d.project_id WHERE d.id = target.dataset_id FOR SHARE OF d, p;
    archived := archived_above_table(j.table_id);
    IF archived IS NOT NULL THEN
        PERFORM raise_archived(archived);
    END IF;
    IF target.tenant_id <> j.tenant_id
       OR coalesce(creator_role(run.tenant_id, run.created_by), 'Dataset user') = 'Dataset user'
    THEN
        PERFORM raise_forbidden('job_creator', 'the creator of the job may no longer import');
    END IF;
    IF target.schema IS DISTINCT FROM used_schema THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = 'the schema of the table has changed since the import read it', CONSTRAINT = 'table_schema_as_used';
    END IF;
    SELECT * INTO latest FROM table_version v WHERE v.table_id = target.id ORDER BY v.version DESC LIMIT 1;
    IF base_version IS NOT NULL AND base_version <> coalesce(latest.version, 0) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = 'another import has changed the table meanwhile', CONSTRAINT = 'table_version_as_used';
    END IF;
    IF mode = 'empty_only' AND coalesce(latest.rows, 0) > 0 THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = 'the table holds data already', CONSTRAINT = 'table_is_empty';
    END IF;

    next_version := coalesce(latest.version, 0) + 1;
    file_count := jsonb_array_length(files);
    INSERT INTO table_version (table_id, version, content_version, tenant_id, import_job_id, mode, rows, bytes, unique_columns)
    SELECT target.id, next_version,
           CASE WHEN file_count = 0 AND mode <> 'replace' THEN coalesce(latest.content_version, next_version) ELSE next_version END,
           target.tenant_id, j.id, mode,
           coalesce(sum(f.rows), 0) + CASE WHEN mode = 'replace' THEN 0 ELSE coalesce(latest.rows, 0) END,
           coalesce(sum(f.bytes), 0) + CASE WHEN mode = 'replace' THEN 0 ELSE coalesce(latest.bytes, 0) END,
           commit_import.unique_columns
    FROM jsonb_to_recordset(files) AS f (rows bigint, bytes bigint);
    IF mode = 'replace' THEN
        UPDATE table_file f SET removed_in = next_version WHERE f.table_id = target.id AND f.removed_in IS NULL;
    END IF;
    INSERT INTO table_file (table_id, added_in, path, tenant_id, format, rows, bytes, checksum, statistics)
    SELECT target.id, next_version, f.path, target.tenant_id, f.format, f.rows, f.bytes, f.checksum,
           coalesce(f.statistics, '{}')
    FROM jsonb_to_recordset(files)
        AS f (path text, format text, rows bigint, bytes bigint, checksum text, statistics jsonb);

    UPDATE import_run r SET progress = coalesce(final_progress, r.progress) WHERE r.job_id = job;
    UPDATE import_job i SET status = 'completed' WHERE i.id = job;
    RETURN next_version;
END $$;

-- Whether the world of a query is as it was when it was checked: the analyst still takes part and may
-- query, nothing is archived, each owner still contributes and rules by the same version of its policy.
-- `tables`: [{"table_id": …, "policy_version": … or null}].
CREATE FUNCTION world_is_as_checked(project uuid, tables jsonb) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
        SELECT FROM project p JOIN project_participant me ON me.project_id = p.id
        WHERE p.id = $1 AND p.archived_at IS NULL
          AND me.tenant_id = current_tenant() AND me.is_active AND me.can_query
    ) AND NOT EXISTS (
        SELECT FROM jsonb_to_recordset($2) AS used (table_id uuid, policy_version bigint)
        WHERE NOT EXISTS (
            SELECT FROM queryable_tables($1) q
            WHERE q.table_id = used.table_id
              AND (q.tenant_id = current_tenant()
                   OR (q.policy_version IS NOT NULL AND q.policy_version = used.policy_version))
        )
    )
$$;

-- Releases the result of a query: checks once more that its world is as it was, stores where the result is
-- and what the owners of its tables may know of it, and ends the job.
--   tables      [{"table_id", "policy_version"}]: every table the query reads, as it was checked
--   result      {"path", "rows", "bytes", "schema", "cache_key", "expires_at"}
--   statistics  columns of query_job; `started` and `ended` where they are to be coarser than the clock
--   audit       {"normalized_query", "outcome", "released_groups", "suppressed_groups"}
CREATE FUNCTION release(
    job uuid, worker text, lease_attempt integer, tables jsonb, result jsonb, statistics jsonb, audit jsonb
) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    j query_job;
    run query_run;
    q "query";
BEGIN
    PERFORM require_worker('query');
    SELECT * INTO j FROM query_job i WHERE i.id = job AND i.tenant_id = current_tenant() FOR UPDATE;
    SELECT * INTO run FROM query_run r WHERE r.job_id = job FOR UPDATE;
    IF j.id IS NULL OR run.job_id IS NULL OR j.status <> 'RUNNING'
       OR run.holder IS DISTINCT FROM worker OR run.attempt <> lease_attempt
    THEN
        PERFORM raise_lease_lost();
    END IF;
    SELECT * INTO q FROM "query" i WHERE i.id = j.query_id FOR SHARE;

    -- What the answer rests on stays as it is until it is committed: the rows that could take it away are
    -- locked. A new policy locks the row of its table, too, and so waits.
    PERFORM FROM project p WHERE p.id = q.project_id FOR SHARE;
    PERFORM FROM project_participant p WHERE p.project_id = q.project_id ORDER BY p.tenant_id FOR SHARE;
    PERFORM FROM "table" t
        WHERE t.id IN (SELECT used.table_id FROM jsonb_to_recordset(tables) AS used (table_id uuid))
        ORDER BY t.id FOR SHARE;
    PERFORM FROM dataset d
        WHERE d.id IN (
            SELECT t.dataset_id FROM "table" t
            WHERE t.id IN (SELECT used.table_id FROM jsonb_to_recordset(tables) AS used (table_id uuid))
        ) ORDER BY d.id FOR SHARE;
    IF q.archived_at IS NOT NULL OR creator_role(run.tenant_id, run.created_by) IS NULL
       OR NOT world_is_as_checked(q.project_id, tables)
    THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = 'participants, policies or tables have changed since the query was checked',
            CONSTRAINT = 'release_world_as_checked';
    END IF;

    INSERT INTO query_result (job_id, tenant_id, path, rows, bytes, schema, cache_key, expires_at)
    SELECT j.id, j.tenant_id, r.path, r.rows, r.bytes, coalesce(r.schema, '[]'), r.cache_key, r.expires_at
    FROM jsonb_to_record(result)
        AS r (path text, rows bigint, bytes bigint, schema jsonb, cache_key text, expires_at timestamp);

    -- A row for each restricted table of another tenant, so that no release is without one. What was
    -- suppressed is said only where all such tables are of one owner: it would tell of the others' rows.
    INSERT INTO release_audit (tenant_id, table_id, project_id, analyst_tenant_id, analyst_user_id, query_job_id,
        policy_version, normalized_query, outcome, released_groups, suppressed_groups)
    SELECT foreign_table.tenant_id, foreign_table.table_id, q.project_id, j.tenant_id, run.created_by, j.id,
           foreign_table.policy_version, a.normalized_query, a.outcome, a.released_groups,
           CASE WHEN foreign_table.owners = 1 THEN a.suppressed_groups END
    FROM (
        SELECT t.tenant_id, t.table_id, t.policy_version,
               -- DISTINCT is not implemented for window functions; the ranks of the owners count them.
               dense_rank() OVER (ORDER BY t.tenant_id) + dense_rank() OVER (ORDER BY t.tenant_id DESC) - 1 AS owners
        FROM queryable_tables(q.project_id) t
        WHERE t.table_id IN (SELECT used.table_id FROM jsonb_to_recordset(tables) AS used (table_id uuid))
          AND t.tenant_id <> j.tenant_id AND t.policy -> 'reference' IS DISTINCT FROM 'true'::jsonb
    ) foreign_table,
    jsonb_to_record(audit)
        AS a (normalized_query text, outcome text, released_groups bigint, suppressed_groups bigint);

    UPDATE query_job i SET
        status = 'DONE',
        started = coalesce(s.started, i.started),
        ended = coalesce(s.ended, utc_now()),
        total_rows = s.total_rows,
        total_bytes_processed = s.total_bytes_processed,
        total_slot_ms = s.total_slot_ms,
        cache_hit = coalesce(s.cache_hit, false),
        query_plan = s.query_plan,
        timeline = s.timeline,
        destination_table = s.destination_table
    FROM jsonb_to_record(statistics) AS s (
        started timestamp, ended timestamp, total_rows bigint, total_bytes_processed bigint, total_slot_ms bigint,
        cache_hit boolean, query_plan jsonb, timeline jsonb, destination_table jsonb
    )
    WHERE i.id = job;
END $$;

-- Cleans up after jobs of a kind. First notes what the worker has deleted since the last call
-- (`swept_jobs`, `swept_paths`); then fails what will never end by itself and lets results expire; then
-- answers what to delete next:
--   'object'  a path
--   'job'     what a job that ended `grace_ms` ago left behind: everything staged, and the files of every
--             attempt but the last of a completed job
CREATE FUNCTION sweep(
    kind text, swept_jobs uuid[], swept_paths text[], grace_ms bigint, upload_lifetime_ms bigint
)
RETURNS TABLE (what text, path text, tenant_id uuid, job_id uuid, attempt integer, completed boolean)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    now_utc timestamp := utc_now();
    stale record;
BEGIN
    PERFORM require_worker(kind);
    DELETE FROM object_garbage g WHERE g.path = ANY (swept_paths);
    EXECUTE format('UPDATE %I SET swept_at = $2 WHERE job_id = ANY ($1) AND ended_at IS NOT NULL AND swept_at IS NULL',
                   kind || '_run')
        USING swept_jobs, now_utc;

    FOR stale IN EXECUTE format(
        'SELECT j.id, r.ready_at IS NULL AS waits_for_content
         FROM %1$I r JOIN %2$I j ON j.id = r.job_id
         WHERE r.ended_at IS NULL
           AND ((r.lease_expires_at <= $1 AND r.attempt >= r.max_attempts)
                OR (r.ready_at IS NULL AND r.created_at <= $1 - $2 * interval ''1 millisecond''))
         ORDER BY j.id LIMIT 100 FOR UPDATE OF j SKIP LOCKED', kind || '_run', kind || '_job')
    USING now_utc, upload_lifetime_ms
    LOOP
        IF stale.waits_for_content THEN
            PERFORM fail_job(kind, stale.id, 'UPLOAD_EXPIRED', 'the upload was not finished in time');
        ELSE
            PERFORM fail_job(kind, stale.id, 'ATTEMPTS_EXHAUSTED', 'the job was tried too often without coming to an end');
        END IF;
    END LOOP;

    IF kind = 'query' THEN
        WITH expired AS (
            DELETE FROM query_result r WHERE r.job_id IN (
                SELECT e.job_id FROM query_result e WHERE e.expires_at <= now_utc
                ORDER BY e.expires_at LIMIT 100 FOR UPDATE SKIP LOCKED
            ) RETURNING r.path
        )
        INSERT INTO object_garbage (path) SELECT e.path FROM expired e ON CONFLICT DO NOTHING;
    END IF;

    RETURN QUERY
        SELECT 'object', g.path, NULL::uuid, NULL::uuid, NULL::integer, NULL::boolean
        FROM object_garbage g WHERE g.since <= now_utc ORDER BY g.since LIMIT 100;
    RETURN QUERY EXECUTE format(
        'SELECT ''job'', NULL::text, r.tenant_id, r.job_id, r.attempt, j.status IN (''completed'', ''DONE'')
         FROM %1$I r JOIN %2$I j ON j.id = r.job_id
         WHERE r.ended_at <= $1 - $2 * interval ''1 millisecond'' AND r.swept_at IS NULL
         ORDER BY r.ended_at LIMIT 100', kind || '_run', kind || '_job')
    USING now_utc, grace_ms;
END $$;

GRANT EXECUTE ON FUNCTION claim_job(text, text, bigint, bigint), sweep(text, uuid[], text[], bigint, bigint)
    TO datacovey_query_worker, datacovey_transfer_worker;
GRANT EXECUTE ON FUNCTION commit_import(uuid, text, integer, jsonb, bigint, text, text[], jsonb, jsonb)
    TO datacovey_transfer_worker;
GRANT EXECUTE ON FUNCTION release(uuid, text, integer, jsonb, jsonb, jsonb, jsonb) TO datacovey_query_worker;
