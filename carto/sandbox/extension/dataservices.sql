-- The quota functions of the data services' client. There are no services behind them: nothing here geocodes, computes
-- routes or isolines. What they tell comes from the description of the account.

CREATE SCHEMA IF NOT EXISTS cdb_dataservices_client;

DO $$
BEGIN
    IF to_regtype('cdb_dataservices_client.service_type') IS NULL THEN
        CREATE TYPE cdb_dataservices_client.service_type AS ENUM (
            'isolines', 'hires_geocoder', 'routing', 'observatory'
        );
        CREATE TYPE cdb_dataservices_client.service_quota_info AS (
            service cdb_dataservices_client.service_type, monthly_quota numeric, used_quota numeric,
            soft_limit boolean, provider text
        );
    END IF;
END
$$;

CREATE TABLE IF NOT EXISTS cdb_dataservices_client._service_quotas
    OF cdb_dataservices_client.service_quota_info (PRIMARY KEY (service));

-- The table is the administrator's, so that nobody changes the quotas by SQL.
CREATE OR REPLACE FUNCTION cdb_dataservices_client.cdb_service_quota_info()
RETURNS SETOF cdb_dataservices_client.service_quota_info
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT q.service, q.monthly_quota, q.used_quota, q.soft_limit, q.provider
    FROM cdb_dataservices_client._service_quotas q ORDER BY q.service
$$;

CREATE OR REPLACE FUNCTION cdb_dataservices_client.cdb_enough_quota(service text, input_size numeric) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT coalesce(bool_or(q.soft_limit OR q.used_quota + input_size <= q.monthly_quota), false)
    FROM cdb_dataservices_client.cdb_service_quota_info() q WHERE q.service::text = $1
$$;
