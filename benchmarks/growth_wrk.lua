-- Sends the bodies of a file, one in each line, one after the other, and prints what wrk found as a line of JSON.
local requests = {}
local at = 0

function init(args)
  for line in io.lines(os.getenv("GROWTH_BODIES")) do
    requests[#requests + 1] = wrk.format("POST", "/graphql", { ["Content-Type"] = "application/json" }, line)
  end
end

function request()
  at = at % #requests + 1
  return requests[at]
end

function done(summary, latency)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  io.write(string.format(
    '\n{"requests": %d, "failed": %d, "seconds": %.6f, "p50_ms": %.4f, "p99_ms": %.4f}\n',
    summary.requests, failed, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
