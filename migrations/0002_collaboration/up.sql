-- Who collaborates in a project, and under which rules the owner of a table lets it be queried.

CREATE TABLE project_participant (
    project_id uuid NOT NULL REFERENCES project (id),
    tenant_id uuid NOT NULL REFERENCES tenant (id),
    status text NOT NULL,
    can_contribute boolean NOT NULL DEFAULT true,
    can_query boolean NOT NULL DEFAULT true,
    invited_by uuid,
    created_at timestamp NOT NULL DEFAULT now(),
    changed_at timestamp NOT NULL DEFAULT now(),
    -- Kept equal to the tenant's by a trigger: policies cannot read another tenant's row.
    tenant_archived boolean NOT NULL DEFAULT false,
    is_active boolean NOT NULL GENERATED ALWAYS AS (status = 'active' AND NOT tenant_archived) STORED,
    PRIMARY KEY (project_id, tenant_id),
    CONSTRAINT project_participant_status_check
        CHECK (status IN ('invited', 'active', 'declined', 'left', 'removed'))
);

COMMENT ON TABLE project_participant IS
    E'Which tenants take part in a project\n\nThe owner of a project is always an active participant of it.';
COMMENT ON COLUMN project_participant.can_contribute IS 'Whether the tenant may add datasets and tables';
COMMENT ON COLUMN project_participant.can_query IS 'Whether the tenant may write and run queries';
COMMENT ON COLUMN project_participant.invited_by IS 'The user who invited the tenant; none for the owner';
COMMENT ON COLUMN project_participant.changed_at IS 'When status or rights last changed';

CREATE INDEX project_participant_tenant_id_idx ON project_participant (tenant_id, project_id);

CREATE TABLE table_policy (
    table_id uuid NOT NULL REFERENCES "table" (id),
    version bigint NOT NULL,
    tenant_id uuid NOT NULL REFERENCES tenant (id),
    policy jsonb NOT NULL,
    created_by uuid NOT NULL,
    created_at timestamp NOT NULL DEFAULT now(),
    PRIMARY KEY (table_id, version),
    CONSTRAINT table_policy_version_check CHECK (version >= 1),
    CONSTRAINT table_policy_policy_check CHECK (jsonb_typeof(policy) = 'object')
);

COMMENT ON TABLE table_policy IS
    E'The privacy rules of a table\n\nVersions are kept; the newest one rules.';

CREATE INDEX table_policy_tenant_id_idx ON table_policy (tenant_id, table_id);

-- From here on a trigger keeps it so (0005): the owner of a project takes part in it.
INSERT INTO project_participant (project_id, tenant_id, status, created_at, changed_at, tenant_archived)
SELECT p.id, p.tenant_id, 'active', coalesce(p.created_at, now()), coalesce(p.created_at, now()), t.archived_at IS NOT NULL
FROM project p JOIN tenant t ON t.id = p.tenant_id;
