-- The roles of the suite. Idempotent; run by `datacovey migrate` where it may create roles, or once by
-- an operator. Migrations never create roles: a managed cluster hands out that right sparingly.
--
-- None of them may log in. A service's login is granted the role of its service; the login that runs
-- migrations is granted datacovey_owner, which no service ever holds.
DO $$
DECLARE
    role_name text;
BEGIN
    FOREACH role_name IN ARRAY ARRAY[
        'datacovey_owner',
        'datacovey_identity',
        'datacovey_catalog',
        'datacovey_query',
        'datacovey_transfer',
        'datacovey_query_worker',
        'datacovey_transfer_worker',
        'datacovey_backfill'
    ] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role_name) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN NOINHERIT', role_name);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL; -- another database of this cluster was faster; roles belong to the cluster
            END;
        END IF;
    END LOOP;

    -- A superuser may become any role; everyone else has to be a member, and since version 16 a member
    -- that may act as the role, which who has made it is not.
    IF NOT pg_has_role(current_user, 'datacovey_owner',
        CASE WHEN current_setting('server_version_num')::integer >= 160000 THEN 'SET' ELSE 'MEMBER' END)
    THEN
        EXECUTE format('GRANT datacovey_owner TO %I', current_user);
    END IF;

    -- Only the owner makes objects here, so that no other role can slip one into a search path.
    IF has_schema_privilege('datacovey_owner', 'public', 'CREATE') IS NOT TRUE THEN
        GRANT USAGE, CREATE ON SCHEMA public TO datacovey_owner;
    END IF;
    -- The roles reach the schema through PUBLIC, unless an operator has taken that away.
    FOREACH role_name IN ARRAY ARRAY[
        'datacovey_identity', 'datacovey_catalog', 'datacovey_query', 'datacovey_transfer',
        'datacovey_query_worker', 'datacovey_transfer_worker', 'datacovey_backfill'
    ] LOOP
        IF has_schema_privilege(role_name, 'public', 'USAGE') IS NOT TRUE THEN
            EXECUTE format('GRANT USAGE ON SCHEMA public TO %I', role_name);
        END IF;
    END LOOP;
    IF EXISTS (
        SELECT FROM pg_namespace, aclexplode(nspacl) AS acl
        WHERE nspname = 'public' AND acl.grantee = 0 AND acl.privilege_type = 'CREATE'
    ) THEN
        REVOKE CREATE ON SCHEMA public FROM PUBLIC;
    END IF;
END
$$;
