#!/usr/bin/env bash
# Votes per second without a rate limit and with one that is never reached, in turns. Needs wrk (Debian: apt-get install
# wrk) and two that run:
#
#   cargo xtask up
#   SPINVOTE_DATA=/tmp/limited SPIN_VARIABLE_RATE_LIMIT=4000000000 cargo xtask up --port 3001 --redis-port 6391 --postgres-port 5491
#
#   bench/rate_limit.sh [rounds, default 5] [seconds a run, default 8] [connections, default 32]
set -euo pipefail
cd "$(dirname "$0")"
rounds=${1:-5} seconds=${2:-8} connections=${3:-32}
without=${WITHOUT:-http://127.0.0.1:3000} with=${WITH:-http://127.0.0.1:3001}

measure() {
    wrk --threads 1 --connections "$connections" --duration "${seconds}s" --script vote.lua "$1" |
        awk '/Non-2xx/ { bad = 1 } /Requests\/sec/ { rate = $2 } END { if (bad) exit 1; printf "%d", rate }'
}

curl --silent --dump-header - --output /dev/null --data '{"option":"cats"}' "$with/api/vote" | grep -qi '^ratelimit:' ||
    { echo "rate_limit.sh: $with has no limit" >&2; exit 1; }
echo "round  without  with (ratio)"
for round in $(seq "$rounds"); do
    a=$(measure "$without") b=$(measure "$with")
    echo "$round $a $b" | awk '{ printf "%5d  %7d  %4d (%.2f)\n", $1, $2, $3, $3 / $2 }'
done
