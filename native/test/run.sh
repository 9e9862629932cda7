#!/usr/bin/env bash
# Tests of native/ under AddressSanitizer and UndefinedBehaviorSanitizer: native/sys by programs of
# its own, the addon's lifetimes from Node.js. As root in a network namespace that ends with this.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

command -v g++ >/dev/null || { echo 'skipped: g++ is missing'; exit 0; }
out=$(pwd)/../build/sanitized
mkdir -p "$out"

flags=(-std=c++20 -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined
  -fno-sanitize-recover=all -Wall -Wextra -Wconversion -Wshadow -Werror)
if ! echo 'int main() {}' | g++ "${flags[@]}" -x c++ - -o "$out/probe" 2>/dev/null; then
  echo 'skipped: this g++ has no sanitizers'
  exit 0
fi
export UBSAN_OPTIONS=print_stacktrace=1

isolated=()
if [ "$(id -u)" = 0 ] && [ -w /dev/net/tun ] && unshare --net true 2>/dev/null; then
  # Mounts of its own too, so that sysfs shows the new namespace.
  isolated=(unshare --net --mount -- sh -c 'ip link set lo up && exec "$@"' isolated)
  export BEAM_TEST_NAMESPACE=1
fi

nodedir=$(dirname "$(dirname "$(realpath "$(command -v node)")")")
sources=(./*.cc ../sys/*.cc)
[ ! -f "$nodedir/include/node/node_api.h" ] || sources+=(../addon/*.cc)

# As the addon is built, but for vptr, which needs RTTI. The test frame may do what it likes.
compile() {
  local rules=(-fno-exceptions -fno-rtti -fno-sanitize=vptr)
  [[ $1 == ../* ]] || rules=(-Wno-conversion)
  g++ "${flags[@]}" "${rules[@]}" -fPIC -isystem "$nodedir/include/node" -c "$1" \
    -o "$out/$(tr / _ <<<"${1#../}").o"
}
rm -f "$out"/*.o
running=0
for source in "${sources[@]}"; do
  compile "$source" &
  running=$((running + 1))
  if [ "$running" -ge "$(nproc)" ]; then
    wait -n
    running=$((running - 1))
  fi
done
while [ "$running" -gt 0 ]; do
  wait -n
  running=$((running - 1))
done

g++ "${flags[@]}" "$out"/._*.o "$out"/sys_*.o -o "$out/sysTest" -pthread
timeout 60 "${isolated[@]}" "$out/sysTest"

if compgen -G "$out/addon_*.o" >/dev/null; then
  g++ "${flags[@]}" -shared "$out"/addon_*.o "$out"/sys_*.o -o "$out/beam_io.node" -pthread
  # Node.js itself leaks at exit by design; what is freed too early or twice is seen without that.
  timeout 120 "${isolated[@]}" env LD_PRELOAD="$(g++ -print-file-name=libasan.so)" \
    ASAN_OPTIONS=detect_leaks=0 \
    node --expose-gc addonLifetimes.cjs "$out/beam_io.node" ${BEAM_TEST_NAMESPACE:+tun}
fi

bash ../engine/test/run.sh
bash ../tpm/test/run.sh

# Its findings count as one more check; a minute a target in a long run.
seconds=4
[ "${BEAM_LONG:-}" != 1 ] || seconds=60
fuzzed=$(bash ../engine/fuzz/run.sh "$seconds") || {
  printf '%s\n' "$fuzzed"
  exit 1
}
printf '%s\n' "$fuzzed"
case $fuzzed in
  skipped:*) printf '1 passed, 0 failed, 1 skipped\n' ;;
  *) printf '2 passed, 0 failed, 0 skipped\n' ;;
esac
