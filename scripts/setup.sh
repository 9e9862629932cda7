#!/usr/bin/env bash
# Makes a checkout ready to run: system packages (as root, by apt), npm packages, the TypeScript
# build and the native addon. Safe to run again at any time; does nothing where nothing is to do.
#
#   BEAM_SETUP_NO_APT=1   never install system packages, only say what is missing
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf 'setup: %s\n' "$*"; }
fail() {
  printf 'setup: %s\n' "$*" >&2
  exit 1
}

# command=package; what the build, `npm start` and the namespace tests call.
system_tools=(
  g++=g++ make=make python3=python3
  ip=iproute2 ping=iputils-ping ps=procps nft=nftables
  wg=wireguard-tools wireguard-go=wireguard-go iperf3=iperf3 tcpdump=tcpdump
  softhsm2-util=softhsm2
  swtpm=swtpm swtpm_setup=swtpm-tools tpm2_readpublic=tpm2-tools
)

# library=package of bookworm; what the addon for TPMs opens at run time.
tpm_libraries=(
  libtss2-esys.so.0=libtss2-esys-3.0.2-0 libtss2-mu.so.0=libtss2-mu0 libtss2-rc.so.0=libtss2-rc0
  libtss2-tctildr.so.0=libtss2-tctildr0 libtss2-tcti-device.so.0=libtss2-tcti-device0
  libtss2-tcti-swtpm.so.0=libtss2-tcti-swtpm0
)

check_node() {
  command -v node >/dev/null || fail 'Node.js is missing; install one that package.json "engines" names'
  command -v npm >/dev/null || fail 'npm is missing; it comes with Node.js'
  node - <<'JS' || exit 1
const wanted = require('./package.json').engines.node;
const number = (text) => text.split('.').map(Number);
const found = number(process.versions.node);
const notBefore = (floor) => {
  for (let i = 0; i < 3; i++) if (found[i] !== floor[i]) return found[i] > floor[i];
  return true;
};
const fits = wanted.split('||').some((range) => {
  const [, operator, version] = /^\s*(\^|>=)(\d+\.\d+\.\d+)\s*$/.exec(range);
  const floor = number(version);
  return notBefore(floor) && (operator === '>=' || found[0] === floor[0]);
});
if (!fits) {
  console.error(`setup: this is Node.js ${process.versions.node}; Beam needs ${wanted}`);
  process.exit(1);
}
JS
}

missing_packages() {
  local entry
  for entry in "${system_tools[@]}"; do
    command -v "${entry%%=*}" >/dev/null || printf '%s\n' "${entry#*=}"
  done
  # The native engine's fastest cipher, opened at run time; there for x86-64 alone.
  if [ "$(uname -m)" = x86_64 ] && ! ldconfig -p | grep libIPSec_MB >/dev/null; then
    printf '%s\n' libipsec-mb-dev
  fi
  for entry in "${tpm_libraries[@]}"; do
    ldconfig -p | grep -F "${entry%%=*}" >/dev/null || printf '%s\n' "${entry#*=}"
  done
  [ "$(bash scripts/hasTssHeaders.sh)" = yes ] || printf '%s\n' libtss2-dev
}

apt_install() {
  DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 \
    install -y -qq --no-install-recommends "$@" </dev/null >"$log" 2>&1
}

install_packages() {
  # Tools of the system administrator may lie outside a plain user's PATH.
  PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
  local missing log=build/setup-apt.log
  mapfile -t missing < <(missing_packages)
  [ ${#missing[@]} -gt 0 ] || return 0
  local remedy="apt-get install --no-install-recommends ${missing[*]}"
  if [ -n "${BEAM_SETUP_NO_APT:-}" ] || [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    say "missing: ${missing[*]}; what needs them is left out. As root: $remedy"
    return 0
  fi
  say "installing ${missing[*]}"
  apt_install "${missing[@]}" && return 0
  # The usual cause is a machine whose package lists were never fetched or are old.
  apt-get -o DPkg::Lock::Timeout=300 update -qq </dev/null >"$log" 2>&1 ||
    say "apt-get update failed, see $log"
  apt_install "${missing[@]}" && return 0
  say 'one by one, as they could not all be installed together'
  local package
  for package in "${missing[@]}"; do
    apt_install "$package" || say "could not install $package, see $log; what needs it is left out"
  done
}

# Runs the rest only if the stamp file does not hold this state already.
unless_done() {
  local stamp=$1 state=$2
  shift 2
  [ "$(cat "$stamp" 2>/dev/null)" = "$state" ] && return 0
  "$@"
  printf '%s\n' "$state" >"$stamp"
}

# Install scripts stay off: sodium-native ships its builds, pkcs11js is built by our own script below.
install_npm() {
  say 'npm packages'
  npm ci --ignore-scripts --no-audit --no-fund --loglevel=error </dev/null >/dev/null
}

source_files() { find src test bench scripts -name '*.ts' -type f | LC_ALL=C sort; }

build_typescript() {
  say 'TypeScript build'
  local output source
  # The output of a source that is gone must not run as a test.
  if [ -d dist ]; then
    find dist -name '*.js' -type f | while read -r output; do
      source=${output#dist/}
      [ -f "${source%.js}.ts" ] || rm -f "$output" "$output.map"
    done
  fi
  node node_modules/typescript/bin/tsc -p tsconfig.json || fail 'the TypeScript build failed'
  [ ! -f dist/src/cli/main.js ] || chmod +x dist/src/cli/main.js
}

mkdir -p build
# One at a time: two terminals may start at once.
exec 9>build/setup.lock
flock 9

check_node
install_packages
unless_done node_modules/.beam-setup \
  "$(sha256sum package-lock.json | cut -c1-64) $(node -p process.versions.modules)" install_npm
mkdir -p dist
unless_done dist/.beam-setup \
  "$({ sha256sum package-lock.json tsconfig.json; source_files | xargs -d '\n' sha256sum; } | sha256sum)" \
  build_typescript
[ ! -f scripts/buildNative.sh ] || bash scripts/buildNative.sh
bash scripts/buildPkcs11.sh
