-- moonport.inspect.asks — what a page asks the server for, and may — answers with what came.

local codec = require "moonport.codec"
local control = require "moonport.control"

-- What looks, and what a teacher does to one connection or to the scripts. Not what runs code or
-- ends the server: that is for a terminal.
local LOOKS = { "help", "ping", "status", "health", "conns", "tcp", "scripts", "versions" }
local ACTS = { "pause", "resume", "step", "send", "reset", "kick", "shutdown", "fault", "reload" }

local function set_of(...)
  local set = {}
  for _, list in ipairs { ... } do
    for _, name in ipairs(list) do set[name] = true end
  end
  return set
end

local ALLOWED = set_of(LOOKS, ACTS)

local function refuse(message) return { ok = false, error = message } end

-- The words as a command; nil and why it is none. Bytes, which need not be text, come as `hex`, and
-- are the last word.
local function check(words, hex)
  if type(words) ~= "table" or #words == 0 then return nil, "ask what? words must be a list" end
  for _, word in ipairs(words) do
    if type(word) ~= "string" and math.type(word) ~= "integer" then
      return nil, "words must be a list of texts"
    end
  end
  local name = words[1]
  if not ALLOWED[name] then
    return nil, ("%s cannot be asked from the page: moonport console has it"):format(
      tostring(name):sub(1, 40))
  end
  if name == "shutdown" and #words ~= 2 then
    return nil, "shutdown needs the number of a connection: the page does not end the server"
  end
  local list = {}
  for index, word in ipairs(words) do list[index] = tostring(word) end
  if hex ~= nil then
    list[#list + 1] = type(hex) == "string" and codec.hex.decode(hex) or nil
    if #list == #words then return nil, "hex must be pairs of digits from 0 to f" end
  end
  return list
end

local M = {}

-- One command over a connection of its own. The fields of an answer to the page.
---@param path string? of the control socket
---@param words string[]
function M.command(path, words)
  local client <close>, fault = control.connect(path)
  if not client then return refuse(fault) end
  local answer
  answer, fault = client:ask(words)
  if not answer then return refuse(fault) end
  return { ok = answer.last.ok, lines = answer.lines, last = answer.last, pid = answer.pid,
    error = answer.last.error }
end

function M.ask(path, request)
  local words, fault = check(request.words, request.hex)
  if not words then return refuse(fault) end
  return M.command(path, words)
end

return M
