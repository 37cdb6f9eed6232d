#!/bin/sh
# Prints Redis' users as an ACL file, with the least rights that each of them can work with.
# The one source of these rules: the local run, the tests and Kubernetes all use it.
#
#   SPINVOTE_STREAM              the stream, default `votes`
#   SPINVOTE_API_PASSWORD        of spinvote-api: the components vote and health
#   SPINVOTE_CONSUMER_PASSWORD   of spinvote-consumer: tally and sweep
#   SPINVOTE_ORGANIZER_PASSWORD  of spinvote-organizer: the component polls
#   SPINVOTE_SCALER_PASSWORD     of spinvote-scaler: what adds consumers when the stream grows (KEDA)
#   SPINVOTE_OPERATOR_PASSWORD   of operator: people, and tools that must do everything
#
# A user without a password is left out. Passwords appear as their SHA-256 only.
#
# What stands in parentheses is a selector: a command passes if the rules outside allow it and all
# of its keys, or one selector does. That keeps SET, which a flag needs, away from the stream.
# What a Lua script calls is checked like any other command; EVAL itself must be given read and
# write on every key it declares, which alone gives no command that could use them.
# Source: https://redis.io/docs/latest/operate/oss_and_stack/management/security/acl/
set -eu

stream=${SPINVOTE_STREAM:-votes}
case $stream in
    '' | *[!A-Za-z0-9._:-]*) echo "users.sh: SPINVOTE_STREAM may have letters, digits and . _ : - only" >&2; exit 1 ;;
esac
# What else there is has the stream as its hash tag, so that in a Redis cluster it is all in one slot.
tag="{$stream}"
bell=$stream:doorbell # the channel; channels have no slot
doorbell=$tag:doorbell rejected=$tag:rejected tidied=$tag:tidied trimmed=$tag:trimmed-early
idempotency="$tag:idempotency:*" definitions="$tag:poll:*" polls=$tag:polls published=$tag:published voted=$tag:voted
signins="$tag:sign-in:*" castby="$tag:cast-by:*" refused=$tag:refused

sha256() {
    if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi | cut -d ' ' -f 1
}

# user NAME PASSWORD RULE…
user() {
    if [ -n "$2" ]; then
        name=$1 hash=$(printf %s "$2" | sha256)
        shift 2
        echo "user $name on sanitize-payload #$hash resetchannels -@all $*"
    fi
}

# Nobody can be the default user. But Redis itself is, when it reads its append-only file: without
# these rights Redis 7.0 refuses each transaction in it, and what a script wrote would be lost with a
# restart.
echo "user default off resetpass ~* &* +@all"

# May append and ring, read the definitions of polls, and count votes that the policy refuses. It cannot read the stream, delete or trim it (but
# for XADD's own MAXLEN, which no ACL can forbid), nor overwrite it. INFO tells it whether Redis was
# restarted since the definitions were published.
user spinvote-api "${SPINVOTE_API_PASSWORD:-}" \
    "+ping +time +info" \
    "&$bell +publish" \
    "(+eval +evalsha ~$stream ~$idempotency ~$doorbell ~$definitions ~$polls ~$published ~$voted ~$castby ~$refused)" \
    "(+xadd %W~$stream)" \
    "(+get +set ~$idempotency ~$doorbell ~$castby)" \
    "(+hmget +hgetall ~$definitions)" \
    "(+hexists ~$polls)" \
    "(+hsetnx ~$voted)" \
    "(+hexists +hlen +hincrby ~$refused)" \
    "(+get ~$published)"

# May read, claim, acknowledge and trim, put aside what cannot be counted, forget the keys of what it
# trims, and publish definitions of polls. It cannot vote. INFO tells it how much memory is left.
user spinvote-consumer "${SPINVOTE_CONSUMER_PASSWORD:-}" \
    "+ping +time +info" \
    "&$bell +publish +subscribe +unsubscribe +pubsub|numsub" \
    "(+eval +evalsha ~$stream ~$rejected ~$doorbell ~$tidied ~$trimmed)" \
    "(+xreadgroup +xautoclaim +xclaim +xack +xtrim +xgroup|create +xgroup|delconsumer +xgroup|setid +xinfo +xpending +xlen +xrange +xrevrange ~$stream)" \
    "(+xadd +xlen ~$rejected)" \
    "(+get +set +del ~$doorbell)" \
    "(+set ~$tidied)" \
    "(+get +incrby ~$trimmed)" \
    "(+hgetall ~$refused)" \
    "(+unlink ~$idempotency)" \
    "(+eval +evalsha ~$definitions ~$polls ~$published)" \
    "(+hget +hgetall +hset +del +expire ~$definitions)" \
    "(+hset +hdel ~$polls)" \
    "(+get +set ~$published)"

# May read and publish definitions of polls, see in which of them somebody has voted, and count failed attempts to
# sign in, and nothing else.
user spinvote-organizer "${SPINVOTE_ORGANIZER_PASSWORD:-}" \
    "+ping +time" \
    "(+eval +evalsha ~$definitions ~$polls ~$voted)" \
    "(+hget +hgetall +hset +hdel +del +expire ~$definitions)" \
    "(+hset +hdel ~$polls)" \
    "(+hexists ~$voted)" \
    "(+eval +evalsha +incr +pexpire +pttl +del ~$signins)"

# May see how much there is to do, and nothing of what it is.
user spinvote-scaler "${SPINVOTE_SCALER_PASSWORD:-}" \
    "+ping +hello +info" \
    "(+xinfo +xlen +xpending ~$stream)"

user operator "${SPINVOTE_OPERATOR_PASSWORD:-}" "~* &* +@all"
