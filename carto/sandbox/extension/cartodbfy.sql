-- CDB_CartodbfyTable: give a table the columns, indexes and triggers that CARTO's applications expect.

-- Can the table stay as it is, because an earlier call (or a careful user) gave it the three columns?
CREATE OR REPLACE FUNCTION cartodb._CDB_HasCartodbColumns(reloid regclass) RETURNS boolean
LANGUAGE sql STABLE SET search_path FROM CURRENT AS $$
    SELECT
        EXISTS (
            SELECT FROM pg_index i
            JOIN pg_attribute a ON a.attrelid = i.indrelid AND i.indkey::text = a.attnum::text
            WHERE i.indrelid = reloid AND i.indisprimary AND a.attname = 'cartodb_id'
              AND a.atttypid IN ('integer'::regtype, 'bigint'::regtype) AND a.atthasdef
        )
        AND 2 = (
            SELECT count(*) FROM pg_attribute a
            WHERE a.attrelid = reloid AND a.atttypid = 'geometry'::regtype
              AND (a.attname, postgis_typmod_srid(a.atttypmod))
                  IN (('the_geom', 4326), ('the_geom_webmercator', 3857))
        )
$$;

-- The column whose values become the_geom, or NULL: the_geom (also as text), else its projection, else any geometry.
CREATE OR REPLACE FUNCTION cartodb._CDB_GeometrySource(reloid regclass) RETURNS name
LANGUAGE sql STABLE SET search_path FROM CURRENT AS $$
    SELECT a.attname FROM pg_attribute a
    WHERE a.attrelid = reloid AND a.attnum > 0 AND NOT a.attisdropped
      AND (a.atttypid = 'geometry'::regtype
           OR (a.attname = 'the_geom' AND a.atttypid IN ('text'::regtype, 'varchar'::regtype)))
    ORDER BY a.attname = 'the_geom' DESC, a.attname = 'the_geom_webmercator' DESC, a.attnum
    LIMIT 1
$$;

-- Do the table's own cartodb_id values serve as a primary key?
CREATE OR REPLACE FUNCTION cartodb._CDB_HasUsableId(reloid regclass) RETURNS boolean
LANGUAGE plpgsql STABLE AS $$
DECLARE
    usable boolean;
BEGIN
    EXECUTE format(
        'SELECT count(DISTINCT cartodb_id::bigint) = count(*) FROM %s', reloid
    ) INTO usable;
    RETURN usable;
EXCEPTION WHEN undefined_column OR cannot_coerce OR invalid_text_representation OR numeric_value_out_of_range THEN
    RETURN false;
END
$$;

-- A free name for a column that has to make way.
CREATE OR REPLACE FUNCTION cartodb._CDB_SpareColumnName(reloid regclass, column_name text) RETURNS text
LANGUAGE sql STABLE AS $$
    SELECT format('%s_%s', column_name, n) FROM generate_series(0, 1700) AS n
    WHERE format('%s_%s', column_name, n) NOT IN (SELECT cartodb.CDB_ColumnNames(reloid))
    ORDER BY n LIMIT 1
$$;

CREATE OR REPLACE FUNCTION cartodb._CDB_HasColumn(reloid regclass, column_name text) RETURNS boolean
LANGUAGE sql STABLE AS $$ SELECT column_name IN (SELECT cartodb.CDB_ColumnNames(reloid)) $$;

-- Set the old table's cartodb_id and geometry aside under the names that _CDB_FillTable reads.
CREATE OR REPLACE FUNCTION cartodb._CDB_SetSourcesAside(old regclass) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    geometry_source name := cartodb._CDB_GeometrySource(old);
    taken text;
BEGIN
    IF cartodb._CDB_HasUsableId(old) THEN
        EXECUTE format('ALTER TABLE %s RENAME cartodb_id TO _cdb_id_source', old);
    END IF;
    IF geometry_source IS NOT NULL THEN
        EXECUTE format('ALTER TABLE %s RENAME %I TO _cdb_geom_source', old, geometry_source);
    END IF;
    IF geometry_source = 'the_geom' THEN  -- its projection is computed anew
        EXECUTE format('ALTER TABLE %s DROP COLUMN IF EXISTS the_geom_webmercator', old);
    END IF;
    FOREACH taken IN ARRAY ARRAY['cartodb_id', 'the_geom', 'the_geom_webmercator'] LOOP
        IF cartodb._CDB_HasColumn(old, taken) THEN
            EXECUTE format(
                'ALTER TABLE %s RENAME %I TO %I', old, taken, cartodb._CDB_SpareColumnName(old, taken)
            );
        END IF;
    END LOOP;
