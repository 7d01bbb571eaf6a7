#!/usr/bin/env bash
# Clones the primary when there is no copy yet, then runs the program that the arguments name.
#
# The clone is made beside its place and moved there when it is whole: a copy that was interrupted is never started.
set -euo pipefail
secrets="${SECRETS_DIR:-/run/secrets}"
primary="${PRIMARY_HOST:-postgres-primary}"
port="${PRIMARY_PORT:-5432}"
volume=$(dirname "$PGDATA")

# Written at each start, so that a new password is taken with a restart. Colons and backslashes are escaped as the format asks.
umask 077
password=$(sed 's/[\\:]/\\&/g' "$secrets/replication_password")
printf '%s\n' "*:*:*:replication:$password" >"$volume/replication.pgpass"

if [ ! -s "$PGDATA/PG_VERSION" ]; then
  rm -rf "$PGDATA" "$volume/cloning"
  # -R writes standby.signal and primary_conninfo, with -S also the slot, so the primary keeps the WAL that is still needed.
  until pg_basebackup \
    --dbname "host=$primary port=$port user=replication application_name=read_replica passfile=$volume/replication.pgpass" \
    --pgdata "$volume/cloning" --wal-method stream --slot replica_slot -R --checkpoint fast --progress --verbose; do
    echo 'the primary cannot be cloned yet, trying again' >&2
    rm -rf "$volume/cloning"
    sleep 2
  done
  mv "$volume/cloning" "$PGDATA"
fi

exec "$@"
