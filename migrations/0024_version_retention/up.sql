-- How long versions of a table are kept, how an earlier one comes back, and how many small files become few.
--
-- The row of a version stays for ever: it is the record of what the table held. Its files go when it is
-- swept: once it has been neither the newest nor the one that others see for longer than a query may run, and
-- no export waits for it. An object goes when no file of a kept version is in it.

ALTER TABLE table_version
    ADD COLUMN restored_from bigint,
    ADD COLUMN created_by uuid,
    ADD COLUMN restore_id uuid,
    ADD COLUMN superseded_at timestamp,
    ADD COLUMN swept_at timestamp,
    DROP CONSTRAINT table_version_mode_check,
    ADD CONSTRAINT table_version_mode_check
        CHECK (mode IN ('append', 'replace', 'empty_only', 'compaction', 'restore')),
    ADD CONSTRAINT table_version_restored_from_check
        CHECK ((mode = 'restore') = (restored_from IS NOT NULL) AND restored_from < version),
    ADD CONSTRAINT table_version_swept_at_check CHECK (swept_at IS NULL OR superseded_at IS NOT NULL);

COMMENT ON TABLE table_version IS
    E'The content of a table over time\n\nA version per committed import, compaction or restoring; queries pin one, caches key on content.';
COMMENT ON COLUMN table_version.restored_from IS 'The version whose rows it brought back';
COMMENT ON COLUMN table_version.created_by IS 'Who brought them back';
COMMENT ON COLUMN table_version.restore_id IS 'Names the restoring, so that a repeat of its request finds it';
COMMENT ON COLUMN table_version.superseded_at IS 'Since when there is a newer one';
COMMENT ON COLUMN table_version.swept_at IS 'Since when its files are gone';

CREATE UNIQUE INDEX table_version_restore_id_key ON table_version (restore_id);
-- Only what may be swept some day is looked through.
CREATE INDEX table_version_superseded_idx ON table_version (superseded_at)
    WHERE superseded_at IS NOT NULL AND swept_at IS NULL;

-- Two columns of a version are written later, each once.
DROP TRIGGER only_grows ON table_version;
CREATE TRIGGER only_grows BEFORE UPDATE ON table_version FOR EACH ROW
    WHEN (OLD.superseded_at IS NOT NULL AND NEW.superseded_at IS DISTINCT FROM OLD.superseded_at
          OR OLD.swept_at IS NOT NULL AND NEW.swept_at IS DISTINCT FROM OLD.swept_at
          OR (OLD.table_id, OLD.version, OLD.content_version, OLD.tenant_id, OLD.import_job_id, OLD.mode, OLD.rows,
              OLD.bytes, OLD.unique_columns, OLD.created_at, OLD.restored_from, OLD.created_by, OLD.restore_id)
             IS DISTINCT FROM
             (NEW.table_id, NEW.version, NEW.content_version, NEW.tenant_id, NEW.import_job_id, NEW.mode, NEW.rows,
              NEW.bytes, NEW.unique_columns, NEW.created_at, NEW.restored_from, NEW.created_by, NEW.restore_id))
    EXECUTE FUNCTION only_grows();

UPDATE table_version v SET superseded_at = n.created_at
FROM table_version n WHERE n.table_id = v.table_id AND n.version = v.version + 1;

CREATE FUNCTION version_supersedes() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    UPDATE table_version v SET superseded_at = utc_now()
    WHERE v.table_id = NEW.table_id AND v.superseded_at IS NULL
      AND v.version = (SELECT max(o.version) FROM table_version o WHERE o.table_id = NEW.table_id AND o.version < NEW.version);
    RETURN NULL;
END $$;

CREATE TRIGGER supersedes AFTER INSERT ON table_version FOR EACH ROW EXECUTE FUNCTION version_supersedes();