END
$$;

-- Longitude and latitude (EPSG:4326), flat. A geometry without SRID is taken to be there already.
CREATE OR REPLACE FUNCTION cartodb._CDB_ToLonLat(geom geometry) RETURNS geometry
LANGUAGE sql IMMUTABLE STRICT SET search_path FROM CURRENT AS $$
    SELECT ST_Force2D(CASE ST_SRID(geom) WHEN 0 THEN ST_SetSRID(geom, 4326) ELSE ST_Transform(geom, 4326) END)
$$;

-- Copy the rows of the old table into the new one, whose first three columns are still empty.
CREATE OR REPLACE FUNCTION cartodb._CDB_FillTable(old regclass, new regclass) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    others text;
    id text := 'row_number() OVER ()';
    geom text := 'NULL::geometry';
BEGIN
    SELECT coalesce(string_agg(format(', %I', a.attname), '' ORDER BY a.attnum), '') INTO others
    FROM pg_attribute a
    WHERE a.attrelid = old AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
      AND a.attname NOT IN ('_cdb_id_source', '_cdb_geom_source');
    IF cartodb._CDB_HasColumn(old, '_cdb_id_source') THEN
        id := '_cdb_id_source::bigint';
    END IF;
    IF cartodb._CDB_HasColumn(old, '_cdb_geom_source') THEN
        geom := 'cartodb._CDB_ToLonLat(_cdb_geom_source::geometry)';
    END IF;
    EXECUTE format(
        'INSERT INTO %1$s (cartodb_id, the_geom, the_geom_webmercator%2$s)
         SELECT _cdb_id, _cdb_lonlat, cartodb.CDB_TransformToWebmercator(_cdb_lonlat)%2$s
         FROM (SELECT %3$s AS _cdb_id, %4$s AS _cdb_lonlat%2$s FROM %5$s) AS sources',
        new, others, id, geom, old
    );
END
$$;

-- Hand the old table's privileges and the sequences of its columns' defaults on to the new one.
CREATE OR REPLACE FUNCTION cartodb._CDB_InheritRights(old regclass, new regclass) RETURNS void
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    statement text;
BEGIN
    FOR statement IN
        SELECT format('GRANT %s ON %s TO %s', acl.privilege_type, new,
                      CASE acl.grantee WHEN 0 THEN 'PUBLIC' ELSE acl.grantee::regrole::text END)
        FROM pg_class c, LATERAL aclexplode(c.relacl) AS acl
        WHERE c.oid = old AND acl.grantee <> c.relowner
        UNION ALL
        SELECT format('ALTER SEQUENCE %s OWNED BY %s.%I', d.objid::regclass, new, a.attname)
        FROM pg_depend d
        JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
        WHERE d.refobjid = old AND d.classid = 'pg_class'::regclass AND d.deptype = 'a'
          AND EXISTS (SELECT FROM pg_class s WHERE s.oid = d.objid AND s.relkind = 'S')
          AND a.attname <> '_cdb_id_source'
    LOOP
        EXECUTE statement;
    END LOOP;
END
$$;

-- Write the table anew, so that cartodb_id, the_geom and the_geom_webmercator are its first columns. As on CARTO, the
-- former primary key, other indexes and foreign keys are not carried over.
CREATE OR REPLACE FUNCTION cartodb._CDB_RewriteTable(destschema text, old regclass) RETURNS regclass
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    relname text := (SELECT c.relname FROM pg_class c WHERE c.oid = old);
    new regclass;
