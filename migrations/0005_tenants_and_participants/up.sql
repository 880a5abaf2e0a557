-- What tenants may say of themselves, and how a tenant comes to take part in a project and leaves it.

-- A tenant changes its own name; whether it exists, and whose sign-ins are its own, is the platform's to say.
CREATE FUNCTION tenant_is_the_platforms() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_user = 'datacovey_identity' AND NOT is_platform() THEN
        PERFORM raise_forbidden('tenant_platform', 'only the platform may change this of a tenant');
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER tenant_is_the_platforms BEFORE UPDATE ON tenant FOR EACH ROW
    WHEN ((OLD.archived_at, OLD.auth0_org_id) IS DISTINCT FROM (NEW.archived_at, NEW.auth0_org_id))
    EXECUTE FUNCTION tenant_is_the_platforms();

-- A tenant never loses its last Org admin. The tenant's row is the lock: two demotions at a time queue up.
CREATE FUNCTION tenant_keeps_an_admin() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM FROM tenant t WHERE t.id = OLD.tenant_id FOR NO KEY UPDATE;
    IF FOUND AND NOT EXISTS (
        SELECT FROM "user" u WHERE u.tenant_id = OLD.tenant_id AND u.role = 'Org admin' AND u.archived_at IS NULL
    ) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation',
            MESSAGE = 'the tenant would be left without an Org admin',
            TABLE = 'user', CONSTRAINT = 'tenant_keeps_an_admin';
    END IF;
    RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER tenant_keeps_an_admin AFTER UPDATE ON "user"
    DEFERRABLE INITIALLY IMMEDIATE FOR EACH ROW
    WHEN (OLD.role = 'Org admin' AND OLD.archived_at IS NULL
          AND (NEW.role <> 'Org admin' OR NEW.archived_at IS NOT NULL))
    EXECUTE FUNCTION tenant_keeps_an_admin();
CREATE CONSTRAINT TRIGGER tenant_keeps_an_admin_on_delete AFTER DELETE ON "user"
    DEFERRABLE INITIALLY IMMEDIATE FOR EACH ROW
    WHEN (OLD.role = 'Org admin' AND OLD.archived_at IS NULL)
    EXECUTE FUNCTION tenant_keeps_an_admin();

-- Participants.

CREATE FUNCTION project_owner_participates() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    INSERT INTO project_participant (project_id, tenant_id, status) VALUES (NEW.id, NEW.tenant_id, 'active');
    RETURN NULL;
END $$;

CREATE TRIGGER owner_participates AFTER INSERT ON project FOR EACH ROW
    EXECUTE FUNCTION project_owner_participates();

-- What the row must be, whoever writes it.
CREATE FUNCTION participant_parents() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    above project;
    invited tenant;
BEGIN
    SELECT * INTO above FROM project p WHERE p.id = NEW.project_id FOR SHARE;
    -- A stranger's row is refused by row-level security, which says nothing of project and tenant.
    IF TG_OP = 'INSERT' AND NEW.status = 'invited' AND above.tenant_id IS DISTINCT FROM current_tenant() THEN
        RETURN NEW;
    END IF;
    IF above.tenant_id = NEW.tenant_id AND (NEW.status <> 'active' OR NOT NEW.can_contribute OR NOT NEW.can_query) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation',
            MESSAGE = 'the owner of a project is always an active participant with all rights',
            CONSTRAINT = 'project_participant_owner';
    END IF;
    IF NEW.status = 'invited' AND (TG_OP = 'INSERT' OR OLD.status <> 'invited') THEN
        IF above.archived_at IS NOT NULL THEN
            PERFORM raise_archived('project');
        END IF;
        SELECT * INTO invited FROM tenant t WHERE t.id = NEW.tenant_id FOR SHARE;
        -- Nobody can be asked there: for the inviter that is the same as no such tenant.
        IF invited.id IS NULL OR invited.archived_at IS NOT NULL THEN
            PERFORM raise_no_parent('project_participant', 'tenant_id', NEW.tenant_id, 'tenant');
        END IF;
    END IF;
    IF TG_OP = 'UPDATE'
       AND (OLD.status, OLD.can_contribute, OLD.can_query) IS DISTINCT FROM (NEW.status, NEW.can_contribute, NEW.can_query)
    THEN
        NEW.changed_at := utc_now();
    END IF;
    RETURN NEW;
END $$;

-- Which way it may move: the inviter invites and removes, the invited answers and leaves through the doors.
CREATE FUNCTION participant_moves() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    by_door boolean := current_user = 'datacovey_owner';
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.status <> 'invited' AND NOT by_door THEN
            RAISE EXCEPTION USING
                ERRCODE = 'check_violation',
                MESSAGE = 'a participant begins as invited',
                CONSTRAINT = 'project_participant_status_moves';
        END IF;
    ELSIF NOT (CASE
        WHEN by_door THEN (OLD.status, NEW.status) IN (('invited', 'active'), ('invited', 'declined'), ('active', 'left'))
        ELSE (NEW.status = 'invited' AND OLD.status IN ('declined', 'left', 'removed'))
             OR (NEW.status = 'removed' AND OLD.status IN ('invited', 'active'))
    END) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation',
            MESSAGE = format('a participant cannot go from %s to %s', OLD.status, NEW.status),
            CONSTRAINT = 'project_participant_status_moves';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER moves BEFORE INSERT ON project_participant FOR EACH ROW EXECUTE FUNCTION participant_moves();
CREATE TRIGGER moves_on_change BEFORE UPDATE ON project_participant FOR EACH ROW
    WHEN (OLD.status <> NEW.status) EXECUTE FUNCTION participant_moves();
CREATE TRIGGER parents BEFORE INSERT OR UPDATE ON project_participant FOR EACH ROW
    EXECUTE FUNCTION participant_parents();

CREATE FUNCTION tenant_archive_reaches_projects() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    UPDATE project_participant p SET tenant_archived = NEW.archived_at IS NOT NULL WHERE p.tenant_id = NEW.id;
    RETURN NULL;
END $$;

CREATE TRIGGER archive_reaches_projects AFTER UPDATE ON tenant FOR EACH ROW
    WHEN ((OLD.archived_at IS NULL) <> (NEW.archived_at IS NULL))
    EXECUTE FUNCTION tenant_archive_reaches_projects();
