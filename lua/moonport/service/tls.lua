-- moonport.service.tls — the rules for the field `tls` of a service — opens no certificate.

local report_of = require "moonport.service.report"
local fault, warn, shown, where = report_of.fault, report_of.warn, report_of.shown, report_of.where
local check_names, mentions = report_of.check_names, report_of.mentions
local type, pairs, ipairs, mathtype = type, pairs, ipairs, math.type
local format, gsub, match, find = string.format, string.gsub, string.match, string.find
local sort = table.sort

-- What the table may hold, and of it, what each of its hosts may.
local FIELDS = { "cert", "key", "ca", "client", "alpn", "min", "hosts" }
local HOST_FIELDS = { "cert", "key", "ca", "client" }
-- As enum tls_client counts them, and the numbers of the protocol.
local CLIENTS = { none = 0, request = 1, require = 2 }
local VERSIONS = { ["1.2"] = 0x0303, ["1.3"] = 0x0304 }
local HOSTS_MAX = 1000 -- a millisecond each, to read them

---@type moonport.service.Rule
local function file_path(value)
  local is_path = type(value) == "string" and value ~= "" and not find(value, "\0", 1, true)
  if is_path then return value end
  return nil, [[the path of a PEM file, such as "localhost.pem"]]
end

---@type moonport.service.Rule
local function client(value)
  if CLIENTS[value] then return CLIENTS[value] end
  return nil, [["none", "request" or "require"]]
end

---@type moonport.service.Rule
local function version(value)
  if VERSIONS[value] then return VERSIONS[value] end
  return nil, [["1.2" or "1.3"]]
end

---@type moonport.service.Rule
local function alpn(value)
  local accepted = [[a list of protocols, the best first, such as { "h2", "http/1.1" }]]
  if type(value) ~= "table" then return nil, accepted end
  local list = {}
  for index, name in ipairs(value) do
    if type(name) ~= "string" or #name == 0 or #name > 255 then return nil, accepted end
    if find(name, "\0", 1, true) then return nil, accepted, ", which contains a NUL byte" end
    list[index] = name
  end
  for key in pairs(value) do
    if mathtype(key) ~= "integer" or key < 1 or key > #list then return nil, accepted end
  end
  if #list == 0 then return nil, accepted, ", which is empty" end
  return list
end

-- One field of `tls`, or of one of its hosts; nil: there is none, or it is at fault.
local function field(report, given, prefix, key, rule)
  local value = given[key]
  if value == nil then return nil end
  local checked, accepted, remark = rule(value)
  if accepted then
    fault(report, key, value, "%s%s is %s%s: write %s", prefix, key, shown(value), remark or "",
      accepted)
  end
  return checked
end

-- Relative to the script.
local function path_field(report, given, prefix, key)
  local path = field(report, given, prefix, key, file_path)
  if not path or find(path, "^/") then return path end
  return (match(report.path, "^.*/") or "") .. path
end

-- Whose certificate is shown, and who is let in; `parent` is that of all others. What a host does
-- not say is as there, so that none is a way around a client's certificate that is required.
local function identity_of(report, given, prefix, parent)
  local identity = {
    cert = path_field(report, given, prefix, "cert"),
    key = path_field(report, given, prefix, "key"),
    ca = path_field(report, given, prefix, "ca") or parent and parent.ca,
    client = field(report, given, prefix, "client", client) or parent and parent.client or 0,
  }
  identity.key = identity.key or identity.cert -- one file may hold both
  if identity.client > 0 and not identity.ca then
    fault(report, "client", given.client, "%sclient without %sca: name the file of those whose " ..
      [[certificates are let in, such as ca = "clients.pem"]], prefix, prefix)
  elseif given.ca ~= nil and (given.client or "none") == "none" and identity.client == 0 then
    fault(report, "ca", given.ca, "%sca without %sclient: nobody would be asked for a " ..
      [[certificate; write client = "require" too, or leave ca out]], prefix, prefix)
  end
  return identity
end

local function is_host(name)
  local rest = gsub(name, "^%*%.", "")
  return #name < 256 and find(rest, "^[%w%-_.]+$") ~= nil and not find(rest, "^[%d.]+$") and
    not find("." .. rest .. ".", "..", 1, true)
end