-- Since when a version is neither the newest nor the one that others see; none while it is either.
CREATE FUNCTION version_released_at(v table_version) RETURNS timestamp LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN NOT EXISTS (
        SELECT FROM visible_version s WHERE s.table_id = v.table_id AND s.version = v.version
    ) THEN v.superseded_at
    ELSE (
        SELECT CASE WHEN min(n.created_at) IS NOT NULL THEN greatest(v.superseded_at, min(n.created_at)) END
        FROM visible_version n WHERE n.table_id = v.table_id AND n.version > v.version
    ) END
$$;

-- Whether a version may go: nobody has needed it since `due`, and no export waits for it.
CREATE FUNCTION version_may_go(v table_version, due timestamp) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT v.swept_at IS NULL AND v.superseded_at <= due AND coalesce(version_released_at(v) <= due, false)
       AND NOT EXISTS (
           SELECT FROM export_job j JOIN export_run r ON r.job_id = j.id
           WHERE j.table_id = v.table_id AND r.ended_at IS NULL AND r.options ->> 'table_version' = v.version::text
       )
$$;

-- Sweeps versions that nobody has needed for `retention_ms`, of so many tables that a call does not take long:
-- their files go, and their objects where no other file is in them. Answers how many versions and objects;
-- none where there is nothing left to do. A table that somebody holds is for the next call.
CREATE FUNCTION sweep_versions(retention_ms bigint) RETURNS TABLE (versions bigint, objects bigint)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    due timestamp := utc_now() - retention_ms * interval '1 millisecond';
    target uuid;
    gone text[];
    number bigint;
BEGIN
    PERFORM require_worker('import');
    versions := 0;
    objects := 0;
    FOR target IN
        SELECT t.id FROM "table" t
        WHERE t.id IN (
            SELECT v.table_id FROM table_version v
            WHERE v.swept_at IS NULL AND v.superseded_at <= due AND version_may_go(v, due)
            ORDER BY v.superseded_at LIMIT 1000
        )
        ORDER BY t.id LIMIT 100 FOR NO KEY UPDATE SKIP LOCKED
    LOOP
        UPDATE table_version v SET swept_at = utc_now() WHERE v.table_id = target AND version_may_go(v, due);
        GET DIAGNOSTICS number = ROW_COUNT;
        versions := versions + number;
        WITH unneeded AS (
            DELETE FROM table_file f
            WHERE f.table_id = target AND f.removed_in IS NOT NULL AND NOT EXISTS (
                SELECT FROM table_version v
                WHERE v.table_id = target AND v.swept_at IS NULL
                  AND v.version >= f.added_in AND v.version < f.removed_in
            )
            RETURNING f.path
        )
        SELECT array_agg(DISTINCT u.path) INTO gone FROM unneeded u;
        -- A restored version has the objects of the one that it brought back.
        INSERT INTO object_garbage (path)
        SELECT path FROM unnest(gone) AS path
        WHERE NOT EXISTS (SELECT FROM table_file f WHERE f.table_id = target AND f.path = path.path)
        ON CONFLICT DO NOTHING;
        GET DIAGNOSTICS number = ROW_COUNT;
        objects := objects + number;
    END LOOP;
    RETURN NEXT;
END $$;

-- Makes an earlier version of a table of the caller's the newest again: a new version of the same content.
-- `used_schema` is the schema that the caller found the files to fit. Answers the new version.
CREATE FUNCTION restore_version(restored_table uuid, earlier_version bigint, used_schema jsonb, restore uuid)
RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    target "table";
    archived text;
    earlier table_version;
    latest table_version;
    next_version bigint;
