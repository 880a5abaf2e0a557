-- What leaves is told, charged and approved release by release; and an answer may be that of an earlier run.

ALTER TABLE release_audit DROP CONSTRAINT release_audit_outcome_check;
ALTER TABLE release_audit ADD CONSTRAINT release_audit_outcome_check
    CHECK (outcome IN ('released', 'cached', 'failed'));
COMMENT ON TABLE release_audit IS
    E'The data owner''s record of who learned what\n\nA row per run and restricted table of another tenant that it read.';
COMMENT ON COLUMN release_audit.released_groups IS 'Of the releases that read the table';
COMMENT ON COLUMN release_audit.suppressed_groups IS
    'Of the same; only where these read rows of nobody else, for it would tell of theirs';
CREATE INDEX release_audit_query_job_id_idx ON release_audit (query_job_id);
-- For the look-up of earlier answers.
DROP INDEX query_result_tenant_id_idx;
CREATE INDEX query_result_tenant_id_idx ON query_result (tenant_id, cache_key, created_at);

-- What the owners of the tables that a run reads are told of it. A release is told to the owner of a table
-- that it reads; what was suppressed in it only to an owner whose tables, reference tables apart, are all
-- that it reads: the analyst's own rows are no business of the owner's either.
--   releases  [{"tables": [id, …], "released", "suppressed"}]
CREATE FUNCTION told_to_owners(project uuid, tables jsonb, releases jsonb)
RETURNS TABLE (tenant_id uuid, table_id uuid, policy_version bigint, released bigint, suppressed bigint)
LANGUAGE sql STABLE AS $$
    WITH read AS (
        SELECT q.table_id, q.tenant_id, q.policy_version FROM queryable_tables($1) q
        WHERE q.table_id IN (SELECT t.table_id FROM jsonb_to_recordset($2) AS t (table_id uuid))
          AND q.policy -> 'reference' IS DISTINCT FROM 'true'::jsonb
    ),
    release AS (
        SELECT place, (value ->> 'released')::bigint AS released, (value ->> 'suppressed')::bigint AS suppressed
        FROM jsonb_array_elements($3) WITH ORDINALITY AS listed (value, place)
    ),
    reads AS (
        SELECT listed.place, read.*
        FROM jsonb_array_elements($3) WITH ORDINALITY AS listed (value, place),
             jsonb_array_elements_text(listed.value -> 'tables') AS id
        JOIN read ON read.table_id = id::uuid
    )
    SELECT read.tenant_id, read.table_id, read.policy_version, coalesce(sum(release.released), 0)::bigint,
           CASE WHEN bool_and(NOT EXISTS (
                    SELECT FROM reads other WHERE other.place = release.place AND other.tenant_id <> read.tenant_id
                )) THEN sum(release.suppressed)::bigint END
    FROM read
    LEFT JOIN reads mine ON mine.table_id = read.table_id
    LEFT JOIN release ON release.place = mine.place
    WHERE read.tenant_id <> current_tenant()
    GROUP BY read.tenant_id, read.table_id, read.policy_version
$$;

-- Releases the result of a query: checks once more that its world is as it was, that it is approved and was
-- charged, stores where the result is and what the owners of its tables may know of it, and ends the job.
--   tables      [{"table_id", "policy_version", "uses"}]: every table the query reads, as it was checked, and
--               how many of its releases read it
--   result      {"path", "rows", "bytes", "schema", "cache_key", "expires_at", "question", "cached_from"}:
--               what was approved, and the run whose answer this is, if it is not computed anew
--   statistics  columns of query_job; `started` and `ended` where they are to be coarser than the clock
--   audit       {"normalized_query", "releases": [{"tables", "released", "suppressed"}]}; a worker of the
--               version before tells of them together: {"outcome", "released_groups", "suppressed_groups"}
CREATE OR REPLACE FUNCTION release(
    job uuid, worker text, lease_attempt integer, tables jsonb, result jsonb, statistics jsonb, audit jsonb
) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    j query_job;
    run query_run := held_query_run(job, worker, lease_attempt);
    q "query";
    cached_from uuid := (result ->> 'cached_from')::uuid;
    read uuid[] := ARRAY(SELECT used.table_id FROM jsonb_to_recordset(tables) AS used (table_id uuid));
