#!/usr/bin/env bash
# curl plays ranges of a recording: first bytes, middle, suffix, beyond the end, If-Range, HEAD,
# a playback URL without headers, and an upload whose Content-Digest is wrong.
set -euo pipefail
data="$SCRATCH/data" keys="$SCRATCH/keys"
export CALLVAULT_DATA="$data"
"$CALLVAULT" init --data "$data" --keys "$keys" --json >"$SCRATCH/init.json"
mkfifo "$SCRATCH/ready"
exec 9<>"$SCRATCH/ready"
"$CALLVAULT" serve --data "$data" --keys "$keys" --listen 127.0.0.1:0 --ready-fd 9 2>"$SCRATCH/stderr.log" &
service=$!
trap 'kill "$service" 2>/dev/null || true; wait "$service" 2>/dev/null || true' EXIT
read -r -t 60 url <&9
token() { "$CALLVAULT" token create --name "$1" --role "$2" ${3:+--scope "$3"}; }
writer=$(token pbx service recordings:write 2>/dev/null)
reader=$(token osei clinician 2>/dev/null)
request() { curl --silent --show-error --cacert "$data/tls/certificate.pem" "$@"; }
fail() { echo "FAILED: $*"; exit 1; }
same() { [ "$1" = "$2" ] || fail "$3: got '$1', expected '$2'"; }

head -c 300000 /dev/urandom >"$SCRATCH/audio.bin"
call=$(request -H "Authorization: Bearer $writer" -H 'Content-Type: application/json' \
  -d '{"source":"curl","source_id":"one"}' "$url/v1/calls" | python3 -c 'import json,sys; print(json.load(sys.stdin)["call"])')

# A digest that does not match stores nothing.
status=$(request -o "$SCRATCH/problem.json" -w '%{http_code}' -H "Authorization: Bearer $writer" \
  -H 'Content-Type: application/octet-stream' \
  -H "Content-Digest: sha-256=:$(head -c 32 /dev/zero | base64):" \
  --data-binary "@$SCRATCH/audio.bin" "$url/v1/calls/$call/recordings")
same "$status" 400 "a wrong Content-Digest"
same "$(find "$data/objects" -type f | wc -l)" 0 "objects after a wrong Content-Digest"

digest=$(openssl dgst -sha256 -binary "$SCRATCH/audio.bin" | base64)
# Chunked, as a phone system that does not know the length sends it.
recording=$(request -H "Authorization: Bearer $writer" -H 'Content-Type: application/octet-stream' \
  -H 'Transfer-Encoding: chunked' -H "Content-Digest: sha-256=:$digest:" \
  --data-binary "@$SCRATCH/audio.bin" "$url/v1/calls/$call/recordings" \
  | python3 -c 'import json,sys; print(json.load(sys.stdin)["recording"])')
status=$(request -o /dev/null -w '%{http_code}' -H "Authorization: Bearer $writer" \
  -H 'Content-Type: application/octet-stream' --data-binary "@$SCRATCH/audio.bin" \
  "$url/v1/calls/$call/recordings")
same "$status" 200 "the same bytes again"

audio="$url/v1/recordings/$recording/audio"
play() { request -H "Authorization: Bearer $reader" -H 'Purpose-Of-Use: TREAT' "$@"; }
check() { # range, offset, count
  status=$(play -o "$SCRATCH/part" -w '%{http_code}' -r "$1" "$audio")
  same "$status" 206 "range $1"
  same "$(stat -c %s "$SCRATCH/part")" "$3" "length of range $1"
  cmp --ignore-initial="$2:0" --bytes="$3" "$SCRATCH/audio.bin" "$SCRATCH/part" || fail "bytes of range $1"
}
check 0-99 0 100
check 65400-65600 65400 201
check 131000-200000 131000 69001
check 299999- 299999 1
check -1000 299000 1000
check 0-999999999 0 300000
play -o "$SCRATCH/whole" "$audio"
cmp "$SCRATCH/whole" "$SCRATCH/audio.bin" || fail "the whole recording"
same "$(play -o /dev/null -w '%{http_code}' -r 300000- "$audio")" 416 "a range after the end"
tag=$(play -I "$audio" | tr -d '\r' | sed -n 's/^[Ee][Tt][Aa][Gg]: //p')
same "$(play -o /dev/null -w '%{http_code}' -r 0-9 -H "If-Range: $tag" "$audio")" 206 "If-Range with the tag"
same "$(play -o /dev/null -w '%{http_code}' -r 0-9 -H 'If-Range: "other"' "$audio")" 200 "If-Range with another"
same "$(play -o /dev/null -w '%{http_code}' -H "If-None-Match: $tag" "$audio")" 304 "If-None-Match"
length=$(play -I "$audio" | tr -d '\r' | sed -n 's/^[Cc]ontent-[Ll]ength: //p')
same "$length" 300000 "Content-Length of HEAD"
same "$(request -o /dev/null -w '%{http_code}' -H "Authorization: Bearer $reader" "$audio")" 400 "no Purpose-Of-Use"
same "$(request -o /dev/null -w '%{http_code}' "$audio" -H 'Purpose-Of-Use: TREAT')" 401 "no token"
same "$(request -o /dev/null -w '%{http_code}' -H "Authorization: Bearer $writer" -H 'Purpose-Of-Use: TREAT' "$audio")" 403 "a token that may only write"

path=$(play -H 'Content-Type: application/json' -d '{"purpose":"TREAT"}' \
  "$url/v1/recordings/$recording/playback" | python3 -c 'import json,sys; print(json.load(sys.stdin)["url"])')
same "$(request -o "$SCRATCH/part" -w '%{http_code}' -r 10-19 "$url$path")" 206 "a range by the playback URL"
cmp --ignore-initial=10:0 --bytes=10 "$SCRATCH/audio.bin" "$SCRATCH/part" || fail "bytes by the playback URL"
echo ": $(curl --version | head -n 1 | cut -d' ' -f1-2): ranges, conditions, a playback URL, a refused digest"
