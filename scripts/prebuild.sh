#!/usr/bin/env bash
# Builds the addons and lays them out as a package ships them, in prebuildify's layout:
#
#   native/prebuilds/linux-<x64|arm64>/<beam_io|beam_engine>.<glibc|musl>.node
#
# for the machine that it runs on; nothing is cross-compiled. Beam looks there after native/build.
# The addons use Node-API and libuv only, so one file serves every Node.js that Beam takes. A glibc
# file works from the glibc version on that is printed for it: build on the oldest system to serve.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

bash scripts/buildNative.sh
platform=$(node -p 'process.platform + "-" + process.arch')
libc=$(node -p 'process.report.getReport().header.glibcVersionRuntime ? "glibc" : "musl"')
folder=native/prebuilds/$platform
mkdir -p "$folder"
for built in native/build/Release/beam_*.node; do
  [ -f "$built" ] || {
    printf 'prebuild: the addons could not be built here\n' >&2
    exit 1
  }
  file=$folder/$(basename "$built" .node).$libc.node
  # Beside it first, so that whoever loads it meanwhile finds a whole file.
  strip --strip-unneeded -o "$file.new" "$built"
  mv "$file.new" "$file"
  needs=
  [ "$libc" != glibc ] || needs=", glibc $(objdump -T "$file" | grep -o 'GLIBC_[0-9.]*' |
    sort -uV | tail -n 1 | cut -d_ -f2) or newer"
  printf '%s: %s bytes%s\n' "$file" "$(stat -c %s "$file")" "$needs"
done
