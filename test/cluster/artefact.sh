# shellcheck shell=bash
# Things that are built once and found again under a name that contains a hash of everything that goes into them.

# keyOf FUNCTION VALUE...: the text of the function that builds it, and what it reads, are what goes into a thing.
keyOf() {
  local function=$1
  shift
  { declare -f "$function"; printf '%s\n' "$@"; } | sha256sum | cut -c1-12
}

# artefact NAME KEY TITLE USUALLY FUNCTION: a folder $cache/NAME-KEY, filled by the function, which is given its path.
# It appears under its name only when complete; folders of the same name with other keys go then.
artefact() {
  local name=$1 folder=$cache/$1-$2 title=$3 usually=$4 function=$5
  [ -d "$folder" ] || step "$title" "$usually" makeArtefact "$function" "$name" "$folder"
}

# built NAME...: the folders of these artefacts.
built() {
  local name
  for name in "$@"; do echo "$cache/$name"-????????????; done
}

# keysOf NAME...: the same without the place, for the key of what is made from them.
keysOf() { built "$@" | sed 's|.*/||'; }

makeArtefact() {
  local function=$1 name=$2 folder=$3 work old
  work=$(workFolder "$name")
  "$function" "$work"
  mv "$work" "$folder"
  for old in "$cache/$name"-????????????; do
    [ "$old" = "$folder" ] || rm -rf --one-file-system "$old"
  done
}

# workFolder NAME: a new empty folder; what a killed run left there goes first. A package installation that was
# killed leaves /proc and /dev mounted in it, hence the care.
workFolder() {
  local folder=$cache/work/$1
  removeMounts "$folder"
  rm -rf --one-file-system "$folder"
  mkdir -p "$folder"
  echo "$folder"
}

# removeMounts FOLDER: unmount all that is mounted below it, the deepest first.
removeMounts() {
  local folder=$1 at
  awk -v below="$folder/" 'index($5, below) == 1 { print $5 }' /proc/self/mountinfo | sort -r |
    while read -r at; do umount --lazy "$at"; done
}

# image TAG KEY TITLE USUALLY FUNCTION: an image of the engine that carries its key as a label; the function is given
# the tag and the key.
image() {
  local tag=$1 key=$2 title=$3 usually=$4 function=$5
  [ "$(imageKey "$tag")" = "$key" ] || step "$title" "$usually" "$function" "$tag" "$key"
}

imageKey() { docker image inspect --format '{{index .Config.Labels "replica-manager.key"}}' "$1" 2>/dev/null || true; }

imageId() { docker image inspect --format '{{.Id}}' "$1"; }