BEGIN
    -- Imports, compactions and sweeps of the table come before or after, as do an archive and a new schema.
    SELECT * INTO target FROM "table" t
        WHERE t.id = restored_table AND t.tenant_id = current_tenant() FOR NO KEY UPDATE;
    IF target.id IS NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'no_data_found', MESSAGE = 'there is no such table',
            DETAIL = restored_table::text, TABLE = 'table', CONSTRAINT = 'table_is_seen';
    END IF;
    PERFORM FROM dataset d JOIN project p ON p.id = d.project_id WHERE d.id = target.dataset_id FOR SHARE OF d, p;
    archived := archived_above_table(target.id);
    IF archived IS NOT NULL THEN
        PERFORM raise_archived(archived);
    END IF;
    IF coalesce(creator_role(current_tenant(), current_user_id()), 'Dataset user') = 'Dataset user' THEN
        PERFORM raise_forbidden('table_version_restorer', 'the caller may not restore versions');
    END IF;
    SELECT * INTO earlier FROM table_version v WHERE v.table_id = target.id AND v.version = earlier_version;
    IF earlier.version IS NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'no_data_found', MESSAGE = 'there is no such version',
            DETAIL = earlier_version::text, TABLE = 'table_version', CONSTRAINT = 'table_version_is_there';
    END IF;
    IF earlier.swept_at IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('the files of version %s were kept until %s UTC and are gone', earlier.version,
                             date_trunc('second', earlier.swept_at)),
            CONSTRAINT = 'table_version_is_kept';
    END IF;
    SELECT * INTO latest FROM table_version v WHERE v.table_id = target.id ORDER BY v.version DESC LIMIT 1;
    IF latest.content_version = earlier.content_version THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('the table holds the rows of version %s already', earlier.version),
            CONSTRAINT = 'table_version_is_another';
    END IF;
    IF target.schema IS DISTINCT FROM used_schema THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = 'the schema of the table has changed meanwhile; retry', CONSTRAINT = 'table_version_as_used';
    END IF;

    next_version := latest.version + 1;
    INSERT INTO table_version (table_id, version, content_version, tenant_id, mode, rows, bytes, unique_columns,
        restored_from, created_by, restore_id)
    VALUES (target.id, next_version, earlier.content_version, target.tenant_id, 'restore', earlier.rows,
        earlier.bytes, earlier.unique_columns, earlier.version, current_user_id(), restore);
    -- What both have stays; of the rest, that of the newest goes, and that of the earlier one comes again.
    INSERT INTO table_file (table_id, added_in, path, tenant_id, format, rows, bytes, checksum, statistics)
    SELECT f.table_id, next_version, f.path, f.tenant_id, f.format, f.rows, f.bytes, f.checksum, f.statistics
    FROM table_file f
    WHERE f.table_id = target.id AND f.added_in <= earlier.version AND f.removed_in > earlier.version
      AND NOT EXISTS (
          SELECT FROM table_file live
          WHERE live.table_id = target.id AND live.path = f.path AND live.removed_in IS NULL
      );
    UPDATE table_file f SET removed_in = next_version
    WHERE f.table_id = target.id AND f.removed_in IS NULL AND f.added_in < next_version
      AND NOT EXISTS (
          SELECT FROM table_file kept
          WHERE kept.table_id = target.id AND kept.path = f.path AND kept.added_in <= earlier.version
            AND (kept.removed_in IS NULL OR kept.removed_in > earlier.version)
      );
    RETURN next_version;
END $$;

-- Restored rows are not appended ones, and what others have read once tells them nothing anew.

CREATE OR REPLACE FUNCTION units_differ_at_least(id uuid, earlier bigint, later bigint, rules jsonb) RETURNS bigint
LANGUAGE sql STABLE AS $$
    SELECT CASE
        WHEN jsonb_typeof(rules -> 'privacy_unit') IS DISTINCT FROM 'string' THEN 0
        WHEN EXISTS (
            SELECT FROM table_version v
            WHERE v.table_id = id AND v.version > earlier AND v.version <= later AND v.mode IN ('replace', 'restore')
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

CREATE OR REPLACE FUNCTION version_comes_in_sight() RETURNS trigger
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
        OR NEW.mode = 'restore' AND EXISTS (
            SELECT FROM visible_version s JOIN table_version v ON v.table_id = s.table_id AND v.version = s.version
            WHERE s.table_id = NEW.table_id AND v.content_version = NEW.content_version
        )
        -- Fewer files are no reason to judge anew.
        OR NEW.mode <> 'compaction'
            AND units_differ_at_least(NEW.table_id, earlier.version, NEW.version, rules) >= most_min_units(rules)
    ) THEN
        INSERT INTO visible_version (table_id, version, tenant_id) VALUES (NEW.table_id, NEW.version, NEW.tenant_id)
        ON CONFLICT DO NOTHING;
    END IF;
    RETURN NULL;
