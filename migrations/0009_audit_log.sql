-- The audit log in an order in which it can be taken away while votes come in.
--
-- By the time of recording it could not: a transaction that began earlier may end later, and its votes would be
-- skipped by a reader who has gone on. So each call of record_votes has a number, and a reader first asks for
-- the number up to which all calls have ended.

create sequence vote_batches as bigint;

-- 0 for all that was recorded before there were numbers.
alter table vote_events add column batch bigint not null default 0;
-- For a call of the function as it was, which waits for this migration to end.
alter table vote_events alter column batch set default nextval('vote_batches');
-- What is recorded later lies further back in the table, so this is all an index needs to know. One that orders
-- single rows would make recording slower by a tenth.
create index vote_events_batch on vote_events using brin (batch) with (pages_per_range = 16, autosummarize = on);
alter sequence vote_batches owned by vote_events.batch;
comment on column vote_events.batch is 'Which call of record_votes recorded it: the order of the audit log.';

drop function record_votes(text[], text[], text[], text[], text[], bigint[]);

-- Records a batch of votes, each once, and moves the tallies accordingly.
--
-- The arrays are parallel: element i of each describes vote i. `cast_at` is in microseconds since the Unix
-- epoch. `accepted` says that the poll was open when the vote was appended, and may be left out. Returns at most one row an outcome, with the positions (from 1) it befell:
--   counted         new, and recorded; in the tally unless its voter has cast a later vote
--   duplicate       (poll, vote_id) was recorded before, or earlier in this batch
--   unknown_poll    no such poll
--   unknown_option  the poll has no such option
--   poll_not_open   not accepted, and appended before the poll opens, by the time in the stream id
--   poll_closed     not accepted, and appended when the poll was closed, likewise
--   voter_missing   each voter has one vote in this poll, and this vote names no voter
--
-- Any number may run at once. Everything is locked in one global order, so that no two wait for each
-- other: events, tallies of polls without voters, voters, tallies of polls with voters; each of them by key.
create function record_votes(
    polls text[], vote_ids text[], stream_ids text[], options text[], voters text[], cast_at bigint[],
    accepted boolean[] default null
) returns table (outcome text, positions int[])
language plpgsql security definer set search_path = public, pg_temp
as $$
#variable_conflict use_column
declare
    -- Positions of the new votes in polls in which each voter has one.
    voted int[];
    once int[];
begin
    -- Held until the end of the transaction: see audit_log_ends.
    perform pg_advisory_xact_lock_shared('vote_events'::regclass::oid::bigint);
    for outcome, positions, once in
        with this as materialized (
            select nextval('vote_batches') as batch
        ),
        poll as (
            select p.poll, p.options, p.one_vote_per_voter,
                   -- Stream ids may lie far beyond what a timestamp can be, so hours become numbers.
                   extract(epoch from p.opens_at) * 1000 as opens_ms,
                   extract(epoch from p.closes_at) * 1000 as closes_ms
            from polls p
            where p.poll = any ($1)
        ),
        vote as (
            select v.poll, v.vote_id, v.stream_id, v.option, v.voter, v.position::int as position,
                   p.one_vote_per_voter as once,
                   timestamptz 'epoch' + v.cast_at * interval '1 microsecond' as cast_at,
                   case
                       when p.poll is null then 'unknown_poll'
                       when v.option <> all (p.options) then 'unknown_option'
                       when v.accepted is not true and appended_ms(v.stream_id) < p.opens_ms then 'poll_not_open'
                       when v.accepted is not true and appended_ms(v.stream_id) >= p.closes_ms then 'poll_closed'
                       when p.one_vote_per_voter and v.voter is null then 'voter_missing'
                   end as refusal
            from unnest($1, $2, $3, $4, $5, $6, $7) with ordinality
                 as v (poll, vote_id, stream_id, option, voter, cast_at, accepted, position)
            left join poll p on p.poll = v.poll
        ),
        -- Within the batch the first of several with the same id is the one that counts.
        candidate as (
            select distinct on (poll, vote_id) *
            from vote
            where refusal is null
            order by poll, vote_id, position
        ),
        recorded as (
            insert into vote_events (poll, vote_id, stream_id, option, voter, cast_at, batch)
            select poll, vote_id, stream_id, option, voter, cast_at, batch
            from candidate cross join this
            order by poll, vote_id
            on conflict (poll, vote_id) do nothing
            returning poll, vote_id, option
        ),
        due as (
            select t.poll, t.option, n.new
            from votes t
            join (
                select r.poll, r.option, count(*) as new
                from recorded r join poll p on p.poll = r.poll and not p.one_vote_per_voter
                group by r.poll, r.option
            ) n using (poll, option)
            order by t.poll, t.option
            for update of t
        ),
        raised as (
            update votes t
            set count = t.count + due.new, updated_at = clock_timestamp()
            from due
            where t.poll = due.poll and t.option = due.option
        ),
        judged as (
            select v.position, v.once,
                   coalesce(
                       v.refusal,
                       case when r.vote_id is not null and c.position = v.position then 'counted' else 'duplicate' end
                   ) as outcome
            from vote v
            left join candidate c on c.poll = v.poll and c.vote_id = v.vote_id
            left join recorded r on r.poll = v.poll and r.vote_id = v.vote_id
        )
        select j.outcome, array_agg(j.position order by j.position),
               array_agg(j.position) filter (where j.once and j.outcome = 'counted')
        from judged j
        group by j.outcome
    loop
        voted := coalesce(once, voted);
        return next;
    end loop;

    if voted is not null then
        perform count_latest_votes(
            array_agg(v.poll), array_agg(v.voter), array_agg(v.stream_id), array_agg(v.vote_id), array_agg(v.option)
        )
        from unnest($1, $2, $3, $4, $5) with ordinality as v (poll, vote_id, stream_id, option, voter, position)
        join unnest(voted) as n (position) using (position);
    end if;
