#!/usr/bin/env bash
# Builds pkcs11js, whose source npm installed with its scripts switched off: with our node-gyp, against
# headers that are on this machine. Without a compiler or headers it says so and succeeds: then Beam
# has no PKCS#11.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

skip() {
  printf 'pkcs11: not built, %s; Beam runs without it\n' "$*"
  exit 0
}

package=node_modules/pkcs11js
[ -f "$package/binding.gyp" ] || skip 'pkcs11js is missing (npm ci)'
[ -f node_modules/node-gyp/bin/node-gyp.js ] || skip 'node-gyp is missing (npm ci)'
for tool in g++ make python3; do
  command -v "$tool" >/dev/null || skip "$tool is missing"
done

nodejs=$(command -v node) || skip 'Node.js is missing'
nodedir=
for candidate in "$(dirname "$(dirname "$(realpath "$nodejs")")")" /usr /usr/local; do
  [ -f "$candidate/include/node/node_api.h" ] || continue
  nodedir=$candidate
  break
done
[ -n "$nodedir" ] || skip 'the headers of Node.js (node_api.h) are missing'

state="$(node -p 'process.version + process.arch') $(sha256sum "$package/package.json" | cut -c1-64)"
stamp=$package/build/.beam-built
[ -f "$package/build/Release/pkcs11.node" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$state" ] && exit 0

printf 'pkcs11: building the binding\n'
mkdir -p build
log=build/pkcs11.log
# A failure here costs PKCS#11 and nothing else.
if ! node node_modules/node-gyp/bin/node-gyp.js rebuild --directory "$package" \
  --nodedir "$nodedir" </dev/null >"$log" 2>&1; then
  skip "the build failed, see $log"
fi
printf '%s\n' "$state" >"$stamp"
