-- moonport.service.listen — the rules for `listen`: addresses, and what their sockets are to be —
-- opens nothing.

local rules = require "moonport.service.rules"
local whole_from = rules.whole_from
local type, tostring, pairs, ipairs = type, tostring, pairs, ipairs
local tointeger, mathtype, tonumber = math.tointeger, math.type, tonumber
local format, match, find, lower = string.format, string.match, string.find, string.lower
local concat, sort = table.concat, table.sort

local ACCEPTED = [[a port, an address such as "tcp://[::1]:7000" or "unix:///run/x.sock", or a ]] ..
  [[list of them, with options such as { "udp://:514", rcvbuf = "8M" }]]
local GROUPS_MAX = 64

local function switch(value)
  if type(value) == "boolean" then return value and 1 or 0 end
  return nil, "true or false"
end

-- chmod(1) writes it in octal; as a number of Lua it would be another one.
local function mode(value)
  local digits = type(value) == "string" and match(value, "^0?([0-7][0-7][0-7])$")
  if digits then return tointeger(tonumber(digits, 8)) end
  return nil, [[the digits of chmod as text, such as "0660"]]
end

-- What looks like one; the system knows better, and is asked.
local function is_group(text)
  if find(text, "\0", 1, true) then return false end
  local first = tonumber(match(text, "^(%d+)%.%d+%.%d+%.%d+$") or
    match(text, "^(%d+)%.%d+%.%d+%.%d+%%[^%%]+$"))
  if first then return first >= 224 and first <= 239 end
  return match(lower(text), "^ff[%x][%x]:[%x:.]+$") ~= nil
    or match(lower(text), "^ff[%x][%x]:[%x:.]+%%[^%%]+$") ~= nil
end

local function groups(value)
  local list = type(value) == "table" and value or { value }
  local wanted = [[a multicast group such as "239.1.2.3" or "ff02::99%eth0", or a list of them]]
  for index, group in ipairs(list) do
    if type(group) ~= "string" or index > GROUPS_MAX then return nil, wanted end
    if not is_group(group) then return nil, wanted end
  end
  for key in pairs(list) do
    if mathtype(key) ~= "integer" or key < 1 or key > #list then return nil, wanted end
  end
  if #list == 0 then return nil, wanted end
  return list
end

-- Of each option the rule, and for which addresses it is.
local STREAMS, DATAGRAMS, PATHS, ALL = "tcp://, tls:// and unix:", "udp://", "unix:", nil
local OPTIONS = {
  backlog = { whole_from(1, 65535), STREAMS },
  mode = { mode, PATHS },
  join = { groups, DATAGRAMS },
  broadcast = { switch, DATAGRAMS },
  multicast_loop = { switch, DATAGRAMS },
  multicast_ttl = { whole_from(0, 255), DATAGRAMS },
  ttl = { whole_from(1, 255), "tcp://, tls:// and udp://" },
  rcvbuf = { rules.size, ALL },
  sndbuf = { rules.size, ALL },
}

local function known_options()
  local known = {}
  for name in pairs(OPTIONS) do known[#known + 1] = name end
  sort(known)
  return concat(known, ", ")
end

local function scheme_of(text)
  if find(lower(text), "^unix:") then return "unix:" end
  return lower(match(text, "^(%a+://)") or "tcp://")
end

-- What the options beside some addresses are; or nil, and what is wrong.
local function read_options(list)
  local options = {}
  for name, value in pairs(list) do
    local option = OPTIONS[name]
    local is_place = mathtype(name) == "integer" and name >= 1 and name <= #list
    if not option and not is_place then
      return nil, format("listen has no option '%s' (known: %s)", tostring(name), known_options())
    elseif option then
      local checked, accepted = option[1](value)
      if accepted then return nil, format("option '%s' of listen: write %s", name, accepted) end
      options[name] = checked
    end
  end
  return options
end

-- Why the options cannot be those of the address, or nil.
local function misplaced(text, options)
  local scheme = scheme_of(text)
  for name in pairs(options) do
    local where = OPTIONS[name][2]
    if where and not find(where, scheme, 1, true) then
      return format("option '%s' of listen is for %s, and %q is none", name, where, text)
    end
  end
  if options.mode and find(text, "^%a+:@") or options.mode and find(text, "^%a+://@") then
    return format("option 'mode' of listen: %q is in no file system", text)
  end
end

local M = {}

-- Adds what the list says; a list in it has options of its own. Returns a fault, or what is
-- accepted and what else is to be said.
local function add(list, result, is_inner)
  local options, fault = read_options(list)
  if not options then return fault end
  for _, each in ipairs(list) do
    local port = mathtype(each) == "integer" and each
    local further, accepted, remark
    if port and (port < 0 or port > 65535) then
      return nil, "a port from 0 to 65535", ", which is no port"
    elseif type(each) == "table" and not is_inner then
      further, accepted, remark = add(each, result, true)
    elseif type(each) ~= "string" and not port then
      accepted = ACCEPTED
    elseif type(each) == "string" and find(each, "\0", 1, true) then
      accepted, remark = ACCEPTED, ", which contains a NUL byte"
    else
      local text = tostring(each)
      further = misplaced(text, options)
      result.listen[#result.listen + 1] = text
      result.listen_options[#result.listen] = options
    end
    if further or accepted then return further, accepted, remark end
  end
  if #list == 0 then return nil, ACCEPTED end
end

---Reads `listen` into result.listen and result.listen_options, of the same indices.
---@param value any
---@param result table
---@return string? fault of an option
---@return string? accepted in place of the whole
---@return string? remark
function M.read(value, result)
  result.listen, result.listen_options = {}, {}
  return add(type(value) == "table" and value or { value }, result)
end

return M
