-- Doors of identity and catalog. A door runs as the owner, past the policies: it checks its own
-- preconditions, fixes its search path, and is granted to the one role that needs it.

-- Tenant, user and role of who signed in; archived ones are none. Configuration has bound the issuer to
-- the organizations it may assert before this is asked.
CREATE FUNCTION resolve_principal(issuer text, org text, sub text)
RETURNS TABLE (tenant_id uuid, user_id uuid, role text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT t.id, u.id, u.role
    FROM tenant t
    JOIN "user" u ON u.tenant_id = t.id
    WHERE issuer <> '' AND t.auth0_org_id = org AND t.archived_at IS NULL
      AND u.auth0_id = sub AND u.archived_at IS NULL
$$;

-- A project that the caller does not take part in does not exist.
CREATE FUNCTION raise_no_project(project uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'no_data_found', MESSAGE = 'there is no such project',
        DETAIL = project::text, CONSTRAINT = 'project_is_seen';
END $$;

CREATE FUNCTION partner_names(project uuid) RETURNS TABLE (tenant_id uuid, name text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF (own_participation(project)).project_id IS NULL THEN
        PERFORM raise_no_project(project);
    END IF;
    RETURN QUERY
        SELECT t.id, t.name FROM project_participant p JOIN tenant t ON t.id = p.tenant_id
        WHERE p.project_id = project ORDER BY t.id;
END $$;

CREATE FUNCTION invitations()
RETURNS TABLE (
    project_id uuid, name text, description text, inviter_tenant_id uuid, inviter text,
    can_contribute boolean, can_query boolean, invited_at timestamp
)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT p.id, p.name, p.description, t.id, t.name, me.can_contribute, me.can_query, me.changed_at
    FROM project_participant me
    JOIN project p ON p.id = me.project_id
    JOIN tenant t ON t.id = p.tenant_id
    WHERE me.tenant_id = current_tenant() AND me.status = 'invited' AND NOT me.tenant_archived
      AND p.archived_at IS NULL AND t.archived_at IS NULL
    ORDER BY p.id
$$;

-- Moves the caller's own row; the triggers of the relation say which moves there are.
CREATE FUNCTION answer_invitation(project uuid, answer text) RETURNS project_participant
LANGUAGE plpgsql AS $$
DECLARE
    mine project_participant;
BEGIN
    SELECT * INTO mine FROM project_participant p
    WHERE p.project_id = project AND p.tenant_id = current_tenant() AND NOT p.tenant_archived
    FOR UPDATE;
    -- Who declined, left or was removed no longer sees the project.
    IF mine.project_id IS NULL OR NOT (mine.status IN ('invited', 'active') OR mine.status = answer) THEN
        PERFORM raise_no_project(project);
    END IF;
    IF answer = 'active' THEN
        PERFORM FROM project p JOIN tenant t ON t.id = p.tenant_id
        WHERE p.id = project AND p.archived_at IS NULL AND t.archived_at IS NULL FOR SHARE OF p;
        IF NOT FOUND THEN
            PERFORM raise_archived('project');
        END IF;
    END IF;
    UPDATE project_participant p SET status = answer
    WHERE p.project_id = project AND p.tenant_id = current_tenant()
    RETURNING p.* INTO mine;
    RETURN mine;
END $$;

CREATE FUNCTION accept(project uuid) RETURNS project_participant
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT answer_invitation(project, 'active')
$$;

CREATE FUNCTION decline(project uuid) RETURNS project_participant
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT answer_invitation(project, 'declined')
$$;

CREATE FUNCTION leave(project uuid) RETURNS project_participant
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT answer_invitation(project, 'left')
$$;

GRANT EXECUTE ON FUNCTION resolve_principal(text, text, text) TO datacovey_identity;
GRANT EXECUTE ON FUNCTION partner_names(uuid), invitations(), accept(uuid), decline(uuid), leave(uuid)
    TO datacovey_catalog;
