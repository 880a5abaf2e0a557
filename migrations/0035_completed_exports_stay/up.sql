-- What a failed export left goes as soon as nobody can write any more, and not only when the file of a completed
-- one would: where it lies at a URI, others take it for whole. The rest of the door is as it was.

DROP FUNCTION sweep(text, uuid[], text[], bigint, bigint);

-- Cleans up after jobs of a kind. First notes what the worker has deleted since the last call
-- (`swept_jobs`, `swept_paths`); then fails what will never end by itself and lets results expire; then
-- answers what to delete next:
--   'object'  a path
--   'job'     what a job that ended `grace_ms` ago left behind, or `completed_grace_ms` ago if it is a completed
--             one: everything staged, and the files of every attempt but the last of a completed job
-- With each call, of whichever kind, it forgets keys of requests that are a day old.
CREATE FUNCTION sweep(
    kind text, swept_jobs uuid[], swept_paths text[], grace_ms bigint, upload_lifetime_ms bigint,
    completed_grace_ms bigint DEFAULT NULL
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

    -- So many that sweeps, once a minute, keep up with any rate of changes, and so few that none takes long.
    -- A row that somebody holds is for the next call.
    DELETE FROM idempotency i WHERE (i.tenant_id, i.request_id) IN (
        SELECT e.tenant_id, e.request_id FROM idempotency e
        WHERE e.created_at <= now_utc - interval '24 hours'
        ORDER BY e.created_at LIMIT 10000 FOR UPDATE SKIP LOCKED
    );

    RETURN QUERY
        SELECT 'object', g.path, NULL::uuid, NULL::uuid, NULL::integer, NULL::boolean
        FROM object_garbage g WHERE g.since <= now_utc ORDER BY g.since LIMIT 100;
    RETURN QUERY EXECUTE format(
        'SELECT ''job'', NULL::text, r.tenant_id, r.job_id, r.attempt, j.status IN (''completed'', ''DONE'')
         FROM %1$I r JOIN %2$I j ON j.id = r.job_id
         WHERE r.ended_at <= $1 - $2 * interval ''1 millisecond'' AND r.swept_at IS NULL
           AND (j.status NOT IN (''completed'', ''DONE'') OR r.ended_at <= $1 - $3 * interval ''1 millisecond'')
         ORDER BY r.ended_at LIMIT 100', kind || '_run', kind || '_job')
    USING now_utc, grace_ms, coalesce(completed_grace_ms, grace_ms);
END $$;

GRANT EXECUTE ON FUNCTION sweep(text, uuid[], text[], bigint, bigint, bigint)
    TO datacovey_query_worker, datacovey_transfer_worker;
