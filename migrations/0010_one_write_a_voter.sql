-- One write for each voter of a batch, where there were three: a row made, locked and changed.

alter table voters add column replaced_option text;
comment on column voters.replaced_option is 'What the voter had chosen before `option`; null if nothing.';

-- Counts new votes of polls in which each voter has one: the latest of each voter by stream id, in
-- whatever order votes arrive. The tallies move by the difference to what counted before.
create or replace function count_latest_votes(
    polls text[], voters text[], stream_ids text[], vote_ids text[], options text[]
) returns void
language plpgsql set search_path = public, pg_temp
as $$
#variable_conflict use_column
declare
    chosen_in text[];
    chosen text[];
    given_up text[];
begin
    -- Locks each voter in turn, and sees them as they are then, not as they were when the statement began. That is
    -- why what was replaced is kept in the row: nothing else returns it.
    with latest as (
        select distinct on (poll, voter) *
        from (
            select v.poll, v.voter, v.vote_id, v.option,
                   appended_ms(v.stream_id) as stream_ms,
                   coalesce(split_part(v.stream_id, '-', 2)::numeric, 0) as stream_seq
            from unnest($1, $2, $3, $4, $5) as v (poll, voter, stream_id, vote_id, option)
        ) cast_now
        order by poll, voter, stream_ms desc, stream_seq desc, vote_id desc
    ),
    moved as (
        insert into voters as h (poll, voter, stream_ms, stream_seq, vote_id, option)
        select poll, voter, stream_ms, stream_seq, vote_id, option
        from latest
        order by poll, voter
        on conflict (poll, voter) do update
        set stream_ms = excluded.stream_ms, stream_seq = excluded.stream_seq, vote_id = excluded.vote_id,
            option = excluded.option, replaced_option = h.option
        where (excluded.stream_ms, excluded.stream_seq, excluded.vote_id)
            > (h.stream_ms, h.stream_seq, coalesce(h.vote_id, ''))
        returning h.poll, h.option, h.replaced_option
    )
    select array_agg(poll), array_agg(option), array_agg(replaced_option)
    into chosen_in, chosen, given_up
    from moved;

    with difference as (
        select poll, option, sum(events)::bigint as events, sum(counted)::bigint as counted
        from (
            select poll, option, 1 as events, 0 as counted from unnest($1, $5) as cast_now (poll, option)
            union all
            select poll, option, 0, 1 from unnest(chosen_in, chosen) as c (poll, option)
            union all
            select poll, option, 0, -1 from unnest(chosen_in, given_up) as g (poll, option) where option is not null
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
