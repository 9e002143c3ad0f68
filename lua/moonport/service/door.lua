-- moonport.service.door — the rules for who may come in: allow, deny, proxy_protocol — looks nobody
-- up.

local report_of = require "moonport.service.report"
local fault, shown = report_of.fault, report_of.shown
local type, pairs, ipairs, mathtype = type, pairs, ipairs, math.type
local find = string.find

local NETWORKS_MAX = 10000

-- What is to be written in place of what is no network.
local function advice(text)
  if find(text, "^[%x:.]+/%d+$") then
    return "behind the slash stand 0 to 32 bits, of IPv6 0 to 128"
  elseif find(text, "%%") then
    return "leave the interface out"
  elseif find(text, "^%[") or find(text, "^%d+%.%d+%.%d+%.%d+:%d+$") then
    return "leave the port and the brackets out"
  elseif find(text, "^%d[%d.]*%.?%*?") and find(text, "^[%d.*]+$") then
    return [[write all four numbers, and how many bits count, such as "10.0.0.0/8"]]
  elseif find(text, "^[%w._-]+$") and find(text, "%a") then
    return "a name can mean another machine tomorrow: write its address in numbers"
  end
  return [[write an address or a network, such as "10.0.0.0/8", "192.0.2.7" or "fd00::/8"]]
end

-- A list of networks; a single one may stand alone. nil: there is none, or it is at fault.
local function networks(report, service, key, is_network, is_word)
  local given = service[key]
  local list, result = type(given) == "string" and { given } or given, {}
  if type(list) ~= "table" then
    fault(report, key, given, "%s is %s: write a list of networks, such as %s = { %q, %q }", key,
      shown(given), key, "10.0.0.0/8", "::1")
    return nil
  end
  for other in pairs(list) do
    if mathtype(other) ~= "integer" or other < 1 or other > #list then
      fault(report, key, given, "%s has the field %s: it is a list of networks, such as { %q }",
        key, shown(other), "10.0.0.0/8")
      return nil
    end
  end
  if #list == 0 then
    fault(report, key, given, "%s is empty: %s", key, key == "deny" and "leave it out" or
      "nobody could connect; name who may, or leave it out")
  elseif #list > NETWORKS_MAX then
    fault(report, key, given, "%s has %d networks: at most %d, for each is looked at", key, #list,
      NETWORKS_MAX)
  end
  for index, text in ipairs(list) do
    if type(text) ~= "string" then
      fault(report, key, given, "%s[%d] is %s: write a network as text, such as %q", key, index,
        shown(text), "10.0.0.0/8")
    elseif not (is_word and is_word(text)) then
      local is_one, whole = is_network(text)
      if whole then
        fault(report, key, given, "%s[%d] is %q, an address and a network at once: write %q for " ..
          "the network, or %q for that address alone", key, index, text, whole,
          text:match("^[^/]*"))
      elseif is_one then
        result[#result + 1] = text
      else
        fault(report, key, given, "%s[%d] is %q, which is no network: %s", key, index, text,
          advice(text))
      end
    end
  end
  return result
end

local function has_stream(listen)
  for _, address in ipairs(listen or {}) do
    if not find(address, "^[uU][dD][pP]://") then return true end
  end
  return listen == nil
end

local function check_proxies(report, service, result, is_network, listens_elsewhere)
  local given = service.proxy_protocol
  if given == nil or given == false then return end
  result.is_proxied, result.any_proxy = true, given == true
  if not listens_elsewhere and not has_stream(result.listen) then
    fault(report, "proxy_protocol", given, "proxy_protocol with udp:// alone: it is of streams, " ..
      "and a datagram has no header; leave it out")
  end
  if given == true then return end
  if type(given) ~= "table" and type(given) ~= "string" then
    fault(report, "proxy_protocol", given, "proxy_protocol is %s: write who passes connections " ..
      "on, such as { %q }, %q for Unix sockets, or true for everybody", shown(given), "10.0.0.0/8",
      "unix")
    return
  end
  result.proxies = networks(report, service, "proxy_protocol", is_network, function(text)
    result.unix_proxies = result.unix_proxies or text == "unix"
    return text == "unix"
  end)
end

---@param report moonport.service.Report
---@param service table what the script returned
---@param result table gets what C wants: `listen` is there already
---@param is_network fun(text: string): boolean, string? also the network of an address in one
---@param listens_elsewhere string[]? the operator's addresses
return function(report, service, result, is_network, listens_elsewhere)
  for _, key in ipairs { "allow", "deny" } do
    if service[key] ~= nil then result[key] = networks(report, service, key, is_network) end
  end
  check_proxies(report, service, result, is_network, listens_elsewhere)
  if result.accept_burst and result.accept_burst > 0 and result.accept_interval_us == 0 then
    fault(report, "accept_burst", result.accept_burst, "limits.accept_burst without " ..
      "limits.accept_rate bounds nothing: add that, or leave it out")
  end
end
