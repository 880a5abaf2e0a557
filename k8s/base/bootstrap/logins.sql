-- For psql. A login for each service and one for `datacovey migrate`, with the names and passwords that
-- their own URLs say, and membership in the roles that they act as. Idempotent; run again with new URLs,
-- it sets the new passwords.
\getenv identity IDENTITY_URL
\getenv catalog CATALOG_URL
\getenv query QUERY_URL
\getenv transfer TRANSFER_URL
\getenv migrate MIGRATE_URL

CREATE TEMPORARY TABLE wanted (url text NOT NULL, roles text[] NOT NULL) ON COMMIT DROP;
INSERT INTO wanted VALUES
    (:'identity', '{datacovey_identity}'),
    (:'catalog', '{datacovey_catalog, datacovey_backfill}'),
    (:'query', '{datacovey_query, datacovey_query_worker, datacovey_backfill}'),
    (:'transfer', '{datacovey_transfer, datacovey_transfer_worker, datacovey_backfill}'),
    (:'migrate', '{datacovey_owner}');

DO $$
DECLARE
    login record;
    role_name text;
BEGIN
    FOR login IN
        SELECT said[1] AS name, said[2] AS password, roles
        FROM wanted
        LEFT JOIN LATERAL regexp_match(url, '^postgres(?:ql)?://([A-Za-z0-9_]+):([A-Za-z0-9_.~-]+)@') AS said
            ON true
    LOOP
        IF login.name IS NULL THEN
            RAISE EXCEPTION 'a URL has no name and password of letters and digits before its host';
        END IF;
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = login.name) THEN
            EXECUTE format('CREATE ROLE %I LOGIN NOINHERIT', login.name);
        END IF;
        EXECUTE format('ALTER ROLE %I PASSWORD %L', login.name, login.password);
        FOREACH role_name IN ARRAY login.roles LOOP
            EXECUTE format('GRANT %I TO %I', role_name, login.name);
        END LOOP;
    END LOOP;
END
$$;
