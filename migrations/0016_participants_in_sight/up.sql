-- Who takes part in a project is for all who do to see; who was asked, declined, left or was removed is
-- between that tenant and the owner of the project.

ALTER POLICY sees ON project_participant USING (
    tenant_id = current_tenant()
    OR CASE project_standing(project_id) WHEN 'owner' THEN true WHEN 'active' THEN is_active ELSE false END
);

CREATE OR REPLACE FUNCTION partner_names(project uuid) RETURNS TABLE (tenant_id uuid, name text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    standing text := project_standing(project);
BEGIN
    IF standing IS NULL THEN
        PERFORM raise_no_project(project);
    END IF;
    RETURN QUERY
        SELECT t.id, t.name FROM project_participant p JOIN tenant t ON t.id = p.tenant_id
        WHERE p.project_id = project AND (p.is_active OR standing = 'owner') ORDER BY t.id;
END $$;

-- To the others the relation is a step in the path of policies. Only the catalog has a use for the rest of it,
-- and keeps from partners who invited them, a user of another tenant.
REVOKE SELECT ON project_participant FROM
    datacovey_identity, datacovey_query, datacovey_transfer, datacovey_query_worker, datacovey_transfer_worker;
GRANT SELECT (project_id, tenant_id, is_active) ON project_participant TO
    datacovey_identity, datacovey_query, datacovey_transfer, datacovey_query_worker, datacovey_transfer_worker;
