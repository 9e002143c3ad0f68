-- metrics.lua — what GET /metrics says, as prometheus_client reads it — knows no metric.

local cjson = require "cjson"
local python = require "tests.support.python"
local shell = require "tests.support.shell"

local metrics = {}

-- A line of JSON with all samples: { name, type, labels, value }, and the families' help.
local READ = [[
import json, sys
from prometheus_client.parser import text_string_to_metric_families
print(json.dumps([{"name": s.name, "family": f.name, "type": f.type, "help": f.documentation,
                   "labels": s.labels, "value": s.value if s.value == s.value else "NaN"}
                  for f in text_string_to_metric_families(sys.stdin.read()) for s in f.samples]))
]]

--- Options of curl that reach a server started with `--metrics 127.0.0.1:0`, and the URL.
function metrics.where(server)
  local place = server:wait_for("GET /metrics at").message:match("at (%S+)$")
  local path = place:match("^unix:/*(/.*)$")
  if path then return { "--unix-socket", path }, "http://localhost/metrics" end
  return {}, "http://" .. place:match("tcp://(.*)$") .. "/metrics"
end

--- The text that it answers.
function metrics.scrape(server)
  local options, url = metrics.where(server)
  local result = shell.run(shell.words("curl", "-sS", "--fail", options, url))
  assert(result.code == 0, result.stderr)
  return result.stdout
end

--- What promtool finds wrong with it; "" when nothing is.
function metrics.judge(text)
  local result = shell.run({ "promtool", "check", "metrics" }, { stdin = text })
  return result.code == 0 and result.stderr .. result.stdout
    or "promtool: " .. result.stderr .. result.stdout
end

local Samples = {}
Samples.__index = Samples

--- The value of the sample that has that name, and at least these labels; nil: there is none.
function Samples:value(name, labels)
  for _, sample in ipairs(self.list) do
    local fits = sample.name == name
    for label, value in pairs(labels or {}) do
      fits = fits and sample.labels[label] == value
    end
    if fits then return sample.value end
  end
end

--- The text as samples.
function metrics.read(text)
  local interpreter = python.having("prometheus_client")
  local result = shell.run({ interpreter, "-c", READ }, { stdin = text })
  assert(result.code == 0, result.stderr)
  return setmetatable({ list = cjson.decode(result.stdout), text = text }, Samples)
end

return metrics
