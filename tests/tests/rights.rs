//! Every right of every role in PostgreSQL and of every user in Redis, as the servers list them. What is
//! not in these tables must not be there, and the other way round.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use redis::aio::MultiplexedConnection;
use spinvote_tests::World;

/// Which role has which privilege on what. Of an owner's privileges on its own things only those on the
/// database and the defaults are listed.
const PRIVILEGES: [(&str, &str, &str); 33] = [
    ("owner", "database", "CONNECT"),
    ("owner", "database", "CREATE"),
    ("owner", "database", "TEMPORARY"),
    ("owner", "default for functions", "EXECUTE"),
    ("public", "database", "CONNECT"),
    ("public", "schema public", "USAGE"),
    ("spinvote_consumer", "function announce_cell", "EXECUTE"),
    ("spinvote_consumer", "function poll_definitions", "EXECUTE"),
    ("spinvote_consumer", "function poll_revisions", "EXECUTE"),
    ("spinvote_consumer", "function record_votes", "EXECUTE"),
    ("spinvote_consumer", "schema public", "USAGE"),
    ("spinvote_consumer", "table deleted_polls", "SELECT"),
    ("spinvote_consumer", "table polls", "SELECT"),
    ("spinvote_consumer", "table schema_migrations", "SELECT"),
    ("spinvote_consumer", "table votes", "SELECT"),
    ("spinvote_organizer", "function audit_log", "EXECUTE"),
    ("spinvote_organizer", "function audit_log_ends", "EXECUTE"),
    ("spinvote_organizer", "function poll_definitions", "EXECUTE"),
    ("spinvote_organizer", "schema public", "USAGE"),
    ("spinvote_organizer", "table deleted_polls", "SELECT"),
    ("spinvote_organizer", "table polls", "DELETE"),
    ("spinvote_organizer", "table polls", "INSERT"),
    ("spinvote_organizer", "table polls", "SELECT"),
    ("spinvote_organizer", "table polls", "UPDATE"),
    // As the version before get_receipt needs it.
    ("spinvote_reader", "column vote_events.option", "SELECT"),
    ("spinvote_reader", "column vote_events.poll", "SELECT"),
    (
        "spinvote_reader",
        "column vote_events.recorded_at",
        "SELECT",
    ),
    ("spinvote_reader", "column vote_events.vote_id", "SELECT"),
    ("spinvote_reader", "function get_receipt", "EXECUTE"),
    ("spinvote_reader", "function get_vote_results", "EXECUTE"),
    ("spinvote_reader", "schema public", "USAGE"),
    ("spinvote_reader", "table polls", "SELECT"),
    ("spinvote_reader", "table votes", "SELECT"),
];

