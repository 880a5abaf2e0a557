-- Every change of these relations leaves a row in its history, in the same transaction: the row as it
-- stood after INSERT, UPDATE, ARCHIVE and RESTORE, as it last stood for DELETE. The state at any time is
-- the newest history row before it. A statement that changes nothing is no change.

CREATE FUNCTION history_action(op text, archived_before timestamp, archived_after timestamp) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE
        WHEN op <> 'UPDATE' THEN op
        WHEN archived_before IS NULL AND archived_after IS NOT NULL THEN 'ARCHIVE'
        WHEN archived_before IS NOT NULL AND archived_after IS NULL THEN 'RESTORE'
        ELSE 'UPDATE'
    END;

CREATE FUNCTION dataset_writes_history() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    stood dataset := CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
BEGIN
    INSERT INTO dataset_history (id, tenant_id, project_id, name, description, created_at, changed_at, action)
    VALUES (stood.id, stood.tenant_id, stood.project_id, stood.name, stood.description, stood.created_at,
            utc_now(), history_action(TG_OP, OLD.archived_at, NEW.archived_at));
    RETURN NULL;
END $$;

CREATE FUNCTION table_writes_history() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    stood "table" := CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
BEGIN
    INSERT INTO table_history (id, tenant_id, dataset_id, name, schema, created_at, changed_at, action)
    VALUES (stood.id, stood.tenant_id, stood.dataset_id, stood.name, stood.schema, stood.created_at,
            utc_now(), history_action(TG_OP, OLD.archived_at, NEW.archived_at));
    RETURN NULL;
END $$;

CREATE FUNCTION query_writes_history() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    stood "query" := CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
BEGIN
    INSERT INTO query_history (id, tenant_id, project_id, query_text, created_at, changed_at, action)
    VALUES (stood.id, stood.tenant_id, stood.project_id, stood.query_text, stood.created_at,
            utc_now(), history_action(TG_OP, OLD.archived_at, NEW.archived_at));
    RETURN NULL;
END $$;

CREATE FUNCTION import_job_writes_history() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    stood import_job := CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
BEGIN
    INSERT INTO import_job_history (id, tenant_id, table_id, status, created_at, changed_at, action)
    VALUES (stood.id, stood.tenant_id, stood.table_id, stood.status, stood.created_at,
            utc_now(), history_action(TG_OP, OLD.archived_at, NEW.archived_at));
    RETURN NULL;
END $$;

CREATE FUNCTION export_job_writes_history() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    stood export_job := CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
BEGIN
    INSERT INTO export_job_history (id, tenant_id, table_id, status, created_at, changed_at, action)
    VALUES (stood.id, stood.tenant_id, stood.table_id, stood.status, stood.created_at,
            utc_now(), history_action(TG_OP, OLD.archived_at, NEW.archived_at));
    RETURN NULL;
END $$;

CREATE TRIGGER writes_history AFTER INSERT OR DELETE ON dataset FOR EACH ROW
    EXECUTE FUNCTION dataset_writes_history();
CREATE TRIGGER writes_history_on_change AFTER UPDATE ON dataset FOR EACH ROW
    WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION dataset_writes_history();
CREATE TRIGGER writes_history AFTER INSERT OR DELETE ON "table" FOR EACH ROW
    EXECUTE FUNCTION table_writes_history();
CREATE TRIGGER writes_history_on_change AFTER UPDATE ON "table" FOR EACH ROW
    WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION table_writes_history();
CREATE TRIGGER writes_history AFTER INSERT OR DELETE ON "query" FOR EACH ROW
    EXECUTE FUNCTION query_writes_history();
CREATE TRIGGER writes_history_on_change AFTER UPDATE ON "query" FOR EACH ROW
    WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION query_writes_history();
CREATE TRIGGER writes_history AFTER INSERT OR DELETE ON import_job FOR EACH ROW
    EXECUTE FUNCTION import_job_writes_history();
CREATE TRIGGER writes_history_on_change AFTER UPDATE ON import_job FOR EACH ROW
    WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION import_job_writes_history();
CREATE TRIGGER writes_history AFTER INSERT OR DELETE ON export_job FOR EACH ROW
    EXECUTE FUNCTION export_job_writes_history();
CREATE TRIGGER writes_history_on_change AFTER UPDATE ON export_job FOR EACH ROW
    WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION export_job_writes_history();
