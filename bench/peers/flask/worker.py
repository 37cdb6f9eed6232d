"""The worker of that sample: takes one vote at a time off the list, and writes what its voter has chosen."""

import json
import os

import psycopg
from redis import Redis

redis = Redis.from_url(os.environ["REDIS_URL"])
database = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)
database.execute("create schema if not exists docker_sample")
database.execute(
    "create table if not exists docker_sample.votes (id text primary key, vote text not null)"
)
while True:
    popped = redis.blpop([os.environ["LIST"]], timeout=1)
    if popped is None:
        continue
    vote = json.loads(popped[1])
    database.execute(
        "insert into docker_sample.votes (id, vote) values (%s, %s)"
        " on conflict (id) do update set vote = excluded.vote",
        (vote["voter_id"], vote["vote"]),
    )
