-- What it takes to change polls, and to publish their definitions: revisions that also tell of polls that are
-- gone, and a role for those who organize polls.

-- Names as the API has them: one character shorter than they could be.
alter table polls drop constraint polls_poll_check;
alter table polls add constraint polls_poll_check check (poll ~ '^[a-z0-9][a-z0-9-]{0,62}$');

-- Polls that are gone, until one of the same name is made: their definitions must be taken back.
create table deleted_polls (
    poll     text primary key,
    revision bigint not null
);

-- What a change of a poll must not do to votes that were cast, and its new revision.
create or replace function change_poll() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    if tg_op = 'DELETE' or tg_op = 'UPDATE' and (
        new.poll <> old.poll
        or new.one_vote_per_voter <> old.one_vote_per_voter
        or not new.options @> old.options
    ) then
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

-- The trigger gives a new poll its revision, too: the role that makes one needs no right on the sequence.
alter table polls alter column revision set default 0;
drop trigger change_poll on polls;
create trigger change_poll before insert or update or delete on polls
for each row execute function change_poll();

-- The role that may open a poll may open its tallies, and do nothing else to them.
alter function open_tallies() security definer set search_path = public, pg_temp;

-- The definition of each of these polls, as it is published. Those that are gone have no question and no
-- options. Hours are in milliseconds since the Unix epoch, null where there is no limit.
create function poll_definitions(polls text[])
returns table (
    poll text, revision bigint, question text, options text[],
    opens_ms bigint, closes_ms bigint, one_vote_per_voter boolean
)
language sql stable set search_path = public, pg_temp
as $$
    select poll, revision, question, options,
           ceil(extract(epoch from opens_at) * 1000)::bigint,
           ceil(extract(epoch from closes_at) * 1000)::bigint,
           one_vote_per_voter
    from polls
    where poll = any ($1)
    union all
    select poll, revision, null, null, null, null, false
    from deleted_polls
    where poll = any ($1)
$$;

-- The revisions of all polls, gone ones too, by name, beginning after this name; at most so many.
create function poll_revisions(after text, most int)
returns table (poll text, revision bigint, deleted boolean)
language sql stable set search_path = public, pg_temp
as $$
    select poll, revision, false from polls where poll > after
    union all
    select poll, revision, true from deleted_polls where poll > after
    order by poll
    limit most
$$;

grant select on deleted_polls to spinvote_consumer;
grant execute on function poll_definitions(text[]), poll_revisions(text, int) to spinvote_consumer;

-- Who may change polls, and read the audit log, and nothing else.
do $$
begin
    if not exists (select from pg_roles where rolname = 'spinvote_organizer') then
        create role spinvote_organizer login;
    end if;
end
$$;
alter role spinvote_organizer set statement_timeout = '10s';
grant usage on schema public to spinvote_organizer;
grant select, insert, update, delete on polls to spinvote_organizer;
grant select on deleted_polls to spinvote_organizer;
grant select on vote_events to spinvote_organizer;
grant execute on function poll_definitions(text[]) to spinvote_organizer;
