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
}

buildProjectImage() {
  local tag=$1
  shift
  # The builder of the private engine's age starts no containers by way of the engine's runtime, the one before it does.
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

# loadImages TAG...: to each node the images that it has not got. Nodes tell images by their manifests, the engine by
# their configurations, so a label beside the image says which of the engine's images it is.
loadImages() {
  local node tag missing
  for node in "${nodeNames[@]}"; do
    missing=()
    for tag in "$@"; do
      nodeHasImage "$node" "$tag" || missing+=("$tag")
    done
    [ "${#missing[@]}" = 0 ] || step "putting ${missing[*]} on $node" '3 s' putImages "$node" "${missing[@]}"
  done
}

nodeHasImage() {
  docker exec "$1" ctr --namespace k8s.io images ls "name==docker.io/library/$2" | grep -qF "replica-manager.id=$(imageId "$2")"
}

# The old label goes before the image changes: a run that is killed in between must not leave a label that lies.
putImages() {
  local node=$1 tag
  shift
  for tag in "$@"; do
    docker exec "$node" ctr --namespace k8s.io images label "docker.io/library/$tag" replica-manager.id= >/dev/null 2>&1 || true
  done
  docker save "$@" | docker exec --interactive "$node" ctr --namespace k8s.io images import -
  for tag in "$@"; do
    docker exec "$node" ctr --namespace k8s.io images label "docker.io/library/$tag" "replica-manager.id=$(imageId "$tag")" >/dev/null
  done
}
