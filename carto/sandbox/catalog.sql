-- What an account has besides the rows of its tables: visualizations, synchronizations, exports. The schema belongs to
-- the administrator: the account's own roles neither read nor change it, and can't drop it.

CREATE SCHEMA IF NOT EXISTS carto_sandbox;

-- A dataset (type 'table') is known by the OID of its table, so that it is recognized whatever it is called.
CREATE TABLE IF NOT EXISTS carto_sandbox.visualizations (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    type text NOT NULL,
    name text NOT NULL,
    table_oid oid UNIQUE,
    table_id uuid UNIQUE,
    map_id uuid NOT NULL DEFAULT gen_random_uuid(),
    active_layer_id uuid DEFAULT gen_random_uuid(),
    display_name text,
    description text,
    source text,
    title text,
    license text,
    attributions text,
    kind text NOT NULL DEFAULT 'geom',
    tags text[] NOT NULL DEFAULT '{}',
    privacy text NOT NULL DEFAULT 'PRIVATE',
    password text,
    locked boolean NOT NULL DEFAULT false,
    version integer NOT NULL DEFAULT 3,
    transition_options jsonb NOT NULL DEFAULT '{}',
    auth_token text NOT NULL DEFAULT encode(sha256(gen_random_uuid()::text::bytea), 'hex'),
    geometry_types text[],
    geometry_types_at timestamptz,
    permission_id uuid NOT NULL UNIQUE DEFAULT gen_random_uuid(),
    permission_updated_at timestamptz NOT NULL DEFAULT now(),
    acl jsonb NOT NULL DEFAULT '[]',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX IF NOT EXISTS visualizations_name ON carto_sandbox.visualizations (name);

CREATE TABLE IF NOT EXISTS carto_sandbox.layers (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    visualization_id uuid NOT NULL REFERENCES carto_sandbox.visualizations ON DELETE CASCADE,
    dataset_id uuid REFERENCES carto_sandbox.visualizations ON DELETE CASCADE,  -- NULL for a basemap
    position integer NOT NULL,
    kind text NOT NULL,
    options jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX IF NOT EXISTS layers_visualization ON carto_sandbox.layers (visualization_id);
CREATE INDEX IF NOT EXISTS layers_dataset ON carto_sandbox.layers (dataset_id);

-- Is it a table that CARTO shows as a dataset?
CREATE OR REPLACE FUNCTION carto_sandbox.is_cartodbfied(reloid oid) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM pg_catalog.pg_trigger t WHERE t.tgrelid = reloid AND t.tgname = 'track_updates')
       AND 3 = (
           SELECT count(*) FROM pg_catalog.pg_attribute a
           WHERE a.attrelid = reloid AND NOT a.attisdropped
             AND a.attname IN ('cartodb_id', 'the_geom', 'the_geom_webmercator')
       )
$$;

CREATE OR REPLACE VIEW carto_sandbox.public_tables AS
SELECT c.oid, c.relname AS name FROM pg_catalog.pg_class c
WHERE c.relkind = 'r' AND c.relnamespace = to_regnamespace('public');

-- Record a table as a dataset, unless it is one. A table that took the place of another of that name (CDB_CartodbfyTable
-- writes tables anew) takes over its record.
CREATE OR REPLACE FUNCTION carto_sandbox.record_table(reloid oid, table_name name) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM carto_sandbox.visualizations v WHERE v.table_oid = reloid) THEN
        RETURN;
    END IF;
    UPDATE carto_sandbox.visualizations v SET table_oid = reloid
    WHERE v.type = 'table' AND v.name = table_name
      AND NOT EXISTS (SELECT FROM carto_sandbox.public_tables t WHERE t.oid = v.table_oid);
    IF NOT FOUND THEN
        INSERT INTO carto_sandbox.visualizations (type, name, table_oid, table_id, privacy)
        VALUES (
            'table', table_name, reloid, gen_random_uuid(),
            CASE WHEN has_table_privilege(cartodb._CDB_PublicRole(), reloid, 'SELECT') THEN 'PUBLIC' ELSE 'PRIVATE' END
        )
        ON CONFLICT (table_oid) DO NOTHING;
    END IF;
END
$$;

-- Bring the datasets up to what was done to tables by SQL: created, renamed, dropped, written anew.
CREATE OR REPLACE FUNCTION carto_sandbox.follow_tables() RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM carto_sandbox.record_table(t.oid, t.name)
    FROM (
        SELECT * FROM carto_sandbox.public_tables p
        WHERE NOT EXISTS (SELECT FROM carto_sandbox.visualizations v WHERE v.table_oid = p.oid)
        ORDER BY p.oid OFFSET 0  -- so that only the few unknown ones are looked at closely
    ) AS t
    WHERE carto_sandbox.is_cartodbfied(t.oid);
    UPDATE carto_sandbox.visualizations v SET name = t.name
    FROM carto_sandbox.public_tables t WHERE t.oid = v.table_oid AND t.name <> v.name;
    DELETE FROM carto_sandbox.visualizations v
    WHERE v.type = 'table' AND NOT EXISTS (SELECT FROM carto_sandbox.public_tables t WHERE t.oid = v.table_oid);
