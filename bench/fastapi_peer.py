"""What Spinvote replaces, at its best: FastAPI on uvicorn with uvloop and httptools, one pooled
redis.asyncio client. It appends a vote to a stream as Spinvote does, without a doorbell, without
Idempotency-Key, without security headers.
"""

import os
from contextlib import asynccontextmanager
from typing import Literal

import redis.asyncio as redis
from fastapi import FastAPI, Request
from pydantic import BaseModel, ConfigDict


class Vote(BaseModel):
    model_config = ConfigDict(extra="forbid")
    option: Literal["cats", "dogs"]


@asynccontextmanager
async def lifespan(app: FastAPI):
    app.state.redis = redis.from_url(os.environ["REDIS_URL"], max_connections=64)
    yield
    await app.state.redis.aclose()


app = FastAPI(lifespan=lifespan)


@app.post("/api/vote", status_code=201)
async def vote(request: Request, vote: Vote):
    stream_id = await request.app.state.redis.xadd("bench:fastapi", {"vote": vote.option})
    return {
        "message": "Vote recorded successfully",
        "option": vote.option,
        "stream_id": stream_id.decode(),
    }
