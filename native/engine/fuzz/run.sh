#!/usr/bin/env bash
# Builds the fuzz targets with clang (ASan, UBSan, libFuzzer) and runs each for $1 seconds (20).
# A crashing input is left in $BEAM_FUZZ_DIR; pass its path to a target to replay it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
seconds=${1:-20}
build=${BEAM_FUZZ_DIR:-../build/engineFuzz}
mkdir -p "$build"
command -v clang++ >/dev/null || {
  printf 'skipped: libFuzzer targets, clang++ is missing (apt-get install clang libclang-rt-14-dev)\n'
  exit 0
}
echo 'extern "C" int LLVMFuzzerTestOneInput(const unsigned char*, unsigned long) { return 0; }' |
  clang++ -fsanitize=fuzzer -x c++ - -o "$build/probe" 2>/dev/null || {
  printf 'skipped: libFuzzer targets, libFuzzer is missing (apt-get install libclang-rt-14-dev)\n'
  exit 0
}
targets=(packets roundTrip transport)
sources=(packet/*.cc cipher/*.cc sys/*.cc core/*.cc probe/*.cc test/packets.cc
  ../sys/{link,netlinkMessage,netlinkSocket,netns,route,tun}.cc)
{
  printf 'FLAGS := -std=c++20 -O1 -g -fno-exceptions -I. -fsanitize=address,undefined,fuzzer-no-link'
  printf ' -fno-sanitize-recover=undefined\n'
  printf 'HEADERS := $(shell find . ../sys -name "*.h")\nOBJECTS :=\nall:'
  printf " $build/%sFuzz" "${targets[@]}"
  printf '\n'
  for source in "${sources[@]}"; do
    object=$build/$(tr '/.' '__' <<<"$source").o
    printf '%s: %s $(HEADERS)\n\tclang++ $(FLAGS) -c %s -o $@\nOBJECTS += %s\n' \
      "$object" "$source" "$source" "$object"
  done
  for target in "${targets[@]}"; do
    printf '%s/%sFuzz: fuzz/%sFuzz.cc $(OBJECTS)\n' "$build" "$target" "$target"
    printf '\tclang++ $(FLAGS) -fsanitize=fuzzer $^ -o $@ -lcrypto -ldl -lpthread\n'
  done
} >"$build/Makefile"
make --silent -j "$(nproc)" -f "$build/Makefile" all
for target in "${targets[@]}"; do
  corpus=$build/corpus-$target
  mkdir -p "$corpus"
  printf '== %s, %s s\n' "$target" "$seconds"
  failed=0
  timeout $((seconds + 60)) "$build/${target}Fuzz" -max_total_time="$seconds" -max_len=4096 -len_control=10 \
    -artifact_prefix="$build/" -print_final_stats=1 "$corpus" >"$build/$target.log" 2>&1 || failed=$?
  if [ "$failed" != 0 ]; then
    tail -n 60 "$build/$target.log"
    exit 1
  fi
  grep -E '^(stat::number_of_executed|#[0-9]+.*DONE)' "$build/$target.log"
done
