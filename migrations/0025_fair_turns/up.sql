-- Whose turn it is: a worker with one free slot sees no tenant with a running job, and the one with a thousand
-- waiting jobs would go first a thousand times. So turns are remembered. And of one tenant's jobs, a large one
-- stands back for small ones, for a while.

CREATE TABLE job_turn (
    tenant_id uuid NOT NULL REFERENCES tenant (id),
    kind text NOT NULL,
    claimed_at timestamp NOT NULL,
    PRIMARY KEY (tenant_id, kind),
    CONSTRAINT job_turn_kind_check CHECK (kind IN ('query', 'import', 'export'))
);

COMMENT ON TABLE job_turn IS
    E'Whose jobs had their turn when\n\nAmong tenants with equally many running jobs, the one that waits the longest is next.';

ALTER TABLE job_turn ENABLE ROW LEVEL SECURITY;
ALTER TABLE job_turn FORCE ROW LEVEL SECURITY;
CREATE POLICY doors ON job_turn TO datacovey_owner USING (true) WITH CHECK (true);

CREATE FUNCTION tenant_takes_its_turns() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    DELETE FROM job_turn t WHERE t.tenant_id = OLD.id;
    RETURN OLD;
END $$;

CREATE TRIGGER takes_its_turns BEFORE DELETE ON tenant FOR EACH ROW EXECUTE FUNCTION tenant_takes_its_turns();

-- How much later than it came a job counts as come: a second for each 50 MB of content, ten minutes at most,
-- so that it waits for smaller ones and not for ever. Options may be another program's, and then anything.
CREATE FUNCTION job_stands_back(kind text, options jsonb, parent uuid) RETURNS interval LANGUAGE sql STABLE AS $$
    SELECT least(coalesce(CASE
        WHEN kind = 'import' AND jsonb_typeof(options #> '{upload,size_bytes}') = 'number'
            THEN (options #>> '{upload,size_bytes}')::numeric
        WHEN kind = 'export' AND jsonb_typeof(options -> 'table_version') = 'number'
            THEN (SELECT v.bytes FROM table_version v
                  WHERE v.table_id = parent AND v.version = (options ->> 'table_version')::numeric)
    END, 0) / 50e6, 600)::double precision * interval '1 second'
$$;

-- Leases the next ready run: of the tenant with the fewest running first, of those of the one whose last turn
-- was the longest ago, and of its runs the longest ready, large ones a little later. A lease that ran out is
-- taken over with the next attempt. A job that can no longer run is failed on the way.
--
-- Claims of one kind queue up behind each other, which makes fairness and the limit exact; they are short.
CREATE OR REPLACE FUNCTION claim_job(kind text, worker text, lease_ms bigint, max_running_per_tenant bigint)
RETURNS TABLE (
    job_id uuid, tenant_id uuid, parent_id uuid, created_by uuid, creator_role text, attempt integer,
    max_attempts integer, options jsonb, progress jsonb, traceparent text, lease_expires_at timestamp,
    taken_over boolean
)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    now_utc timestamp := utc_now();
    next_id uuid;
    next_parent uuid;
    whose uuid;
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
        next_id := NULL;
        FOR whose IN EXECUTE format(
            'SELECT r.tenant_id FROM %1$I r
             LEFT JOIN (
                 SELECT b.tenant_id, count(*) AS running FROM %1$I b
                 WHERE b.ended_at IS NULL AND b.holder IS NOT NULL AND b.lease_expires_at > $1 GROUP BY b.tenant_id
             ) busy ON busy.tenant_id = r.tenant_id
             LEFT JOIN job_turn last ON last.tenant_id = r.tenant_id AND last.kind = $3
             WHERE r.ended_at IS NULL AND r.ready_at <= $1
               AND (r.lease_expires_at IS NULL OR r.lease_expires_at <= $1)
               AND coalesce(busy.running, 0) < $2
             GROUP BY r.tenant_id, busy.running, last.claimed_at
             ORDER BY coalesce(busy.running, 0), last.claimed_at NULLS FIRST, min(r.ready_at), r.tenant_id',
            kind || '_run')
        USING now_utc, max_running_per_tenant, kind
        LOOP
            EXECUTE format(
                'SELECT j.id, j.%3$I AS parent_id
                 FROM %1$I r JOIN %2$I j ON j.id = r.job_id
                 WHERE r.tenant_id = $2 AND r.ended_at IS NULL AND r.ready_at <= $1
                   AND (r.lease_expires_at IS NULL OR r.lease_expires_at <= $1)
                 ORDER BY r.ready_at + job_stands_back($3, r.options, j.%3$I), r.job_id
                 LIMIT 1 FOR UPDATE OF j SKIP LOCKED',
                kind || '_run', kind || '_job', CASE kind WHEN 'query' THEN 'query_id' ELSE 'table_id' END)
            INTO next_id, next_parent USING now_utc, whose, kind;
            EXIT WHEN next_id IS NOT NULL;
        END LOOP;
        IF next_id IS NULL THEN
            RETURN;
        END IF;
        -- The three run relations are of one shape.
        EXECUTE format('SELECT * FROM %I r WHERE r.job_id = $1', kind || '_run') INTO run USING next_id;
        IF run.ended_at IS NOT NULL OR run.lease_expires_at > now_utc THEN
            CONTINUE;
        END IF;
        role_of_creator := creator_role(run.tenant_id, run.created_by);
        IF kind = 'query' THEN
            SELECT CASE WHEN p.archived_at IS NOT NULL THEN 'project' WHEN q.archived_at IS NOT NULL THEN 'query' END
            INTO archived FROM "query" q JOIN project p ON p.id = q.project_id WHERE q.id = next_parent;
        ELSE
            archived := archived_above_table(next_parent);
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
            INSERT INTO job_turn (tenant_id, kind, claimed_at) VALUES (run.tenant_id, claim_job.kind, now_utc)
            ON CONFLICT ON CONSTRAINT job_turn_pkey DO UPDATE SET claimed_at = EXCLUDED.claimed_at;
            RETURN QUERY SELECT run.job_id, run.tenant_id, next_parent, run.created_by, role_of_creator,
                run.attempt, run.max_attempts, run.options, run.progress, run.traceparent, run.lease_expires_at,
                taken_over;
            RETURN;
        END IF;
    END LOOP;
END $$;
