-- What operators see of the queues: how many jobs wait and for how long, and which were taken over.

-- As it was, and says whether the job was taken over. Programs name the columns that they read, so that
-- those of the release before go on.
DROP FUNCTION claim_job(text, text, bigint, bigint);

-- Leases the next ready run: of the tenant with the fewest running first, then the longest ready. A lease
-- that ran out is taken over with the next attempt. A job that can no longer run is failed on the way.
--
-- Claims of one kind queue up behind each other, which makes fairness and the limit exact; they are short.
CREATE FUNCTION claim_job(kind text, worker text, lease_ms bigint, max_running_per_tenant bigint)
RETURNS TABLE (
    job_id uuid, tenant_id uuid, parent_id uuid, created_by uuid, creator_role text, attempt integer,
    max_attempts integer, options jsonb, progress jsonb, traceparent text, lease_expires_at timestamp,
    taken_over boolean
)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    now_utc timestamp := utc_now();
    next_job record;
    run query_run;
    role_of_creator text;
    archived text;
    taken_over boolean;
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
            -- Whoever gives a job back says so; one that is still somebody's is of a worker that is gone.
            taken_over := run.holder IS NOT NULL;
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
                run.attempt, run.max_attempts, run.options, run.progress, run.traceparent, run.lease_expires_at,
                taken_over;
            RETURN;
        END IF;
    END LOOP;
END $$;

-- The queue of a kind as it is now, over all tenants, in numbers alone: jobs that a worker may take, since
-- how many seconds the first of them waits, and jobs that a worker holds. A job that was given back waits
-- from when it may be taken again.
CREATE FUNCTION job_queue(kind text) RETURNS TABLE (ready bigint, oldest_ready_seconds double precision, leased bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM require_worker(kind);
    -- Open runs alone, of which there is an index, and of which a tenant has a bounded number.
    RETURN QUERY EXECUTE format(
        'SELECT count(*) FILTER (WHERE q.is_ready),
                coalesce(extract(epoch FROM $1 - min(q.since) FILTER (WHERE q.is_ready)), 0)::double precision,
                count(*) FILTER (WHERE q.holder IS NOT NULL AND q.lease_expires_at > $1)
         FROM (
             SELECT r.holder, r.lease_expires_at, greatest(r.ready_at, r.lease_expires_at) AS since,
                    r.ready_at <= $1 AND (r.lease_expires_at IS NULL OR r.lease_expires_at <= $1) AS is_ready
             FROM %I r WHERE r.ended_at IS NULL
         ) q', kind || '_run')
    USING utc_now();
END $$;

GRANT EXECUTE ON FUNCTION claim_job(text, text, bigint, bigint), job_queue(text)
    TO datacovey_query_worker, datacovey_transfer_worker;
