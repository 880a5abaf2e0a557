-- The states of jobs and of their runs: who may move them, and who is told.

-- Jobs move only forward. Arguments: the words for pending, running, completed and failed.
--   pending -> running             through claim_job alone
--   running -> completed           through commit_import and release; an export by its worker
--   pending or running -> failed   a cancel by the client, a failure by the worker
CREATE FUNCTION job_moves() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    pending text := TG_ARGV[0];
    running text := TG_ARGV[1];
    completed text := TG_ARGV[2];
    failed text := TG_ARGV[3];
    by_door boolean := current_user = 'datacovey_owner';
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.status <> pending THEN
            RAISE EXCEPTION USING
                ERRCODE = 'check_violation',
                MESSAGE = format('a job begins as %s', pending),
                CONSTRAINT = TG_TABLE_NAME || '_status_moves';
        END IF;
        RETURN NEW;
    END IF;
    IF OLD.status IN (completed, failed)
       AND to_jsonb(NEW) - 'archived_at' IS DISTINCT FROM to_jsonb(OLD) - 'archived_at'
       OR OLD.status <> NEW.status AND NOT (CASE NEW.status
            WHEN running THEN OLD.status = pending AND by_door
            WHEN completed THEN OLD.status = running
                AND (by_door OR (TG_TABLE_NAME = 'export_job' AND current_user = 'datacovey_transfer_worker'))
            WHEN failed THEN OLD.status IN (pending, running)
            ELSE false
        END)
    THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation',
            MESSAGE = format('a job cannot go from %s to %s', OLD.status, NEW.status),
            CONSTRAINT = TG_TABLE_NAME || '_status_moves';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER moves BEFORE INSERT OR UPDATE ON query_job FOR EACH ROW
    EXECUTE FUNCTION job_moves('PENDING', 'RUNNING', 'DONE', 'ERROR');
CREATE TRIGGER moves BEFORE INSERT OR UPDATE ON import_job FOR EACH ROW
    EXECUTE FUNCTION job_moves('pending', 'running', 'completed', 'failed');
CREATE TRIGGER moves BEFORE INSERT OR UPDATE ON export_job FOR EACH ROW
    EXECUTE FUNCTION job_moves('pending', 'running', 'completed', 'failed');

-- The times of a query job are the database's, and what a client's cancel means is written here once.
CREATE FUNCTION query_job_times() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        NEW.created := utc_now();
        NEW.updated_at := NEW.created;
    ELSIF NEW IS DISTINCT FROM OLD THEN
        NEW.updated_at := utc_now();
        IF OLD.status <> NEW.status AND NEW.status IN ('DONE', 'ERROR') THEN
            NEW.ended := coalesce(NEW.ended, utc_now());
            IF current_user = 'datacovey_query' THEN
                NEW.error_result := '{"reason": "CANCELLED", "message": "the job was cancelled"}';
            END IF;
        END IF;
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER times BEFORE INSERT OR UPDATE ON query_job FOR EACH ROW EXECUTE FUNCTION query_job_times();

-- The end of a job ends its run, so that the queue forgets it in the same transaction.
CREATE FUNCTION job_ends_run() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    -- The role of the caller: current_user is the owner in here.
    cancelled boolean := current_setting('role') IN ('datacovey_query', 'datacovey_transfer');
    run text := replace(TG_TABLE_NAME, '_job', '_run');
