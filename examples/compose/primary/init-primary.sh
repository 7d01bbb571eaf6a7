#!/usr/bin/env bash
# Runs once, when the primary's volume is empty: the roles, the replica's slot, and who may replicate.
set -euo pipefail
secrets="${SECRETS_DIR:-/run/secrets}"

# psql reads the passwords itself: in an argument everybody on the machine could see them.
psql --no-psqlrc --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" <<SQL
\\set replication_password \`cat $secrets/replication_password\`
\\set app_password \`cat $secrets/app_password\`

CREATE ROLE replication REPLICATION LOGIN PASSWORD :'replication_password';
CREATE ROLE app LOGIN PASSWORD :'app_password';
-- PgBouncer in transaction mode cannot pass this on from a client, so the role has it.
ALTER ROLE app SET statement_timeout = '60s';
ALTER DATABASE :"DBNAME" OWNER TO app;

-- Made here and not by pg_basebackup --create-slot, which fails when a clone that was interrupted is begun again.
SELECT pg_create_physical_replication_slot('replica_slot');
SQL

# Only from networks that the container is in. The image lets everybody else in to databases by password, but not to replicate.
echo 'host replication replication samenet scram-sha-256' >>"$PGDATA/pg_hba.conf"
