-- Polls with hours, polls in which each voter has one vote, and revisions of their definitions.
-- What is here is not yet offered by the API: producers may append votes for such polls themselves.

-- Revisions come from one sequence, so that a poll that is deleted and made anew goes on from a greater
-- one: what publishes definitions never takes the new poll for an old version of itself.
create sequence poll_revisions as bigint;

alter table polls
    -- Votes appended from opens_at on and before closes_at count; null is no limit.
    add column opens_at timestamptz,
    add column closes_at timestamptz,
    add column one_vote_per_voter boolean not null default false,
    add column revision bigint not null default nextval('poll_revisions'),
    add constraint polls_hours check (opens_at < closes_at);
alter sequence poll_revisions owned by polls.revision;
comment on column polls.revision is 'Raised by every change; what is published is ordered by it.';

-- What a change of a poll must not do to votes that were cast, and its new revision.
create function change_poll() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    if tg_op = 'DELETE' or new.poll <> old.poll
       or new.one_vote_per_voter <> old.one_vote_per_voter
       or not new.options @> old.options then
        -- record_votes waits from here on, and then finds the poll as it is by then.
        lock table vote_events in share row exclusive mode;
        if exists (select from vote_events e where e.poll = old.poll) then
            raise exception 'the poll "%" has votes', old.poll
                using errcode = 'object_in_use',
                      hint = 'Options can be added, and hours changed; a poll with votes can be closed, not deleted.';
        end if;
    end if;
    if tg_op = 'DELETE' then
        delete from votes v where v.poll = old.poll;
        return old;
    end if;
    -- An option that nobody could vote for yet goes with its tally.
    delete from votes v where v.poll = old.poll and v.option <> all (new.options);
    new.revision := nextval('poll_revisions');
    return new;
end
$$;

create trigger change_poll before update or delete on polls
for each row execute function change_poll();

alter table votes
    add column replaced bigint not null default 0 check (replaced >= 0);
comment on table votes is 'The tally of each option; count + replaced equals the number of its vote_events.';
comment on column votes.replaced is 'Votes whose voter has cast a later one; they do not count.';

-- The vote of each voter that counts, in polls in which a voter has one: the one with the greatest
-- stream id, which is a pair of unsigned 64-bit numbers. `option` is null only inside record_votes.
create table voters (
    poll       text not null,
    voter      text not null,
    stream_ms  numeric(20) not null default -1,
    stream_seq numeric(20) not null default -1,
    vote_id    text,
    option     text,
    primary key (poll, voter)
);
comment on table voters is 'Whose vote counts where each voter has one. `voter` is a keyed hash, which says nothing of the person.';

-- Records a batch of votes, each once, and moves the tallies accordingly.
--
-- The six arrays are parallel: element i of each describes vote i. `cast_at` is in microseconds
-- since the Unix epoch. Returns at most one row an outcome, with the positions (from 1) it befell:
--   counted         new, and recorded; in the tally unless its voter has cast a later vote
--   duplicate       (poll, vote_id) was recorded before, or earlier in this batch
--   unknown_poll    no such poll
--   unknown_option  the poll has no such option
--   poll_not_open   appended before the poll opens, by the time in the stream id
--   poll_closed     appended when the poll was closed, likewise
--   voter_missing   each voter has one vote in this poll, and this vote names no voter
--
-- Any number may run at once. Everything is locked in one global order, so that no two wait for each
-- other: events, tallies of polls without voters, voters, tallies of polls with voters; each of them by key.
create or replace function record_votes(
    polls text[], vote_ids text[], stream_ids text[], options text[], voters text[], cast_at bigint[]
) returns table (outcome text, positions int[])
language plpgsql security definer set search_path = public, pg_temp
as $$
#variable_conflict use_column
declare
    -- Positions of the new votes in polls in which each voter has one.
    voted int[];
    once int[];
