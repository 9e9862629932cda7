#!/usr/bin/env bash
# Builds native/ with node-gyp against headers that are on this machine; downloads nothing. Without a
# compiler or headers it says so in one line and succeeds: Beam works without its addons. A compile
# error fails.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

skip() {
  printf 'native: not built, %s; Beam runs without it, with less\n' "$*"
  exit 0
}

nodejs=$(command -v node) || skip 'Node.js is missing'
for tool in g++ make python3; do
  command -v "$tool" >/dev/null || skip "$tool is missing"
done
echo 'auto f = [](auto x) requires requires { x + 1; } { return x; };' |
  g++ -std=c++20 -fsyntax-only -x c++ - 2>/dev/null || skip 'g++ does not know C++20'
[ -f node_modules/node-gyp/bin/node-gyp.js ] || skip 'node-gyp is missing (npm ci)'

nodedir=
for candidate in "$(dirname "$(dirname "$(realpath "$nodejs")")")" /usr /usr/local; do
  [ -f "$candidate/include/node/node_api.h" ] || continue
  nodedir=$candidate
  break
done
[ -n "$nodedir" ] || skip 'the headers of Node.js (node_api.h) are missing'

has_tss=$(bash scripts/hasTssHeaders.sh)

# Everything that the result depends on.
state=$({
  printf 'tss %s\n' "$has_tss"
  printf '%s %s %s\n' "$(node -p 'process.version + process.arch')" "$nodedir" "$(g++ -dumpfullversion)"
  find native -type f \( -name '*.cc' -o -name '*.h' -o -name '*.gyp' -o -name '*.gypi' \) \
    -not -path 'native/build/*' | LC_ALL=C sort | xargs -d '\n' sha256sum
} | sha256sum)
stamp=native/build/.beam-built
all_built() {
  local target
  for target in $(sed -n "s/.*'target_name': '\([^']*\)'.*/\1/p" native/binding.gyp); do
    [ -f "native/build/Release/$target.node" ] || return 1
  done
}
all_built && [ "$(cat "$stamp" 2>/dev/null)" = "$state" ] && exit 0

printf 'native: building the addons\n'
[ "$has_tss" = yes ] || printf 'native: without TPM support, libtss2-dev is missing\n'
log=native/build/build.log
mkdir -p native/build
if ! node node_modules/node-gyp/bin/node-gyp.js configure build --directory native \
  --nodedir "$nodedir" --jobs "$(nproc)" </dev/null >"$log" 2>&1; then
  tail -n 60 "$log" >&2
  printf 'native: the build failed, see %s\n' "$log" >&2
  exit 1
fi
printf '%s\n' "$state" >"$stamp"