BEGIN
    EXECUTE format(
        'UPDATE %I SET ended_at = utc_now(), lease_expires_at = NULL, cancel_requested = cancel_requested OR $2,
             error = CASE WHEN $2 THEN coalesce(error, $3) ELSE error END
         WHERE job_id = $1 AND ended_at IS NULL', run)
    USING NEW.id, cancelled, '{"reason": "CANCELLED", "message": "the job was cancelled"}'::jsonb;
    RETURN NULL;
END $$;

CREATE TRIGGER ends_run AFTER UPDATE ON query_job FOR EACH ROW
    WHEN (OLD.status <> NEW.status AND NEW.status IN ('DONE', 'ERROR')) EXECUTE FUNCTION job_ends_run();
CREATE TRIGGER ends_run AFTER UPDATE ON import_job FOR EACH ROW
    WHEN (OLD.status <> NEW.status AND NEW.status IN ('completed', 'failed')) EXECUTE FUNCTION job_ends_run();
CREATE TRIGGER ends_run AFTER UPDATE ON export_job FOR EACH ROW
    WHEN (OLD.status <> NEW.status AND NEW.status IN ('completed', 'failed')) EXECUTE FUNCTION job_ends_run();

-- A client adds to a run only until a worker may take it, and never writes what is the queue's.
CREATE FUNCTION run_moves() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.ready_at IS NOT NULL AND current_user IN ('datacovey_query', 'datacovey_transfer') THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation',
            MESSAGE = 'the job is with the workers already',
            CONSTRAINT = TG_TABLE_NAME || '_is_ready';
    END IF;
    IF TG_OP = 'UPDATE' AND OLD.ended_at IS NOT NULL
       AND to_jsonb(NEW) - 'swept_at' IS DISTINCT FROM to_jsonb(OLD) - 'swept_at'
    THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation',
            MESSAGE = 'the job has ended',
            CONSTRAINT = TG_TABLE_NAME || '_has_ended';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER moves BEFORE UPDATE ON query_run FOR EACH ROW EXECUTE FUNCTION run_moves();
CREATE TRIGGER moves BEFORE UPDATE ON import_run FOR EACH ROW EXECUTE FUNCTION run_moves();
CREATE TRIGGER moves BEFORE UPDATE ON export_run FOR EACH ROW EXECUTE FUNCTION run_moves();

-- Chunks of an upload follow each other; the run's row is the lock. DETAIL is the offset
-- given and the one to go on from.
CREATE FUNCTION upload_chunk_follows() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    above import_run;
    expected bigint;
BEGIN
    SELECT * INTO above FROM import_run r WHERE r.job_id = NEW.job_id AND r.tenant_id = current_tenant() FOR UPDATE;
    IF above.job_id IS NULL THEN
        PERFORM raise_no_parent('upload_chunk', 'job_id', NEW.job_id, 'import_job');
    END IF;
    IF above.ready_at IS NOT NULL OR above.ended_at IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation',
            MESSAGE = 'the upload is finished',
            CONSTRAINT = 'upload_chunk_is_finished';
    END IF;
    SELECT coalesce(max(c."offset" + c.bytes), 0) INTO expected FROM upload_chunk c WHERE c.job_id = NEW.job_id;
    IF NEW."offset" <> expected THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation',
            MESSAGE = 'the offset is wrong',
            DETAIL = format('%s %s', NEW."offset", expected),
            CONSTRAINT = 'upload_chunk_follows';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER follows BEFORE INSERT ON upload_chunk FOR EACH ROW EXECUTE FUNCTION upload_chunk_follows();
CREATE TRIGGER only_grows BEFORE UPDATE ON upload_chunk FOR EACH ROW EXECUTE FUNCTION only_grows();

-- Whoever waits is told on the channel `datacovey_job`: "<kind> <job id> <status>", and
-- "<kind> <job id> ready" where a worker may take the job.
CREATE FUNCTION job_tells() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('datacovey_job', format('%s %s %s', replace(TG_TABLE_NAME, '_job', ''), NEW.id, NEW.status));
    RETURN NULL;
END $$;

CREATE FUNCTION run_tells() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('datacovey_job', format('%s %s ready', replace(TG_TABLE_NAME, '_run', ''), NEW.job_id));
    RETURN NULL;
END $$;

CREATE TRIGGER tells AFTER INSERT ON query_job FOR EACH ROW EXECUTE FUNCTION job_tells();
CREATE TRIGGER tells_on_change AFTER UPDATE ON query_job FOR EACH ROW
    WHEN (OLD.status <> NEW.status) EXECUTE FUNCTION job_tells();
CREATE TRIGGER tells AFTER INSERT ON import_job FOR EACH ROW EXECUTE FUNCTION job_tells();
CREATE TRIGGER tells_on_change AFTER UPDATE ON import_job FOR EACH ROW
    WHEN (OLD.status <> NEW.status) EXECUTE FUNCTION job_tells();
CREATE TRIGGER tells AFTER INSERT ON export_job FOR EACH ROW EXECUTE FUNCTION job_tells();
CREATE TRIGGER tells_on_change AFTER UPDATE ON export_job FOR EACH ROW
    WHEN (OLD.status <> NEW.status) EXECUTE FUNCTION job_tells();

CREATE TRIGGER tells AFTER INSERT ON query_run FOR EACH ROW
    WHEN (NEW.ready_at IS NOT NULL) EXECUTE FUNCTION run_tells();
CREATE TRIGGER tells AFTER INSERT ON import_run FOR EACH ROW
    WHEN (NEW.ready_at IS NOT NULL) EXECUTE FUNCTION run_tells();
CREATE TRIGGER tells_on_change AFTER UPDATE ON import_run FOR EACH ROW
    WHEN (NEW.ended_at IS NULL AND NEW.ready_at IS NOT NULL
          AND (OLD.ready_at IS NULL OR (OLD.holder IS NOT NULL AND NEW.holder IS NULL)))
    EXECUTE FUNCTION run_tells();
CREATE TRIGGER tells AFTER INSERT ON export_run FOR EACH ROW
    WHEN (NEW.ready_at IS NOT NULL) EXECUTE FUNCTION run_tells();
CREATE TRIGGER tells_on_change AFTER UPDATE ON query_run FOR EACH ROW
    WHEN (NEW.ended_at IS NULL AND OLD.holder IS NOT NULL AND NEW.holder IS NULL) EXECUTE FUNCTION run_tells();
CREATE TRIGGER tells_on_change AFTER UPDATE ON export_run FOR EACH ROW
    WHEN (NEW.ended_at IS NULL AND OLD.holder IS NOT NULL AND NEW.holder IS NULL) EXECUTE FUNCTION run_tells();
