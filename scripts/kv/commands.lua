-- kv/commands.lua — the store, and what each command does to it — knows no connection.

local resp = require "kv.resp"

local ANY = math.huge
local store -- from key to value, both with their lengths in front: "$4\r\nmoon\r\n"

local function count_found(words, count, removes)
  local found = 0
  for index = 2, count do
    if store[words[index]] then found = found + 1 end
    if removes then store[words[index]] = nil end
  end
  return ":" .. found .. "\r\n"
end

local function increment(words)
  local text = resp.text(store[words[2]] or "$1\r\n0\r\n")
  local number = math.tointeger(tonumber(text))
  if not number or tostring(number) ~= text then
    return resp.failure("value is not an integer or out of range")
  elseif number == math.maxinteger then
    return resp.failure("increment or decrement would overflow")
  end
  store[words[2]] = resp.bulk(tostring(number + 1))
  return ":" .. number + 1 .. "\r\n"
end

local commands = {} -- by name, as it comes: the fewest words, the most, and what answers them
for name, command in pairs {
  PING = { 1, 2, function(words, count) return count == 1 and "+PONG\r\n" or words[2] end },
  ECHO = { 2, 2, function(words) return words[2] end },
  SET = { 3, 3, function(words) store[words[2]] = words[3] return "+OK\r\n" end },
  GET = { 2, 2, function(words) return store[words[2]] or "$-1\r\n" end },
  DEL = { 2, ANY, function(words, count) return count_found(words, count, true) end },
  EXISTS = { 2, ANY, count_found },
  INCR = { 2, 2, increment },
  QUIT = { 1, 1, function() return "+OK\r\n", true end },
  -- What redis-cli and redis-benchmark ask when they start: we have no hints and no settings.
  COMMAND = { 1, ANY, function() return "*0\r\n" end },
  CONFIG = { 3, 3, function(words) return "*2\r\n" .. words[3] .. "$0\r\n\r\n" end },
} do commands[resp.bulk(name)] = command end

local M = {}

-- Returns the answer to a request, and true when it is to be the last.
function M.answer(words, count)
  local word = words[1]
  local command = commands[word] or commands[word:upper()]
  if not command then return resp.failure("unknown command '" .. resp.text(word) .. "'") end
  if count >= command[1] and count <= command[2] then return command[3](words, count) end
  return resp.failure("wrong number of arguments for '" .. resp.text(word):lower() .. "' command")
end

-- For the version of the script that follows.
function M.give() return store end
function M.take(given) store = given end

return M
