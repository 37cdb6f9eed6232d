#!/usr/bin/env bash
# Votes per second through POST /api/votes. Needs a running `cargo xtask up`, and wrk (Debian: apt-get install wrk).
#
#   bench/bulk.sh [rounds, default 5] [seconds a run, default 8] [votes a request, default 5000] [connections, default 2]
set -euo pipefail
cd "$(dirname "$0")"
rounds=${1:-5} seconds=${2:-8} votes=${3:-5000} connections=${4:-2}

eval "$(cargo xtask env)"
for round in $(seq "$rounds"); do
    BENCH_VOTES=$votes wrk --threads 1 --connections "$connections" --duration "${seconds}s" --timeout 30s --script bulk.lua "$SPINVOTE_URL" |
        awk -v votes="$votes" -v round="$round" '/Non-2xx/ { bad = 1 } /Requests\/sec/ { rate = $2 }
            END { if (bad) exit 1; printf "round %d: %d votes/s\n", round, rate * votes }'
done
