-- moonport.http.url — what a URL of http or https says — is not for scripts.

local SCHEMES = { http = { "tcp", 80 }, https = { "tls", 443 } }
local PORT_MAX = 65535

---@class moonport.http.Url
---@field scheme "http"|"https"
---@field origin string "https://example.org:443": whom a password is for
---@field address string for the pool: "tls://example.org:443"
---@field host string as the field Host has it
---@field target string path and query
---@field text string all of it, without a fragment

local M = {}

-- The host, and its port or nil; nil where it is none.
local function split_authority(authority)
  local host, port = authority:match("^(%[[%x:.]+%])(.*)$")
  if not host then host, port = authority:match("^([%w._-]+)(.*)$") end
  if not host then return nil end
  if port == "" or port == ":" then return host end
  local number = tonumber(port:match("^:(%d+)$"))
  if number and number >= 1 and number <= PORT_MAX then return host, math.tointeger(number) end
end

---@param text string
---@return moonport.http.Url? url
---@return string? fault
function M.parse(text)
  if text:find("[^!-~]") then
    return nil, "has a blank or a byte that must be written with %"
  end
  local scheme, authority, target = text:match("^(%a[%w+.-]*)://([^/?#]*)([^#]*)")
  local kind = scheme and SCHEMES[scheme:lower()]
  if not kind then return nil, "begins neither with http:// nor with https://" end
  if authority:find("@", 1, true) then
    return nil, "has a user in it: that belongs into headers.authorization"
  end
  local host, port = split_authority(authority)
  if not host then return nil, "names no host" end
  if not target:find("^/") then target = "/" .. target end
  host, scheme = host:lower(), scheme:lower()
  local is_default = not port or port == kind[2]
  port = port or kind[2]
  local shown = is_default and host or ("%s:%d"):format(host, port)
  return {
    scheme = scheme,
    origin = ("%s://%s:%d"):format(scheme, host, port),
    address = ("%s://%s:%d"):format(kind[1], host, port),
    host = shown,
    target = target,
    text = ("%s://%s%s"):format(scheme, shown, target),
  }
end

-- "/a/c" of "/a/b/../c": RFC 3986, section 5.2.4.
local function without_dots(path)
  local kept, ends_in_slash = {}, false
  for segment in path:gmatch("/([^/]*)") do
    ends_in_slash = segment == "." or segment == ".."
    if segment == ".." then
      kept[#kept] = nil
    elseif segment ~= "." then
      kept[#kept + 1] = segment
    end
  end
  return "/" .. table.concat(kept, "/") .. (ends_in_slash and #kept > 0 and "/" or "")
end

---Where a field Location leads that came from `base`.
---@param base moonport.http.Url
---@param reference string
---@return moonport.http.Url? url
---@return string? fault
function M.resolve(base, reference)
  reference = reference:gsub("#.*", "")
  if reference:find("^%a[%w+.-]*:") then return M.parse(reference) end
  if reference:find("^//") then return M.parse(base.scheme .. ":" .. reference) end
  local root = base.scheme .. "://" .. base.host
  local path, query = base.target:match("^([^?]*)(.*)$")
  if reference == "" then return M.parse(root .. path .. query) end
  if reference:find("^%?") then return M.parse(root .. path .. reference) end
  local new_path, new_query = reference:match("^([^?]*)(.*)$")
  if not new_path:find("^/") then new_path = path:match("^(.*/)") .. new_path end
  return M.parse(root .. without_dots(new_path) .. new_query)
end

return M
