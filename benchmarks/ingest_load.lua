-- What wrk sends for benchmarks/ingest_load.py: each line of a file as the body of one request, once; and what it tells.

local file


function init(arguments)
   file = io.open(arguments[1], "rb")
   wrk.method = arguments[2]
   wrk.headers["Content-Type"] = "application/json"
end

function request()
   local body = file:read("*l")
   if body == nil then
      -- wrk wants a request all the same: one that no server counts as a signal.
      wrk.thread:stop()
      return wrk.format("GET", "/healthz", nil, "")
   end
   return wrk.format(nil, nil, nil, body)
end

function done(summary, latency)
   local errors = summary.errors
   io.write(string.format(
      '{"answers": %d, "refusals": %d, "broken": %d, "seconds": %.3f, "p50_ms": %.3f, "p99_ms": %.3f}\n',
      summary.requests, errors.status, errors.connect + errors.read + errors.write + errors.timeout,
      summary.duration / 1e6, latency:percentile(50) / 1000, latency:percentile(99) / 1000))
end
