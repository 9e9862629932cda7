#!/usr/bin/env bash
# Tests of native/tpm under AddressSanitizer and UndefinedBehaviorSanitizer, against a software TPM of
# their own where there is one.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

[ "$(bash ../../../scripts/hasTssHeaders.sh)" = yes ] || { echo 'tpm: libtss2-dev is missing'; exit 0; }
out=$(pwd)/../../build/tpmTest
mkdir -p "$out"
flags=(-std=c++20 -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined
  -fno-sanitize-recover=all -Wall -Wextra -Wshadow -Werror -Wno-missing-field-initializers)

sources=(commandsTest.cc)
for source in ../*.cc; do
  case $source in ../binding.cc | ../absent.cc) ;; *) sources+=("$source") ;; esac
done
g++ "${flags[@]}" "${sources[@]}" -o "$out/commandsTest" -ldl -pthread

if command -v swtpm >/dev/null && command -v setpriv >/dev/null; then
  folder=$(mktemp -d)
  trap 'kill "$swtpm" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$folder"' EXIT
  setpriv --pdeathsig KILL swtpm socket --tpm2 --tpmstate "dir=$folder" \
    --flags not-need-init,startup-clear --server "type=unixio,path=$folder/s" \
    --ctrl "type=unixio,path=$folder/s.ctrl" 2>/dev/null &
  swtpm=$!
  for _ in $(seq 100); do
    [ -S "$folder/s" ] && [ -S "$folder/s.ctrl" ] && break
    sleep 0.05
  done
  sleep 0.1
  export BEAM_TPM_TCTI=swtpm:path=$folder/s
fi
TSS2_LOG=all+NONE UBSAN_OPTIONS=print_stacktrace=1 timeout 120 "$out/commandsTest"
