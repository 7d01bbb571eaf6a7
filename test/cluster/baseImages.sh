# shellcheck shell=bash
# The images that the project's Dockerfile and the default of a topology name, made from Debian packages for an engine
# that cannot pull them. They bear the official names and have the official layout, so nothing else knows the difference.

nodeVersion=26.10.0
postgresVersions=(17 15)
baseNames=(debian:trixie-slim node:26-trixie-slim "${postgresVersions[@]/#/postgres:}")

buildBaseImages() {
  local version release
  image debian:trixie-slim "$(keyOf buildDebian trixie)" 'making debian:trixie-slim' '20 s' buildDebian
  image node:26-trixie-slim "$(keyOf buildNode "$nodeVersion" "$(imageId debian:trixie-slim)")" "making node:26-trixie-slim" '15 s' buildNode
  for version in "${postgresVersions[@]}"; do
    release=$(postgresRelease "$version")
    image "postgres:$version" "$(keyOf buildPostgres "$version" "$release")" "making postgres:$version" '40 s' buildPostgres
  done
}

# The release of Debian that brings this version of PostgreSQL.
postgresRelease() {
  case $1 in
  15) echo bookworm ;;
  17) echo trixie ;;
  *) fail "no release of Debian is known for PostgreSQL $1" ;;
  esac
}

# bootstrap RELEASE PACKAGES TARGET OPTION...: a Debian file system. It is left without package sources: there is no
# network where it is used, so an `apt-get update` must find nothing to ask, and then ends well. Its users import it
# under a name of its own first: an import takes a stream that broke off for a whole one.
bootstrap() {
  local release=$1 packages=$2 target=$3
  shift 3
  # shellcheck disable=SC2016 # the hook is run by another shell
  # Mounts that a killed run leaves lie in TMPDIR, where workFolder takes them away.
  TMPDIR=$(workFolder "bootstrap-$release") mmdebstrap --quiet --mode=root --variant=minbase --include="$packages" \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt=force-unsafe-io "$@" \
    --customize-hook='rm -rf "$1"/etc/apt/sources.list "$1"/etc/apt/sources.list.d/*' "$release" "$target"
}

# What the Dockerfile installs is in it already. node:26-trixie-slim stands on it, so that nodes have one layer for both.
buildDebian() {
  bootstrap trixie ca-certificates,libatomic1,patchelf,pgbouncer - | docker import - "$1-files"
  printf 'FROM %s-files\nCMD ["bash"]\n' "$1" | docker build --tag "$1" --label "replica-manager.key=$2" -
  docker image rm "$1-files"
}

buildNode() {
  local work architecture
  work=$(workFolder node)
  case $(dpkg --print-architecture) in arm64) architecture=arm64 ;; *) architecture=x64 ;; esac
  (cd "$work" && npm pack --silent "node-linux-$architecture@$nodeVersion" && tar -xzf ./*.tgz package/bin/node)
  docker build --tag "$1" --label "replica-manager.key=$2" --file - "$work/package/bin" <<'DOCKERFILE'
FROM debian:trixie-slim
RUN groupadd --gid 1000 node && useradd --uid 1000 --gid node --shell /bin/bash --create-home node
COPY node /usr/local/bin/node
RUN ln -s node /usr/local/bin/nodejs && node --version
CMD ["node"]
DOCKERFILE
}

# The user comes before the packages, which would choose other numbers; no cluster is made at installation.
# The locale is the official image's own, since a topology takes its collation from it.
buildPostgres() {
  local tag=$1 key=$2 version=${1#*:}
  # shellcheck disable=SC2016 # the hooks are run by another shell
  bootstrap "$(postgresRelease "$version")" "locales,postgresql-$version" - \
    --essential-hook='echo postgres:x:999: >>"$1/etc/group"' \
    --essential-hook='echo postgres:x:999:999::/var/lib/postgresql:/bin/bash >>"$1/etc/passwd"' \
    --essential-hook='mkdir -p "$1/etc/postgresql-common/createcluster.d"' \
    --essential-hook='echo create_main_cluster = false >"$1/etc/postgresql-common/createcluster.d/none.conf"' \
    --customize-hook='chroot "$1" localedef --inputfile en_US --charmap UTF-8 en_US.UTF-8' |
    docker import - "$tag-files"
  docker build --tag "$tag" --label "replica-manager.key=$key" - <<DOCKERFILE
FROM $tag-files
ENV LANG=en_US.utf8 PG_MAJOR=$version PGDATA=/var/lib/postgresql/data
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/lib/postgresql/$version/bin
RUN install -d -o postgres -g postgres -m 1777 /var/lib/postgresql /var/lib/postgresql/data && \\
    install -d -o postgres -g postgres -m 3777 /var/run/postgresql
VOLUME /var/lib/postgresql/data
STOPSIGNAL SIGINT
EXPOSE 5432
CMD ["postgres"]
DOCKERFILE
  docker image rm "$tag-files"
}
