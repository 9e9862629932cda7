#!/usr/bin/env bash
# Fetches Debian sid's wireguard-go, or nebula, for `npm run bench`, beside the system: apt works in
# folders of its own under build/peers, the package is unpacked there and never installed. The bench
# finds it there; the program's path is printed too.
#
#   scripts/fetchPeer.sh [wireguard-go|nebula]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

package=${1:-wireguard-go}
case "$package" in
  wireguard-go) ask_version=--version ;;
  nebula) ask_version=-version ;;
  *) echo "fetchPeer: wireguard-go or nebula, not $package" >&2; exit 2 ;;
esac
folder=$PWD/build/peers/$package
binary=$folder/root/usr/bin/$package
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
  echo "fetchPeer: $package of $suite from $mirror" >&2
  apt-get "${options[@]}" -qq update >&2
  (cd "$folder" && apt-get "${options[@]}" -qq download "$package" >&2)
  dpkg -x "$folder/$package"_*.deb "$folder/root"
  rm -r "$apt"
fi
"$binary" "$ask_version" >/dev/null || { echo "fetchPeer: $binary does not run here" >&2; exit 1; }
echo "$binary"
