#!/usr/bin/env bash
# For wrong input each command says in a sentence what to do, ends with its documented code, and
# changes nothing.
set -uo pipefail
failures=0
export CALLVAULT_DATA=
unset CALLVAULT_TOKEN CALLVAULT_DATA

# expect CODE WORDS-IN-MESSAGE command…
expect() {
  local code=$1 words=$2; shift 2
  local said status
  said=$("$@" 2>&1 </dev/null); status=$?
  if [ $status -ne "$code" ] || ! grep -qi -- "$words" <<<"$said"; then
    failures=$((failures + 1))
    printf 'wanted %s and "%s" from: %s\ngot %s: %s\n\n' "$code" "$words" "$*" $status "$said"
  fi
}
snapshot() { (cd "$1" && find . -type f ! -path './run/*' -exec sha256sum {} + | sort -k2); }

cv=$CALLVAULT data=$SCRATCH/data
mkdir "$SCRATCH/empty"; printf 'x' > "$SCRATCH/file"

# Without a vault.
expect 2 'usage' "$cv"
expect 2 'no command' "$cv" frobnicate
expect 2 'did you mean' "$cv" innit
expect 2 'needs another word' "$cv" token
expect 2 '--data' "$cv" init
expect 2 'no option' "$cv" init --data "$data" --nonsense
expect 2 'passphrase' "$cv" init --data "$data" --passphrase-file "$SCRATCH/absent"
test -e "$data" && { echo "a refused init left $data behind"; failures=$((failures + 1)); }
expect 2 '' "$cv" serve --data "$SCRATCH/absent"
expect 2 '' "$cv" doctor --data "$SCRATCH/absent"
expect 30 '' "$cv" audit verify "$SCRATCH/absent"
expect 2 'purpose' "$cv" get 3b7e1f0a-0000-4000-8000-000000000000
expect 2 'id' "$cv" get no-id --purpose TREAT

"$cv" init --data "$data" --keys "$SCRATCH/keys" >/dev/null 2>&1 || { echo "init failed"; exit 1; }
before=$(snapshot "$data")
expect 5 'exists' "$cv" init --data "$data" --keys "$SCRATCH/keys"
expect 2 '' "$cv" init --data "$SCRATCH/file"
expect 1 'running' "$cv" list --data "$data"
# The doctor names a damaged ring and a missing catalog.
cp -r "$data" "$SCRATCH/ill"
byte=$(od -An -tu1 -j100 -N1 "$SCRATCH/ill/keys/ring")
printf "\\$(printf '%03o' $((byte ^ 1)))" | dd of="$SCRATCH/ill/keys/ring" bs=1 seek=100 conv=notrunc status=none
expect 7 'not what was written' "$cv" doctor --data "$SCRATCH/ill" --keys "$SCRATCH/keys"
rm "$SCRATCH/ill/catalog.sqlite"
expect 7 'catalog.sqlite is missing' "$cv" doctor --data "$SCRATCH/ill" --keys "$SCRATCH/keys"
mv "$SCRATCH/keys" "$SCRATCH/away"
expect 6 'key' "$cv" serve --data "$data" --keys "$SCRATCH/keys" --listen 127.0.0.1:0
mv "$SCRATCH/away" "$SCRATCH/keys"
expect 2 'listen' "$cv" serve --data "$data" --keys "$SCRATCH/keys" --listen nonsense
[ "$before" = "$(snapshot "$data")" ] || { echo "refused commands changed $data"; failures=$((failures + 1)); }

# A passphrase that is not the one.
printf 'correct horse battery staple\n' > "$SCRATCH/passphrase"; printf 'wrong\n' > "$SCRATCH/wrong"
chmod 600 "$SCRATCH/passphrase" "$SCRATCH/wrong"
expect 2 '12 bytes' "$cv" init --data "$SCRATCH/phrased" --passphrase-file "$SCRATCH/wrong"
chmod 644 "$SCRATCH/passphrase"
expect 2 'read by others' "$cv" init --data "$SCRATCH/phrased" --passphrase-file "$SCRATCH/passphrase"
chmod 600 "$SCRATCH/passphrase"
expect 0 '' "$cv" init --data "$SCRATCH/phrased" --passphrase-file "$SCRATCH/passphrase"
expect 6 'passphrase' "$cv" serve --data "$SCRATCH/phrased" --passphrase-file "$SCRATCH/wrong" --listen 127.0.0.1:0

# With a running service.
exec 9<> <(:)
mkfifo "$SCRATCH/ready"
"$cv" serve --data "$data" --keys "$SCRATCH/keys" --listen 127.0.0.1:0 --ready-fd 8 8>"$SCRATCH/ready" \
  >"$SCRATCH/service.log" 2>&1 &
service=$!
read -r address <"$SCRATCH/ready" || { cat "$SCRATCH/service.log"; exit 1; }
export CALLVAULT_DATA=$data
expect 8 'another process' "$cv" serve --data "$data" --keys "$SCRATCH/keys" --listen 127.0.0.1:0
token() { "$cv" token create --name "$1" --role "$@" --json | sed -n 's/.*"token":"\([^"]*\)".*/\1/p'; }
intake=$("$cv" token create --name intake --role service --scope recordings:write --scope calls:write --json \
  | sed -n 's/.*"token":"\([^"]*\)".*/\1/p')
