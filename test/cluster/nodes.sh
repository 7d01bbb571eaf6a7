# shellcheck shell=bash
# The nodes: made by kind, started again, deleted.

nodeNames=("$clusterName-control-plane" "$clusterName-worker" "$clusterName-worker2" "$clusterName-worker3")
# The last step of making a cluster leaves here, on the first node, the key of what it was made from.
madeFromFile=/kind/replica-manager-made-from
nodeStores=$cache/nodes

bringUpNodes() {
  local key
  key=$(clusterKey)
  if [ "$(madeFrom)" = "$key" ]; then
    if [ -f "$kubeconfig" ] && nodesAreReady; then return; fi
    attempt 'starting the nodes that stand still' '20 s' startNodes
    if [ "$stepCode" = 0 ]; then return; fi
    say '  the nodes do not come back, so new ones are made'
  fi
  deleteNodes
  step 'making the nodes' '40 s' makeNodes
  step 'connecting the pods' '3 s' connectNodes
  step 'waiting until all is ready' '15 s' awaitReady
  if ! privateEngine; then step 'loading the PostgreSQL images' '60 s' loadPublishedImages; fi
  docker exec --interactive "${nodeNames[0]}" tee "$madeFromFile" <<<"$key" >/dev/null
}

# Read with cp and not with exec, since the node may stand still.
madeFrom() { docker cp "${nodeNames[0]}:$madeFromFile" - 2>/dev/null | tar -xO 2>/dev/null || true; }

clusterKey() {
  local image=
  if privateEngine; then image="$(imageKey "$nodeImage") $(keysOf image-store)"; fi
  keyOf connectNodes "$(kindConfig)" "$image" "$kindVersion" "$(cat "$here/auditPolicy.yaml")" "$(declare -f resolveInsideOnly connectPods)"
}

nodesAreReady() {
  local ready
  ready=$(inside kubectl get nodes --request-timeout=5s --output \
    jsonpath='{range .items[*]}{.status.conditions[?(@.type=="Ready")].status}{"\n"}{end}' 2>/dev/null) || return 1
  [ "$(grep -cx True <<<"$ready")" = "${#nodeNames[@]}" ]
}

makeNodes() {
  # The node mounts this copy, which outlives the checkout.
  cp "$here/auditPolicy.yaml" "$cache/auditPolicy.yaml"
  kindConfig >"$cache/kind.yaml"
  rm -f "$kubeconfig"
  local image=() node
  if privateEngine; then
    image=(--image "$nodeImage")
    mkdir -p "$nodeStores"
    for node in "${nodeNames[@]}"; do shareImageStore "$nodeStores/$node"; done
  fi
  # Nodes that fail are kept for a look at their logs; the next run deletes them.
  inside kind create cluster --name "$clusterName" --config "$cache/kind.yaml" "${image[@]}" --retain
}

# etcd does without fsync: a node's fault loses nothing that the machine's page cache holds, and the disk is left to the
# databases under test. The published nodes bring a pod network of their own; ours do not.
kindConfig() {
  cat <<YAML
kind: Cluster
apiVersion: kind.x-k8s.io/v1alpha4
networking: {disableDefaultCNI: $(privateEngine && echo true || echo false)}
nodes:
$(kindNodes)
kubeadmConfigPatches:
- |
  kind: KubeletConfiguration
  failCgroupV1: false
  localStorageCapacityIsolation: false
- |
  kind: ClusterConfiguration
  etcd:
    local:
      extraArgs: [{name: unsafe-no-fsync, value: "true"}]
  apiServer:
    extraArgs:
    - {name: audit-policy-file, value: /etc/kubernetes/audit-policy.yaml}
    - {name: audit-log-path, value: /var/log/kubernetes/audit.log}
    - {name: audit-log-maxsize, value: "200"}
    - {name: audit-log-maxbackup, value: "1"}
    extraVolumes:
    - {name: audit-policy, hostPath: /etc/kubernetes/audit-policy.yaml, mountPath: /etc/kubernetes/audit-policy.yaml, readOnly: true, pathType: File}
    - {name: audit-log, hostPath: /var/log/kubernetes, mountPath: /var/log/kubernetes, pathType: DirectoryOrCreate}
YAML
}

kindNodes() {
  local node
  for node in "${nodeNames[@]}"; do
    case $node in *control-plane) echo '- role: control-plane' ;; *) echo '- role: worker' ;; esac
    echo '  extraMounts:'
    echo "  - {hostPath: $cache/auditPolicy.yaml, containerPath: /etc/kubernetes/audit-policy.yaml, readOnly: true}"
    if privateEngine; then echo "  - {hostPath: $nodeStores/$node, containerPath: /var/lib/containerd}"; fi
  done
}

connectNodes() {
  if privateEngine; then
    resolveInsideOnly
    connectPods
  fi
}

awaitReady() {
  inside kubectl wait node --all --for=condition=Ready --timeout=120s
  inside kubectl wait deployment --all --all-namespaces --for=condition=Available --timeout=120s
}

startNodes() {
  docker unpause "${nodeNames[@]}" 2>/dev/null || true
  docker start "${nodeNames[@]}"
  inside kind export kubeconfig --name "$clusterName"
  waitFor 60 'the API server' "$logs" inside kubectl get --raw /readyz --request-timeout=5s
  if privateEngine; then connectPods; fi
  waitFor 90 'all nodes to be ready' "$logs" nodesAreReady
  awaitReady
}

# What kind itself does to delete a cluster, without a need for kind.
deleteNodes() {
  local containers
  containers=$(docker ps --all --quiet --filter "label=io.x-k8s.kind.cluster=$clusterName" 2>/dev/null) || return 0
  if [ -n "$containers" ] || [ -d "$nodeStores" ]; then step 'deleting the nodes' '5 s' removeNodes "$containers"; fi
}

removeNodes() {
  # shellcheck disable=SC2086 # the identifiers are words
  [ -z "$1" ] || docker rm --force --volumes $1
  removeMounts "$nodeStores"
  rm -rf --one-file-system "$nodeStores"
}

# nodeExec NODE COMMAND...: NODE is the node's name, with or without the cluster's before it.
nodeExec() {
  local node=$clusterName-${1#"$clusterName-"} terminal=()
  shift
  if [ -t 0 ] && [ -t 1 ]; then terminal=(--tty); fi
  exec docker exec --interactive "${terminal[@]}" "$node" "$@"
}
