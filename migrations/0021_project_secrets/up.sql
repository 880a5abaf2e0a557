-- A secret of each project, from which imports derive the keys of ids and pseudonyms: equal values of all its
-- tables, whosever they are, get equal ones, and those of other projects tell nothing. Sealed with a key of
-- the operator's that the database never sees.

CREATE TABLE project_secret (
    project_id uuid NOT NULL PRIMARY KEY REFERENCES project (id),
    sealed bytea NOT NULL,
    fingerprint text NOT NULL,
    created_at timestamp NOT NULL DEFAULT utc_now(),
    CONSTRAINT project_secret_sealed_check CHECK (octet_length(sealed) BETWEEN 32 AND 256),
    CONSTRAINT project_secret_fingerprint_check CHECK (fingerprint ~ '^[0-9a-f]{16}$')
);

COMMENT ON TABLE project_secret IS
    E'The secret that ids and pseudonyms of a project are keyed with\n\nMade at first use, never changed, gone with the project.';
COMMENT ON COLUMN project_secret.sealed IS 'The secret, sealed with the operator''s key';
COMMENT ON COLUMN project_secret.fingerprint IS 'Names the secret; files say by it what they are keyed with';

ALTER TABLE project_secret ENABLE ROW LEVEL SECURITY;
ALTER TABLE project_secret FORCE ROW LEVEL SECURITY;
CREATE POLICY doors ON project_secret TO datacovey_owner USING (true) WITH CHECK (true);
-- Whoever contributes to the project imports with it.
CREATE POLICY sees ON project_secret FOR SELECT USING (project_standing(project_id) IS NOT NULL);
CREATE POLICY writes ON project_secret FOR INSERT WITH CHECK (project_standing(project_id) IS NOT NULL);
CREATE TRIGGER only_grows BEFORE UPDATE ON project_secret FOR EACH ROW EXECUTE FUNCTION only_grows();

GRANT SELECT, INSERT (project_id, sealed, fingerprint) ON project_secret TO datacovey_transfer_worker;

-- A project that is removed for good takes its secret along: what was keyed with it can be told no more.
CREATE FUNCTION project_takes_its_secret() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    DELETE FROM project_secret s WHERE s.project_id = OLD.id;
    RETURN OLD;
END $$;

CREATE TRIGGER takes_its_secret BEFORE DELETE ON project FOR EACH ROW EXECUTE FUNCTION project_takes_its_secret();

-- A table without data may move to another project while an import into it runs. What is keyed with the
-- secret of the one does not go into the other. Whoever adds a file holds the dataset and its project.
CREATE FUNCTION file_is_keyed_by_its_project() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF EXISTS (
        SELECT FROM jsonb_each(NEW.statistics) AS column_ (name, known),
                    LATERAL (VALUES (column_.known -> 'id'), (column_.known -> 'pseudonym')) AS key (fingerprint)
        WHERE jsonb_typeof(column_.known) = 'object' AND key.fingerprint IS NOT NULL
          AND NOT EXISTS (
              SELECT FROM "table" t
              JOIN dataset d ON d.id = t.dataset_id
              JOIN project_secret s ON s.project_id = d.project_id
              WHERE t.id = NEW.table_id AND to_jsonb(s.fingerprint) = key.fingerprint
          )
    ) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = 'the table has moved to another project since the import began',
            CONSTRAINT = 'table_file_is_keyed_by_its_project';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER keyed_by_its_project BEFORE INSERT ON table_file FOR EACH ROW
    EXECUTE FUNCTION file_is_keyed_by_its_project();
