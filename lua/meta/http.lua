---@meta moonport.http

-- http.lua — the module moonport.http, for editors — is never run.

---Asks servers of HTTP/1.1, over connections that are kept.
---@class moonport.http
local http = {}

---Asks, and waits for the answer. What cannot be meant raises; what is wrong with a URL is
---returned. A status such as 404 is an answer, and no failure. The codes are "timeout", "closed"
---(the server ended the connection), "malformed" (what it says is no HTTP, or can be read in two
---ways), "limit", "EINVAL" (the URL), "handshake", or those of a connect.
---@param options moonport.HttpOptions
---@return moonport.HttpResponse? response
---@return string? code
---@return string? detail
function http.request(options) end

---The same for http.request { url = url, … }.
---@param url string
---@param options? moonport.HttpOptions
---@return moonport.HttpResponse? response
---@return string? code
---@return string? detail
function http.get(url, options) end

---A body that is a function sends pieces: write() waits while the server is slower. The timeout is
---for all of it; with stream, up to the head, and then for each read. Another origin is not sent
---authorization and cookie by a redirect, and https never leads to http.
---@class moonport.HttpOptions
---@field url? string "https://example.org:8443/path?query", percent-encoded, without a user
---@field method? string "GET"
---@field headers? table<string, string|number|(string|number)[]>
---@field body? string|fun(write: fun(data: string): true?, string?)
---@field timeout? number seconds; 30. 0: none
---@field redirects? integer how many are followed; 0
---@field stream? boolean the body is read piece by piece
---@field max_body? integer bytes of a body that is not streamed; 16 MiB
---@field max_head? integer bytes of the head; 65536
---@field tls? moonport.TlsOptions of https; the certificate is checked unless they say otherwise

---Of headers, a name is in any case, and repeated ones are joined by ", "; pairs() gives each
---Set-Cookie by itself. It can be a to-be-closed variable.
---@class moonport.HttpResponse
---@field status integer
---@field reason string
---@field version "1.0"|"1.1"
---@field headers table<string, string>
---@field body string? all of it, unless stream is set
---@field url string where it came from, behind all redirects
local Response = {}

---The next piece of a body that is streamed.
---@param max? integer bytes at most; 65536
---@return string? data nil: that was all, or it failed, and then there is a code
---@return string? code
---@return string? detail
function Response:read(max) end

---Leaves the rest of a body unread, and its connection, if there is any left.
---@return true
function Response:close() end

return http
