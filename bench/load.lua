-- What wrk sends, by the environment: BENCH_METHOD, BENCH_BODY, and how many times over the body is sent in one
-- request, BENCH_REPEAT. What came of it, in JSON, is the last line that wrk prints.
wrk.method = os.getenv("BENCH_METHOD") or "GET"
local body = os.getenv("BENCH_BODY")
if body then
    wrk.headers["Content-Type"] = os.getenv("BENCH_TYPE")
    wrk.body = string.rep(body, tonumber(os.getenv("BENCH_REPEAT") or "1"))
end

function done(summary, latency, requests)
    local errors = summary.errors
    print(string.format(
        '{"requests":%d,"micros":%d,"failed":%d,"refused":%d,"p50":%d,"p99":%d,"p999":%d}',
        summary.requests,
        summary.duration,
        errors.connect + errors.read + errors.write + errors.timeout,
        errors.status,
        latency:percentile(50),
        latency:percentile(99),
        latency:percentile(99.9)
    ))
end
