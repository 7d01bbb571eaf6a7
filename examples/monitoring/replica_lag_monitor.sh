#!/usr/bin/env bash
# Exit code 0: every replica is at most MAX_LAG_THRESHOLD seconds behind (30). 1: one is further, its lag is not known,
# or the service does not answer. Needs curl and jq.
# REPLICA_MANAGER_URL is where the service is, http://localhost:4000 unless it says otherwise.
set -uo pipefail

url="${REPLICA_MANAGER_URL:-http://localhost:4000}/database/replica/lag"
threshold="${MAX_LAG_THRESHOLD:-30}" # seconds

if ! response=$(curl --silent --show-error --max-time 10 "$url" 2>&1); then
  echo "ALERT: Replica lag is not known, no answer from $url: $response"
  exit 1
fi

# jq compares numbers itself; what is no number is no answer of the service, and counts as too much.
if ! max_lag=$(jq --exit-status --raw-output '.maxLag | numbers' <<<"$response" 2>/dev/null); then
  echo "ALERT: Replica lag is not known, $url says: $response"
  exit 1
fi

# A lag that is not known counts as 2147483647 in maxLag.
if jq --exit-status '.maxLag >= 2147483647 or any(.replicas[]; .lagSeconds == null)' <<<"$response" >/dev/null; then
  echo "ALERT: Replica lag is not known: $(jq --compact-output '.replicas' <<<"$response")"
  exit 1
fi

if ! jq --exit-status --argjson threshold "$threshold" '.maxLag <= $threshold' <<<"$response" >/dev/null; then
  echo "ALERT: Replica lag is $max_lag seconds (threshold: $threshold)"
  exit 1
fi

echo "Replica lag is acceptable: $max_lag seconds"
