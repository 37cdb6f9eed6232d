-- Percentages that sum to 100.00, and a recount that also restores a tally that is missing.

-- The tally of a poll, in the order of its options; no rows if there is no such poll.
-- `percentage` is of the poll's total, in hundredths that sum to 100.00: each share is rounded down, and
-- what is left goes to the largest remainders, of equal ones to the first. All are 0 while there are no votes.
create or replace function get_vote_results(poll text default 'default')
returns table (option text, count bigint, percentage numeric(5, 2), updated_at timestamptz)
language sql stable set search_path = public, pg_temp
as $$
    with tally as (
        select v.option, v.count, v.updated_at, o.position,
               v.count::numeric * 10000 as parts, nullif(sum(v.count) over (), 0) as total
        from polls p
        cross join unnest(p.options) with ordinality as o (option, position)
        join votes v on v.poll = p.poll and v.option = o.option
        where p.poll = get_vote_results.poll
    ),
    shared as (
        select *, div(parts, total) as hundredths,
               row_number() over (order by mod(parts, total) desc, position) as turn
        from tally
    )
    select option, count,
           coalesce(
               (hundredths + case when turn <= 10000 - sum(hundredths) over () then 1 else 0 end) / 100, 0
           )::numeric(5, 2),
           updated_at
    from shared
    order by position
$$;

-- Holds every tally against the audit log: `count` is the tally as found, null if its row is missing;
-- `recorded` is the number of its events. With `repair`, tallies that differ are set to what is recorded;
-- recording waits meanwhile.
create or replace function recount_votes(repair boolean default false)
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
        due as (
            select p.poll, unnest(p.options) as option from polls p
            union
            select v.poll, v.option from votes v
            union
            select e.poll, e.option from event e join polls using (poll)
        ),
        compared as (
            select poll, option, v.count, coalesce(e.recorded, 0) as recorded
            from due left join votes v using (poll, option) left join event e using (poll, option)
        ),
        repaired as (
            insert into votes (poll, option, count)
            select c.poll, c.option, c.recorded from compared c where repair and c.count is distinct from c.recorded
            on conflict (poll, option) do update set count = excluded.count, updated_at = clock_timestamp()
        )
        select * from compared c order by c.poll, c.option;
end
$$;
