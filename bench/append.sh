#!/usr/bin/env bash
# Votes per second that one Redis appends by append.lua, as vote has it: one vote a call without a key, one with a key, and
# 500 a call, as bulk does. In turns, by redis-benchmark with 50 connections, to a stream that nobody reads. Needs a
# running `cargo xtask up`.
#
#   bench/append.sh [rounds, default 5]
set -euo pipefail
cd "$(dirname "$0")"
rounds=${1:-5}
eval "$(cargo xtask env)"
redis() { redis-cli -u "$REDIS_URL" --no-auth-warning "$@"; }
sha=$(redis -x SCRIPT LOAD <../crates/platform/src/stream/append.lua)
redis COPY '{votes}:poll:default' '{bench}:poll:default' REPLACE >/dev/null
forget() { redis --scan --pattern '{bench}*' | xargs -n 1000 redis-cli -u "$REDIS_URL" --no-auth-warning UNLINK bench >/dev/null; }
trap forget EXIT

# append VOTES KEYED CALLS: so many calls of so many votes, with a key or without.
append() {
    local keys=(bench '{bench}:doorbell' '{bench}:polls' '{bench}:published' '{bench}:voted') votes=() id
    for _ in $(seq "$1"); do
        keys+=('{bench}:poll:default')
        id=$RANDOM-__rand_int__
        [ "$2" = 0 ] || keys+=("{bench}:idempotency:default:$id")
        votes+=(cats default "$id" '' "$2")
    done
    redis-benchmark -u "$REDIS_URL" -c 50 -n "$3" -r 1000000000 --csv \
        EVALSHA "$sha" "${#keys[@]}" "${keys[@]}" bench:doorbell 1000 86400 0 1000 "${votes[@]}" 2>/dev/null |
        tail -1 | cut -d '"' -f 4 | awk -v votes="$1" '{ printf "%d", $1 * votes }'
}

echo "round  one a call  one with a key  500 a call"
for round in $(seq "$rounds"); do
    echo "$round $(append 1 0 200000) $(append 1 1 200000) $(append 500 0 1000)" |
        awk '{ printf "%5d  %10d  %14d  %10d\n", $1, $2, $3, $4 }'
done
