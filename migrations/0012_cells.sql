-- Several cells: several Redis servers, each with a stream of its own, whose votes are counted in this one database.

create table cells (
    cell         text primary key check (cell ~ '^([a-z0-9][a-z0-9-]{0,62})?$'),
    announced_at timestamptz not null default now()
);
comment on table cells is 'Where votes may have been taken. Each cell is here before any poll is published in it.';
comment on column cells.cell is 'The variable `cell`; empty for the first, in which polls are organized.';

insert into cells values ('');

-- Says that polls are about to be published in this cell. Waits for a change of a poll that no other cell may see
-- half of: see change_poll.
create function announce_cell(cell text) returns void
language plpgsql security definer set search_path = public, pg_temp
as $$
begin
    if not exists (select from cells c where c.cell = announce_cell.cell) then
        insert into cells values (announce_cell.cell) on conflict do nothing;
    end if;
end
$$;
grant execute on function announce_cell(text) to spinvote_consumer;

-- What a change of a poll must not do to votes that were cast, and its new revision.
create or replace function change_poll() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    if tg_op = 'DELETE' or tg_op = 'UPDATE' and (
        new.poll <> old.poll
        or new.one_vote_per_voter <> old.one_vote_per_voter
        or not new.options @> old.options
    ) then
        -- record_votes waits from here on, and then finds the poll as it is by then; so does a cell that is new.
        lock table vote_events in share row exclusive mode;
        lock table cells in share mode;
        if exists (select from vote_events e where e.poll = old.poll) then
            raise exception 'the poll "%" has votes', old.poll
                using errcode = 'object_in_use',
                      hint = 'Options can be added, and hours changed; a poll with votes can be closed, not deleted.';
        end if;
        -- Votes that wait in a stream are known to its Redis alone, and nobody asks all of them.
        if (select count(*) from cells) > 1 then
            raise exception 'the poll "%" may have votes in another cell', old.poll
                using errcode = 'object_not_in_prerequisite_state',
                      hint = 'Options can be added, and hours changed; where there are several cells, a poll can be closed, not deleted.';
        end if;
    end if;
    if tg_op = 'DELETE' then
        delete from votes v where v.poll = old.poll;
        insert into deleted_polls values (old.poll, nextval('poll_revisions'));
        return old;
    end if;
    if tg_op = 'INSERT' then
        delete from deleted_polls d where d.poll = new.poll;
    else
        -- An option that nobody could vote for yet goes with its tally.
        delete from votes v where v.poll = old.poll and v.option <> all (new.options);
    end if;
    new.revision := nextval('poll_revisions');
    return new;
end
$$;
