#!/usr/bin/env bash
# What it would cost to have the audit log in parts: votes per second that PostgreSQL records, 2,000 a call, with the table as
# it is, with eight parts by a hash of the vote's id, and with a part for each of ten polls; and what it takes to be rid of a
# poll then. In turns, by pgbench, in databases of their own. Needs a running `cargo xtask up`.
#
#   bench/partitions.sh [rounds, default 3] [seconds a run, default 8]
set -euo pipefail
cd "$(dirname "$0")"
rounds=${1:-3} seconds=${2:-8}
PATH=$(ls -d /usr/lib/postgresql/*/bin | tail -1):$PATH

eval "$(cargo xtask env)"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
psql() { command psql -X -q -A -t -v ON_ERROR_STOP=1 "$@"; }
database() { echo "${DATABASE_URL%/*}/spinvote_$1"; }
kinds='whole hashed listed'

for kind in $kinds; do
    psql "$DATABASE_URL" -c "drop database if exists spinvote_$kind" -c "create database spinvote_$kind"
    pg_dump --schema-only --no-owner "$DATABASE_URL" | psql "$(database $kind)" >"$work/said"
    psql "$(database $kind)" -c "insert into polls (poll, question, options) select 'poll-' || i, '?', '{cats,dogs}' from generate_series(0, 9) i"
done
parts() { # KIND HOW
    psql "$(database "$1")" -c "alter table vote_events rename to before" \
        -c "create table vote_events (like before including defaults, primary key (poll, vote_id)) partition by $2"
}
parts hashed 'hash (vote_id)'
for i in $(seq 0 7); do
    psql "$(database hashed)" -c "create table part_$i partition of vote_events for values with (modulus 8, remainder $i)"
done
parts listed 'list (poll)'
for i in $(seq 0 9); do
    psql "$(database listed)" -c "create table part_$i partition of vote_events for values in ('poll-$i')"
done

cat >"$work/record" <<'SQL'
\set call random(1, 1000000000)
select outcome from record_votes(
    array_fill('poll-' || :call % 10, '{2000}'),
    array(select 'vote-' || gen_random_uuid() from generate_series(1, 2000)),
    array(select (extract(epoch from clock_timestamp()) * 1000)::bigint || '-' || i from generate_series(1, 2000) i),
    array(select case when i % 3 = 0 then 'cats' else 'dogs' end from generate_series(1, 2000) i),
    array_fill(null::text, '{2000}'), array_fill(0::bigint, '{2000}'), array_fill(true, '{2000}')
);
SQL
measure() {
    pgbench --no-vacuum --client 2 --time "$seconds" --file "$work/record" "$(database "$1")" 2>/dev/null |
        awk '/^tps/ { printf "%d", $3 * 2000 }'
}
echo 'round   whole  hashed (ratio)  a part a poll (ratio)'
for round in $(seq "$rounds"); do
    whole=$(measure whole) hashed=$(measure hashed) listed=$(measure listed)
    echo "$round $whole $hashed $listed" |
        awk '{ printf "%5d  %6d  %6d (%.2f)  %13d (%.2f)\n", $1, $2, $3, $3 / $2, $4, $4 / $2 }'
done
timed() { # WHAT KIND SQL
    local started votes
    votes=$(psql "$(database "$2")" -c "select count(*) from vote_events where poll = 'poll-1'")
    started=$(date +%s%N)
    psql "$(database "$2")" -c "$3"
    echo "$1, $votes votes: $((($(date +%s%N) - started) / 1000000)) ms"
}
timed 'a poll deleted from the whole table' whole "delete from vote_events where poll = 'poll-1'"
timed 'the part of a poll dropped' listed 'drop table part_1'
for kind in $kinds; do psql "$DATABASE_URL" -c "drop database spinvote_$kind"; done