BEGIN
    SELECT * INTO j FROM query_job i WHERE i.id = job;
    SELECT * INTO q FROM "query" i WHERE i.id = j.query_id FOR SHARE;

    -- What the answer rests on stays as it is until it is committed: the rows that could take it away are
    -- locked. A new policy locks the row of its table, too, and so waits.
    PERFORM FROM project p WHERE p.id = q.project_id FOR SHARE;
    PERFORM FROM project_participant p WHERE p.project_id = q.project_id ORDER BY p.tenant_id FOR SHARE;
    PERFORM FROM "table" t WHERE t.id = ANY (read) ORDER BY t.id FOR SHARE;
    PERFORM FROM dataset d WHERE d.id IN (SELECT t.dataset_id FROM "table" t WHERE t.id = ANY (read))
        ORDER BY d.id FOR SHARE;
    IF q.archived_at IS NOT NULL OR creator_role(run.tenant_id, run.created_by) IS NULL
       OR NOT world_is_as_checked(q.project_id, tables)
       OR approval_is_missing(q.project_id, tables, result ->> 'question')
    THEN
        PERFORM raise_world_changed();
    END IF;
    IF cached_from IS NOT NULL THEN
        -- An answer is given again to the tenant that has it, to the same question, and for no longer.
        IF NOT EXISTS (
            SELECT FROM query_result r
            WHERE r.job_id = cached_from AND r.tenant_id = j.tenant_id AND r.cache_key = result ->> 'cache_key'
              AND r.expires_at > utc_now() AND r.expires_at >= (result ->> 'expires_at')::timestamp
        ) THEN
            RAISE EXCEPTION USING
                ERRCODE = 'object_not_in_prerequisite_state',
                MESSAGE = 'the answer of the earlier run is not there any more', CONSTRAINT = 'release_cached_answer';
        END IF;
    ELSIF EXISTS (
        SELECT FROM access_budgets(q.project_id, tables) b
        WHERE greatest(b.uses, 1) > (
            SELECT coalesce(sum(l.amount), 0) FROM budget_ledger l
            WHERE l.query_job_id = job AND l.table_id = b.table_id AND l.kind = 'access'
        )
    ) THEN
        -- A policy that came after the charge is another world; a worker that forgot to charge is a fault.
        PERFORM raise_world_changed();
    END IF;

    INSERT INTO query_result (job_id, tenant_id, path, rows, bytes, schema, cache_key, expires_at)
    SELECT j.id, j.tenant_id, r.path, r.rows, r.bytes, coalesce(r.schema, '[]'), r.cache_key, r.expires_at
    FROM jsonb_to_record(result)
        AS r (path text, rows bigint, bytes bigint, schema jsonb, cache_key text, expires_at timestamp);

    -- A row for each restricted table of another tenant, so that no release is without one.
    INSERT INTO release_audit (tenant_id, table_id, project_id, analyst_tenant_id, analyst_user_id, query_job_id,
        policy_version, normalized_query, outcome, released_groups, suppressed_groups)
    SELECT told.tenant_id, told.table_id, q.project_id, j.tenant_id, run.created_by, j.id, told.policy_version,
           audit ->> 'normalized_query', CASE WHEN cached_from IS NULL THEN 'released' ELSE 'cached' END,
           coalesce(earlier.released_groups, told.released),
           CASE WHEN cached_from IS NULL THEN told.suppressed ELSE earlier.suppressed_groups END
    FROM told_to_owners(q.project_id, tables, coalesce(audit -> 'releases', jsonb_build_array(jsonb_build_object(
             'tables', to_jsonb(read), 'released', audit -> 'released_groups',
             'suppressed', audit -> 'suppressed_groups')))) told
    LEFT JOIN release_audit earlier
        ON earlier.query_job_id = cached_from AND earlier.table_id = told.table_id;

    UPDATE query_job i SET
        status = 'DONE',
        started = coalesce(s.started, i.started),
        ended = coalesce(s.ended, utc_now()),
        total_rows = s.total_rows,
        total_bytes_processed = s.total_bytes_processed,
        total_slot_ms = s.total_slot_ms,
        cache_hit = cached_from IS NOT NULL,
        query_plan = s.query_plan,
        timeline = s.timeline,
        destination_table = s.destination_table
    FROM jsonb_to_record(statistics) AS s (
        started timestamp, ended timestamp, total_rows bigint, total_bytes_processed bigint, total_slot_ms bigint,
        query_plan jsonb, timeline jsonb, destination_table jsonb
    )
    WHERE i.id = job;
END $$;

-- Notes for the owners that a run failed after it had begun to read, in the transaction that ends it. Whether
-- it failed may depend on rows: it is told to an owner whose tables, reference tables apart, are all that
-- the run reads.
CREATE FUNCTION record_failure(job uuid, worker text, lease_attempt integer, tables jsonb, normalized_query text)
RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    run query_run := held_query_run(job, worker, lease_attempt);
    project uuid;
BEGIN
    SELECT q.project_id INTO project FROM query_job j JOIN "query" q ON q.id = j.query_id WHERE j.id = job;
    INSERT INTO release_audit (tenant_id, table_id, project_id, analyst_tenant_id, analyst_user_id, query_job_id,
        policy_version, normalized_query, outcome, released_groups, suppressed_groups)
    SELECT told.tenant_id, told.table_id, project, run.tenant_id, run.created_by, job, told.policy_version,
           record_failure.normalized_query, 'failed', 0, NULL
    FROM told_to_owners(project, tables, jsonb_build_array(jsonb_build_object(
             'tables', (SELECT jsonb_agg(used.table_id) FROM jsonb_to_recordset(tables) AS used (table_id uuid)),
             'released', 0, 'suppressed', 0))) told
    WHERE told.suppressed IS NOT NULL AND told.policy_version IS NOT NULL;
END $$;

GRANT EXECUTE ON FUNCTION record_failure(uuid, text, integer, jsonb, text) TO datacovey_query_worker;
