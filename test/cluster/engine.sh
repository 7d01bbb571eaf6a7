# shellcheck shell=bash
# Which Docker engine carries the cluster: the machine's own, if it can pull images, else a private one in a network
# namespace without a way out. The folder $engineRun exists as long as there is anything of the private engine.

engineRun=/run/replica-manager
engineConfig=$engineRun/dockerd.json
engineRoot=$cache/engine
engineLog=$logs/dockerd.log
netns=/run/netns/replica-manager
engineKind=

privateEngine() { [ "$engineKind" = private ]; }

engineLeftTraces() { [ -d "$engineRun" ] || [ -e "$netns" ]; }

# Where nothing is made: take the engine that is there.
useEngine() {
  if ! engineLeftTraces && docker info >/dev/null 2>&1; then takeEngine machine; else takeEngine private; fi
}

# For `up`: an engine counts only if it can pull, which is tried with an image that the nodes need anyway.
chooseEngine() {
  if engineLeftTraces || ! docker info >/dev/null 2>&1; then
    takeEngine private
  elif docker image inspect postgres:17 >/dev/null 2>&1 || timeout 300 docker pull --quiet postgres:17 >/dev/null 2>&1; then
    takeEngine machine
  else
    say "the Docker engine here cannot pull postgres:17; starting one that needs no registry"
    takeEngine private
  fi
  if privateEngine && [ "$(id -u)" != 0 ]; then
    fail "there is no Docker engine here that can pull images: start one, or run this as root, which makes one without a registry"
  fi
}

takeEngine() {
  engineKind=$1
  export PATH=$clients:$PATH KUBECONFIG=$kubeconfig
  if privateEngine; then export DOCKER_HOST=unix://$engineRun/docker.sock; fi
}

# inside COMMAND...: run what talks to the API server, to nodes or to pods.
inside() {
  if privateEngine; then nsenter --net="$netns" -- "$@"; else "$@"; fi
}

# The same, in place of this script, so that signals and the exit code are the command's own.
runInside() {
  [ $# -gt 0 ] || fail "say what to run: cluster run CMD..."
  privateEngine || exec "$@"
  engineRuns || fail "no cluster is up; make one with '$0 up'"
  exec nsenter --net="$netns" -- "$@"
}

# The process is ours only if it was started with our configuration: numbers are used again.
enginePid() { pidOf "$engineRun/dockerd.pid" "$engineConfig"; }

# pidOf FILE WORD: the process that the file names, if it lives and has the word in its command line.
pidOf() {
  local pid
  pid=$(cat "$1" 2>/dev/null) && grep -qF -- "$2" "/proc/$pid/cmdline" 2>/dev/null && echo "$pid"
}

engineRuns() { enginePid >/dev/null; }

installPackages() {
  local package missing=()
  for package in docker.io mmdebstrap busybox-static iptables conntrack iproute2 jq; do
    [ "$(dpkg-query --show --showformat '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
  done
  [ "${#missing[@]}" = 0 ] || step "installing ${missing[*]}" '30 s' aptInstall "${missing[@]}"
  # The client of the engine's own package always speaks the engine's protocol; another one on the PATH may be too new.
  ln -sfn /usr/bin/docker "$clients/docker"
}

aptInstall() {
  export DEBIAN_FRONTEND=noninteractive
  apt-get update
  apt-get install --yes --no-install-recommends "$@"
}

startEngine() {
  if engineRuns; then return; fi
  step 'starting the private Docker engine' '3 s' startDockerd
}

startDockerd() {
  mkdir -p "$engineRun" "$engineRoot"
  makeNamespace
  rm -f "$engineRun/dockerd.pid" "$engineRun/docker.sock"
  pidOf "$engineRun/exec/containerd/containerd.pid" containerd || rm -f "$engineRun/exec/containerd/containerd.pid"
  writeEngineConfig
  # nsenter and not `ip netns exec`, which mounts another /sys where the engine does not find its control groups.
  setsid nsenter --net="$netns" -- dockerd --config-file "$engineConfig" >>"$engineLog" 2>&1 </dev/null 9>&- &
  waitFor 60 'the engine to answer' "$engineLog" docker info
}

makeNamespace() {
  if ! nsenter --net="$netns" -- true 2>/dev/null; then
    # A name without a namespace behind it is what a killed run or a restart of the machine leaves.
    rm -f "$netns"
    ip netns add "${netns##*/}"
  fi
  ip -n "${netns##*/}" link set lo up
}

writeEngineConfig() {
  local runtime=''
  if rootLacksSysResource; then
    install -m 755 "$here/runcWithoutSysResource" "$engineRun/runc"
    runtime=', "default-runtime": "reduced", "runtimes": {"reduced": {"path": "'$engineRun/runc'"}}'
  fi
  cat >"$engineConfig" <<JSON
{
  "data-root": "$engineRoot", "exec-root": "$engineRun/exec", "pidfile": "$engineRun/dockerd.pid",
  "hosts": ["unix://$engineRun/docker.sock"], "storage-driver": "overlay2"$runtime
}
JSON
}

# kind runs privileged containers, which ask for every capability. A root that lacks one cannot give it away.
rootLacksSysResource() {
  local bounding
  bounding=$(awk '/^CapBnd/ { print $2 }' /proc/self/status)
  (((0x$bounding >> 24 & 1) == 0))
}

stopEngine() {
  engineLeftTraces || return 0
  step 'stopping the private Docker engine' '2 s' stopDockerd
}

stopDockerd() {
  local pid
  if pid=$(enginePid); then
    kill "$pid"
    waitFor 60 'the engine to stop' "$engineLog" gone "$pid"
  fi
  # dockerd takes its containerd along, unless it was killed.
  if pid=$(pidOf "$engineRun/exec/containerd/containerd.pid" containerd); then
    kill "$pid"
    waitFor 30 'containerd to stop' "$engineLog" gone "$pid"
  fi
  removeMounts "$engineRun"
  removeMounts "$cache"
  if [ -e "$netns" ]; then ip netns delete "${netns##*/}" || rm -f "$netns"; fi
  rm -rf --one-file-system "$engineRun"
}

gone() { ! kill -0 "$1"; }
