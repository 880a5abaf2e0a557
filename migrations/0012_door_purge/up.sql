-- The door of hard deletes: the one way by which rows of the contract go, for no service may delete them.
-- Foreign keys are NO ACTION, so that nothing goes along unseen: what is below is found here, level by level.

-- Removes a row of the caller's. `force` removes everything below it, too, as long as all of that is the
-- caller's own; without it a row that has anything below stays (23503). Objects are noted as garbage,
-- histories and audits stay: they outlive what they speak of.
--
-- Each level is locked from above before the one below is read, and whatever is put under a row locks it
-- first: nothing can come in between.
CREATE FUNCTION purge(kind text, id uuid, force boolean) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    -- current_user is the owner in here; the role the caller set is not.
    caller text := current_setting('role');
    owner uuid;
    projects uuid[];
    datasets uuid[];
    tables uuid[];
    queries uuid[];
    imports uuid[];
    exports uuid[];
    query_jobs uuid[];
    others uuid[];
    below text;
BEGIN
    IF caller IS DISTINCT FROM (CASE
        WHEN kind IN ('tenant', 'user') THEN 'datacovey_identity'
        WHEN kind IN ('project', 'dataset', 'table') THEN 'datacovey_catalog'
        WHEN kind = 'query' THEN 'datacovey_query'
    END) THEN
        PERFORM raise_forbidden('purge_of_kind', format('this role removes no %s', kind));
    END IF;
    EXECUTE format('SELECT r.%I FROM %I r WHERE r.id = $1 FOR UPDATE',
                   CASE kind WHEN 'tenant' THEN 'id' ELSE 'tenant_id' END, kind)
        INTO owner USING id;
    -- Whose row it is not, for that caller it does not exist.
    IF owner IS NULL
       OR NOT (kind IN ('tenant', 'user') AND is_platform()
               OR kind <> 'tenant' AND owner IS NOT DISTINCT FROM current_tenant())
    THEN
        RAISE EXCEPTION USING
            ERRCODE = 'no_data_found', MESSAGE = format('there is no such %s', kind),
            DETAIL = id::text, TABLE = kind, CONSTRAINT = 'purge_is_own';
    END IF;

    projects := ARRAY(
        SELECT p.id FROM project p
        WHERE kind = 'project' AND p.id = id OR kind = 'tenant' AND p.tenant_id = owner ORDER BY p.id FOR UPDATE);
    datasets := ARRAY(
        SELECT d.id FROM dataset d
        WHERE kind = 'dataset' AND d.id = id OR d.project_id = ANY (projects)
              OR kind = 'tenant' AND d.tenant_id = owner ORDER BY d.id FOR UPDATE);
    tables := ARRAY(
        SELECT t.id FROM "table" t
        WHERE kind = 'table' AND t.id = id OR t.dataset_id = ANY (datasets)
              OR kind = 'tenant' AND t.tenant_id = owner ORDER BY t.id FOR UPDATE);
    queries := ARRAY(
        SELECT q.id FROM "query" q
        WHERE kind = 'query' AND q.id = id OR q.project_id = ANY (projects)
              OR kind = 'tenant' AND q.tenant_id = owner ORDER BY q.id FOR UPDATE);
    imports := ARRAY(SELECT j.id FROM import_job j WHERE j.table_id = ANY (tables) ORDER BY j.id FOR UPDATE);
    exports := ARRAY(SELECT j.id FROM export_job j WHERE j.table_id = ANY (tables) ORDER BY j.id FOR UPDATE);
    query_jobs := ARRAY(SELECT j.id FROM query_job j WHERE j.query_id = ANY (queries) ORDER BY j.id FOR UPDATE);

    SELECT string_agg(format('%s %s', number, what), ', ' ORDER BY place) INTO below
    FROM (VALUES
        (1, 'users', CASE kind WHEN 'tenant' THEN (SELECT count(*) FROM "user" u WHERE u.tenant_id = owner) ELSE 0 END),
        (2, 'projects', CASE kind WHEN 'project' THEN 0 ELSE cardinality(projects) END),
        (3, 'datasets', CASE kind WHEN 'dataset' THEN 0 ELSE cardinality(datasets) END),
        (4, 'tables', CASE kind WHEN 'table' THEN 0 ELSE cardinality(tables) END),
        (5, 'versions of data', (SELECT count(*) FROM table_version v WHERE v.table_id = ANY (tables))),
        (6, 'versions of a policy', (SELECT count(*) FROM table_policy p WHERE p.table_id = ANY (tables))),
        (7, 'imports', cardinality(imports)),
        (8, 'exports', cardinality(exports)),
        (9, 'queries', CASE kind WHEN 'query' THEN 0 ELSE cardinality(queries) END),
        (10, 'query jobs', cardinality(query_jobs))
    ) AS counted (place, what, number)
    WHERE number > 0;
    IF below IS NOT NULL AND force IS NOT TRUE THEN
        RAISE EXCEPTION USING
            ERRCODE = 'foreign_key_violation',
            MESSAGE = format('the %s still has something below it: %s', kind, below),
            TABLE = kind, CONSTRAINT = 'purge_has_children';
    END IF;
    others := ARRAY(
        SELECT DISTINCT o.tenant_id FROM (
            SELECT d.tenant_id FROM dataset d WHERE d.id = ANY (datasets)
            UNION ALL SELECT t.tenant_id FROM "table" t WHERE t.id = ANY (tables)
            UNION ALL SELECT q.tenant_id FROM "query" q WHERE q.id = ANY (queries)
        ) AS o WHERE o.tenant_id <> owner ORDER BY o.tenant_id);
    IF cardinality(others) > 0 THEN
        RAISE EXCEPTION USING
            ERRCODE = 'foreign_key_violation',
            MESSAGE = format('other tenants own something below the %s, which is theirs to remove', kind),
            DETAIL = array_to_string(others, ' '), TABLE = kind, CONSTRAINT = 'purge_below_is_own';
    END IF;

    -- A worker that holds a job below may go on writing until it hears of this: its objects wait a little.
    INSERT INTO object_garbage (path, since)
    SELECT paths.path, utc_now() + interval '5 minutes' FROM (
        SELECT format('tenant/%s/table/%s/', t.tenant_id, t.id) FROM "table" t WHERE t.id = ANY (tables)
        UNION ALL SELECT format('staging/%s/', job) FROM unnest(imports) AS job
        UNION ALL SELECT format('result/%s/%s/', j.tenant_id, j.id) FROM export_job j WHERE j.id = ANY (exports)
        UNION ALL SELECT format('result/%s/%s/', j.tenant_id, j.id) FROM query_job j WHERE j.id = ANY (query_jobs)
    ) AS paths (path)
    ON CONFLICT DO NOTHING;

    DELETE FROM query_result r WHERE r.job_id = ANY (query_jobs);
    DELETE FROM query_run r WHERE r.job_id = ANY (query_jobs);
    DELETE FROM query_job j WHERE j.id = ANY (query_jobs);
    DELETE FROM "query" q WHERE q.id = ANY (queries);
    DELETE FROM table_file f WHERE f.table_id = ANY (tables);
    DELETE FROM table_version v WHERE v.table_id = ANY (tables);
    DELETE FROM table_policy p WHERE p.table_id = ANY (tables);
    DELETE FROM rejected_row r WHERE r.job_id = ANY (imports);
    DELETE FROM upload_chunk c WHERE c.job_id = ANY (imports);
    DELETE FROM import_run r WHERE r.job_id = ANY (imports);
    DELETE FROM import_job j WHERE j.id = ANY (imports);
    DELETE FROM export_run r WHERE r.job_id = ANY (exports);
    DELETE FROM export_job j WHERE j.id = ANY (exports);
    DELETE FROM "table" t WHERE t.id = ANY (tables);
    DELETE FROM dataset d WHERE d.id = ANY (datasets);
    DELETE FROM project_participant p WHERE p.project_id = ANY (projects);
    DELETE FROM project p WHERE p.id = ANY (projects);
    IF kind = 'tenant' THEN
        DELETE FROM project_participant p WHERE p.tenant_id = owner;
        DELETE FROM idempotency i WHERE i.tenant_id = owner;
        -- That a tenant keeps an admin is looked at again when the tenant is gone.
        SET CONSTRAINTS tenant_keeps_an_admin_on_delete DEFERRED;
        DELETE FROM "user" u WHERE u.tenant_id = owner;
        DELETE FROM tenant t WHERE t.id = owner;
        SET CONSTRAINTS tenant_keeps_an_admin_on_delete IMMEDIATE;
    ELSIF kind = 'user' THEN
        DELETE FROM "user" u WHERE u.id = id;
    END IF;
END $$;

GRANT EXECUTE ON FUNCTION purge(text, uuid, boolean) TO datacovey_identity, datacovey_catalog, datacovey_query;
