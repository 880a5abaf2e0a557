-- Budgets of tables: what other tenants may still ask. What is charged is charged before the first row is
-- read, and never given back.

-- Ids without foreign keys: the ledger outlives what it speaks of, or deleting would renew.
CREATE TABLE budget_ledger (
    id uuid NOT NULL DEFAULT gen_random_uuid() PRIMARY KEY,
    tenant_id uuid NOT NULL,
    table_id uuid NOT NULL,
    budget_scope text NOT NULL,
    analyst_tenant_id uuid NOT NULL,
    query_job_id uuid NOT NULL,
    kind text NOT NULL,
    amount double precision NOT NULL,
    created_at timestamp NOT NULL DEFAULT utc_now(),
    CONSTRAINT budget_ledger_kind_check CHECK (kind IN ('access', 'epsilon', 'delta')),
    CONSTRAINT budget_ledger_amount_check CHECK (amount > 0 AND amount < 'Infinity')
);

COMMENT ON TABLE budget_ledger IS
    E'What queries were charged\n\nA row per table and charge; read by the tenant that asked and by the owner of the table.';
COMMENT ON COLUMN budget_ledger.tenant_id IS 'The owner of the table';
COMMENT ON COLUMN budget_ledger.budget_scope IS 'The name of the table when it was charged, as dataset.table';
COMMENT ON COLUMN budget_ledger.amount IS 'Of the kind access: releases that read the table';

CREATE INDEX budget_ledger_used_idx ON budget_ledger (tenant_id, analyst_tenant_id, kind, created_at);
CREATE INDEX budget_ledger_analyst_idx ON budget_ledger (analyst_tenant_id, created_at, id);
CREATE INDEX budget_ledger_query_job_id_idx ON budget_ledger (query_job_id);

ALTER TABLE budget_ledger ENABLE ROW LEVEL SECURITY;
ALTER TABLE budget_ledger FORCE ROW LEVEL SECURITY;
CREATE POLICY doors ON budget_ledger TO datacovey_owner USING (true) WITH CHECK (true);
CREATE POLICY sees ON budget_ledger FOR SELECT
    USING (tenant_id = current_tenant() OR analyst_tenant_id = current_tenant());
CREATE TRIGGER only_grows BEFORE UPDATE OR DELETE ON budget_ledger FOR EACH ROW EXECUTE FUNCTION only_grows();

-- Windows are those of the calendar, in UTC.
CREATE FUNCTION budget_window_begins("window" text, at timestamp) RETURNS timestamp LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE "window" WHEN 'ever' THEN '-infinity'::timestamp ELSE date_trunc("window", at) END;

-- When it is full again; none if never.
CREATE FUNCTION budget_window_ends("window" text, at timestamp) RETURNS timestamp LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE "window" WHEN 'ever' THEN NULL ELSE date_trunc("window", at) + ('1 ' || "window")::interval END;

-- What a tenant has used of a budget. By the table and by its name: neither a table that is made anew under
-- the old name nor a new name for the old table renews anything.
CREATE FUNCTION budget_used(
    owner uuid, analyst uuid, charged_table uuid, scope text, budget text, since timestamp
) RETURNS double precision LANGUAGE sql STABLE AS $$
    SELECT coalesce(sum(l.amount), 0) FROM budget_ledger l
    WHERE l.tenant_id = owner AND l.analyst_tenant_id = analyst AND l.kind = budget AND l.created_at >= since
      AND (l.table_id = charged_table OR l.budget_scope = scope)
$$;

-- The same for the present window, and when that ends, of what the caller sees of the ledger.
CREATE FUNCTION budget_state(owner uuid, analyst uuid, charged_table uuid, scope text, budget text, "window" text)
RETURNS TABLE (used double precision, resets_at timestamp) LANGUAGE sql VOLATILE AS $$
    SELECT budget_used(owner, analyst, charged_table, scope, budget, budget_window_begins("window", utc_now())),
           budget_window_ends("window", utc_now())
$$;

CREATE FUNCTION raise_world_changed() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'object_not_in_prerequisite_state',
        MESSAGE = 'participants, policies or tables have changed since the query was checked',
        CONSTRAINT = 'release_world_as_checked';
END $$;

-- The run that a worker holds; its job is locked.
CREATE FUNCTION held_query_run(job uuid, worker text, lease_attempt integer) RETURNS query_run
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    j query_job;
    run query_run;
