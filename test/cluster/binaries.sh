# shellcheck shell=bash
# Programs from pinned Go modules. The three clients are needed everywhere, the rest only where no image can be pulled.

kubernetesVersion=v1.36.3
kindVersion=v0.33.0
helmVersion=v4.3.1
corednsVersion=v1.15.0
localPathVersion=v0.0.30

clients=$cache/clients

buildClients() {
  program kubectl "$kubernetesVersion" 'version --client' '2 min' buildKubectl
  program kind "$kindVersion" version '20 s' buildKind
  program helm "$helmVersion" version '90 s' buildHelm
}

buildPrograms() {
  requireGo
  artefact kubernetes "$(kubernetesKey buildKubernetes)" "building the Kubernetes programs $kubernetesVersion" '5 min' buildKubernetes
  artefact etcd "$(keyOf buildEtcd "$(cat "$here"/etcd/go.*)")" 'building etcd' '45 s' buildEtcd
  artefact coredns "$(keyOf buildCoredns "$corednsVersion")" "building CoreDNS $corednsVersion" '95 s' buildCoredns
  artefact local-path "$(keyOf buildLocalPath "$localPathVersion")" "building the volume provisioner $localPathVersion" '90 s' buildLocalPath
}

# program NAME VERSION ARGUMENTS USUALLY FUNCTION: a link in the folder of clients, to the machine's own program if that
# has our version, else to one that we build.
program() {
  local name=$1 version=$2 arguments=$3 usually=$4 function=$5 found key
  mkdir -p "$clients"
  found=$(type -ap "$name" | grep -vxF "$clients/$name" | head -n 1 || true)
  # shellcheck disable=SC2086 # the arguments are words
  if [ -n "$found" ] && "$found" $arguments 2>/dev/null | grep -wF -- "$version" >/dev/null; then
    ln -sfn "$found" "$clients/$name"
    return
  fi
  requireGo
  key=$(keyOf "$function" "$version")
  if [ "$name" = kubectl ]; then key=$(kubernetesKey "$function"); fi
  artefact "$name" "$key" "building $name $version" "$usually" "$function"
  ln -sfn "$cache/$name-$key/$name" "$clients/$name"
}

requireGo() {
  local needed=go1.26
  type -P go >/dev/null || fail "install Go ${needed#go} or newer (https://go.dev/dl) and run this again"
  printf '%s\n' "$needed" "$(go env GOVERSION)" | sort --version-sort --check=quiet ||
    fail "install Go ${needed#go} or newer (https://go.dev/dl): this is $(go env GOVERSION)"
}

kubernetesKey() { keyOf "$1" "$kubernetesVersion" "$(cat "$here"/kubernetes/go.* "$here"/kubernetes/pause/main.go)"; }

buildKubectl() { installKubernetes "$1" k8s.io/kubernetes/cmd/kubectl; }

buildKubernetes() {
  installKubernetes "$1" ./pause k8s.io/kubernetes/cmd/kube{-apiserver,-controller-manager,-scheduler,-proxy,let,adm,ctl}
}

# The programs read their version from the linker; kubeadm refuses to work with the v0.0.0 that they show without it.
installKubernetes() {
  local folder=$1 at=k8s.io/component-base/version minor
  shift
  minor=${kubernetesVersion#v1.} minor=${minor%%.*}
  cd "$here/kubernetes"
  goInstall "$folder" "-X $at.gitVersion=$kubernetesVersion -X $at.gitMajor=1 -X $at.gitMinor=$minor -X $at.gitTreeState=clean -X k8s.io/client-go/pkg/version.gitVersion=$kubernetesVersion" "$@"
}

buildKind() { goInstall "$1" '' "sigs.k8s.io/kind@$kindVersion"; }
buildHelm() { goInstall "$1" "-X helm.sh/helm/v4/internal/version.version=$helmVersion" "helm.sh/helm/v4/cmd/helm@$helmVersion"; }
buildCoredns() { goInstall "$1" '' "github.com/coredns/coredns@$corednsVersion"; }
buildLocalPath() { goInstall "$1" '' "github.com/rancher/local-path-provisioner@$localPathVersion"; }

# etcd cannot be installed by its version alone, since its module replaces others; a module of ours stands around it.
buildEtcd() {
  cd "$here/etcd"
  CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags '-s -w' -o "$1/etcd" go.etcd.io/etcd/server/v3
}

# goInstall FOLDER LINKER-FLAGS PACKAGE...
goInstall() {
  local folder=$1 flags=$2
  shift 2
  GOBIN=$folder CGO_ENABLED=0 go install -trimpath -buildvcs=false -ldflags "-s -w $flags" "$@"
}
