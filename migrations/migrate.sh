#!/bin/sh
# Brings a database to the schema of the NNNN_*.sql files: the one migration mechanism of the local
# run, the tests and Kubernetes. Needs a POSIX shell and psql 15 or later.
#
#   PGHOST, PGPORT, PGUSER, PGPASSWORD, PGDATABASE, …   where to connect, as for any psql; the user
#                               owns the database and may create roles
#   SPINVOTE_READER_PASSWORD    given to the role spinvote_reader, unless empty
#   SPINVOTE_CONSUMER_PASSWORD  given to the role spinvote_consumer, unless empty
#   SPINVOTE_ORGANIZER_PASSWORD given to the role spinvote_organizer, unless empty
#   SPINVOTE_MIGRATIONS         where the files are, default: beside this script
#   SPINVOTE_MIGRATE_WAIT       seconds to wait for the server, default 60
#
# All that is due is applied in order, in one transaction, under a lock: any number of these may run
# at once, and a failure leaves the database as it was. A migration must therefore not hold
# `begin`, `commit`, or what PostgreSQL refuses inside a transaction.
# Refused: a database that is not UTF-8 or is newer than the files, and files that changed after they were applied.
set -eu

fail() {
    echo "migrate: $*" >&2
    exit 1
}

cd "${SPINVOTE_MIGRATIONS:-$(dirname "$0")}"

command -v psql >/dev/null || fail "psql is not on PATH"
major=$(psql --version | sed 's/^[^0-9]*\([0-9]*\).*/\1/')
[ "$major" -ge 15 ] || fail "psql 15 or later is needed, this is $major"

# No start-up file, no password prompt, bare tuples; any error ends it.
psql() {
    command psql -X -w -q -A -t -v ON_ERROR_STOP=1 "$@"
}

sha256() {
    if command -v sha256sum >/dev/null; then sha256sum "$1"; else shasum -a 256 "$1"; fi | cut -d ' ' -f 1
}

# One row `('0001', 'polls', '<sha256>')` a file.
list_files() {
    last=
    for file in [0-9][0-9][0-9][0-9]_*.sql; do
        [ -f "$file" ] || fail "no NNNN_*.sql in $PWD"
        stem=${file%.sql}
        case $stem in *[!A-Za-z0-9_-]*) fail "$file: the name may have letters, digits, _ and - only" ;; esac
        [ "${stem%%_*}" != "$last" ] || fail "two migrations have the number $last"
        [ -z "$last" ] || echo ,
        last=${stem%%_*}
        echo "    ('$last', '${stem#*_}', '$(sha256 "$file")')"
    done
}

# \getenv takes the password from the environment: it is on no command line, and :'…' quotes it.
set_password() { # ROLE VARIABLE
    if eval "[ -n \"\${$2:-}\" ]"; then
        printf '%s\n' "\\getenv password $2" "alter role $1 password :'password';"
    else
        echo "migrate: $2 is not set: the password of $1 stays as it is" >&2
    fi
}

script() {
    cat <<SQL
set client_min_messages = warning;
\\set VERBOSITY terse
begin isolation level read committed;
set local search_path = public;
do \$\$
begin
    if current_setting('server_encoding') <> 'UTF8' then
        raise exception 'the database % has the encoding %, in which not every vote can be stored; create another with: create database spinvote encoding ''UTF8'' template template0',
            current_database(), current_setting('server_encoding');
    end if;
end
\$\$;
-- Any constant; it is this program's.
select pg_advisory_xact_lock(7368696174) \\g /dev/null

create table if not exists schema_migrations (
    version    text primary key,
    name       text not null,
    checksum   text not null,
    applied_at timestamptz not null default now()
);
create temporary table migration_file (version text primary key, name text, checksum text);
insert into migration_file values
$files;

do \$\$
declare
    found text;
begin
    select string_agg(version || '_' || name, ', ' order by version) into found
    from schema_migrations where version not in (select version from migration_file);
    if found is not null then
        raise exception 'the database is newer than these migrations: it has %, for which there is no file', found;
    end if;
    select string_agg(f.version || '_' || f.name || '.sql', ', ' order by version) into found
    from migration_file f join schema_migrations m using (version) where f.checksum <> m.checksum;
    if found is not null then
        raise exception 'changed after it was applied: %; write a new migration instead', found;
    end if;
end
\$\$;

delete from migration_file where version in (select version from schema_migrations);
\\set VERBOSITY default
SQL
    for file in [0-9][0-9][0-9][0-9]_*.sql; do
        version=${file%%_*}
        cat <<SQL
select exists (select from migration_file where version = '$version') as due \\gset
\\if :due
    \\i $file
    insert into public.schema_migrations (version, name, checksum)
    select version, name, checksum from migration_file where version = '$version';
\\endif
SQL
    done
    # Statements with a password are kept out of the server's log, where the user may say so.
    cat <<SQL
do \$\$
begin
    perform set_config('log_statement', 'none', true),
            set_config('log_min_duration_statement', '-1', true),
            set_config('log_min_error_statement', 'panic', true);
exception when insufficient_privilege then
end
\$\$;
SQL
    set_password spinvote_reader SPINVOTE_READER_PASSWORD
    set_password spinvote_consumer SPINVOTE_CONSUMER_PASSWORD
    set_password spinvote_organizer SPINVOTE_ORGANIZER_PASSWORD
    cat <<SQL
commit;
select 'applied ' || version || '_' || name from migration_file order by version;
select 'schema version ' || max(version) from public.schema_migrations;
SQL
}

wait_for_server() {
    deadline=$(($(date +%s) + ${SPINVOTE_MIGRATE_WAIT:-60}))
    said=
    until answer=$(PGCONNECT_TIMEOUT=${PGCONNECT_TIMEOUT:-5} psql -c 'select' 2>&1); do
        [ "$(date +%s)" -lt "$deadline" ] || fail "no connection: $answer"
        [ -n "$said" ] || echo "migrate: waiting for PostgreSQL: $answer" >&2
        said=yes
        sleep 0.5 2>/dev/null || sleep 1
    done
}

files=$(list_files)
sql=$(script)
wait_for_server
printf '%s\n' "$sql" | psql -f -
