# shellcheck shell=bash
# The pod network of nodes that have none: on each node a CNI configuration for the node's own range of addresses, and
# a route to each other node's range. And names: CoreDNS answers for the cluster alone.
#
# When a node's container is started again, its routes are gone, its interface may bear another name, and its address
# may be another one; `restore-network` puts all routes right. Gone as well are /run, /tmp and every pod's sandbox, so
# its pods are started anew with new addresses. What stays: /var with images and local volumes, and the CNI
# configuration.

restoreNetwork() {
  useEngine
  # kind's own nodes bring a program that does this.
  privateEngine || return 0
  connectPods
}

connectPods() {
  local ranges node range other otherRange
  waitFor 60 'every node to get its range of pod addresses' "$logs" everyNodeHasRange
  ranges=$(podRanges)
  while read -r node range; do
    {
      cniConfiguration "$range"
      while read -r other otherRange; do
        [ "$other" = "$node" ] || echo "ip route replace $otherRange via $(nodeAddress "$other")"
      done <<<"$ranges"
    } | docker exec --interactive "$node" sh -e
  done <<<"$ranges"
}

everyNodeHasRange() { [ "$(podRanges | awk 'NF == 2' | wc -l)" = "${#nodeNames[@]}" ]; }

podRanges() {
  inside kubectl get nodes --request-timeout=5s --output jsonpath='{range .items[*]}{.metadata.name} {.spec.podCIDR}{"\n"}{end}'
}

# Asked of the engine: the API server tells a restarted node's old address for a while.
nodeAddress() { docker inspect --format '{{.NetworkSettings.Networks.kind.IPAddress}}' "$1"; }

cniConfiguration() {
  cat <<SH
cat >/etc/cni/net.d/10-pods.conflist <<JSON
{"cniVersion": "0.4.0", "name": "pods", "plugins": [
  {"type": "ptp", "ipam": {"type": "host-local", "ranges": [[{"subnet": "$1"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
JSON
SH
}

# There is no server to ask about other names, so they are denied at once; a question passed on would hang for seconds.
resolveInsideOnly() {
  inside kubectl create configmap coredns --namespace kube-system --dry-run=client --output yaml --from-file=Corefile=<(corefile) |
    inside kubectl replace --filename -
}

corefile() {
  cat <<'COREFILE'
cluster.local:53 in-addr.arpa:53 ip6.arpa:53 {
    errors
    health {
        lameduck 5s
    }
    ready
    kubernetes cluster.local in-addr.arpa ip6.arpa {
        pods insecure
        ttl 30
    }
    prometheus :9153
    cache 30 {
        disable success cluster.local
        disable denial cluster.local
    }
    loadbalance
}
.:53 {
    errors
    template ANY ANY {
        rcode NXDOMAIN
    }
}
COREFILE
}
