-- moonport.metrics.service — GET /metrics, for Prometheus: a service of the server's own — counts
-- nothing.
--
-- Whoever asks again and again costs one answer each time REST_S is over; who does not read is let
-- go by the limits of any service.

local json = require "moonport.json"
local task = require "moonport.task"
local text = require "moonport.metrics.text"
local timer = require "moonport.timer"

---@type fun(): table?, string? made by src/server/metrics.c, for this service alone
local connect = _G.connect

local REST_S = 0.1
local ANSWER_S = 5 -- of all workers
local LINE_BYTES_MAX = 4 * 1024 * 1024
local TYPE = "text/plain; version=0.0.4; charset=utf-8"

local function breathe() timer.sleep(0.001) end

-- The samples; or nil and why there are none.
local function ask()
  local control, fault = connect()
  if not control then return nil, fault end
  local samples, since = {}, timer.now()
  control:settimeout(ANSWER_S)
  control:send("metrics\n")
  while true do
    local line, code = control:recv_line(LINE_BYTES_MAX)
    local object = line and json.decode(line)
    if not object or type(object.ok) == "boolean" then
      control:reset()
      if object and object.ok then return samples end
      return nil, object and object.error or ("no answer: %s"):format(code or "malformed")
    end
    samples[#samples + 1] = object
    if timer.now() - since > 0.002 then
      breathe()
      since = timer.now()
    end
  end
end

local answer, fault, answered -- the last one, or why there is none, and when that was
local asking                  -- a gate while somebody asks

local function refresh()
  asking = task.gate()
  local samples
  samples, fault = ask()
  answer = samples and text.render(samples, breathe)
  answered = timer.now()
  asking:open()
  asking = nil
end

local function current()
  if asking then
    asking:wait(ANSWER_S)
  elseif not answered or timer.now() - answered > REST_S then
    refresh()
  end
  return answer
end

return {
  frame = "http",
  limits = { connections = 16, memory = "256M", write_queue = "64M", output = "128M" },
  timeouts = { idle = 120, first = 10, write = 10 },

  on_request = function(_, request)
    if request.path ~= "/metrics" then return { status = 404, body = "see /metrics\n" } end
    if request.method ~= "GET" and request.method ~= "HEAD" then
      return { status = 405, headers = { allow = "GET, HEAD" }, body = "" }
    end
    local body = current()
    if not body then return { status = 503, body = tostring(fault) .. "\n" } end
    return { headers = { ["content-type"] = TYPE }, body = body }
  end,
}
