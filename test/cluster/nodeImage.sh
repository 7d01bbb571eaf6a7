# shellcheck shell=bash
# The image of a kind node for an engine that cannot pull kind's own: Debian with systemd and containerd, the set-up
# files out of kind's Go module and our Kubernetes programs. Beside it an image store that holds all that the nodes run.

nodeImage=replica-manager-node:$kubernetesVersion
systemImage=replica-manager-system:$kubernetesVersion

buildNodeImage() {
  local key
  artefact node-root "$(keyOf buildNodeRoot)" "making the nodes' file system" '30 s' buildNodeRoot
  key=$(keyOf layOutNode "$(keysOf node-root kubernetes)" "$kindVersion" "$systemImage" "$(declare -f buildNodeImageFrom)")
  image "$nodeImage" "$key" 'making the node image' '15 s' buildNodeImageFrom
  key=$(keyOf buildSystemImages "$(keysOf node-root kubernetes etcd coredns local-path)" "$kindVersion" "$(declare -f copyIptables)")
  image "$systemImage" "$key" 'making the images of the Kubernetes programs' '15 s' buildSystemImages
  artefact image-store "$(keyOf buildImageStore "$(imageIds)")" "filling the nodes' image store" '25 s' buildImageStore
}

imageIds() {
  local tag
  for tag in "$systemImage" "${baseNames[@]}"; do imageId "$tag"; done
}

# systemd 252 of bookworm is the last that starts where the machine has control groups of version 1.
buildNodeRoot() {
  bootstrap bookworm systemd,containerd,runc,containernetworking-plugins,conntrack,iptables,iproute2,mount,kmod,procps "$1/root.tar"
}

# One layer has every program that runs in a pod of the system, and bears each name that kubeadm asks for.
buildSystemImages() {
  local tag=$1 key=$2 work name
  work=$(workFolder system)
  mkdir -p "$work/files/"{bin,tmp,usr/local/bin} "$work/root"
  for name in $(built kubernetes etcd coredns local-path); do cp "$name"/* "$work/files/usr/local/bin/"; done
  rm "$work/files/usr/local/bin/"{kubelet,kubeadm,kubectl}
  # The volume provisioner makes and removes folders with a shell.
  cp /bin/busybox "$work/files/bin/"
  for name in sh mkdir rm; do ln -s busybox "$work/files/bin/$name"; done
  copyIptables "$work"
  tar -C "$work/files" -c . | docker import - "$tag-files"
  for name in $(systemNames); do
    case $name in
    */coredns:*) from "$tag-files" "$name" coredns ;;
    */pause:*) from "$tag-files" "$name" pause ;;
    *) docker tag "$tag-files" "$name" ;;
    esac
  done
  # The label that says "done" comes last.
  echo "FROM $tag-files" | docker build --tag "$tag" --label "replica-manager.key=$key" -
  docker image rm "$tag-files"
  removeMounts "$work"
  rm -rf --one-file-system "$work"
}

