"""The consumer that Spinvote replaces: reads the stream through a group, a hundred entries at a time, and calls
`increment_vote` for each of them before it acknowledges it.
"""

import asyncio
import os
import sys

import asyncpg
import redis.asyncio as redis
import uvloop

STREAM = os.environ["STREAM"]
GROUP = "vote-processors"


async def main() -> None:
    stream = redis.from_url(os.environ["REDIS_URL"], decode_responses=True)
    database = await asyncpg.connect(os.environ["DATABASE_URL"])
    try:
        await stream.xgroup_create(STREAM, GROUP, id="0", mkstream=True)
    except redis.ResponseError as error:
        if not str(error).startswith("BUSYGROUP"):
            raise
    while True:
        batches = await stream.xreadgroup(GROUP, sys.argv[1], {STREAM: ">"}, count=100, block=1000)
        for entry_id, fields in (entry for _, entries in batches or [] for entry in entries):
            await database.execute("select increment_vote($1)", fields.get("vote") or fields["option"])
            await stream.xack(STREAM, GROUP, entry_id)


uvloop.run(main())