end
$$;

grant execute on function record_votes(text[], text[], text[], text[], text[], bigint[], boolean[])
    to spinvote_consumer;

-- Up to which batch the audit log is complete: all batches up to this number have ended. Waits for those that are
-- being recorded, a few milliseconds.
create function audit_log_ends() returns bigint
language plpgsql security definer set search_path = public, pg_temp
as $$
begin
    -- What was recorded lately is not in the index yet, and would be read with each page.
    perform brin_summarize_new_values('vote_events_batch');
    perform pg_advisory_xact_lock('vote_events'::regclass::oid::bigint);
    return (select case when is_called then last_value else 0 end from vote_batches);
end
$$;

-- The audit log of a poll after a vote, in order, up to a batch; at most so many. Within a batch, votes are in
-- the order of their ids.
create function audit_log(poll text, after_batch bigint, after_vote_id text, until_batch bigint, most int)
returns table (
    batch bigint, vote_id text, stream_id text, option text, voter text, cast_at timestamptz, recorded_at timestamptz
)
language plpgsql stable security definer set search_path = public, pg_temp
as $$
#variable_conflict use_column
declare
    low bigint := greatest(after_batch, 1);
    high bigint;
    -- Batches to look into at once: more where they hold little of this poll.
    width bigint := 8;
    rows int;
begin
    -- By the primary key, for there may be millions of these in one batch; new ones never come.
    if after_batch = 0 then
        return query
            select e.batch, e.vote_id, e.stream_id, e.option, e.voter, e.cast_at, e.recorded_at
            from vote_events e
            where e.poll = $1 and e.vote_id > after_vote_id and e.batch = 0
            order by e.vote_id
            limit most;
        if found then
            return;
        end if;
    end if;
    while low <= until_batch and most > 0 loop
        high := least(low + width - 1, until_batch);
        return query
            select e.batch, e.vote_id, e.stream_id, e.option, e.voter, e.cast_at, e.recorded_at
            from vote_events e
            where e.poll = $1 and e.batch between low and high
                  and (e.batch > after_batch or e.vote_id > after_vote_id)
            order by e.batch, e.vote_id
            limit most;
        get diagnostics rows = row_count;
        most := most - rows;
        low := high + 1;
        width := case when rows < 100 then least(width * 4, 8192) else width end;
    end loop;
end
$$;

grant execute on function audit_log_ends(), audit_log(text, bigint, text, bigint, int) to spinvote_organizer;
revoke select on vote_events from spinvote_organizer;