END $$;

-- As before, and no version whose files are gone.
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
            WHERE v.table_id = a.table_id AND (a.version IS NULL OR v.version = a.version) AND v.swept_at IS NULL
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

DROP FUNCTION table_versions_in_sight(uuid, bigint, bigint);

-- As before, and for their owner what became of versions: from which one their rows came back, since when
-- nobody needs them, since when their files are gone. Programs name the columns that they read, so that those
-- of the release before go on.
CREATE FUNCTION table_versions_in_sight(seen_table uuid, before_version bigint, most bigint)
RETURNS TABLE (
    version bigint, content_version bigint, import_job_id uuid, mode text, rows bigint, bytes bigint,
    created_at timestamp, visible boolean, restored_from bigint, created_by uuid, released_at timestamp,
    swept_at timestamp, restorable boolean
)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    own boolean;
    held bigint;
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
    SELECT v.content_version INTO held FROM table_version v
        WHERE v.table_id = seen_table ORDER BY v.version DESC LIMIT 1;
    RETURN QUERY
        SELECT v.version, v.content_version, CASE WHEN own THEN v.import_job_id END, v.mode,
               CASE WHEN own THEN v.rows ELSE size_class(v.rows) END,
               CASE WHEN own THEN v.bytes ELSE size_class(v.bytes) END,
               v.created_at, s.version IS NOT NULL,
               CASE WHEN own THEN v.restored_from END, CASE WHEN own THEN v.created_by END,
               CASE WHEN own THEN version_released_at(v) END, v.swept_at,
               own AND v.swept_at IS NULL AND v.content_version <> held
        FROM table_version v
        LEFT JOIN visible_version s ON s.table_id = v.table_id AND s.version = v.version
        WHERE v.table_id = seen_table AND v.version < before_version AND (own OR s.version IS NOT NULL)
        ORDER BY v.version DESC LIMIT most;
END $$;

-- Tables whose newest version has many small files. A worker leases one, writes their rows into few files and
-- commits those as a version of the same content. Whatever a dead worker has written is garbage from when it
-- was leased, and only the commit takes it off that list.

CREATE TABLE table_compaction (
    table_id uuid NOT NULL PRIMARY KEY REFERENCES "table" (id),
    tenant_id uuid NOT NULL REFERENCES tenant (id),
    small_files bigint NOT NULL,
    ready_at timestamp NOT NULL DEFAULT utc_now(),
    holder text,
    lease_expires_at timestamp,
    attempt bigint NOT NULL DEFAULT 0,
    folder text,
    CONSTRAINT table_compaction_small_files_check CHECK (small_files >= 0)
);

COMMENT ON TABLE table_compaction IS
    E'The queue of compactions\n\nTables with several small files in their newest version, and which worker makes them few.';
COMMENT ON COLUMN table_compaction.small_files IS 'Of the newest version, each below 32 MiB';
COMMENT ON COLUMN table_compaction.folder IS 'Where the worker that holds it writes';

CREATE INDEX table_compaction_due_idx ON table_compaction (small_files);
CREATE INDEX table_compaction_tenant_id_idx ON table_compaction (tenant_id, table_id);

ALTER TABLE table_compaction ENABLE ROW LEVEL SECURITY;
ALTER TABLE table_compaction FORCE ROW LEVEL SECURITY;
CREATE POLICY doors ON table_compaction TO datacovey_owner USING (true) WITH CHECK (true);

-- What a table has few of is not worth a row.
CREATE FUNCTION version_asks_for_compaction() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    small bigint;
BEGIN
    SELECT count(*) INTO small FROM table_file f
        WHERE f.table_id = NEW.table_id AND f.removed_in IS NULL AND f.bytes < 32 * 1024 * 1024;
    UPDATE table_compaction c SET small_files = small WHERE c.table_id = NEW.table_id;
    IF NOT FOUND AND small >= 8 THEN
        INSERT INTO table_compaction (table_id, tenant_id, small_files) VALUES (NEW.table_id, NEW.tenant_id, small);
    END IF;
    RETURN NULL;
