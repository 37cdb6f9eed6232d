-- The polls of a batch, each looked up once. `poll = any (…)` held every poll that there is against every vote of the
-- batch: with 1,000 polls that took twice as long as all else. What the function does is as in 0009.

create or replace function record_votes(
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
            join (select distinct poll from unnest($1) as named (poll)) n on n.poll = p.poll
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
