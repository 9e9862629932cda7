#!/usr/bin/env bash
# Builds the fuzz targets with clang (ASan, UBSan, libFuzzer) and runs each for $1 seconds (20).
# A crashing input is left in $BEAM_FUZZ_DIR; pass its path as $2 to a target to replay it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
seconds=${1:-20}
build=${BEAM_FUZZ_DIR:-../build/engineFuzz}
mkdir -p "$build"
command -v clang++ >/dev/null || {
  printf 'fuzz: skipped, clang++ is missing\n'
  exit 0
}
echo 'extern "C" int LLVMFuzzerTestOneInput(const unsigned char*, unsigned long) { return 0; }' |
  clang++ -fsanitize=fuzzer -x c++ - -o "$build/probe" 2>/dev/null || {
  printf 'fuzz: skipped, libFuzzer is missing (libclang-rt-dev)\n'
  exit 0
}
sources=(packet/*.cc cipher/*.cc sys/*.cc core/*.cc probe/*.cc
  ../sys/{link,netlinkMessage,netlinkSocket,netns,route,tun}.cc)
flags=(-std=c++20 -O1 -g -fno-exceptions -I. -fsanitize=address,undefined,fuzzer-no-link
  -fno-sanitize-recover=undefined)
printf '%s\n' "${sources[@]}" | xargs -P "$(nproc)" -I{} bash -c \
  'exec clang++ "${@:2}" -c "$1" -o "'"$build"'/$(tr "/." "__" <<<"$1").o"' _ {} "${flags[@]}"
for target in packets transport; do
  clang++ "${flags[@]}" -fsanitize=fuzzer "fuzz/${target}Fuzz.cc" "$build"/*.o \
    -o "$build/${target}Fuzz" -lcrypto -ldl -lpthread
  corpus=$build/corpus-$target
  mkdir -p "$corpus"
  printf '== %s, %s s\n' "$target" "$seconds"
  timeout $((seconds + 60)) "$build/${target}Fuzz" -max_total_time="$seconds" -max_len=4096 \
    -artifact_prefix="$build/" -print_final_stats=1 "$corpus" 2>&1 |
    grep -E '^(SUMMARY|==|stat::number_of_executed|Done|#[0-9]+.*(INITED|DONE))|ERROR|Test unit' || true
  [ -z "$(find "$build" -maxdepth 1 -name 'crash-*' -o -maxdepth 1 -name 'oom-*' \
    -o -maxdepth 1 -name 'timeout-*' -o -maxdepth 1 -name 'leak-*')" ] || exit 1
done
