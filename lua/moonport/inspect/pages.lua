-- moonport.inspect.pages — the files of the page, as they are in the program — knows no secret.

local assets = require "moonport.assets"
local codec = require "moonport.codec"

local TYPES = {
  html = "text/html; charset=utf-8", css = "text/css; charset=utf-8",
  js = "text/javascript; charset=utf-8", mjs = "text/javascript; charset=utf-8",
  svg = "image/svg+xml", png = "image/png", ico = "image/x-icon", woff2 = "font/woff2",
  json = "application/json", txt = "text/plain; charset=utf-8",
}

local function takes_gzip(request)
  for coding in (request.headers["accept-encoding"] or ""):lower():gmatch("[^,]+") do
    local name, rest = coding:match("^%s*([%w*-]+)%s*(.*)$")
    if name == "gzip" and not rest:find("q=0%.?0*%s*$") then return true end
  end
  return false
end

local function find(name, request)
  if takes_gzip(request) then
    local packed = assets.packed(name)
    if packed then return packed, "gzip" end
  end
  return assets.read(name)
end

-- The answer to a request for a file of the page; nil: there is none of that name.
---@param name string "style.css"; "" for the page itself
---@param headers fun(more: table): table
return function(name, request, headers)
  if name == "" then name = "index.html" end
  local kind = TYPES[name:match("%.(%w+)$")]
  if not kind or name:find("..", 1, true) then return nil end
  local body, coding = find("inspector/" .. name, request)
  if not body then return nil end
  local tag = '"' .. codec.hex.encode(codec.sha256(body)):sub(1, 32) .. '"'
  local more = headers({ ["content-type"] = kind, ["content-encoding"] = coding, etag = tag,
    vary = "accept-encoding", ["cache-control"] = "private, no-cache" })
  if request.headers["if-none-match"] == tag then return { status = 304, headers = more } end
  return { headers = more, body = body }
end