local function check_host(report, tls, name, given, nearest)
  local prefix = format("tls.hosts[%q].", name)
  if type(given) ~= "table" then
    return fault(report, name, given, "tls.hosts[%q] is %s: write a table, such as " ..
      [[{ cert = "b.pem", key = "b.key" }]], name, shown(given))
  end
  local function nearest_field(word, known) return nearest(word, known, "tls." .. word) end
  check_names(report, given, HOST_FIELDS, prefix, nearest_field)
  local identity = identity_of(report, given, prefix, tls.identities[1])
  identity.host = name
  if given.cert == nil then
    fault(report, name, given, "%scert is missing: whose certificate is it to show?", prefix)
  end
  tls.identities[#tls.identities + 1] = identity
end

local function check_hosts(report, tls, hosts, nearest)
  local names = {}
  if hosts == nil then return end
  if type(hosts) ~= "table" then
    return fault(report, "hosts", hosts, "tls.hosts is %s: write a table, such as hosts = " ..
      [[{ ["b.example"] = { cert = "b.pem", key = "b.key" } }]], shown(hosts))
  end
  for name in pairs(hosts) do
    if type(name) == "string" and is_host(name) then
      names[#names + 1] = name
    else
      fault(report, "hosts", hosts, [[tls.hosts has %s: write hosts by name, "b.example" or ]] ..
        [["*.c.example"]], shown(name))
    end
  end
  sort(names)
  if #names > HOSTS_MAX then
    return fault(report, "hosts", hosts, "tls.hosts has %d hosts: at most %d", #names, HOSTS_MAX)
  end
  for _, name in ipairs(names) do check_host(report, tls, name, hosts[name], nearest) end
end

local EXAMPLE = [[{ cert = "localhost.pem", key = "localhost.key" }]]
local MAKES = [["moonport cert localhost" makes the two]]

-- That of all hosts without one of their own. What the operator names comes before the script's.
local function first_identity(report, given, operator)
  local identity = identity_of(report, given, "tls.")
  if operator.tls_cert then
    identity.cert, identity.key = operator.tls_cert, operator.tls_key or operator.tls_cert
    identity.is_operators = true
  elseif given.cert == nil then
    fault(report, "tls", given, "tls.cert is missing: name the file of a certificate, such as " ..
      "tls = %s; %s", EXAMPLE, MAKES)
  end
  return identity
end

local function check_table(report, given, operator, nearest)
  check_names(report, given, FIELDS, "tls.", nearest)
  local tls = {
    identities = { first_identity(report, given, operator) },
    alpn = field(report, given, "tls.", "alpn", alpn) or {},
    min = field(report, given, "tls.", "min", version) or VERSIONS["1.2"],
  }
  check_hosts(report, tls, given.hosts, nearest)
  return tls
end

-- Where the service is going to listen.
local function has_tls_address(addresses)
  for _, address in ipairs(addresses or {}) do
    if find(address, "^[tT][lL][sS]://") then return true end
  end
  return false
end

---Checks the `tls` of a service, and that its addresses fit.
---@param report moonport.service.Report
---@param service table as the script returned it
---@param result table the checked one: gets `tls` when there is to be a context
---@param operator moonport.service.Operator
---@param nearest fun(word: string, known: string[], name: string?): string?
return function(report, service, result, operator, nearest)
  local given, speaks = service.tls, has_tls_address(operator.listen or result.listen)
  if given ~= nil and type(given) ~= "table" then
    return fault(report, "tls", given, "tls is %s: write a table, such as tls = %s", shown(given),
      EXAMPLE)
  elseif given == nil and not speaks then
    return
  elseif given == nil and not operator.tls_cert then
    return fault(report, "listen", service.listen, "listen on tls:// needs a certificate: " ..
      "tls = %s; %s", EXAMPLE, MAKES)
  end
  result.tls = check_table(report, given or {}, operator, nearest)
  result.tls.where = where(report, given and "tls" or "listen", given)
  -- Without an address it is for conn:starttls(): then the word stands somewhere.
  if speaks or operator.listen or mentions(report, "starttls") then return end
  warn(report, "tls", given, "tls without an address that speaks it: write listen = " ..
    [["tls://:8443", or conn:starttls() in a handler]])
end
