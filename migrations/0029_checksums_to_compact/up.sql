-- As before, and with the checksum of each file: a damaged one must not be merged for good.
CREATE OR REPLACE FUNCTION claim_compaction(worker text, lease_ms bigint, min_files bigint)
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
                           'path', f.path, 'rows', f.rows, 'bytes', f.bytes, 'checksum', f.checksum,
                           'statistics', f.statistics)
                           ORDER BY f.added_in, f.path), '[]')
                FROM table_file f
                WHERE f.table_id = claimed.table_id AND f.removed_in IS NULL AND f.bytes < 32 * 1024 * 1024)
        FROM "table" t WHERE t.id = claimed.table_id;
END $$;
