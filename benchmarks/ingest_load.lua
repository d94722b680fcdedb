-- The wrk script of benchmarks/ingest_load.py: sends each line of a file once, as the body of a request, and prints the result.

local file


function init(arguments)
   file = io.open(arguments[1], "rb")
   wrk.method = arguments[2]
   wrk.headers["Content-Type"] = "application/json"
end

function request()
   local body = file:read("*l")
   if body == nil then
      -- wrk needs a request here as well: one that does not post a signal.
      wrk.thread:stop()
      return wrk.format("GET", "/healthz", nil, "")
   end
   return wrk.format(nil, nil, nil, body)
end

function done(summary, latency)
   local errors = summary.errors
   io.write(string.format(
      '{"responses": %d, "refusals": %d, "broken": %d, "seconds": %.3f, "p50_ms": %.3f, "p99_ms": %.3f}\n',
      summary.requests, errors.status, errors.connect + errors.read + errors.write + errors.timeout,
      summary.duration / 1e6, latency:percentile(50) / 1000, latency:percentile(99) / 1000))
end
