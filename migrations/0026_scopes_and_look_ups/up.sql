-- A policy may name the scope that its table's budgets are counted under: tables of one owner with the same scope
-- share them. Without one it is the table's name, as before.

-- Ids and names of what was charged both count, whatever the scope is called later.
ALTER TABLE budget_ledger ADD COLUMN table_name text;
COMMENT ON COLUMN budget_ledger.budget_scope IS
    'What the charge counts for beside the table: the scope of its policy, or its name as dataset.table';
COMMENT ON COLUMN budget_ledger.table_name IS
    'The name of the table when it was charged, as dataset.table; NULL where it is the scope';

-- What a tenant has used of a budget. By the table, by its name and by its scope: neither a table that is made
-- anew under the old name, nor a new name or scope for the old table, renews anything.
CREATE FUNCTION budget_used(
    owner uuid, analyst uuid, charged_table uuid, scopes text[], budget text, since timestamp
) RETURNS double precision LANGUAGE sql STABLE AS $$
    SELECT coalesce(sum(l.amount), 0) FROM budget_ledger l
    WHERE l.tenant_id = owner AND l.analyst_tenant_id = analyst AND l.kind = budget AND l.created_at >= since
      AND (l.table_id = charged_table OR l.budget_scope = ANY (scopes) OR l.table_name = ANY (scopes))
$$;

CREATE FUNCTION budget_state(
    owner uuid, analyst uuid, charged_table uuid, scopes text[], budget text, "window" text
) RETURNS TABLE (used double precision, resets_at timestamp) LANGUAGE sql VOLATILE AS $$
    SELECT budget_used(owner, analyst, charged_table, scopes, budget, budget_window_begins("window", utc_now())),
           budget_window_ends("window", utc_now())
$$;

-- What the policies of others' tables ask of a query by way of access budgets. Tables that share a scope are
-- charged to it together.
DROP FUNCTION access_budgets(uuid, jsonb);
CREATE FUNCTION access_budgets(project uuid, tables jsonb)
RETURNS TABLE (
    table_id uuid, owner uuid, name text, scope text, uses bigint, uses_of_scope bigint, budget_limit bigint,
    "window" text
)
LANGUAGE sql STABLE AS $$
    WITH asked AS (
        SELECT q.table_id, q.tenant_id AS owner, q.dataset_name || '.' || q.table_name AS name,
               coalesce(q.policy ->> 'budget_scope', q.dataset_name || '.' || q.table_name) AS scope,
               coalesce(read.uses, 0) AS uses,
               (q.policy #>> '{access_budget,uses}')::bigint AS budget_limit,
               q.policy #>> '{access_budget,window}' AS "window"
        FROM jsonb_to_recordset($2) AS read (table_id uuid, uses bigint)
        JOIN queryable_tables($1) q ON q.table_id = read.table_id
        WHERE q.tenant_id <> current_tenant() AND jsonb_typeof(q.policy -> 'access_budget') = 'object'
    )
    SELECT a.table_id, a.owner, a.name, a.scope, a.uses,
           (sum(a.uses) OVER (PARTITION BY a.owner, a.scope))::bigint, a.budget_limit, a."window"
    FROM asked a
$$;

-- As before, by scopes.
CREATE OR REPLACE FUNCTION charge_access(job uuid, worker text, lease_attempt integer, tables jsonb)
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
            SELECT b.*, b.uses_of_scope - (
                       SELECT coalesce(sum(l.amount), 0) FROM budget_ledger l
                       WHERE l.query_job_id = job AND l.tenant_id = b.owner AND l.kind = 'access'
                         AND (l.table_id = b.table_id OR l.budget_scope = b.scope)
                   ) AS due,
                   budget_used(b.owner, current_tenant(), b.table_id, ARRAY[b.scope, b.name], 'access',
                               budget_window_begins(b."window", now_utc)) AS used
            FROM access_budgets(project, tables) b
        )
        SELECT a.table_id, a.name, a.uses_of_scope, a.used, a.budget_limit, budget_window_ends(a."window", now_utc)
        FROM asked a
        WHERE a.due > 0 AND (a.used + a.due <= a.budget_limit) IS NOT TRUE
        ORDER BY a.name;
    IF FOUND THEN
        RETURN;
    END IF;
    INSERT INTO budget_ledger
        (tenant_id, table_id, budget_scope, table_name, analyst_tenant_id, query_job_id, kind, amount)
    SELECT b.owner, b.table_id, b.scope, nullif(b.name, b.scope), current_tenant(), job, 'access', due.amount
    FROM access_budgets(project, tables) b,
         LATERAL (
             SELECT b.uses - coalesce(sum(l.amount), 0) AS amount FROM budget_ledger l
             WHERE l.query_job_id = job AND l.table_id = b.table_id AND l.kind = 'access'
         ) due
    WHERE due.amount > 0;
END $$;

GRANT EXECUTE ON FUNCTION budget_used(uuid, uuid, uuid, text[], text, timestamp),
    budget_state(uuid, uuid, uuid, text[], text, text)
TO datacovey_query;

-- Where one dataset has most of all tables, the planner takes any dataset for as large, and reads the whole relation
-- for the few tables of a project. The index of the dataset finds these; a project that does have them all is read by
-- it as fast as without. What the planner believes of its cost would have the statement compiled, for a second.
ALTER FUNCTION resolve_project(uuid) SET enable_seqscan = off;
ALTER FUNCTION resolve_project(uuid) SET jit = off;