# kube-proxy needs iptables, which loads plugins; the plugins need a library more than the program does.
copyIptables() {
  local work=$1 program
  tar -C "$work/root" -xf "$(built node-root)/root.tar"
  # shellcheck disable=SC2016 # the shell inside expands
  chroot "$work/root" sh -c '
    plugins=$(echo /usr/lib/*/xtables)
    cp -aL --parents /usr/sbin/xtables-nft-multi $plugins \
      $(ldd /usr/sbin/xtables-nft-multi $plugins/*.so | grep -o "[[:space:]]/[^ ]*" | sort -u) /tmp'
  cp -rT "$work/root/tmp" "$work/files"
  for program in ip{,6}tables{,-save,-restore}; do ln -s xtables-nft-multi "$work/files/usr/sbin/$program"; done
}

# Every name that kubeadm asks for, and the sandbox image that the configuration of the nodes' containerd names.
systemNames() {
  "$(built kubernetes)/kubeadm" config images list --kubernetes-version "$kubernetesVersion"
  sed -n 's/.*sandbox_image = "\(.*\)"/\1/p' "$(kindSource)/images/base/files/etc/containerd/config.toml"
}

# from BASE TAG PROGRAM
from() { printf 'FROM %s\nENTRYPOINT ["/usr/local/bin/%s"]\n' "$1" "$3" | docker build --tag "$2" -; }

kindSource() { GOFLAGS=-mod=mod go mod download -json "sigs.k8s.io/kind@$kindVersion" | jq -r .Dir; }

buildNodeImageFrom() {
  local tag=$1 key=$2 work
  work=$(workFolder node-image)
  tar -C "$work" -xf "$(built node-root)/root.tar"
  layOutNode "$work"
  tar -C "$work" -c . | docker import - "$tag-files"
  docker build --tag "$tag" --label "replica-manager.key=$key" - <<DOCKERFILE
FROM $tag-files
ENV container=docker
STOPSIGNAL SIGRTMIN+3
ENTRYPOINT ["/usr/local/bin/entrypoint", "/sbin/init"]
DOCKERFILE
  docker image rm "$tag-files"
  docker image prune --force
  rm -rf --one-file-system "$work"
}

# What kind's own Dockerfile does to a Debian file system.
layOutNode() {
  local root=$1 source units
  source=$(kindSource)
  cp -rT --no-preserve=mode,ownership "$source/images/base/files" "$root"
  chmod 755 "$root"/usr/local/bin/* "$root"/kind/bin/*
  # A root that lacks a capability cannot lower a process's score for the out-of-memory killer below its own.
  sed -i 's/restrict_oom_score_adj = false/restrict_oom_score_adj = true/' "$root/etc/containerd/config.toml"
  ctr oci spec | jq 'del(.process.rlimits)' >"$root/etc/containerd/cri-base.json"
  ln -sf /usr/bin/{containerd,containerd-shim-runc-v2,ctr} "$root/usr/local/bin/"
  mkdir -p "$root"/{opt/cni,etc/kubernetes/manifests,kind/manifests}
  ln -s /usr/lib/cni "$root/opt/cni/bin"
  ln -sf /lib/systemd/systemd "$root/sbin/init"
  units=$root/lib/systemd/system
  rm -rf "$units"/{multi-user,local-fs,basic}.target.wants/* "$units"/sockets.target.wants/*{udev,initctl}* \
    "$units/sysinit.target.wants/systemd-tmpfiles-setup.service" "$root"/etc/systemd/system/*.wants
  systemctl --root="$root" --quiet enable kubelet containerd undo-mount-hacks
  systemctl --root="$root" --quiet mask systemd-binfmt
  echo ReadKMsg=no >>"$root/etc/systemd/journald.conf"
  cp "$(built kubernetes)"/{kubelet,kubeadm,kubectl} "$root/usr/bin/"
  echo "$kubernetesVersion" >"$root/kind/version"
  # kind's storage class, with our image in place of its two.
  # shellcheck disable=SC2016 # Go's quotes, not the shell's
  sed -n '/^const defaultStorageManifest = `/,/^`/p' "$source/pkg/build/nodeimage/const_storage.go" |
    sed "1d; \$d; s|\` + storage[A-Za-z]*Image + \`|$systemImage|" >"$root/kind/manifests/default-storage.yaml"
}

# The store is filled without a node: the machine's containerd works on the folder that becomes it.
buildImageStore() {
  local store=$1 work pid
  work=$(workFolder containerd)
  printf 'version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt"]\n' >"$work/config.toml"
  # It dies with this script, however that ends.
  setpriv --pdeathsig KILL containerd --config "$work/config.toml" --root "$store" --state "$work/state" \
    --address "$work/socket" >"$logs/containerd.log" 2>&1 9>&- &
  pid=$!
  waitFor 30 'containerd to answer' "$logs/containerd.log" ctr --address "$work/socket" version
  # shellcheck disable=SC2046 # the names are words
  docker save "$systemImage" $(systemNames) "${baseNames[@]}" | ctr --address "$work/socket" --namespace k8s.io images import -
  kill "$pid"
  wait "$pid" || true
}

# A node's own store, whose files are the common store's own: four nodes need the disk and the memory of one. A node
# never changes a file of an unpacked layer; only the two databases are written to, so each node has its own.
shareImageStore() {
  local folder=$1 store database
  store=$(built image-store)
  cp --archive --link "$store" "$folder"
  for database in io.containerd.metadata.v1.bolt/meta.db io.containerd.snapshotter.v1.overlayfs/metadata.db; do
    cp --archive --remove-destination "$store/$database" "$folder/$database"
  done
}
