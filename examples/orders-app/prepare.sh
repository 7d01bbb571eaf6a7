#!/usr/bin/env bash
# Lays the application out in dist/orders-app as it goes into its image: its files, the packed library and pg.
# Does nothing when nothing has changed.
set -euo pipefail
cd "$(dirname "$0")/../.."
export PATH="$PWD/node_modules/.bin:$PATH"
example=examples/orders-app
target=dist/orders-app

src/build/pack.sh dist/package
tarball=$(echo "$PWD"/dist/package/replica-manager-*.tgz)
stamp=$(cat "$tarball" "$example"/*.ts "$example/package.json" "$example/prepare.sh" | sha256sum | cut -d' ' -f1)
if [ "$(cat dist/orders-app.stamp 2>/dev/null)" = "$stamp" ] && [ -d "$target/node_modules/replica-manager" ]; then
  exit 0
fi

rm -rf "$target" dist/orders-app.stamp
mkdir -p "$target"
cp "$example"/*.ts "$example/package.json" "$target"
npm install --prefix "$target" --omit=dev --no-audit --no-fund --prefer-offline --no-package-lock --no-save \
  --install-links --loglevel=error "$tarball"
echo "$stamp" >dist/orders-app.stamp
echo "$target: $(du -sk "$target" | cut -f1) KiB"
