#!/usr/bin/env bash
# What stored votes cost: the size of one, how long the tallies take to be recomputed and the index to be built anew, and
# what it takes to be rid of a closed poll. Records so many million votes in ten polls, in a database of its own. Needs a
# running `cargo xtask up`, and 300 bytes of disk for each vote.
#
#   bench/stored.sh [millions, default 10]
set -euo pipefail
cd "$(dirname "$0")"
millions=${1:-10}
PATH=$(ls -d /usr/lib/postgresql/*/bin | tail -1):$PATH

eval "$(cargo xtask env)"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
database=${DATABASE_URL%/*}/spinvote_stored
psql() { command psql -X -q -A -t -v ON_ERROR_STOP=1 "$@"; }
# Runs SQL, and prints how long it took.
timed() { # WHAT SQL
    local started=$(date +%s%N)
    psql "$database" -c "$2" >"$work/said"
    echo "$1: $((($(date +%s%N) - started) / 1000000)) ms"
}

psql "$DATABASE_URL" -c 'drop database if exists spinvote_stored' -c 'create database spinvote_stored'
pg_dump --schema-only --no-owner "$DATABASE_URL" | psql "$database" >"$work/said"
psql "$database" -c "insert into polls (poll, question, options) select 'poll-' || i, '?', '{cats,dogs}' from generate_series(0, 9) i"

# One call. Ids that clients choose are random, unlike those that vote gives: for an index the worst case.
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
for million in $(seq "$millions"); do
    pgbench --no-vacuum --client 2 --transactions 250 --file "$work/record" "$database" 2>/dev/null |
        awk -v million="$million" '/^tps/ { printf "million %d: %d votes/s\n", million, $3 * 2000 }'
done
psql "$database" -c vacuum -c "
    select 'bytes a vote: ' || round(pg_table_size('vote_events') / votes) || ' in the table, '
           || round(pg_relation_size('vote_events_pkey') / votes) || ' in the primary key, '
           || round(pg_relation_size('vote_events_batch') / votes, 2) || ' in the index of batches'
    from (select count(*)::numeric as votes from vote_events) c"
timed 'recount of all' 'select * from recount_votes()'
timed 'the primary key, built anew' 'reindex index vote_events_pkey'
psql "$database" -c "copy (select * from vote_events where poll = 'poll-1') to stdout" | gzip >"$work/archive"
psql "$database" -c "select 'the log of a poll, compressed: ' || round($(wc -c <"$work/archive") / count(*)::numeric)
    || ' bytes a vote' from vote_events where poll = 'poll-1'"
timed 'a tenth of the log, deleted' "delete from vote_events where poll = 'poll-1'"
timed 'and vacuumed' 'vacuum vote_events'
psql "$DATABASE_URL" -c 'drop database spinvote_stored'
