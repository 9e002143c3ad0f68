-- moonport.http.wish — the options of a request, checked — is not for scripts.

local calls = require "moonport.calls"
local fields = require "moonport.websocket.core"

local DEFAULTS = { timeout = 30, redirects = 0, max_body = 16 * 1024 * 1024, max_head = 65536 }
local KNOWN = "known: body, headers, max_body, max_head, method, redirects, stream, timeout, " ..
  "tls, url"
local TYPES = {
  body = { "string", "function" }, headers = { "table" }, max_body = { "integer" },
  max_head = { "integer" }, method = { "string" }, redirects = { "integer" },
  stream = { "boolean" }, timeout = { "number" }, tls = { "table" }, url = { "string" },
}

-- How a request is framed, and who may say so.
local OURS = {
  ["content-length"] = true, ["transfer-encoding"] = true, connection = true, upgrade = true,
  expect = true, te = true, trailer = true, ["keep-alive"] = true,
}
local M = {}

local function add_field(wish, name, value)
  local is_text = type(value) == "string" or type(value) == "number"
  if not is_text or not fields.is_field(name, tostring(value)) then
    calls.refuse(("http.request: headers[%q] cannot be sent: a name is of letters, digits and " ..
      "\"-\", a value is a text without line ends"):format(name))
  elseif OURS[name:lower()] then
    calls.refuse(("http.request: headers[%q] cannot be set: it follows from the body and the " ..
      "connection"):format(name))
  end
  wish.names[name:lower()] = true
  wish.fields[#wish.fields + 1] = { name, value }
end

local function add_fields(wish, headers)
  local names = {}
  for name in pairs(headers) do
    if type(name) ~= "string" then
      calls.refuse(("http.request: headers[%s] is no name: headers are written { [\"x-name\"] = " ..
        "\"value\" }"):format(tostring(name)))
    end
    names[#names + 1] = name
  end
  table.sort(names)
  for _, name in ipairs(names) do
    local value = headers[name]
    if type(value) ~= "table" then value = { value } end
    for _, each in ipairs(value) do add_field(wish, name, each) end
  end
end

local function check_options(options)
  for name, value in pairs(options) do
    local wanted = TYPES[name]
    if not wanted then
      calls.refuse(("unknown option '%s' of http.request (%s)"):format(tostring(name), KNOWN))
    end
    local is_right = false
    for _, each in ipairs(wanted) do
      is_right = is_right or type(value) == each or math.type(value) == each
    end
    if not is_right or type(value) == "number" and value < 0 then
      calls.refuse(("option '%s' of http.request must be %s"):format(name,
        type(value) == "number" and "0 or more" or "a " .. table.concat(wanted, " or a ")))
    end
  end
end

---What is asked for, in the form that it is changed in by redirects.
---Raises at the author's line, where they mean nothing.
---@param options moonport.HttpOptions
---@return table wish
function M.read(options)
  check_options(options)
  if not options.url then calls.refuse("http.request needs a url") end
  local wish = { fields = {}, names = {} }
  for name, default in pairs(DEFAULTS) do
    wish[name] = options[name] == nil and default or options[name]
  end
  wish.method, wish.body, wish.stream = options.method or "GET", options.body, options.stream
  wish.tls = options.tls
  if not fields.is_field(wish.method, "") or wish.method == "CONNECT" then
    calls.refuse(("http.request: %q is no method that can be asked for"):format(wish.method))
  end
  add_fields(wish, options.headers or {})
  return wish
end

return M