/// `acldefault` stands in where nothing was ever granted: then PostgreSQL's own defaults hold.
const LIST_PRIVILEGES: &str = "
    with object (name, acl, owner) as (
        select 'database', coalesce(datacl, acldefault('d', datdba)), datdba
        from pg_database where datname = current_database()
        union all
        select 'schema ' || nspname, coalesce(nspacl, acldefault('n', nspowner)), nspowner
        from pg_namespace where nspname !~ '^pg_' and nspname <> 'information_schema'
        union all
        select case c.relkind when 'S' then 'sequence ' else 'table ' end || relname,
               coalesce(relacl, acldefault(case c.relkind when 'S' then 's'::\"char\" else 'r' end, relowner)), relowner
        from pg_class c join pg_namespace n on n.oid = relnamespace
        where nspname = 'public' and relkind in ('r', 'p', 'v', 'm', 'f', 'S')
        union all
        select 'column ' || relname || '.' || attname, attacl, relowner
        from pg_attribute join pg_class c on c.oid = attrelid join pg_namespace n on n.oid = relnamespace
        where nspname = 'public' and attacl is not null
        union all
        select 'function ' || proname, coalesce(proacl, acldefault('f', proowner)), proowner
        from pg_proc join pg_namespace n on n.oid = pronamespace where nspname = 'public'
        union all
        select 'default for ' || case defaclobjtype when 'f' then 'functions' else defaclobjtype::text end,
               defaclacl, defaclrole
        from pg_default_acl
    )
    select distinct case when grantee = 0 then 'public' when grantee = owner then 'owner'
                         else pg_get_userbyid(grantee)::text end as grantee,
           name, privilege_type
    from object, aclexplode(acl)
    where grantee <> owner or name in ('database', 'default for functions')
    order by 1, 2, 3";

#[tokio::test]
async fn each_database_role_has_the_privileges_in_the_table_and_no_others() {
    let world = World::start().await;
    let sql = world.sql().await;
    let found: Vec<(String, String, String)> = sql
        .query(LIST_PRIVILEGES, &[])
        .await
        .unwrap()
        .iter()
        .map(|row| (row.get(0), row.get(1), row.get(2)))
        .collect();
    let expected = PRIVILEGES.map(|(who, what, which)| (who.into(), what.into(), which.into()));
    assert_eq!(found, expected);

    let roles = sql
        .query(
            "select rolname::text, rolsuper or rolcreaterole or rolcreatedb or rolreplication or rolbypassrls,
                    (select count(*) from pg_auth_members where member = r.oid or roleid = r.oid)
             from pg_roles r where rolname like 'spinvote%' order by 1",
            &[],
        )
        .await
        .unwrap();
    let roles: Vec<(String, bool, i64)> = roles
        .iter()
        .map(|row| (row.get(0), row.get(1), row.get(2)))
        .collect();
    let plain = |name: &str| (name.to_owned(), false, 0);
    assert_eq!(
        roles,
        [
            plain("spinvote_consumer"),
            plain("spinvote_organizer"),
            plain("spinvote_reader")
        ]
    );
}

#[tokio::test]
async fn a_function_made_later_is_not_for_everybody() {
    let world = World::start().await;
    let sql = world.sql().await;
    sql.batch_execute("create function later() returns int language sql as 'select 1'")
        .await
        .unwrap();
    for role in [
        "spinvote_reader",
        "spinvote_consumer",
        "spinvote_organizer",
        "public",
    ] {
        let may: bool = sql
            .query_one(
                "select has_function_privilege($1, 'later()', 'execute')",
                &[&role],
            )
            .await
            .unwrap()
            .get(0);
        assert!(!may, "{role}");
    }
}

/// The rules of each user, as `ACL SETUSER` takes them; redis/users.sh says what each is for. A selector
/// is one rule.
const REDIS_USERS: [(&str, &[&str]); 5] = [
    // Only Redis itself, when it reads its append-only file.
    ("default", &["off", "~*", "&*", "+@all"]),
    ("operator", &["on", "~*", "&*", "+@all"]),
    (
        "spinvote-api",
        &[
            "on",
            "+ping",
            "+time",
            "+info",
            "&votes:doorbell",
            "+publish",
            "(+eval +evalsha ~votes ~{votes}:idempotency:* ~{votes}:doorbell ~{votes}:poll:* ~{votes}:polls \
              ~{votes}:published ~{votes}:voted ~{votes}:cast-by:* ~{votes}:refused)",
            "(+xadd %W~votes)",
            "(+get +set ~{votes}:idempotency:* ~{votes}:doorbell ~{votes}:cast-by:*)",
            "(+hmget +hgetall ~{votes}:poll:*)",
            "(+hexists ~{votes}:polls)",
            "(+hsetnx ~{votes}:voted)",
            "(+hexists +hlen +hincrby ~{votes}:refused)",
            "(+get ~{votes}:published)",
        ],
    ),
    (
        "spinvote-consumer",
        &[
            "on",
            "+ping",
            "+time",
            "+info",
            "&votes:doorbell",
            "+publish",
            "+subscribe",
            "+unsubscribe",
            "+pubsub|numsub",
            "(+eval +evalsha ~votes ~{votes}:rejected ~{votes}:doorbell ~{votes}:tidied ~{votes}:trimmed-early)",
            "(+xreadgroup +xautoclaim +xclaim +xack +xtrim +xgroup|create +xgroup|delconsumer +xgroup|setid +xinfo \
              +xpending +xlen +xrange +xrevrange ~votes)",
            "(+xadd +xlen ~{votes}:rejected)",
            "(+get +set +del ~{votes}:doorbell)",
            "(+set ~{votes}:tidied)",
            "(+get +incrby ~{votes}:trimmed-early)",
            "(+hgetall ~{votes}:refused)",
            "(+unlink ~{votes}:idempotency:*)",
            "(+eval +evalsha ~{votes}:poll:* ~{votes}:polls ~{votes}:published)",
            "(+hget +hgetall +hset +del +expire ~{votes}:poll:*)",
            "(+hset +hdel ~{votes}:polls)",
            "(+get +set ~{votes}:published)",
        ],
    ),
    (
        "spinvote-organizer",
        &[
            "on",
            "+ping",
            "+time",
            "(+eval +evalsha ~{votes}:poll:* ~{votes}:polls ~{votes}:voted)",
            "(+hget +hgetall +hset +hdel +del +expire ~{votes}:poll:*)",
            "(+hset +hdel ~{votes}:polls)",
            "(+hexists ~{votes}:voted)",
            "(+eval +evalsha +incr +pexpire +pttl +del ~{votes}:sign-in:*)",
        ],
    ),
];

#[tokio::test]
async fn each_redis_user_has_the_rules_in_the_table_and_no_others() {
    let world = World::start().await;
    let mut redis = world.redis().await;
    let users: Vec<String> = world.command("ACL USERS").await;
    assert_eq!(users, REDIS_USERS.map(|(user, _)| user));
    for (user, rules) in REDIS_USERS {
        // Redis writes rules in a form of its own, which differs by version: so it writes both.
        let mut command = redis::cmd("ACL");
        command
            .arg("SETUSER")
            .arg("as-in-the-table")
            .arg("reset")
            .arg(rules);
        command.query_async::<()>(&mut redis).await.unwrap();
        let expected = rights_of(&mut redis, "as-in-the-table").await;
        assert_eq!(rights_of(&mut redis, user).await, expected, "{user}");
    }
}

/// What `ACL GETUSER` says of a user, but for the password.
async fn rights_of(redis: &mut MultiplexedConnection, user: &str) -> Vec<redis::Value> {
    let mut command = redis::cmd("ACL");
    let said: Vec<redis::Value> = command
        .arg("GETUSER")
        .arg(user)
        .query_async(redis)
        .await
        .unwrap();
    let fields = said.chunks(2).filter(|field| {
        let name: String = redis::from_redis_value(&field[0]).unwrap();
        ["commands", "keys", "channels", "selectors"].contains(&name.as_str())
    });
    fields.flatten().cloned().collect()
}
