-- Receipts that tell a vote that counts from one that its voter has replaced, by a function, so that the role
-- that serves them needs to see neither the audit log nor the voters.

-- The receipt of a vote; no row if none with this id was recorded. `replaced` says that its voter has cast a
-- later one, which counts in its place.
create function get_receipt(poll text, vote_id text)
returns table (option text, recorded_at timestamptz, replaced boolean)
language sql stable security definer set search_path = public, pg_temp
as $$
    select e.option, e.recorded_at, p.one_vote_per_voter and v.vote_id is distinct from e.vote_id
    from vote_events e
    join polls p on p.poll = e.poll
    left join voters v on p.one_vote_per_voter and v.poll = e.poll and v.voter = e.voter
    where e.poll = get_receipt.poll and e.vote_id = get_receipt.vote_id
$$;

grant execute on function get_receipt(text, text) to spinvote_reader;

-- What the reader might read of vote_events until now it keeps: the version before this one still asks for it, while
-- it is replaced, or after a rollback.
