-- Positions and web map tiles (EPSG:4326 and EPSG:3857).

CREATE OR REPLACE FUNCTION cartodb.CDB_LatLng(lat double precision, lng double precision) RETURNS geometry
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$ SELECT ST_SetSRID(ST_MakePoint(lng, lat), 4326) $$;

-- Metres a pixel of a 256-pixel tile at the equator.
CREATE OR REPLACE FUNCTION cartodb.CDB_XYZ_Resolution(z integer) RETURNS double precision
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$ SELECT 2 * pi() * 6378137 / 256 / power(2, z) $$;

CREATE OR REPLACE FUNCTION cartodb.CDB_XYZ_Extent(x integer, y integer, z integer) RETURNS geometry
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT ST_MakeEnvelope(x * side - origin, origin - (y + 1) * side, (x + 1) * side - origin, origin - y * side, 3857)
    FROM (SELECT 256 * cartodb.CDB_XYZ_Resolution(z), pi() * 6378137) AS tile (side, origin)
$$;

-- Anything to EPSG:3857. What lies too near the poles to be projected is cut off; a geometry wholly there becomes empty.
-- The limit is the real extension's: 89 degrees, beyond the edge of the square map at 85.05.
CREATE OR REPLACE FUNCTION cartodb.CDB_TransformToWebmercator(geom geometry) RETURNS geometry
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE SET search_path FROM CURRENT AS $$
DECLARE
    world CONSTANT geometry := ST_MakeEnvelope(-180, -89, 180, 89, 4326);
    lonlat geometry;
    clipped geometry;
BEGIN
    IF ST_SRID(geom) = 3857 THEN
        RETURN geom;
    END IF;
    lonlat := ST_Transform(geom, 4326);
    IF lonlat @ world THEN
        RETURN ST_Transform(lonlat, 3857);
    END IF;
    clipped := ST_Intersection(ST_MakeValid(lonlat), world);
    IF NOT ST_IsCollection(geom) OR GeometryType(geom) <> 'GEOMETRYCOLLECTION' THEN
        -- an intersection may touch the edge in points and lines that the input had not
        clipped := ST_CollectionExtract(clipped, ST_Dimension(geom) + 1);
    END IF;
    IF ST_IsCollection(geom) THEN
        clipped := ST_Multi(clipped);
    END IF;
    RETURN ST_Transform(clipped, 3857);
END
$$;
