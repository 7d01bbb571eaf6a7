#!/usr/bin/env bash
# Makes a random password for each role that has none yet, in the folder secrets. Only its owner may enter the folder;
# the files themselves are readable, because the programs in the containers run as different users.
set -euo pipefail
folder="${1:-$(dirname "$0")/secrets}"

mkdir -p "$folder"
chmod 700 "$folder"
for role in postgres replication app; do
  file="$folder/${role}_password"
  [ -s "$file" ] && continue
  head -c 24 /dev/urandom | base64 | tr '+/' '-_' | tr -d '\n' >"$file"
  chmod 644 "$file"
done
# What the library reads beside the password of its role.
printf app >"$folder/app_username"
printf hospitality_platform >"$folder/app_database"
