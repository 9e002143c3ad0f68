-- moonport.inspect.gauges — asks the server how it is, twice a second, while somebody looks — shows
-- nothing.

local control = require "moonport.control"
local json = require "moonport.json"
local timer = require "moonport.timer"

local EVERY_S = 0.5
local REST_FACTOR = 10 -- asking takes no more than a part of the time: of ten thousand connections
local CONNS_MAX, GAUGES_MAX = 500, 16

-- All of an answer as it came, without what changes though nothing happens.
local function without_age(text) return (text:gsub('"age_s": *[%d.eE+-]+', '"age_s":0')) end

local function tell_conns(answer, tell)
  local total = #answer.texts
  local texts = table.move(answer.texts, math.max(total - CONNS_MAX + 1, 1), total, 1, {})
  local list = table.concat(texts, ",")
  tell("conns", ('{"t":"conns","list":[%s],"total":%d}'):format(list, total),
    total .. without_age(list))
end

local function tell_status(answer, tell)
  local scripts = {}
  for index, line in ipairs(answer.lines) do
    if line.script then scripts[#scripts + 1] = answer.texts[index] end
  end
  local uptime_s = answer.last.uptime_s
  local status = json.encode(answer.last)
  answer.last.uptime_s = 0
  local list = table.concat(scripts, ",")
  tell("status", ('{"t":"status","status":%s,"scripts":[%s]}'):format(status, list),
    json.encode(answer.last) .. list)
  answer.last.uptime_s = uptime_s
end

-- Those that somebody watches, then the newest ones.
local function choose(lines, watched)
  local ids, seen = {}, {}
  local there = {}
  for _, line in ipairs(lines) do there[tostring(line.id)] = line end
  local function add(id)
    local key = tostring(id)
    if #ids >= GAUGES_MAX or seen[key] or not there[key] then return end
    seen[key] = true
    ids[#ids + 1] = there[key]
  end
  for _, id in ipairs(watched) do add(id) end
  for index = #lines, 1, -1 do add(lines[index].id) end
  return ids
end

local function tell_gauges(client, conns, feed, tell, watched)
  local list = json.array()
  for _, conn in ipairs(choose(conns.lines, watched)) do
    local answer = client:ask({ "tcp", tostring(conn.id) })
    if not answer then return end
    local gauge = answer.last.ok and answer.last or {}
    gauge.ok, gauge.id = nil, nil
    gauge.conn, gauge.time_ns, gauge.queue_bytes = conn.id, feed:now_ns(), conn.queue_bytes
    list[#list + 1] = gauge
  end
  if #list > 0 then tell("gauges", json.encode({ t = "gauges", list = list })) end
end

-- Asks again and again, until the server is not there, or nobody wants it. tell(kind, text, key)
-- hands on what came.
---@param feed moonport.inspect.Feed
---@param watched fun(): table[] ids of connections
---@param is_wanted fun(): boolean
return function(path, feed, tell, watched, is_wanted)
  local client <close> = control.connect(path)
  while client and is_wanted() do
    local began = timer.now()
    local conns, status = client:ask("conns"), client:ask("status")
    if not conns or not status then return end
    if conns.last.ok then tell_conns(conns, tell) end
    if status.last.ok then tell_status(status, tell) end
    tell_gauges(client, conns, feed, tell, watched())
    timer.sleep(math.max(EVERY_S, (timer.now() - began) * REST_FACTOR))
  end
end
