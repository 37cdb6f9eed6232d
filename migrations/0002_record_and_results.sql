-- The functions through which votes are recorded and read.

-- Records a batch of votes, each once, and raises the tallies by those that were new.
--
-- The six arrays are parallel: element i of each describes vote i. `cast_at` is in microseconds
-- since the Unix epoch. Returns at most one row an outcome, with the positions (from 1) it befell:
--   counted         new, and now in the tally
--   duplicate       (poll, vote_id) was recorded before, or earlier in this batch
--   unknown_poll    no such poll
--   unknown_option  the poll has no such option
--
-- Any number may run at once: keys are inserted, and then tallies locked, in one global order, so
-- that no two wait for each other.
create function record_votes(
    polls text[], vote_ids text[], stream_ids text[], options text[], voters text[], cast_at bigint[]
) returns table (outcome text, positions int[])
language sql security definer set search_path = public, pg_temp
as $$
    with vote as (
        select v.poll, v.vote_id, v.stream_id, v.option, v.voter, v.position::int as position,
               timestamptz 'epoch' + v.cast_at * interval '1 microsecond' as cast_at,
               case
                   when p.poll is null then 'unknown_poll'
                   when v.option <> all (p.options) then 'unknown_option'
               end as refusal
        from unnest($1, $2, $3, $4, $5, $6) with ordinality
             as v (poll, vote_id, stream_id, option, voter, cast_at, position)
        left join polls p on p.poll = v.poll
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
        join (select poll, option, count(*) as new from recorded group by poll, option) n using (poll, option)
        order by t.poll, t.option
        for update of t
    ),
    raised as (
        update votes t
        set count = t.count + due.new, updated_at = clock_timestamp()
        from due
        where t.poll = due.poll and t.option = due.option
    )
    select coalesce(
               v.refusal,
               case when r.vote_id is not null and c.position = v.position then 'counted' else 'duplicate' end
           ) as outcome,
           array_agg(v.position order by v.position) as positions
    from vote v
    left join candidate c on c.poll = v.poll and c.vote_id = v.vote_id
    left join recorded r on r.poll = v.poll and r.vote_id = v.vote_id
    group by 1
$$;

-- Casts one vote in the poll `default` by hand, and returns the option's new tally.
create function increment_vote(option text) returns bigint
language plpgsql security definer set search_path = public, pg_temp
as $$
declare
    outcome text;
begin
    select r.outcome into outcome
    from record_votes(
        array['default'], array[gen_random_uuid()::text], array[null], array[increment_vote.option], array[null],
        array[(extract(epoch from clock_timestamp()) * 1000000)::bigint]
    ) r;
    if outcome <> 'counted' then
        raise exception 'the poll "default" has no option "%"', increment_vote.option
            using errcode = 'invalid_parameter_value',
                  hint = 'Options: ' || (select array_to_string(options, ', ') from polls where poll = 'default');
    end if;
    return (select v.count from votes v where v.poll = 'default' and v.option = increment_vote.option);
end
$$;

-- The tally of a poll, in the order of its options; no rows if there is no such poll.
-- `percentage` is of the poll's total, and 0 while there are no votes.
create function get_vote_results(poll text default 'default')
returns table (option text, count bigint, percentage numeric(5, 2), updated_at timestamptz)
language sql stable set search_path = public, pg_temp
as $$
    select v.option, v.count,
           coalesce(round(100.0 * v.count / nullif(sum(v.count) over (), 0), 2), 0)::numeric(5, 2),
           v.updated_at
    from polls p
    cross join unnest(p.options) with ordinality as o (option, position)
    join votes v on v.poll = p.poll and v.option = o.option
    where p.poll = get_vote_results.poll
    order by o.position
$$;

-- Holds every tally against the audit log: `count` is the tally as found, `recorded` the number of
-- its events. With `repair`, tallies that differ are set to what is recorded; recording waits meanwhile.
create function recount_votes(repair boolean default false)
returns table (poll text, option text, count bigint, recorded bigint)
language plpgsql set search_path = public, pg_temp
as $$
#variable_conflict use_column
begin
    if repair then
        lock table votes in exclusive mode;
    end if;
    return query
        with event as (
            select e.poll, e.option, count(*) as recorded from vote_events e group by e.poll, e.option
        ),
        compared as (
            select poll, option, coalesce(v.count, 0) as count, coalesce(e.recorded, 0) as recorded
            from votes v full join event e using (poll, option)
        ),
        repaired as (
            update votes v set count = c.recorded, updated_at = clock_timestamp()
            from compared c
            where repair and v.poll = c.poll and v.option = c.option and v.count <> c.recorded
        )
        select * from compared c order by c.poll, c.option;
end
$$;
