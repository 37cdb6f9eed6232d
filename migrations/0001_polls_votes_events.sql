-- Polls, their tallies and the audit log that the tallies can be recomputed from.

create table polls (
    poll       text primary key check (poll ~ '^[a-z0-9][a-z0-9-]{0,63}$'),
    question   text not null check (length(question) between 1 and 500),
    -- In the order in which they are shown.
    options    text[] not null check (cardinality(options) between 2 and 50),
    created_at timestamptz not null default now()
);
comment on table polls is 'What can be voted on. Its tallies open with it: see open_tallies.';

-- The tally: one row an option, raised by record_votes alone.
create table votes (
    poll       text not null references polls,
    option     text not null,
    count      bigint not null default 0 check (count >= 0),
    updated_at timestamptz not null default now(),
    primary key (poll, option)
);
comment on table votes is 'The tally of each option; equals the number of its vote_events.';

-- The audit log. Its key is what makes a vote count once, however often it is delivered.
-- No foreign key to polls: record_votes has looked, and a check a row costs a third of the speed.
create table vote_events (
    poll        text not null,
    vote_id     text not null,
    stream_id   text,
    option      text not null,
    voter       text,
    cast_at     timestamptz not null,
    recorded_at timestamptz not null default clock_timestamp(),
    primary key (poll, vote_id)
);
comment on column vote_events.vote_id is 'Chosen before the vote was appended: the Idempotency-Key, a random id, or the stream id.';
comment on column vote_events.stream_id is 'The Redis stream entry that was counted; null if the vote did not come through the stream.';
comment on column vote_events.cast_at is 'When the voter says it was cast, else when it was appended.';

-- A poll has a tally for each of its options from the start, so that recording only ever updates.
create function open_tallies() returns trigger
language plpgsql as $$
begin
    insert into votes (poll, option)
    select new.poll, unnest(new.options)
    on conflict do nothing;
    return null;
end
$$;

create trigger open_tallies after insert or update of options on polls
for each row execute function open_tallies();

insert into polls (poll, question, options) values ('default', 'Cats or dogs?', '{cats,dogs}');
