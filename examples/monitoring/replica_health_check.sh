#!/usr/bin/env bash
# Exit code 0: every replica serves reads. 1: one does not, or the service does not answer; what it said is printed.
# Needs curl and jq. REPLICA_MANAGER_URL is where the service is, http://localhost:4000 unless it says otherwise.
set -uo pipefail

url="${REPLICA_MANAGER_URL:-http://localhost:4000}/database/replica/health"

# No --fail: a replica that is not healthy makes the service answer 503, and its answer is worth printing.
if ! response=$(curl --silent --show-error --max-time 10 "$url" 2>&1); then
  echo "ALERT: Replica health check failed! No answer from $url: $response"
  exit 1
fi

if ! jq --exit-status '.healthy == true' <<<"$response" >/dev/null 2>&1; then
  echo "ALERT: Replica health check failed!"
  echo "$response"
  exit 1
fi

echo "Replica health check passed"