begin
    for outcome, positions, once in
        with poll as (
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
                       when p.opens_ms is not null and appended_ms(v.stream_id) < p.opens_ms then 'poll_not_open'
                       when p.closes_ms is not null and appended_ms(v.stream_id) >= p.closes_ms then 'poll_closed'
                       when p.one_vote_per_voter and v.voter is null then 'voter_missing'
                   end as refusal
            from unnest($1, $2, $3, $4, $5, $6) with ordinality
                 as v (poll, vote_id, stream_id, option, voter, cast_at, position)
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
            insert into vote_events (poll, vote_id, stream_id, option, voter, cast_at)
            select poll, vote_id, stream_id, option, voter, cast_at
            from candidate
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

-- The time in a stream id, in milliseconds since the Unix epoch. A vote that did not come through the
-- stream is appended now.
create function appended_ms(stream_id text) returns numeric
language sql volatile as $$
    select coalesce(split_part(stream_id, '-', 1)::numeric, extract(epoch from clock_timestamp()) * 1000)
$$;

-- Counts new votes of polls in which each voter has one: the latest of each voter by stream id, in
-- whatever order votes arrive. The tallies move by the difference to what counted before.
create function count_latest_votes(
    polls text[], voters text[], stream_ids text[], vote_ids text[], options text[]
) returns void
language plpgsql set search_path = public, pg_temp
as $$
#variable_conflict use_column
begin
    insert into voters (poll, voter)
    select distinct v.poll, v.voter
    from unnest($1, $2) as v (poll, voter)
    order by v.poll, v.voter
    on conflict (poll, voter) do nothing;

    -- Only what is locked before a statement begins is seen by it as it is.
    perform from voters v
    where (v.poll, v.voter) in (select * from unnest($1, $2))
    order by v.poll, v.voter
    for update;

    with cast_now as (
        select v.poll, v.voter, v.vote_id, v.option,
               appended_ms(v.stream_id) as stream_ms,
               coalesce(split_part(v.stream_id, '-', 2)::numeric, 0) as stream_seq
        from unnest($1, $2, $3, $4, $5) as v (poll, voter, stream_id, vote_id, option)
    ),
    latest as (
        select distinct on (poll, voter) *
        from cast_now
        order by poll, voter, stream_ms desc, stream_seq desc, vote_id desc
    ),
    moved as (
        select h.poll, h.voter, h.option as before, l.option as after, l.vote_id, l.stream_ms, l.stream_seq
        from voters h
        join latest l using (poll, voter)
        where (l.stream_ms, l.stream_seq, l.vote_id) > (h.stream_ms, h.stream_seq, coalesce(h.vote_id, ''))
    ),
    kept as (
        update voters h
        set stream_ms = m.stream_ms, stream_seq = m.stream_seq, vote_id = m.vote_id, option = m.after
        from moved m
        where h.poll = m.poll and h.voter = m.voter
    ),
    difference as (
        select poll, option, sum(events)::bigint as events, sum(counted)::bigint as counted
        from (
            select poll, option, 1 as events, 0 as counted from cast_now
            union all
            select poll, after, 0, 1 from moved
            union all
            select poll, before, 0, -1 from moved where before is not null
        ) change
        group by poll, option
    ),
    due as (
        select t.poll, t.option, d.events, d.counted
        from votes t
        join difference d using (poll, option)
        order by t.poll, t.option
        for update of t
    )
    update votes t
    set count = t.count + due.counted,
        replaced = t.replaced + due.events - due.counted,
        updated_at = clock_timestamp()
    from due
    where t.poll = due.poll and t.option = due.option;
end
$$;

-- By the audit log: the vote of each voter that counts, in polls in which a voter has one.
create function latest_votes()
returns table (poll text, voter text, stream_ms numeric, stream_seq numeric, vote_id text, option text)
language sql stable set search_path = public, pg_temp
as $$
    select distinct on (e.poll, e.voter) e.poll, e.voter, s.ms, s.seq, e.vote_id, e.option
    from vote_events e
    join polls p on p.poll = e.poll and p.one_vote_per_voter
    cross join lateral (
        select coalesce(split_part(e.stream_id, '-', 1)::numeric, floor(extract(epoch from e.recorded_at) * 1000)) as ms,
               coalesce(split_part(e.stream_id, '-', 2)::numeric, 0) as seq
    ) s
    order by e.poll, e.voter, s.ms desc, s.seq desc, e.vote_id desc
$$;

-- Holds every tally against the audit log: `count` is the tally as found, null if its row is missing;
-- `recorded` is the number of its events, without those that a later vote of their voter replaced.
-- `agrees` also says that what was replaced, and whose vote counts, is as in the log. With `repair`, what
-- differs is set right; recording waits meanwhile.
drop function recount_votes(boolean);
create function recount_votes(repair boolean default false)
returns table (poll text, option text, count bigint, recorded bigint, agrees boolean)
language plpgsql set search_path = public, pg_temp
as $$
#variable_conflict use_column
begin
    if repair then
        lock table votes, voters in exclusive mode;
    end if;
    return query
        with latest as materialized (select * from latest_votes()),
        event as (
            select e.poll, e.option, count(*) as total,
                   count(*) filter (where not p.one_vote_per_voter or l.vote_id is not null) as recorded
            from vote_events e
            join polls p on p.poll = e.poll
            left join latest l on l.poll = e.poll and l.vote_id = e.vote_id
            group by e.poll, e.option
        ),
        due as (
            select p.poll, unnest(p.options) as option from polls p
            union
            select v.poll, v.option from votes v
            union
            select e.poll, e.option from event e
        ),
        confused as (
            select poll
            from latest l full join voters v using (poll, voter)
            where (l.vote_id, l.option) is distinct from (v.vote_id, v.option)
        ),
        compared as (
            select poll, option, v.count, coalesce(e.recorded, 0) as recorded,
                   coalesce(e.total - e.recorded, 0) as replaced,
                   v.count is not distinct from coalesce(e.recorded, 0)
                   and v.replaced is not distinct from coalesce(e.total - e.recorded, 0)
                   and poll not in (select poll from confused) as agrees
            from due left join votes v using (poll, option) left join event e using (poll, option)
        ),
        repaired as (
            insert into votes (poll, option, count, replaced)
            select c.poll, c.option, c.recorded, c.replaced from compared c where repair and not c.agrees
            on conflict (poll, option) do update
            set count = excluded.count, replaced = excluded.replaced, updated_at = clock_timestamp()
        )
        select c.poll, c.option, c.count, c.recorded, c.agrees from compared c order by c.poll, c.option;
    if repair then
        delete from voters;
        insert into voters (poll, voter, stream_ms, stream_seq, vote_id, option) select * from latest_votes();
    end if;
end
$$;
