#!/usr/bin/env bash
# Compiles the library and packs it as npm would publish it. Usage: pack.sh FOLDER
# All of it happens in that folder, so that a test and a build may pack at the same time.
set -euo pipefail
cd "$(dirname "$0")/../.."
export PATH="$PWD/node_modules/.bin:$PATH"
folder=$1

rm -rf "$folder/package" "$folder"/replica-manager-*.tgz
mkdir -p "$folder/package"
tsc --project tsconfig.build.json --outDir "$folder/package/dist"
cp package.json README.md CHANGELOG.md LICENSE "$folder/package"
npm pack --pack-destination "$folder" --loglevel=error "$folder/package" >/dev/null
rm -rf "$folder/package"
