-- Rights as narrow as 0003 meant them to be.

-- That everybody may execute a new function is a default of PostgreSQL's for the whole database. What is
-- said of one schema only adds to it, so it has to be taken back without naming one.
alter default privileges revoke execute on functions from public;
revoke execute on all functions in schema public from public;

-- Databases made by PostgreSQL 14 or earlier let everybody create tables; all let everybody fill the disk
-- with temporary ones.
revoke create on schema public from public;
do $$
begin
    execute format('revoke temporary on database %I from public', current_database());
end
$$;

-- Who voted is nobody's business: a receipt needs these columns, and recording happens with the rights of
-- record_votes' owner.
revoke select on vote_events from spinvote_reader, spinvote_consumer;
grant select (poll, vote_id, option, recorded_at) on vote_events to spinvote_reader;

-- tally reads no results, and a page no versions.
revoke execute on function get_vote_results(text) from spinvote_consumer;
revoke select on schema_migrations from spinvote_reader;
