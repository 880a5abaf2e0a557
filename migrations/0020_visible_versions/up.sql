-- Which versions of a table others see. Two versions that differ by a row tell that row to who may ask of
-- both; so a version comes in sight once enough individuals differ from the last one in sight, or when the
-- owner publishes it. The owner sees each at once. What once was in sight stays so: under a later policy
-- nothing is judged anew.

CREATE TABLE visible_version (
    table_id uuid NOT NULL,
    version bigint NOT NULL,
    tenant_id uuid NOT NULL REFERENCES tenant (id),
    published_by uuid,
    created_at timestamp NOT NULL DEFAULT utc_now(),
    PRIMARY KEY (table_id, version),
    CONSTRAINT visible_version_table_id_version_fkey
        FOREIGN KEY (table_id, version) REFERENCES table_version (table_id, version)
);

COMMENT ON TABLE visible_version IS
    E'The versions of tables that others saw or see\n\nOthers see the newest of these.';
COMMENT ON COLUMN visible_version.published_by IS 'Who put it in sight; none where enough individuals differ';

CREATE INDEX visible_version_tenant_id_idx ON visible_version (tenant_id, table_id);

-- What was read until now has been seen.
INSERT INTO visible_version (table_id, version, tenant_id)
SELECT v.table_id, max(v.version), v.tenant_id FROM table_version v
WHERE EXISTS (SELECT FROM table_policy p WHERE p.table_id = v.table_id)
GROUP BY v.table_id, v.tenant_id;

ALTER TABLE visible_version ENABLE ROW LEVEL SECURITY;
ALTER TABLE visible_version FORCE ROW LEVEL SECURITY;
CREATE POLICY doors ON visible_version TO datacovey_owner USING (true) WITH CHECK (true);
CREATE POLICY sees ON visible_version FOR SELECT USING (tenant_id = current_tenant());
CREATE POLICY writes ON visible_version FOR INSERT WITH CHECK (
    tenant_id = current_tenant() AND published_by = current_user_id()
    AND EXISTS (
        SELECT FROM table_version v
        WHERE v.table_id = visible_version.table_id AND v.version = visible_version.version
          AND v.tenant_id = current_tenant()
    )
);
CREATE TRIGGER only_grows BEFORE UPDATE ON visible_version FOR EACH ROW EXECUTE FUNCTION only_grows();

-- The version of a table that others see; none where no policy lets them see any.
CREATE FUNCTION visible_version_of(id uuid) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT max(s.version) FROM visible_version s WHERE s.table_id = id
$$;

-- How many individuals are known to differ between a version of a table and an earlier one, at least: those
-- of the one file that was added since and has most of them, for two files may be of the same ones. Nothing
-- is known where rows were taken away, where the individuals are named by another table, and of columns that
-- imports do not count.
CREATE FUNCTION units_differ_at_least(id uuid, earlier bigint, later bigint, rules jsonb) RETURNS bigint
LANGUAGE sql STABLE AS $$
    SELECT CASE
        WHEN jsonb_typeof(rules -> 'privacy_unit') IS DISTINCT FROM 'string' THEN 0
        WHEN EXISTS (
            SELECT FROM table_version v
            WHERE v.table_id = id AND v.version > earlier AND v.version <= later AND v.mode = 'replace'
        ) THEN 0
        ELSE coalesce((
            SELECT max((f.statistics -> (rules ->> 'privacy_unit') ->> 'distinct')::bigint)
            FROM table_file f
            JOIN table_version v ON v.table_id = f.table_id AND v.version = f.added_in
            -- A version of the same content only has its rows in other files.
            WHERE f.table_id = id AND f.added_in > earlier AND f.added_in <= later AND v.content_version = v.version
        ), 0)
    END
$$;

