"""The shape of Docker's well-known voting sample: Flask under gunicorn, a cookie that tells voters apart, and a
Redis list. It takes and answers JSON, as the others do.
"""

import json
import os
import random

from flask import Flask, jsonify, request
from redis import Redis

OPTIONS = ("cats", "dogs")

app = Flask(__name__)


def get_redis() -> Redis:
    if not hasattr(app, "redis"):
        app.redis = Redis.from_url(os.environ["REDIS_URL"])
    return app.redis


@app.get("/")
def hello():
    return "", 204


@app.post("/api/vote")
def vote():
    voter_id = request.cookies.get("voter_id") or hex(random.getrandbits(64))[2:-1]
    option = request.get_json()["option"]
    if option not in OPTIONS:
        return jsonify(detail=f"There is no option {option!r}"), 422
    get_redis().rpush(os.environ["LIST"], json.dumps({"voter_id": voter_id, "vote": option}))
    response = jsonify(message="Vote recorded successfully", option=option)
    response.set_cookie("voter_id", voter_id)
    return response, 201
