#!/usr/bin/env bash
# The demonstration runs from its first step to its last, twice in the same folder, and leaves no
# process behind.
set -euo pipefail
port=$(PYTHONPATH="$REPOSITORY/Tests/Outside" python3 -c 'import ports; print(ports.free_port())')
for round in 1 2; do
  "$CALLVAULT" demo --dir "$SCRATCH/demo" --listen "127.0.0.1:$port" >"$SCRATCH/said" 2>&1 \
    || { cat "$SCRATCH/said"; exit 1; }
  grep -q 'exit code 20, altered' "$SCRATCH/said"
done

# With --serve it goes on, and a signal ends it and its service gently.
"$CALLVAULT" demo --dir "$SCRATCH/demo" --listen "127.0.0.1:$port" --serve >"$SCRATCH/said" 2>&1 &
demo=$!
for _ in $(seq 1 300); do
  grep -q 'goes on at' "$SCRATCH/said" && break
  kill -0 $demo || { cat "$SCRATCH/said"; exit 1; }
  sleep 0.2
done
curl --silent --fail --cacert "$SCRATCH/demo/vault/tls/certificate.pem" \
  "https://127.0.0.1:$port/v1/health/ready" >/dev/null
kill -TERM $demo
wait $demo
! curl --silent --max-time 2 --insecure "https://127.0.0.1:$port/v1/health/live" >/dev/null

# Its log, of a stopped service, says the same to verify.py as to the program.
key=$(grep -ao '[^ "'"'"'=]*/callvault+[0-9a-f]\{8\}+[A-Za-z0-9+/=]*' "$SCRATCH/said" | head -1)
for words in "--key $key --checkpoint $SCRATCH/demo/vault/log/checkpoint" "--key $key" ""; do
  ours=0; "$CALLVAULT" audit verify "$SCRATCH/demo/vault/log" $words >/dev/null || ours=$?
  theirs=0; /usr/bin/python3 -I -S "$REPOSITORY/Evidence/verify.py" log "$SCRATCH/demo/vault/log" $words >/dev/null \
    || theirs=$?
  [ "$ours" = "$theirs" ] || { echo "callvault says $ours, verify.py $theirs"; exit 1; }
done

# What exists and is not its own is not touched.
mkdir "$SCRATCH/mine"; touch "$SCRATCH/mine/file"
! "$CALLVAULT" demo --dir "$SCRATCH/mine" --listen "127.0.0.1:$port" 2>"$SCRATCH/said"
grep -q 'was not made by a demonstration' "$SCRATCH/said"
test -e "$SCRATCH/mine/file"
echo ": twice to its end, once on and off, its log judged alike by verify.py, and a stranger's folder left alone"
