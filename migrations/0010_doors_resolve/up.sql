-- What a query needs of tables that others own: names, schemas, rules, sizes and files.

-- Size classes are all that is said of the size of another tenant's table: the next power of two.
CREATE FUNCTION size_class(exact bigint) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN exact <= 0 THEN 0 ELSE power(2, ceil(log(2, exact)))::bigint END;

-- The tables of a project that the caller may query: its own, and those of active contributors. Nothing
-- archived is among them. A table that was never imported has version 0.
CREATE FUNCTION queryable_tables(project uuid)
RETURNS TABLE (
    dataset_id uuid, dataset_name text, table_id uuid, table_name text, tenant_id uuid, schema jsonb,
    policy jsonb, policy_version bigint
)
LANGUAGE sql STABLE AS $$
    SELECT d.id, d.name, t.id, t.name, t.tenant_id, t.schema, rules.policy, rules.version
    FROM project p
    JOIN dataset d ON d.project_id = p.id AND d.archived_at IS NULL
    JOIN "table" t ON t.dataset_id = d.id AND t.archived_at IS NULL
    JOIN project_participant d_owner
        ON d_owner.project_id = p.id AND d_owner.tenant_id = d.tenant_id AND d_owner.is_active
    JOIN project_participant t_owner
        ON t_owner.project_id = p.id AND t_owner.tenant_id = t.tenant_id AND t_owner.is_active
        AND (t_owner.can_contribute OR t.tenant_id = current_tenant())
    LEFT JOIN LATERAL (
        SELECT r.policy, r.version FROM table_policy r WHERE r.table_id = t.id ORDER BY r.version DESC LIMIT 1
    ) rules ON true
    WHERE p.id = project AND p.archived_at IS NULL
$$;

CREATE FUNCTION require_analyst(project uuid) RETURNS void LANGUAGE plpgsql STABLE AS $$
DECLARE
    mine project_participant := own_participation(project);
BEGIN
    IF mine.project_id IS NULL THEN
        PERFORM raise_no_project(project);
    ELSIF NOT mine.can_query THEN
        PERFORM raise_forbidden('project_participant_can_query', 'the tenant may not query the project');
    ELSIF EXISTS (SELECT FROM project p WHERE p.id = project AND p.archived_at IS NOT NULL) THEN
        PERFORM raise_archived('project');
    END IF;
END $$;

CREATE FUNCTION resolve_project(project uuid)
RETURNS TABLE (
    dataset_id uuid, dataset_name text, table_id uuid, table_name text, tenant_id uuid, schema jsonb,
    policy jsonb, policy_version bigint, version bigint, content_version bigint, rows bigint, bytes bigint,
    unique_columns text[]
)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM require_analyst(project);
    RETURN QUERY
        SELECT q.dataset_id, q.dataset_name, q.table_id, q.table_name, q.tenant_id, q.schema,
               q.policy, q.policy_version,
               coalesce(v.version, 0), coalesce(v.content_version, 0),
               CASE WHEN q.tenant_id = current_tenant() THEN coalesce(v.rows, 0) ELSE size_class(coalesce(v.rows, 0)) END,
               CASE WHEN q.tenant_id = current_tenant() THEN coalesce(v.bytes, 0) ELSE size_class(coalesce(v.bytes, 0)) END,
               coalesce(v.unique_columns, '{}')
        FROM queryable_tables(project) q
        LEFT JOIN LATERAL (
            SELECT * FROM table_version v WHERE v.table_id = q.table_id ORDER BY v.version DESC LIMIT 1
        ) v ON true
        ORDER BY q.dataset_name, q.table_name, q.table_id;
END $$;

-- The files of tables at versions: of each table the version at the same place of `versions`, the newest
-- one where that is NULL. A table that the caller may not query, and a version that is not there, are
-- absent; a table that was never imported has version 0 and no files.
CREATE FUNCTION resolve_versions(tables uuid[], versions bigint[])
RETURNS TABLE (
    table_id uuid, tenant_id uuid, version bigint, content_version bigint, rows bigint, bytes bigint,
    unique_columns text[], files jsonb
)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    RETURN QUERY
        SELECT a.table_id, q.tenant_id, coalesce(v.version, 0), coalesce(v.content_version, 0),
               coalesce(v.rows, 0), coalesce(v.bytes, 0), coalesce(v.unique_columns, '{}'),
               coalesce(f.files, '[]')
        FROM unnest(tables, versions) WITH ORDINALITY AS a (table_id, version, place)
        JOIN "table" t ON t.id = a.table_id
        JOIN dataset d ON d.id = t.dataset_id
        JOIN project_participant me
            ON me.project_id = d.project_id AND me.tenant_id = current_tenant() AND me.is_active AND me.can_query
        JOIN LATERAL queryable_tables(d.project_id) q ON q.table_id = a.table_id
        LEFT JOIN LATERAL (
            SELECT * FROM table_version v
            WHERE v.table_id = a.table_id AND (a.version IS NULL OR v.version = a.version)
            ORDER BY v.version DESC LIMIT 1
        ) v ON true
        LEFT JOIN LATERAL (
            SELECT jsonb_agg(jsonb_build_object(
                       'path', f.path, 'format', f.format, 'rows', f.rows, 'bytes', f.bytes,
                       'checksum', f.checksum, 'statistics', f.statistics) ORDER BY f.added_in, f.path) AS files
            FROM table_file f
            WHERE f.table_id = a.table_id AND f.added_in <= v.version
              AND (f.removed_in IS NULL OR f.removed_in > v.version)
        ) f ON true
        WHERE a.version IS NULL OR a.version = 0 OR v.version IS NOT NULL
        ORDER BY a.place;
END $$;

-- The resolver of the catalog answers queries before they run; a query worker asks again at its lease.
GRANT EXECUTE ON FUNCTION resolve_project(uuid) TO datacovey_catalog, datacovey_query;
GRANT EXECUTE ON FUNCTION resolve_versions(uuid[], bigint[]) TO datacovey_transfer;
