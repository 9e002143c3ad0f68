-- moonport.codec — bytes as text and back, digests, random bytes; here, how a query is written.
-- What each call takes and returns is told in lua/meta/codec.lua.

local calls = require "moonport.calls"
local core = require "moonport.codec.core"

local encode = core.url.encode

local function refuse(what) calls.refuse("codec.query.encode takes " .. what) end

local function text_of(value)
  local kind = type(value)
  if kind ~= "string" and kind ~= "number" and kind ~= "boolean" then
    refuse("text, numbers and booleans, and no " .. kind)
  end
  return encode(tostring(value))
end

local function append(words, name, value)
  words[#words + 1] = text_of(name) .. "=" .. text_of(value)
end

-- { name = value }, of which a value may be a list, in the order of the names.
local function append_table(words, parameters)
  local names = {}
  for name in pairs(parameters) do
    if type(name) ~= "string" then refuse("names, or a list of pairs, { { name, value }, … }") end
    names[#names + 1] = name
  end
  table.sort(names)
  for _, name in ipairs(names) do
    local value = parameters[name]
    for _, each in ipairs(type(value) == "table" and value or { value }) do
      append(words, name, each)
    end
  end
end

local query = core.query

function query.encode(parameters)
  calls.check(parameters, 1, "encode", "table")
  local words = {}
  if #parameters == 0 then append_table(words, parameters) end
  for _, pair in ipairs(parameters) do
    if type(pair) ~= "table" then refuse("a list of pairs, { { name, value }, … }, or names") end
    append(words, pair[1], pair[2])
  end
  return table.concat(words, "&")
end

calls.by_dot(query, "codec.query")
return core