END
$$;

-- A map goes with the last of its datasets; other maps lose the layers.
CREATE OR REPLACE FUNCTION carto_sandbox.delete_maps_of_dataset() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM carto_sandbox.visualizations m
    WHERE m.type = 'derived'
      AND EXISTS (SELECT FROM carto_sandbox.layers l WHERE l.visualization_id = m.id AND l.dataset_id = OLD.id)
      AND NOT EXISTS (SELECT FROM carto_sandbox.layers l WHERE l.visualization_id = m.id AND l.dataset_id <> OLD.id);
    RETURN OLD;
END
$$;
CREATE OR REPLACE TRIGGER delete_maps_of_dataset BEFORE DELETE ON carto_sandbox.visualizations
    FOR EACH ROW WHEN (OLD.type = 'table') EXECUTE FUNCTION carto_sandbox.delete_maps_of_dataset();

-- A type as the account would write it: without a schema, where it needs none.
CREATE OR REPLACE FUNCTION carto_sandbox.type_name(type oid) RETURNS text
LANGUAGE sql STABLE SET search_path FROM CURRENT AS $$ SELECT format_type(type, NULL) $$;

-- Is the_geom a geometry of PostGIS? Of a type that the account made, functions and operators would be the account's.
CREATE OR REPLACE FUNCTION carto_sandbox.has_geometry(reloid oid) RETURNS boolean
LANGUAGE sql STABLE SET search_path FROM CURRENT AS $$
    SELECT EXISTS (
        SELECT FROM pg_catalog.pg_attribute a
        WHERE a.attrelid = reloid AND a.attname = 'the_geom' AND NOT a.attisdropped
          AND a.atttypid = 'geometry'::regtype
    )
$$;

-- PostGIS's names of the kinds of geometry among a table's first geometries.
CREATE OR REPLACE FUNCTION carto_sandbox.find_geometry_types(reloid oid) RETURNS text[]
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    found text[];
BEGIN
    IF carto_sandbox.has_geometry(reloid) THEN
        EXECUTE format(
            'SELECT array_agg(DISTINCT ST_GeometryType(the_geom))
             FROM (SELECT the_geom FROM %s WHERE the_geom IS NOT NULL LIMIT 10) AS first_ones', reloid::regclass
        ) INTO found;
    END IF;
    RETURN coalesce(found, '{}');
END
$$;


-- Has a table a geometry in a rectangle of longitudes and latitudes?
CREATE OR REPLACE FUNCTION carto_sandbox.reaches_into(
    reloid oid, minx double precision, miny double precision, maxx double precision, maxy double precision
) RETURNS boolean
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    reaches boolean := false;
BEGIN
    IF carto_sandbox.has_geometry(reloid) THEN
        EXECUTE format(
            'SELECT EXISTS (SELECT FROM %s WHERE the_geom && ST_MakeEnvelope($1, $2, $3, $4, 4326))', reloid::regclass
        ) INTO reaches USING minx, miny, maxx, maxy;
    END IF;
    RETURN reaches;
END
$$;

CREATE TABLE IF NOT EXISTS carto_sandbox.synchronizations (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    visualization_id uuid REFERENCES carto_sandbox.visualizations ON DELETE CASCADE,  -- NULL before the first import
    interval integer NOT NULL,  -- seconds
    url text,
    connector jsonb,
    state text NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    run_at timestamptz NOT NULL,
    ran_at timestamptz NOT NULL,
    queued_at timestamptz,
    modified_at timestamptz,
    etag text,
    checksum text NOT NULL DEFAULT '',
    log_id uuid,
    error_code integer,
    error_message text,
    retried_times integer NOT NULL DEFAULT 0,
    service_name text,
    service_item_id text,
    type_guessing boolean NOT NULL DEFAULT true,
    quoted_fields_guessing boolean NOT NULL DEFAULT true,
    content_guessing boolean NOT NULL DEFAULT false,
    from_external_source boolean NOT NULL DEFAULT false
);

CREATE INDEX IF NOT EXISTS synchronizations_dataset ON carto_sandbox.synchronizations (visualization_id);

CREATE TABLE IF NOT EXISTS carto_sandbox.visualization_exports (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    visualization_id uuid NOT NULL,
    user_id uuid,  -- NULL for an anonymous caller
    state text NOT NULL DEFAULT 'pending',
    file text,  -- below the sandbox's directory of exports
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
