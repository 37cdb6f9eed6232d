#!/usr/bin/env bash
# Votes per second in the default poll, in one of a thousand polls, in one with 50 options, and in one where each
# voter has one vote, in turns. Needs a running `cargo xtask up`, and wrk (Debian: apt-get install wrk).
#
#   bench/polls.sh [rounds, default 5] [seconds a run, default 8] [connections, default 32]
set -euo pipefail
cd "$(dirname "$0")"
rounds=${1:-5} seconds=${2:-8} connections=${3:-32}

eval "$(cargo xtask env)"
create() {
    curl --silent --output /dev/null --header "Authorization: Bearer $SPINVOTE_TOKEN" --data "$1" "$SPINVOTE_URL/api/polls"
}
for n in $(seq 998); do
    create "{\"poll\":\"bench-$n\",\"question\":\"Which?\",\"options\":[\"cats\",\"dogs\"]}"
done
create "{\"poll\":\"bench-long\",\"question\":\"Which?\",\"options\":[\"cats\"$(printf ',"option %d"' $(seq 49))]}"
create '{"poll":"bench-voters","question":"Which?","options":["cats","dogs"],"one_vote_per_voter":true}'

measure() {
    BENCH_POLL=$1 wrk --threads 1 --connections "$connections" --duration "${seconds}s" --script vote.lua "$SPINVOTE_URL" |
        awk '/Non-2xx/ { bad = 1 } /Requests\/sec/ { rate = $2 } END { if (bad) exit 1; printf "%d", rate }'
}

echo "round  default  one of 1000 (ratio)  50 options (ratio)  one vote per voter (ratio)"
for round in $(seq "$rounds"); do
    default=$(measure default) many=$(measure bench-500) long=$(measure bench-long) voters=$(measure bench-voters)
    echo "$round $default $many $long $voters" |
        awk '{ printf "%5d  %7d  %11d (%.2f)  %10d (%.2f)  %18d (%.2f)\n", $1, $2, $3, $3 / $2, $4, $4 / $2, $5, $5 / $2 }'
done