BEGIN
    PERFORM require_worker('query');
    SELECT * INTO j FROM query_job i WHERE i.id = job AND i.tenant_id = current_tenant() FOR UPDATE;
    SELECT * INTO run FROM query_run r WHERE r.job_id = job FOR UPDATE;
    IF j.id IS NULL OR run.job_id IS NULL OR j.status <> 'RUNNING'
       OR run.holder IS DISTINCT FROM worker OR run.attempt <> lease_attempt
    THEN
        PERFORM raise_lease_lost();
    END IF;
    RETURN run;
END $$;

-- What the policies of others' tables ask of a query by way of access budgets.
--   tables  [{"table_id", "policy_version", "uses"}]: every table the query reads, as it was checked
CREATE FUNCTION access_budgets(project uuid, tables jsonb)
RETURNS TABLE (table_id uuid, owner uuid, scope text, uses bigint, budget_limit bigint, "window" text)
LANGUAGE sql STABLE AS $$
    SELECT q.table_id, q.tenant_id, q.dataset_name || '.' || q.table_name, coalesce(read.uses, 0),
           (q.policy #>> '{access_budget,uses}')::bigint, q.policy #>> '{access_budget,window}'
    FROM jsonb_to_recordset($2) AS read (table_id uuid, uses bigint)
    JOIN queryable_tables($1) q ON q.table_id = read.table_id
    WHERE q.tenant_id <> current_tenant() AND jsonb_typeof(q.policy -> 'access_budget') = 'object'
$$;

-- Charges a run for the releases that read each table, once however often it is tried: all of it, or nothing.
-- Answers the budgets that do not suffice; none if it is charged.
--
-- Charges of one tenant to the tables of one owner queue up behind each other, so that no two of them see
-- the same last use.
CREATE FUNCTION charge_access(job uuid, worker text, lease_attempt integer, tables jsonb)
RETURNS TABLE (table_id uuid, scope text, uses bigint, used double precision, budget_limit bigint, resets_at timestamp)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    project uuid;
    owner uuid;
    now_utc timestamp;
BEGIN
    PERFORM held_query_run(job, worker, lease_attempt);
    SELECT q.project_id INTO project FROM query_job j JOIN "query" q ON q.id = j.query_id WHERE j.id = job;
    FOR owner IN SELECT DISTINCT b.owner FROM access_budgets(project, tables) b ORDER BY b.owner LOOP
        PERFORM pg_advisory_xact_lock(hashtextextended(format('datacovey budget %s %s', owner, current_tenant()), 0));
    END LOOP;
    IF NOT world_is_as_checked(project, tables) THEN
        PERFORM raise_world_changed();
    END IF;
    now_utc := utc_now();
    RETURN QUERY
        WITH asked AS (
            SELECT b.*, b.uses - (
                       SELECT coalesce(sum(l.amount), 0) FROM budget_ledger l
                       WHERE l.query_job_id = job AND l.table_id = b.table_id AND l.kind = 'access'
                   ) AS due,
                   budget_used(b.owner, current_tenant(), b.table_id, b.scope, 'access',
                               budget_window_begins(b."window", now_utc)) AS used
            FROM access_budgets(project, tables) b
        )
        SELECT a.table_id, a.scope, a.uses, a.used, a.budget_limit, budget_window_ends(a."window", now_utc)
        FROM asked a
        WHERE a.due > 0 AND (a.used + a.due <= a.budget_limit) IS NOT TRUE
        ORDER BY a.scope;
    IF FOUND THEN
        RETURN;
    END IF;
    INSERT INTO budget_ledger (tenant_id, table_id, budget_scope, analyst_tenant_id, query_job_id, kind, amount)
    SELECT b.owner, b.table_id, b.scope, current_tenant(), job, 'access', due.amount
    FROM access_budgets(project, tables) b,
         LATERAL (
             SELECT b.uses - coalesce(sum(l.amount), 0) AS amount FROM budget_ledger l
             WHERE l.query_job_id = job AND l.table_id = b.table_id AND l.kind = 'access'
         ) due
    WHERE due.amount > 0;
END $$;

GRANT SELECT ON budget_ledger TO datacovey_query;
GRANT EXECUTE ON FUNCTION budget_window_begins(text, timestamp), budget_window_ends(text, timestamp),
    budget_used(uuid, uuid, uuid, text, text, timestamp), budget_state(uuid, uuid, uuid, text, text, text)
TO datacovey_query;
GRANT EXECUTE ON FUNCTION charge_access(uuid, text, integer, jsonb) TO datacovey_query_worker;
