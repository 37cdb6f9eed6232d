#!/usr/bin/env bash
# Results per second beside the answers of /health, which are made of nothing, in turns: on a running `cargo xtask up`.
# Needs wrk (Debian: apt-get install wrk).
#
#   bench/results.sh [url, default http://127.0.0.1:3000] [rounds, default 5] [seconds a run, default 8] [connections, default 32]
set -euo pipefail
url=${1:-http://127.0.0.1:3000} rounds=${2:-5} seconds=${3:-8} connections=${4:-32}

measure() {
    wrk --threads 1 --connections "$connections" --duration "${seconds}s" "$url$1" |
        awk '/Non-2xx/ { bad = 1 } /Requests\/sec/ { rate = $2 } END { if (bad) exit 1; printf "%d", rate }'
}

echo "round  /health  /api/results (ratio)"
for round in $(seq "$rounds"); do
    a=$(measure /health) b=$(measure /api/results)
    echo "$round $a $b" | awk '{ printf "%5d  %7d  %12d (%.2f)\n", $1, $2, $3, $3 / $2 }'
done
