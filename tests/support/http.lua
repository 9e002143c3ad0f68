-- http.lua — responses as they come from the wire, and requests on it: written for the tests, which
-- do not ask moonport what they say.

local http = {}

local function read_chunks(peer)
  local pieces = {}
  while true do
    local size = tonumber(peer:receive_line():match("^(%x+)\r$"), 16)
    if size == 0 then break end
    pieces[#pieces + 1] = peer:receive(size)
    assert(peer:receive(2) == "\r\n")
  end
  assert(peer:receive_line() == "\r")
  return table.concat(pieces), #pieces
end

--- Reads the head of a response: { status, reason, version, headers = { [name] = value }, lines }.
function http.read_head(peer)
  local version, status, reason = peer:receive_line():match("^HTTP/(1%.%d) (%d%d%d) (.-)\r$")
  assert(status, "no status line")
  local head = { version = version, status = tonumber(status), reason = reason, headers = {},
    lines = {} }
  while true do
    local line = peer:receive_line():match("^(.*)\r$")
    if line == "" then return head end
    head.lines[#head.lines + 1] = line
    local name, value = line:match("^([^:]+): (.*)$")
    name = name:lower()
    head.headers[name] = head.headers[name] and head.headers[name] .. ", " .. value or value
  end
end

--- Reads a whole response; `to_head`: it answers a HEAD.
function http.read(peer, to_head)
  local response = http.read_head(peer)
  local headers = response.headers
  if to_head or response.status == 204 or response.status == 304 then
    response.body = ""
  elseif headers["transfer-encoding"] == "chunked" then
    response.body, response.chunks = read_chunks(peer)
  elseif headers["content-length"] then
    response.body = peer:receive(tonumber(headers["content-length"]))
  else
    response.body = peer:receive_all()
  end
  return response
end

--- A request as text: options are `version`, `headers` (a list of lines), `body`.
function http.request(method, target, options)
  options = options or {}
  local lines = { ("%s %s HTTP/%s"):format(method, target, options.version or "1.1"), "Host: a" }
  table.move(options.headers or {}, 1, #(options.headers or {}), #lines + 1, lines)
  if options.body then lines[#lines + 1] = "Content-Length: " .. #options.body end
  return table.concat(lines, "\r\n") .. "\r\n\r\n" .. (options.body or "")
end

--- Sends one, and reads what answers it.
function http.ask(peer, method, target, options)
  peer:send(http.request(method, target, options))
  return http.read(peer, method == "HEAD")
end

return http
