-- Leave of a table's owner to run one query of another tenant's, where its policy asks for that.

-- Ids without foreign keys: who allowed what outlives what it speaks of.
CREATE TABLE query_approval (
    id uuid NOT NULL DEFAULT gen_random_uuid() PRIMARY KEY,
    tenant_id uuid NOT NULL,
    table_id uuid NOT NULL,
    project_id uuid NOT NULL,
    policy_version bigint NOT NULL,
    requester_tenant_id uuid NOT NULL,
    requested_by uuid NOT NULL,
    query_text text NOT NULL,
    parameters jsonb NOT NULL DEFAULT '{}',
    tables jsonb NOT NULL,
    question text NOT NULL,
    state text NOT NULL DEFAULT 'requested',
    approver_user_id uuid,
    created_at timestamp NOT NULL DEFAULT utc_now(),
    changed_at timestamp NOT NULL DEFAULT utc_now(),
    CONSTRAINT query_approval_state_check CHECK (state IN ('requested', 'approved', 'revoked')),
    CONSTRAINT query_approval_question_check CHECK (question ~ '^[0-9a-f]{64}$'),
    CONSTRAINT query_approval_parameters_check CHECK (jsonb_typeof(parameters) = 'object'),
    CONSTRAINT query_approval_tables_check CHECK (jsonb_typeof(tables) = 'array')
);

COMMENT ON TABLE query_approval IS
    E'An owner''s leave to run a query over its table\n\nSeen by the tenant that asks and by the owner, who decides.';
COMMENT ON COLUMN query_approval.tenant_id IS 'The owner of the table';
COMMENT ON COLUMN query_approval.policy_version IS 'The version of its policy that the query was checked by';
COMMENT ON COLUMN query_approval.tables IS 'All tables that the query reads, those of the requester included';
COMMENT ON COLUMN query_approval.question IS
    'SHA-256 of all that the leave binds: text, parameters, tables, their columns and the versions of their policies';

-- A request that stands is not made twice.
CREATE UNIQUE INDEX query_approval_standing_key ON query_approval (table_id, requester_tenant_id, question)
    WHERE state <> 'revoked';
CREATE INDEX query_approval_tenant_id_idx ON query_approval (tenant_id, id);
CREATE INDEX query_approval_requester_tenant_id_idx ON query_approval (requester_tenant_id, id);

ALTER TABLE query_approval ENABLE ROW LEVEL SECURITY;
ALTER TABLE query_approval FORCE ROW LEVEL SECURITY;
CREATE POLICY doors ON query_approval TO datacovey_owner USING (true) WITH CHECK (true);
CREATE POLICY sees ON query_approval FOR SELECT
    USING (tenant_id = current_tenant() OR requester_tenant_id = current_tenant());
CREATE POLICY writes ON query_approval FOR INSERT
    WITH CHECK (requester_tenant_id = current_tenant() AND requested_by = current_user_id());
CREATE POLICY changes ON query_approval FOR UPDATE USING (tenant_id = current_tenant());

-- Leave is asked for over a table that the caller may query, of its owner.
CREATE FUNCTION query_approval_parent() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    -- What is not the caller's to write is refused by row-level security, which says nothing of the table.
    IF NEW.requester_tenant_id IS DISTINCT FROM current_tenant() THEN
        RETURN NEW;
    END IF;
    PERFORM require_analyst(NEW.project_id);
    IF NOT EXISTS (
        SELECT FROM queryable_tables(NEW.project_id) q
        WHERE q.table_id = NEW.table_id AND q.tenant_id = NEW.tenant_id AND q.tenant_id <> current_tenant()
          AND q.policy_version = NEW.policy_version
    ) THEN
        PERFORM raise_no_parent('query_approval', 'table_id', NEW.table_id, 'table');
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER parent BEFORE INSERT ON query_approval FOR EACH ROW EXECUTE FUNCTION query_approval_parent();

-- A request is granted, or refused; what was granted is taken back; and that is the end of it.
CREATE FUNCTION query_approval_moves() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (OLD.state, NEW.state) NOT IN (('requested', 'approved'), ('requested', 'revoked'), ('approved', 'revoked')) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation',
            MESSAGE = format('an approval cannot go from %s to %s', OLD.state, NEW.state),
            CONSTRAINT = 'query_approval_state_moves';
    END IF;
    NEW.approver_user_id := current_user_id();
    NEW.changed_at := utc_now();
    RETURN NEW;
END $$;

CREATE TRIGGER moves BEFORE UPDATE ON query_approval FOR EACH ROW EXECUTE FUNCTION query_approval_moves();

-- Tables of others whose owners must approve a question and have not: by the policies that rule now.
--   tables  [{"table_id", …}]: every table the query reads
-- What is approved stays so until the transaction ends.
CREATE FUNCTION approval_is_missing(project uuid, tables jsonb, asked text) RETURNS boolean
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    needed record;
BEGIN
    FOR needed IN
        SELECT q.table_id, q.policy_version FROM queryable_tables(project) q
        WHERE q.table_id IN (SELECT read.table_id FROM jsonb_to_recordset(tables) AS read (table_id uuid))
          AND q.tenant_id <> current_tenant() AND q.policy ->> 'approval' = 'approved'
        ORDER BY q.table_id
    LOOP
        PERFORM FROM query_approval a
            WHERE a.table_id = needed.table_id AND a.requester_tenant_id = current_tenant()
              AND a.project_id = project AND a.policy_version = needed.policy_version
              AND a.question = asked AND a.state = 'approved'
            FOR SHARE;
        IF NOT FOUND THEN
            RETURN true;
        END IF;
    END LOOP;
    RETURN false;
END $$;

GRANT SELECT,
    INSERT (id, tenant_id, table_id, project_id, policy_version, requester_tenant_id, requested_by, query_text,
            parameters, tables, question),
    UPDATE (state) ON query_approval TO datacovey_query;
GRANT SELECT ON query_approval TO datacovey_query_worker;