END $$;

-- Deferred: by then all files are there, and the row of the table is held.
CREATE CONSTRAINT TRIGGER asks_for_compaction AFTER INSERT ON table_version DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION version_asks_for_compaction();

INSERT INTO table_compaction (table_id, tenant_id, small_files)
SELECT f.table_id, f.tenant_id, count(*) FROM table_file f
WHERE f.removed_in IS NULL AND f.bytes < 32 * 1024 * 1024
GROUP BY f.table_id, f.tenant_id HAVING count(*) >= 8;

CREATE FUNCTION table_takes_its_compaction() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    DELETE FROM table_compaction c WHERE c.table_id = OLD.id;
    RETURN OLD;
END $$;

CREATE TRIGGER takes_its_compaction BEFORE DELETE ON "table"
    FOR EACH ROW EXECUTE FUNCTION table_takes_its_compaction();

-- Leases the table with the most small files, at least so many. A lease is not renewed: a compaction is
-- bounded. `folder` is where to write; it is garbage unless the commit comes before the lease ends.
CREATE FUNCTION claim_compaction(worker text, lease_ms bigint, min_files bigint)
RETURNS TABLE (
    table_id uuid, tenant_id uuid, attempt bigint, folder text, schema jsonb, files jsonb
)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    now_utc timestamp := utc_now();
    claimed table_compaction;
BEGIN
    PERFORM require_worker('import');
    IF worker = '' OR lease_ms <= 0 OR min_files < 2 THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = 'a claim needs a worker, a lease above zero and at least two files';
    END IF;
    SELECT c.* INTO claimed FROM table_compaction c JOIN "table" t ON t.id = c.table_id
        WHERE c.small_files >= min_files AND c.ready_at <= now_utc
          AND (c.lease_expires_at IS NULL OR c.lease_expires_at <= now_utc) AND t.archived_at IS NULL
        ORDER BY c.small_files DESC, c.table_id LIMIT 1 FOR UPDATE OF c SKIP LOCKED;
    IF claimed.table_id IS NULL THEN
        RETURN;
    END IF;
    UPDATE table_compaction c SET
        holder = worker, attempt = c.attempt + 1, lease_expires_at = now_utc + lease_ms * interval '1 millisecond',
        folder = format('tenant/%s/table/%s/compaction-%s/', c.tenant_id, c.table_id, gen_random_uuid())
    WHERE c.table_id = claimed.table_id RETURNING c.* INTO claimed;
    -- Whoever outlives its lease may write for a little longer.
    INSERT INTO object_garbage (path, since)
    VALUES (claimed.folder, claimed.lease_expires_at + interval '5 minutes');
    RETURN QUERY
        SELECT claimed.table_id, claimed.tenant_id, claimed.attempt, claimed.folder, t.schema,
               (SELECT coalesce(jsonb_agg(jsonb_build_object(
                           'path', f.path, 'rows', f.rows, 'bytes', f.bytes, 'statistics', f.statistics)
                           ORDER BY f.added_in, f.path), '[]')
                FROM table_file f
                WHERE f.table_id = claimed.table_id AND f.removed_in IS NULL AND f.bytes < 32 * 1024 * 1024)
        FROM "table" t WHERE t.id = claimed.table_id;
END $$;

-- Puts `files` in the place of the files `merged`, which have the same rows: a version of the same content.
-- Imports that came meanwhile are kept; where one took away a merged file, nothing happens. Answers the version.
CREATE FUNCTION commit_compaction(compacted uuid, worker text, lease_attempt bigint, merged text[], files jsonb)
RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    target "table";
    c table_compaction;
    latest table_version;
    were record;
    are record;
