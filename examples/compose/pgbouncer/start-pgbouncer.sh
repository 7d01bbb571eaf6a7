#!/bin/sh
# Writes the configuration of one PgBouncer from its environment and the secrets, and becomes it.
# SERVER_HOST: where it connects to. POOL_SIZE: most server connections per database and role.
set -eu
secrets="${SECRETS_DIR:-/run/secrets}"
run="${RUN_DIR:-/tmp/pgbouncer}"

umask 077
mkdir -p "$run"

# PgBouncer logs in to the server with the password itself, which SCRAM never sends. Double quotes are doubled.
for role in app postgres; do
  printf '"%s" "%s"\n' "$role" "$(sed 's/"/""/g' "$secrets/${role}_password")"
done >"$run/users.txt"

cat >"$run/pgbouncer.ini" <<INI
[databases]
hospitality_platform = host=$SERVER_HOST port=${SERVER_PORT:-5432}

[pgbouncer]
listen_addr = *
listen_port = ${LISTEN_PORT:-6432}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = $run/users.txt
; psql -p 6432 -U postgres -d pgbouncer -c "SHOW POOLS;"
admin_users = postgres
pool_mode = transaction
max_client_conn = 1000
default_pool_size = $POOL_SIZE
max_prepared_statements = 200
; Sent by some drivers and by the library; in transaction mode the next client would inherit it. The role has the timeout instead.
ignore_startup_parameters = extra_float_digits
; The default of 15 s makes every client wait that long after the server has restarted.
server_login_retry = 1
server_connect_timeout = 5
query_wait_timeout = 30
; A server that is gone without a word is given up after ten seconds, not after fifteen minutes.
tcp_user_timeout = 10000
; A container that is made anew has another address.
dns_max_ttl = 2
INI

exec "${PGBOUNCER:-pgbouncer}" "$run/pgbouncer.ini"