-- The most that a policy asks for any value, as its defaults are.
CREATE FUNCTION most_min_units(rules jsonb) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
    SELECT greatest(2, coalesce((rules #>> '{threshold,min_units}')::bigint, 25), (
        SELECT max((part.value ->> 'min_units')::bigint) FROM jsonb_each(coalesce(rules -> 'columns', '{}')) AS part
    ))
$$;

-- Looks, once all of a new version is there, whether it comes in sight.
CREATE FUNCTION version_comes_in_sight() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    rules jsonb;
    earlier table_version;
BEGIN
    SELECT p.policy INTO rules FROM table_policy p WHERE p.table_id = NEW.table_id ORDER BY p.version DESC LIMIT 1;
    SELECT * INTO earlier FROM table_version v
        WHERE v.table_id = NEW.table_id AND v.version = visible_version_of(NEW.table_id);
    -- Without a policy nobody else sees any; its first one puts the version of then in sight.
    IF rules IS NOT NULL AND (
        earlier.version IS NULL
        OR rules -> 'reference' = 'true'::jsonb
        OR earlier.content_version = NEW.content_version
        OR units_differ_at_least(NEW.table_id, earlier.version, NEW.version, rules) >= most_min_units(rules)
    ) THEN
        INSERT INTO visible_version (table_id, version, tenant_id) VALUES (NEW.table_id, NEW.version, NEW.tenant_id)
        ON CONFLICT DO NOTHING;
    END IF;
    RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER comes_in_sight AFTER INSERT ON table_version DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION version_comes_in_sight();

-- The first policy of a table lets others see it as it is then; and where no person is in it, there is
-- nobody to be told apart. The row of the table is locked by who sets a policy and by who adds a version.
CREATE FUNCTION policy_puts_in_sight() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF visible_version_of(NEW.table_id) IS NULL OR NEW.policy -> 'reference' = 'true'::jsonb THEN
        INSERT INTO visible_version (table_id, version, tenant_id)
        SELECT v.table_id, v.version, v.tenant_id FROM table_version v
        WHERE v.table_id = NEW.table_id ORDER BY v.version DESC LIMIT 1
        ON CONFLICT DO NOTHING;
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER puts_in_sight AFTER INSERT ON table_policy FOR EACH ROW EXECUTE FUNCTION policy_puts_in_sight();

-- A version that is removed for good takes with it that it was in sight.
CREATE FUNCTION version_goes() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    DELETE FROM visible_version s WHERE s.table_id = OLD.table_id AND s.version = OLD.version;
    RETURN OLD;
END $$;

CREATE TRIGGER goes BEFORE DELETE ON table_version FOR EACH ROW EXECUTE FUNCTION version_goes();

-- As before, and of another's table the version in sight.
CREATE OR REPLACE FUNCTION resolve_project(project uuid)
RETURNS TABLE (
    dataset_id uuid, dataset_name text, table_id uuid, table_name text, tenant_id uuid, schema jsonb,
    policy jsonb, policy_version bigint, version bigint, content_version bigint, rows bigint, bytes bigint,
    unique_columns text[]
)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
-- A project has few tables of many: reading them all to find those is what other joins come to.
SET enable_hashjoin = off SET enable_mergejoin = off AS $$
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
            SELECT * FROM table_version v
            WHERE v.table_id = q.table_id
              AND (q.tenant_id = current_tenant() OR v.version = visible_version_of(q.table_id))
            ORDER BY v.version DESC LIMIT 1
        ) v ON true
        ORDER BY q.dataset_name, q.table_name, q.table_id;
END $$;

-- As before, and of another's table the version in sight, or another that was.
CREATE OR REPLACE FUNCTION resolve_versions(tables uuid[], versions bigint[])
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
        -- One by one: put into one join with these, it would read the tables of all projects.
        JOIN LATERAL (
            SELECT * FROM queryable_tables(d.project_id) q WHERE q.table_id = a.table_id OFFSET 0
        ) q ON true
        LEFT JOIN LATERAL (
            SELECT * FROM table_version v
            WHERE v.table_id = a.table_id AND (a.version IS NULL OR v.version = a.version)
              AND (q.tenant_id = current_tenant() OR EXISTS (
                       SELECT FROM visible_version s WHERE s.table_id = v.table_id AND s.version = v.version
                   ))
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

-- The versions of a table that the caller may read, the newest first, before a version: all of an own one
-- with their sizes, those that are or were in sight of another's with the classes of theirs.
CREATE FUNCTION table_versions_in_sight(seen_table uuid, before_version bigint, most bigint)
RETURNS TABLE (
    version bigint, content_version bigint, import_job_id uuid, mode text, rows bigint, bytes bigint,
    created_at timestamp, visible boolean
)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    own boolean;
BEGIN
    SELECT t.tenant_id = current_tenant() INTO own FROM "table" t JOIN dataset d ON d.id = t.dataset_id
    WHERE t.id = seen_table AND (
        t.tenant_id = current_tenant()
        OR (own_participation(d.project_id)).project_id IS NOT NULL AND EXISTS (
            SELECT FROM queryable_tables(d.project_id) q WHERE q.table_id = t.id
        )
    );
    IF own IS NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'no_data_found', MESSAGE = 'there is no such table',
            DETAIL = seen_table::text, TABLE = 'table', CONSTRAINT = 'table_is_seen';
    END IF;
    RETURN QUERY
        SELECT v.version, v.content_version, CASE WHEN own THEN v.import_job_id END, v.mode,
               CASE WHEN own THEN v.rows ELSE size_class(v.rows) END,
               CASE WHEN own THEN v.bytes ELSE size_class(v.bytes) END,
               v.created_at, s.version IS NOT NULL
        FROM table_version v
        LEFT JOIN visible_version s ON s.table_id = v.table_id AND s.version = v.version
        WHERE v.table_id = seen_table AND v.version < before_version AND (own OR s.version IS NOT NULL)
        ORDER BY v.version DESC LIMIT most;
END $$;

GRANT SELECT, INSERT (table_id, version, tenant_id, published_by) ON visible_version TO datacovey_transfer;
GRANT EXECUTE ON FUNCTION table_versions_in_sight(uuid, bigint, bigint) TO datacovey_transfer;
