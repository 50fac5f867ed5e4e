#!/usr/bin/env bash
# Installs what building, testing and running need, and nothing that is there already.
#
#   ./bootstrap.sh          Debian packages, then the Python programs of the outside tests
#   ./bootstrap.sh --build  only what `make run` needs
#   ./bootstrap.sh --bench  what `make bench` holds the figures against, besides
set -euo pipefail
cd "$(dirname "$0")"

# Build and run: one line per library of Package.swift, then the demonstration's speech.
build_packages=(
  make git pkg-config python3 curl tzdata
  libssl-dev libsodium-dev libsqlite3-dev libyaml-dev libcurl4-openssl-dev
  libsndfile1-dev libseccomp-dev libhpdf-dev libxlsxwriter-dev
  libp11-kit-dev libqrencode-dev
  asterisk-core-sounds-en-wav pocketsphinx-testdata
)
# Outside programs that the tests hold our bytes against.
test_packages=(
  python3-venv openssl chromium strace faketime
  poppler-utils zbar-tools softhsm2 opensc
  sox libsox-fmt-all opus-tools vorbis-tools lame flac
  golang-go golang-golang-x-mod-dev
  rsyslog rsyslog-openssl rsyslog-gnutls
  kamailio sip-tester iptables iproute2 dnsmasq-base
)
# Peers of the benchmarks.
bench_packages=(
  python3-venv nginx-light curl age restic wrk gnupg openssl gcc eatmydata golang-go golang-golang-x-mod-dev
  postgresql-15 util-linux kamailio sip-tester haproxy keepalived iptables iproute2
)

say() { printf 'bootstrap: %s\n' "$*"; }
fail() { printf 'bootstrap: %s\n' "$*" >&2; exit 1; }

as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"
  elif command -v sudo >/dev/null; then sudo "$@"
  else fail "needs root to install packages: run it as root, or install sudo"; fi
}

export PATH="$PATH:/opt/swift/usr/bin"
command -v swift >/dev/null || fail "Swift 6.3 is not on PATH nor in /opt/swift/usr/bin.
Download it for Debian 12 from https://www.swift.org/install/linux/ and unpack it to /opt/swift."
version=$(swift --version 2>/dev/null | sed -n 's/.*Swift version \([0-9]*\.[0-9]*\).*/\1/p' | head -1)
[ "$(printf '6.3\n%s\n' "${version:-0}" | sort -V | head -1)" = 6.3 ] \
  || fail "Swift ${version:-of unknown version} is too old: 6.3 is needed (https://www.swift.org/install/linux/)."

packages=("${build_packages[@]}")
case "${1:-}" in
  --build) ;;
  --bench) packages+=("${bench_packages[@]}") ;;
  *) packages+=("${test_packages[@]}") ;;
esac
missing=()
for package in "${packages[@]}"; do
  status=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)
  [ "$status" = "install ok installed" ] || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
  say "installing Debian packages: ${missing[*]}"
  say "reading package lists (some seconds) …"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq update
  say "downloading and unpacking (a minute or two) …"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y install --no-install-recommends \
    "${missing[@]}" >/dev/null
fi

# A virtual environment is keyed by its list, so that a changed list makes a fresh one.
environment() {
  local folder=$1 list=$2 what=$3
  local stamp="$folder/made-from-$(sha256sum "$list" | cut -c1-16)"
  [ ! -e "$stamp" ] || return 0
  say "making $folder with $what (a minute) …"
  rm -rf "$folder"
  python3 -m venv "$folder"
  "$folder/bin/pip" --quiet --disable-pip-version-check install --requirement "$list"
  touch "$stamp"
}

case "${1:-}" in
  --build) ;;
  --bench) environment .build/bench/venv Benchmarks/requirements.txt "the Python peers" ;;
  *) environment .venv Tests/Outside/requirements.txt "the Python programs of the outside tests" ;;
esac
