#!/usr/bin/env bash
# Votes per second that PostgreSQL records, 2,000 a call as the consumer sends them: in an ordinary poll, in one with one
# vote per voter where each vote is somebody's first, and in one where each changes one of 100,000 voters' mind. In turns,
# by pgbench, in a database of its own. Needs a running `cargo xtask up`.
#
#   bench/record.sh [rounds, default 5] [seconds a run, default 8] [clients, default 1]
set -euo pipefail
cd "$(dirname "$0")"
rounds=${1:-5} seconds=${2:-8} clients=${3:-1}
PATH=$(ls -d /usr/lib/postgresql/*/bin | tail -1):$PATH

eval "$(cargo xtask env)"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
database=${DATABASE_URL%/*}/spinvote_bench
psql() { command psql -X -q -v ON_ERROR_STOP=1 "$@"; }

psql "$DATABASE_URL" -c 'drop database if exists spinvote_bench' -c 'create database spinvote_bench'
pg_dump --schema-only --no-owner "$DATABASE_URL" | psql "$database" >"$work/restored"
psql "$database" -c "
    insert into polls (poll, question, options, one_vote_per_voter) values
        ('ordinary', '?', '{cats,dogs}', false), ('first', '?', '{cats,dogs}', true), ('again', '?', '{cats,dogs}', true)"

# One call: as many votes as a batch has, with ids like those that vote gives. `voter` is an expression of SQL.
script() { # POLL VOTER
    cat <<SQL
\\set call random(1, 1000000000)
select outcome from record_votes(
    array_fill('$1'::text, '{2000}'),
    array(select 'vote-' || md5(:call::text || i) from generate_series(1, 2000) i),
    array(select (extract(epoch from clock_timestamp()) * 1000)::bigint || '-' || i from generate_series(1, 2000) i),
    array(select case when i % 3 = 0 then 'cats' else 'dogs' end from generate_series(1, 2000) i),
    array(select $2 from generate_series(1, 2000) i),
    array_fill(0::bigint, '{2000}'),
    array_fill(true, '{2000}')
);
SQL
}
script ordinary 'null::text' >"$work/ordinary"
script first "md5(:call::text || 'v' || i)" >"$work/first"
script again "md5((random() * 100000)::int::text)" >"$work/again"

measure() {
    pgbench --no-vacuum --client "$clients" --time "$seconds" --file "$work/$1" "$database" 2>/dev/null |
        awk '/^tps/ { printf "%d", $3 * 2000 }'
}

echo "round  ordinary  first votes (ratio)  changed votes (ratio)"
for round in $(seq "$rounds"); do
    ordinary=$(measure ordinary) first=$(measure first) again=$(measure again)
    echo "$round $ordinary $first $again" |
        awk '{ printf "%5d  %8d  %11d (%.2f)  %13d (%.2f)\n", $1, $2, $3, $3 / $2, $4, $4 / $2 }'
done
psql "$DATABASE_URL" -c 'drop database spinvote_bench'
