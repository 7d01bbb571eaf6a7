# shellcheck shell=bash
# The project's own images: built from the Dockerfile, and put on the nodes that do not have them yet.

loadProjectImages() {
  useEngine
  docker info >/dev/null 2>&1 || fail "no cluster is up; make one with '$0 up'"
  [ -f "$project/Dockerfile" ] || fail "there is no $project/Dockerfile"
  local tags=(replica-manager:dev replica-manager-pgbouncer:dev)
  step 'building replica-manager:dev' '5 s' buildProjectImage replica-manager:dev --target operator
  step 'building replica-manager-pgbouncer:dev' '1 s' buildProjectImage replica-manager-pgbouncer:dev --target pgbouncer
  if [ -f "$project/examples/orders-app/Dockerfile" ]; then
    step 'building orders-app:dev' '5 s' buildProjectImage orders-app:dev --file "$project/examples/orders-app/Dockerfile"
    tags+=(orders-app:dev)
  fi
  loadImages "${tags[@]}"
  # What was built before today is no longer anyone's image; what is younger serves the next build as its cache.
  docker image prune --force --filter until=24h >/dev/null
}

buildProjectImage() {
  local tag=$1
  shift
  # BuildKit of the private engine's age starts containers past the engine's runtime, which then ask for too much.
  if privateEngine; then export DOCKER_BUILDKIT=0; fi
  docker build --tag "$tag" "$@" "$project"
}

loadPublishedImages() {
  local version tags=()
  for version in "${postgresVersions[@]}"; do
    tags+=("postgres:$version")
    docker image inspect "postgres:$version" >/dev/null 2>&1 || docker pull --quiet "postgres:$version"
  done
  loadImages "${tags[@]}"
}

# loadImages TAG...: to all nodes the images that one of them has not got. Nodes tell images by their manifests, the
# engine may by their configurations, so a label beside the image says which of the engine's images it is.
loadImages() {
  local node tag present missing=()
  present=$(for node in "${nodeNames[@]}"; do docker exec "$node" ctr --namespace k8s.io images ls; done)
  for tag in "$@"; do
    [ "$(grep -cE "^docker.io/library/$tag .*replica-manager.id=$(imageId "$tag")" <<<"$present")" = "${#nodeNames[@]}" ] || missing+=("$tag")
  done
  [ "${#missing[@]}" = 0 ] || step "putting ${missing[*]} on the nodes" '10 s' putImages "${missing[@]}"
}

putImages() {
  local work node tag script='' sending=()
  work=$(workFolder load)
  docker save "$@" | tar -C "$work" -x
  [ -f "$work/index.json" ] || (cd "$work" && convertToLayout)
  # The old label goes before the image changes: a run that is killed in between must not leave a label that lies.
  for tag in "$@"; do script+="ctr -n k8s.io images label docker.io/library/$tag replica-manager.id= >/dev/null 2>&1 || true; "; done
  script+='ctr -n k8s.io images import -; '
  for tag in "$@"; do script+="ctr -n k8s.io images label docker.io/library/$tag replica-manager.id=$(imageId "$tag"); "; done
  for node in "${nodeNames[@]}"; do
    sendImages "$work" "$node" "$script" &
    sending+=($!)
  done
  for node in "${sending[@]}"; do wait "$node"; done
  rm -rf "$work"
}

# Only the layers that the node lacks. One of those it has may be swept away in between, then all are sent.
sendImages() {
  local work=$1 node=$2 script=$3
  docker exec "$node" ctr --namespace k8s.io content ls --quiet | sed 's|^sha256:|./blobs/sha256/|' |
    tar -C "$work" -c --exclude-from=- ./oci-layout ./index.json ./blobs | docker exec --interactive "$node" sh -ec "$script" ||
    tar -C "$work" -c ./oci-layout ./index.json ./blobs | docker exec --interactive "$node" sh -ec "$script"
}

# Turns what an engine before 25 saves, in the current folder, into an image layout, where layers have digests to tell
# them by. The digest of a layer as it is saved stands in the image's configuration.
convertToLayout() {
  local config tag layers layer digests digest size manifest
  mkdir -p blobs/sha256
  jq -r '.[] | [.Config, .RepoTags[0], (.Layers | join(" "))] | @tsv' manifest.json |
    while IFS=$'\t' read -r config tag layers; do
      mapfile -t digests < <(jq -r '.rootfs.diff_ids[]' "$config")
      for layer in $layers; do
        digest=${digests[0]} digests=("${digests[@]:1}")
        ln -f "$(readlink -f "$layer")" "blobs/sha256/${digest#sha256:}"
        size=$(stat --format %s "blobs/sha256/${digest#sha256:}")
        echo "{\"mediaType\": \"application/vnd.oci.image.layer.v1.tar\", \"digest\": \"$digest\", \"size\": $size}"
      done >layers.json
      manifest=$(jq --slurp --compact-output --arg digest "sha256:${config%.json}" --argjson size "$(stat --format %s "$config")" '
        {schemaVersion: 2, mediaType: "application/vnd.oci.image.manifest.v1+json", layers: .,
         config: {mediaType: "application/vnd.oci.image.config.v1+json", digest: $digest, size: $size}}' layers.json)
      ln -f "$config" "blobs/sha256/${config%.json}"
      digest=$(printf %s "$manifest" | sha256sum | cut -d' ' -f1)
      printf %s "$manifest" >"blobs/sha256/$digest"
      echo "{\"mediaType\": \"application/vnd.oci.image.manifest.v1+json\", \"digest\": \"sha256:$digest\", \"size\": ${#manifest},
        \"annotations\": {\"io.containerd.image.name\": \"docker.io/library/$tag\"}}"
    done | jq --slurp '{schemaVersion: 2, manifests: .}' >index.json
  echo '{"imageLayoutVersion": "1.0.0"}' >oci-layout
}
