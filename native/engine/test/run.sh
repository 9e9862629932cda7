#!/usr/bin/env bash
# Builds and runs the engine's C++ tests, with ASan and UBSan and with TSan.
# usage: run.sh [asan|tsan|plain]...   (default: asan tsan). Objects go to $BEAM_TEST_BUILD.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
build=${BEAM_TEST_BUILD:-../build/engineTest}
sources=(packet/*.cc cipher/*.cc sys/*.cc core/*.cc probe/*.cc test/*.cc
  ../sys/{link,netlinkMessage,netlinkSocket,netns,route,tun}.cc)

run() {
  local out=$build/$1
  shift
  mkdir -p "$out"
  {
    printf 'FLAGS := -std=c++20 -O1 -g -Wall -Wextra -Werror -Wno-missing-field-initializers'
    printf ' -fno-exceptions -fno-omit-frame-pointer -I. %s\n' "$*"
    printf 'HEADERS := $(shell find . ../sys -name "*.h")\n'
    printf 'OBJECTS :=\n'
    printf '%s/engineTest:\n\tg++ $(FLAGS) $(OBJECTS) -o $@ -lcrypto -ldl -lpthread\n' "$out"
    for source in "${sources[@]}"; do
      object=$out/$(tr '/.' '__' <<<"$source").o
      printf '%s: %s $(HEADERS)\n\tg++ $(FLAGS) -c %s -o $@\n' "$object" "$source" "$source"
      printf 'OBJECTS += %s\n%s/engineTest: %s\n' "$object" "$out" "$object"
    done
  } >"$out/Makefile"
  make --silent -j "$(nproc)" -f "$out/Makefile" "$out/engineTest"
  timeout "${BEAM_TEST_SECONDS:-120}" "$out/engineTest"
}

for kind in "${@:-asan tsan}"; do
  for build_kind in $kind; do
    printf '== %s\n' "$build_kind"
    case $build_kind in
      asan) run asan -fsanitize=address,undefined -fno-sanitize-recover=all ;;
      tsan) run tsan -fsanitize=thread ;;
      plain) run plain ;;
      *)
        printf 'unknown build: %s\n' "$build_kind" >&2
        exit 2
        ;;
    esac
  done
done