BEGIN
    PERFORM require_worker('import');
    SELECT * INTO target FROM "table" t WHERE t.id = compacted FOR NO KEY UPDATE;
    SELECT * INTO c FROM table_compaction i WHERE i.table_id = compacted FOR UPDATE;
    IF c.table_id IS NULL OR c.holder IS DISTINCT FROM worker OR c.attempt <> lease_attempt
       OR c.lease_expires_at <= utc_now()
    THEN
        PERFORM raise_lease_lost();
    END IF;
    SELECT count(*) AS files, sum(f.rows) AS rows, sum(f.bytes) AS bytes INTO were
    FROM table_file f WHERE f.table_id = compacted AND f.removed_in IS NULL AND f.path = ANY (merged);
    SELECT count(*) AS files, sum(f.rows) AS rows, sum(f.bytes) AS bytes INTO are
    FROM jsonb_to_recordset(files) AS f (rows bigint, bytes bigint);
    IF were.files <> cardinality(merged) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = 'an import has changed the table meanwhile', CONSTRAINT = 'table_version_as_used';
    END IF;
    IF were.rows IS DISTINCT FROM are.rows OR are.files >= were.files THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation',
            MESSAGE = format('%s rows in %s files became %s rows in %s files', were.rows, were.files, are.rows, are.files),
            CONSTRAINT = 'table_compaction_keeps_rows';
    END IF;

    SELECT * INTO latest FROM table_version v WHERE v.table_id = compacted ORDER BY v.version DESC LIMIT 1;
    INSERT INTO table_version (table_id, version, content_version, tenant_id, mode, rows, bytes, unique_columns)
    VALUES (compacted, latest.version + 1, latest.content_version, target.tenant_id, 'compaction', latest.rows,
        latest.bytes - were.bytes + are.bytes, latest.unique_columns);
    UPDATE table_file f SET removed_in = latest.version + 1
    WHERE f.table_id = compacted AND f.removed_in IS NULL AND f.path = ANY (merged);
    INSERT INTO table_file (table_id, added_in, path, tenant_id, format, rows, bytes, checksum, statistics)
    SELECT compacted, latest.version + 1, f.path, target.tenant_id, f.format, f.rows, f.bytes, f.checksum, f.statistics
    FROM jsonb_to_recordset(files)
        AS f (path text, format text, rows bigint, bytes bigint, checksum text, statistics jsonb);
    DELETE FROM object_garbage g WHERE g.path = c.folder;
    IF NOT FOUND THEN
        PERFORM raise_lease_lost();
    END IF;
    UPDATE table_compaction i SET holder = NULL, lease_expires_at = NULL, folder = NULL WHERE i.table_id = compacted;
    RETURN latest.version + 1;
END $$;

-- Gives a compaction back that came to nothing: not to be taken again for `pause_ms`.
CREATE FUNCTION release_compaction(compacted uuid, worker text, lease_attempt bigint, pause_ms bigint)
RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM require_worker('import');
    UPDATE table_compaction c SET
        holder = NULL, lease_expires_at = NULL, folder = NULL,
        ready_at = utc_now() + pause_ms * interval '1 millisecond'
    WHERE c.table_id = compacted AND c.holder = worker AND c.attempt = lease_attempt;
    RETURN FOUND;
END $$;

-- As before; what an import proved holds for every version of the same content.
CREATE OR REPLACE FUNCTION commit_import(
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
    -- A compaction in between has changed files and no rows.
    IF base_version IS NOT NULL AND base_version <> coalesce(latest.version, 0) AND NOT EXISTS (
        SELECT FROM table_version v
        WHERE v.table_id = target.id AND v.version = base_version AND v.content_version = latest.content_version
    ) THEN
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

GRANT EXECUTE ON FUNCTION sweep_versions(bigint), claim_compaction(text, bigint, bigint),
    commit_compaction(uuid, text, bigint, text[], jsonb), release_compaction(uuid, text, bigint, bigint)
    TO datacovey_transfer_worker;
GRANT EXECUTE ON FUNCTION restore_version(uuid, bigint, jsonb, uuid), table_versions_in_sight(uuid, bigint, bigint)
    TO datacovey_transfer;
