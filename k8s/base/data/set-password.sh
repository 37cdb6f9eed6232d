#!/bin/sh
# Gives the owner of the database the password of its Secret, at every start: the image itself does so
# only when it makes the database, and a Secret that changed would lock everybody out.
set -eu

# Inside the pod, over the socket, the image asks for no password. What serves there while the
# database is being made is a server of the image's own; it knows the role already.
until PGOPTIONS='-c log_statement=none' psql -X -w -q -v ON_ERROR_STOP=1 -U "$POSTGRES_USER" -d postgres <<'SQL'
\getenv password POSTGRES_PASSWORD
alter role current_user password :'password';
SQL
do
    sleep 1
done
