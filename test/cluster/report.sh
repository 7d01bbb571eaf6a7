# shellcheck shell=bash
# What the script tells the person who runs it, and how it waits.

logs=$cache/log

say() { printf '%s\n' "$*"; }

fail() {
  printf 'cluster: %s\n' "$*" >&2
  exit 1
}

# step TITLE USUALLY COMMAND...: one line with the time the step usually takes and the time it took. What the command
# prints goes to a log file, which is named, and quoted, when the command fails.
step() {
  attempt "$@"
  [ "$stepCode" = 0 ] && return
  tail -n 15 "$stepLog" >&2
  fail "'$1' failed, the whole log is $stepLog"
}

# The same, but leaves it to the caller to look at $stepCode.
attempt() {
  local title=$1 usually=$2 started=$EPOCHREALTIME
  shift 2
  stepLog=$logs/${title//[^A-Za-z0-9.]/-}.log
  mkdir -p "$logs"
  printf '  %-62s usually %-8s' "$title" "$usually"
  # Not `if ( … )`: a command that is tested runs without errexit, all the way down.
  set +e
  ( set -e; "$@" ) >"$stepLog" 2>&1 </dev/null
  stepCode=$?
  set -e
  printf ' %6.1f s\n' "$(awk -v a="$started" -v b="$EPOCHREALTIME" 'BEGIN { print b - a }')"
}

# waitFor SECONDS WHAT LOG COMMAND...: ask until the command succeeds.
waitFor() {
  local seconds=$1 what=$2 log=$3 deadline=$((SECONDS + $1))
  shift 3
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$deadline" ] || fail "waited $seconds s in vain for $what, see $log"
    sleep 0.2
  done
}
