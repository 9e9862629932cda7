#!/usr/bin/env bash
# Fetches Debian sid's wireguard-go for `npm run bench`, beside the system: apt works in folders of
# its own under build/peers, the package is unpacked there and never installed. Prints the path:
#
#   BEAM_BENCH_PEER=$(bash scripts/fetchPeer.sh) npm run bench
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

folder=$PWD/build/peers/wireguard-go
binary=$folder/root/usr/bin/wireguard-go
suite=sid
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

if [ ! -x "$binary" ]; then
  command -v apt-get >/dev/null || { echo 'fetchPeer: needs apt' >&2; exit 1; }
  # The mirror that this machine already uses for Debian itself.
  mirror=$(apt-get indextargets --format '$(REPO_URI)' | grep -E '/debian/?$' | head -n 1 || true)
  [ -n "$mirror" ] || { echo 'fetchPeer: no Debian mirror among the apt sources' >&2; exit 1; }
  apt=$folder/apt
  mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$folder/root"
  : >"$apt/status"
  printf 'deb [signed-by=%s] %s %s main\n' "$keyring" "$mirror" "$suite" >"$apt/sources.list"
  options=(
    -o "Dir::Etc::sourcelist=$apt/sources.list" -o Dir::Etc::sourceparts=/dev/null
    -o Dir::Etc::preferencesparts=/dev/null -o "Dir::State::lists=$apt/lists"
    -o "Dir::State::status=$apt/status" -o "Dir::Cache=$apt/cache"
    -o Acquire::Languages=none -o APT::Sandbox::User=root
  )
  echo "fetchPeer: wireguard-go of $suite from $mirror" >&2
  apt-get "${options[@]}" -qq update >&2
  (cd "$folder" && apt-get "${options[@]}" -qq download wireguard-go >&2)
  dpkg -x "$folder"/wireguard-go_*.deb "$folder/root"
  rm -r "$apt"
fi
"$binary" --version >/dev/null || { echo "fetchPeer: $binary does not run here" >&2; exit 1; }
echo "$binary"
