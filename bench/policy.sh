#!/usr/bin/env bash
# Votes per second without and with a policy, in turns. Needs wrk (Debian: apt-get install wrk) and several that run, each
# with ports and a folder of its own:
#
#   cargo xtask up                                                                        # the policy without rules
#   SPINVOTE_DATA=/tmp/rust cargo xtask up --port 3001 --redis-port 6391 --postgres-port 5491 \
#       --policy target/policies/address-ranges.wasm                                      # see examples/policies
#   SPINVOTE_DATA=/tmp/python SPIN_VARIABLE_POLICY_HEADERS=x-group cargo xtask up --port 3002 --redis-port 6392 \
#       --postgres-port 5492 --policy target/policies/members.wasm
#
#   bench/policy.sh http://127.0.0.1:3000 http://127.0.0.1:3001 http://127.0.0.1:3002
#
# The first is what the others are compared with. A checkout of a commit before there were policies, 769ed37, is one
# without any. ROUNDS (5), SECONDS_A_RUN (8) and CONNECTIONS (32) may be set.
set -euo pipefail
rounds=${ROUNDS:-5} seconds=${SECONDS_A_RUN:-8} connections=${CONNECTIONS:-32}
[ $# -ge 2 ] || { sed -n '2,16s/^# \{0,1\}//p' "$0" >&2; exit 1; }
cd "$(dirname "$0")"

measure() {
    wrk --threads 1 --connections "$connections" --duration "${seconds}s" --header 'X-Group: members' --script vote.lua "$1" |
        awk '/Non-2xx/ { bad = 1 } /Requests\/sec/ { rate = $2 } END { if (bad) exit 1; printf "%d", rate }'
}

for round in $(seq "$rounds"); do
    for url in "$@"; do measure "$url"; echo -n ' '; done
    echo
done | awk '
    {
        printf "round %d ", NR
        for (i = 1; i <= NF; i++) { ratio[i, NR] = $i / $1; printf " %6d (%.3f)", $i, $i / $1 }
        printf "\n"; n = NF
    }
    END {
        printf "median  "
        for (i = 1; i <= n; i++) {
            for (a = 1; a <= NR; a++) for (b = a + 1; b <= NR; b++)
                if (ratio[i, b] < ratio[i, a]) { t = ratio[i, a]; ratio[i, a] = ratio[i, b]; ratio[i, b] = t }
            m = NR % 2 ? ratio[i, (NR + 1) / 2] : (ratio[i, NR / 2] + ratio[i, NR / 2 + 1]) / 2
            printf "        (%.3f)", m
        }
        printf "\n"
    }'
