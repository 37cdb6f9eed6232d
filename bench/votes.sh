#!/usr/bin/env bash
# Votes per second, Spinvote against the FastAPI peer, in turns, on the same Redis. Needs a running
# `cargo xtask up`, wrk (Debian: apt-get install wrk), and Python 3.
#
#   bench/votes.sh [rounds, default 5] [seconds a run, default 8] [connections, default 32]
set -euo pipefail
cd "$(dirname "$0")"
rounds=${1:-5} seconds=${2:-8} connections=${3:-32}

eval "$(cargo xtask env)"
venv=../target/bench-venv
[ -x $venv/bin/uvicorn ] || {
    python3 -m venv $venv
    $venv/bin/pip install --quiet fastapi 'uvicorn[standard]' redis
}
$venv/bin/uvicorn fastapi_peer:app --port 3999 --workers 1 --loop uvloop --http httptools \
    --no-access-log --log-level warning &
peer=$!
trap 'kill $peer' EXIT
until curl --silent --output /dev/null http://127.0.0.1:3999/docs; do sleep 0.1; done

measure() {
    wrk --threads 1 --connections "$connections" --duration "${seconds}s" --script vote.lua "$1" |
        awk '/Non-2xx/ { bad = 1 } /Requests\/sec/ { rate = $2 } END { if (bad) exit 1; printf "%d", rate }'
}

echo "round  spinvote  fastapi  ratio"
for round in $(seq "$rounds"); do
    ours=$(measure "$SPINVOTE_URL")
    theirs=$(measure http://127.0.0.1:3999)
    printf '%5d  %8d  %7d  %5s\n' "$round" "$ours" "$theirs" "$(echo "scale=2; $ours/$theirs" | bc)"
done | tee /dev/stderr | sort -k4 -n | awk '{ ratio[NR] = $4 } END { print "median ratio:", ratio[int((NR + 1) / 2)] }'
