-- Bodies for wrk, made from a template; the arguments behind "--" are its file, where counting begins, how many
-- sessions there are, and words to search for. Marks: @N@ a number that is new in every request, @ID0@ to @ID29@ ids of
-- sessions that differ within a request, @SESSION@ one of eight sessions in turn, @PLACE@ one of the words.

local pieces, marks, places = {}, {}, {}
local count, sessions

function init(args)
  local file = io.open(args[1], "r")
  local template = file:read("*a")
  file:close()
  count, sessions = tonumber(args[2]), tonumber(args[3])
  math.randomseed(count)
  for place in args[4]:gmatch("[^,]+") do places[#places + 1] = place end
  local from = 1
  while true do
    local start, stop, mark = template:find("@(%u+%d*)@", from)
    if not start then break end
    pieces[#pieces + 1] = template:sub(from, start - 1)
    marks[#marks + 1] = mark
    from = stop + 1
  end
  pieces[#pieces + 1] = template:sub(from)
  wrk.method = "POST"
  wrk.headers["Content-Type"] = "application/json"
end

local function session(number) return string.format("s%07d", number % sessions) end

function request()
  count = count + 1
  local first = math.random(0, sessions - 1)
  local number, whole = tostring(count), {}
  for place, mark in ipairs(marks) do
    whole[#whole + 1] = pieces[place]
    if mark == "N" then whole[#whole + 1] = number
    elseif mark == "SESSION" then whole[#whole + 1] = session(count % 8)
    elseif mark == "PLACE" then whole[#whole + 1] = places[math.random(#places)]
    else whole[#whole + 1] = session(first + 331 * tonumber(mark:sub(3))) end
  end
  whole[#whole + 1] = pieces[#pieces]
  return wrk.format(nil, nil, nil, table.concat(whole))
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    'RESULT {"requests": %d, "duration_us": %d, "p50_us": %d, "p99_us": %d, "not_200": %d, "lost": %d, "late": %d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), errors.status,
    errors.connect + errors.read + errors.write, errors.timeout))
end
