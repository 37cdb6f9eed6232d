"""What Spinvote replaces, tuned as the documentation of its parts says: FastAPI on uvicorn with uvloop and
httptools, one pooled redis.asyncio client with hiredis, one asyncpg pool, and pure ASGI middleware.
"""

import os
import time
from contextlib import asynccontextmanager
from typing import Literal

import asyncpg
import redis.asyncio as redis
from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from pydantic import BaseModel, ConfigDict

RESULTS_CACHE_SECONDS = 2.0
STREAM = os.environ["STREAM"]


class Vote(BaseModel):
    model_config = ConfigDict(extra="forbid")
    option: Literal["cats", "dogs"]


class Recorded(BaseModel):
    message: str
    option: str
    stream_id: str


class Results(BaseModel):
    cats: int
    dogs: int
    total: int
    cats_percentage: float
    dogs_percentage: float
    last_updated: str


class SecurityHeaders:
    """Pure ASGI: a BaseHTTPMiddleware would cost a task and a queue for each request."""

    HEADERS = [
        (b"x-frame-options", b"DENY"),
        (b"x-content-type-options", b"nosniff"),
        (b"content-security-policy", b"default-src 'self'"),
        (b"x-xss-protection", b"1; mode=block"),
        (b"referrer-policy", b"strict-origin-when-cross-origin"),
    ]

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message):
            if message["type"] == "http.response.start":
                message["headers"].extend(self.HEADERS)
            await send(message)

        await self.app(scope, receive, send_with_headers)


@asynccontextmanager
async def lifespan(app: FastAPI):
    global stream, database
    stream = redis.from_url(os.environ["REDIS_URL"], max_connections=300, decode_responses=True)
    database = await asyncpg.create_pool(os.environ["DATABASE_URL"], min_size=2, max_size=10)
    yield
    await stream.aclose()
    await database.close()


app = FastAPI(lifespan=lifespan)
app.add_middleware(
    CORSMiddleware,
    allow_origins=["http://localhost:3000"],
    allow_methods=["GET", "POST"],
    allow_headers=["Content-Type"],
)
app.add_middleware(SecurityHeaders)

cached_results: Results | None = None
cached_until = 0.0


@app.post("/api/vote", status_code=201)
async def vote(vote: Vote) -> Recorded:
    stream_id = await stream.xadd(STREAM, {"vote": vote.option})
    return Recorded(
        message="Vote recorded successfully", option=vote.option, stream_id=stream_id
    )


@app.get("/api/results")
async def results() -> Results:
    global cached_results, cached_until
    if cached_results is None or time.monotonic() >= cached_until:
        rows = await database.fetch("select * from get_vote_results()")
        tally = {row["option"]: row for row in rows}
        cached_results = Results(
            cats=tally["cats"]["count"],
            dogs=tally["dogs"]["count"],
            total=sum(row["count"] for row in rows),
            cats_percentage=tally["cats"]["percentage"],
            dogs_percentage=tally["dogs"]["percentage"],
            last_updated=max(row["updated_at"] for row in rows).isoformat(),
        )
        cached_until = time.monotonic() + RESULTS_CACHE_SECONDS
    return cached_results