BEGIN
    PERFORM cartodb._CDB_SetSourcesAside(old);
    IF cartodb._CDB_HasColumn(old, '_cdb_id_source') THEN  -- frees the name of a serial column's sequence
        EXECUTE format('ALTER TABLE %s ALTER _cdb_id_source DROP IDENTITY IF EXISTS', old);
        EXECUTE format('ALTER TABLE %s ALTER _cdb_id_source DROP DEFAULT', old);
        EXECUTE coalesce('DROP SEQUENCE ' || pg_get_serial_sequence(old::text, '_cdb_id_source'), 'SELECT');
    END IF;
    EXECUTE format('ALTER TABLE %s RENAME TO %I', old, '_cdb_rewritten_' || old::oid);
    EXECUTE format(
        'CREATE TABLE %I.%I (
             cartodb_id bigserial, the_geom geometry(Geometry, 4326), the_geom_webmercator geometry(Geometry, 3857),
             LIKE %s INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING GENERATED INCLUDING COMMENTS INCLUDING STORAGE
         )', destschema, relname, old
    );
    new := format('%I.%I', destschema, relname)::regclass;
    EXECUTE format(
        'ALTER TABLE %s DROP COLUMN IF EXISTS _cdb_id_source, DROP COLUMN IF EXISTS _cdb_geom_source', new
    );
    PERFORM cartodb._CDB_FillTable(old, new);
    EXECUTE format(
        'SELECT setval(pg_get_serial_sequence(%1$L, ''cartodb_id''), greatest(max(cartodb_id), 0) + 1, false) FROM %1$s', new
    );
    PERFORM cartodb._CDB_InheritRights(old, new);
    EXECUTE format('DROP TABLE %s', old);
    EXECUTE format('ALTER TABLE %s ADD PRIMARY KEY (cartodb_id)', new);
    RETURN new;
END
$$;

CREATE OR REPLACE FUNCTION cartodb._CDB_CreateGeometryIndexes(reloid regclass) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    column_name text;
BEGIN
    FOREACH column_name IN ARRAY ARRAY['the_geom', 'the_geom_webmercator'] LOOP
        IF NOT EXISTS (
            SELECT FROM pg_catalog.pg_index i
            JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND i.indkey::text = a.attnum::text
            WHERE i.indrelid = reloid AND a.attname = column_name
        ) THEN
            EXECUTE format('CREATE INDEX ON %s USING gist (%I)', reloid, column_name);
        END IF;
    END LOOP;
END
$$;

CREATE OR REPLACE FUNCTION cartodb._CDB_Update_The_Geom_Webmercator() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    NEW.the_geom_webmercator := cartodb.CDB_TransformToWebmercator(NEW.the_geom);
    RETURN NEW;
END
$$;

CREATE OR REPLACE FUNCTION cartodb._CDB_CreateTriggers(reloid regclass) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format(
        'CREATE OR REPLACE TRIGGER track_updates
             AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON %1$s
             FOR EACH STATEMENT EXECUTE FUNCTION cartodb._CDB_TrackUpdates();
         CREATE OR REPLACE TRIGGER update_the_geom_webmercator_trigger
             BEFORE INSERT OR UPDATE OF the_geom ON %1$s
             FOR EACH ROW EXECUTE FUNCTION cartodb._CDB_Update_The_Geom_Webmercator();
         CREATE OR REPLACE TRIGGER test_quota
             AFTER INSERT OR UPDATE ON %1$s
             FOR EACH STATEMENT EXECUTE FUNCTION cartodb.CDB_CheckQuota()',
        reloid
    );
END
$$;

CREATE OR REPLACE FUNCTION cartodb.CDB_CartodbfyTable(destschema text, reloid regclass) RETURNS regclass
LANGUAGE plpgsql SET search_path FROM CURRENT SET client_min_messages = warning AS $$
DECLARE
    result regclass := reloid;
    home regnamespace;
BEGIN
    SELECT c.relnamespace INTO home FROM pg_class c WHERE c.oid = reloid AND c.relkind = 'r';
    IF home IS NULL THEN
        RAISE EXCEPTION 'Relation "%" is not a table', reloid USING ERRCODE = 'wrong_object_type';
    END IF;
    IF NOT cartodb._CDB_HasCartodbColumns(reloid) THEN
        result := cartodb._CDB_RewriteTable(destschema, reloid);
    ELSIF home <> to_regnamespace(quote_ident(destschema)) THEN
        EXECUTE format('ALTER TABLE %s SET SCHEMA %I', reloid, destschema);
    END IF;
    PERFORM cartodb._CDB_CreateGeometryIndexes(result);
    PERFORM cartodb._CDB_CreateTriggers(result);
    RETURN result;
END
$$;

CREATE OR REPLACE FUNCTION cartodb.CDB_CartodbfyTable(reloid regclass) RETURNS regclass
LANGUAGE sql AS $$ SELECT cartodb.CDB_CartodbfyTable('public', reloid) $$;
