-- wrk: every request is a vote.
wrk.method = "POST"
-- BENCH_POLL names another poll than the default one.
local poll = os.getenv("BENCH_POLL")
wrk.path = poll and "/api/polls/" .. poll .. "/vote" or "/api/vote"
wrk.headers["Content-Type"] = "application/json"
wrk.body = '{"option":"cats"}'
