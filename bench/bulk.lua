-- Requests for wrk: many votes in each, as a line each.
wrk.method = "POST"
wrk.path = "/api/votes"
wrk.headers["Content-Type"] = "application/x-ndjson"
wrk.body = string.rep('{"option":"cats"}\n', tonumber(os.getenv("BENCH_VOTES")))