auditor=$("$cv" token create --name auditor --role auditor --json | sed -n 's/.*"token":"\([^"]*\)".*/\1/p')
clinician=$("$cv" token create --name clinician --role clinician --json | sed -n 's/.*"token":"\([^"]*\)".*/\1/p')
expect 2 'role' "$cv" token create --name x --role nobody
expect 2 '' "$cv" token create --name x --role service --scope 'not a scope'
expect 2 'ttl' "$cv" token create --name x --role auditor --ttl yesterday
expect 3 '' "$cv" token revoke 3b7e1f0a-0000-4000-8000-000000000000
as() { CALLVAULT_TOKEN=$1 "${@:2}"; }
speech=/usr/share/asterisk/sounds/en_US_f_Allison/hello.wav
expect 2 'source' as "$intake" "$cv" put "$speech"
expect 2 '' as "$intake" "$cv" put "$SCRATCH/absent" --source s --source-id 1
expect 2 'started' as "$intake" "$cv" put "$speech" --source s --source-id 1 --started yesterday
expect 2 'direction' as "$intake" "$cv" put "$speech" --source s --source-id 1 --direction sideways
expect 4 '' as "$auditor" "$cv" put "$speech" --source s --source-id 1
: > "$SCRATCH/nothing"
expect 2 'empty' as "$intake" "$cv" put "$SCRATCH/nothing" --source s --source-id 1
expect 2 'https' as "$clinician" "$cv" list --server "http://${address#https://}"
recording=$(as "$intake" "$cv" put "$speech" --source s --source-id 1 --json \
  | sed -n 's/.*"recording":"\([^"]*\)".*/\1/p')
test -n "$recording" || { echo "put printed no recording"; failures=$((failures + 1)); }
expect 0 'recordings' as "$clinician" "$cv" list --server "$address" --json
expect 4 '' as "$auditor" "$cv" get "$recording" --purpose TREAT -o "$SCRATCH/out"
expect 4 '' as "$intake" "$cv" get "$recording" --purpose TREAT -o "$SCRATCH/out"
expect 4 '' "$cv" get "$recording" --purpose TREAT -o "$SCRATCH/out"
expect 4 '' as cv1_wrong "$cv" get "$recording" --purpose TREAT -o "$SCRATCH/out"
expect 2 'purpose' as "$clinician" "$cv" get "$recording" --purpose FUN -o "$SCRATCH/out"
expect 2 'range' as "$clinician" "$cv" get "$recording" --purpose TREAT --range 9-1 -o "$SCRATCH/out"
expect 3 '' as "$clinician" "$cv" get 3b7e1f0a-0000-4000-8000-000000000000 --purpose TREAT
expect 4 '' as "$clinician" "$cv" export "$recording" --out "$SCRATCH/export" --with-key
expect 3 '' as "$clinician" "$cv" transcript get 3b7e1f0a-0000-4000-8000-000000000000 --purpose TREAT
expect 4 '' as "$clinician" "$cv" audit show
expect 2 'limit' as "$auditor" "$cv" audit show --limit 1000
test -e "$SCRATCH/out" && { echo "a refused get left a file"; failures=$((failures + 1)); }

for command in init serve 'token create' 'token list' 'token revoke' put list get 'transcript put' \
  'transcript get' export 'audit show' 'audit export' 'audit verify' doctor demo; do
  # shellcheck disable=SC2086
  said=$("$cv" $command --help) || { echo "$command --help ended with $?"; failures=$((failures + 1)); }
  for part in Usage: Examples: 'Exit codes:'; do
    grep -q "$part" <<<"$said" || { echo "$command --help has no $part"; failures=$((failures + 1)); }
  done
done
# One byte in a later segment of a recording turns over on the disk.
long=$SCRATCH/long; head -c 300000 /dev/urandom > "$long"
damaged=$(as "$intake" "$cv" put "$long" --source s --source-id long --json \
  | sed -n 's/.*"recording":"\([^"]*\)".*/\1/p')
object=$(find "$data/objects" -type f -size +290k)
printf '\0\0\0\0' | dd of="$object" bs=1 seek=200000 conv=notrunc status=none
expect 7 'damaged\|not those' as "$clinician" "$cv" get "$damaged" --purpose TREAT -o "$SCRATCH/out"
test -e "$SCRATCH/out" && { echo "a damaged recording left a file"; failures=$((failures + 1)); }
expect 0 '' as "$clinician" "$cv" get "$damaged" --purpose TREAT --range 0-65535 -o "$SCRATCH/beginning"
officer=$("$cv" token create --name officer --role privacy-officer --json | sed -n 's/.*"token":"\([^"]*\)".*/\1/p')
expect 7 'nothing was exported' as "$officer" "$cv" export "$damaged" --out "$SCRATCH/export" --with-key

short=$("$cv" token create --name short --role clinician --ttl 1s --json | sed -n 's/.*"token":"\([^"]*\)".*/\1/p')
sleep 1.2
expect 4 'expired' as "$short" "$cv" list
if [ "$(id -u)" = 0 ]; then
  expect 4 'another user' setpriv --reuid 65534 --clear-groups "$cv" list
fi

kill -TERM $service; wait $service || { echo "the service ended with $?"; failures=$((failures + 1)); }
[ $failures -eq 0 ] && echo ": every refusal had its sentence and its code"
[ $failures -eq 0 ]
