-- wrk: every request is a vote.
wrk.method = "POST"
wrk.path = "/api/vote"
wrk.headers["Content-Type"] = "application/json"
wrk.body = '{"option":"cats"}'
