-- Two roles with the least rights. migrate.sh gives them their passwords, from the environment.
-- Roles belong to the whole server: another database on it may have made them already.

do $$
begin
    if not exists (select from pg_roles where rolname = 'spinvote_reader') then
        create role spinvote_reader login;
    end if;
    if not exists (select from pg_roles where rolname = 'spinvote_consumer') then
        create role spinvote_consumer login;
    end if;
end
$$;

-- PostgreSQL lets everybody execute a new function; here each right is given by name.
revoke execute on all functions in schema public from public;
alter default privileges in schema public revoke execute on functions from public;

grant usage on schema public to spinvote_reader, spinvote_consumer;
grant select on polls, votes, vote_events, schema_migrations to spinvote_reader, spinvote_consumer;
grant execute on function get_vote_results(text) to spinvote_reader, spinvote_consumer;
grant execute on function record_votes(text[], text[], text[], text[], text[], bigint[]) to spinvote_consumer;

-- A statement whose caller has given up must not go on for ever.
alter role spinvote_reader set statement_timeout = '5s';
alter role spinvote_consumer set statement_timeout = '30s';
