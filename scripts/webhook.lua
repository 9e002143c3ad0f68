-- webhook.lua — takes what a forge tells of a push, if it is signed, and tells a chat about it.
-- Shows: a signature over the bytes of a body; another server that is asked before the answer.
-- Try it:  SECRET=moon moonport scripts/webhook.lua scripts/notes.lua    and in another terminal
--          body='{"pusher":{"name":"ada"},"repository":{"full_name":"moon/port"}}'
--          sign=$(printf %s "$body" | openssl dgst -sha256 -hmac moon -r | cut -d' ' -f1)
--          curl -i -H "X-Hub-Signature-256: sha256=$sign" -d "$body" http://127.0.0.1:8085/

local codec = require "moonport.codec"
local http = require "moonport.http"
local json = require "moonport.json"
local log = require "moonport.log"

local SECRET = os.getenv("SECRET")
local CHAT = os.getenv("CHAT") or "http://127.0.0.1:8081/notes"

local function is_signed(request)
  local signature = request.headers["x-hub-signature-256"] or ""
  local given = codec.hex.decode(signature:match("^sha256=(%x+)$") or "")
  return given and codec.equal(given, codec.hmac("sha256", SECRET, request.body))
end

local function sentence(push)
  local who, what = push.pusher, push.repository
  if type(who) ~= "table" or type(what) ~= "table" then return nil end
  return ("%s pushed to %s"):format(who.name, what.full_name)
end

return {
  listen = 8085,
  frame = "http",
  limits = { message = "256K" },

  on_request = function(_, request)
    if request.method ~= "POST" then return { status = 405, headers = { allow = "POST" } } end
    if not SECRET then return { status = 503, body = "SECRET is not set\n" } end
    if not is_signed(request) then return 401 end
    local push = json.decode(request.body)
    local text = type(push) == "table" and sentence(push)
    if not text then return { status = 422, body = "this is no push\n" } end
    local response, code, detail = http.request {
      url = CHAT, method = "POST", headers = { ["content-type"] = "application/json" },
      body = json.encode { text = text }, timeout = 5,
    }
    if response and response.status < 300 then return 204 end
    log.warn("%s: %s", CHAT, response and response.status or detail or code)
    return 502
  end,
}
