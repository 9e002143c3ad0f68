-- moonport.show.events — one event of a running server in words, for whoever shows events — knows
-- neither terminal nor server.
--
-- A field may be missing, or of another kind than it should be, as recordings are anybody's.

local core = require "moonport.show.core"
local fields = require "moonport.show.fields"
local tcp = require "moonport.show.tcp"
local words = require "moonport.show.words"

local number, say, text = fields.number, words.say, fields.text

local M = {}

local PREVIEW_CELLS, PREVIEW_BYTES, KIND_CELLS = 63, 64, 40

---What passed since the event before; "" for the first.
---@param before_ns integer? of the event before
---@return string "+12 µs"
function M.passed(event, before_ns, lang)
  if not before_ns then return "" end
  return "+" .. words.time(math.max(number(event, "time_ns") - before_ns, 0), lang)
end

---@param cells_max integer? for the bytes
---@return string text 5 bytes "hello"
function M.bytes(event, lang, cells_max)
  if number(event, "size") == 0 then return say(lang, "bytes", event) end
  local preview = core.shown(text(event, "text"), cells_max or PREVIEW_CELLS)
  local is_whole = number(event, "size") <= PREVIEW_BYTES or preview:sub(-3) == "..."
  return say(lang, "bytes_text", { size = event.size,
    preview = is_whole and preview or preview .. "..." })
end

-- The phrase with the bytes of the event in it, if it has any.
local function with_bytes(event, lang, name)
  return say(lang, name, setmetatable({ bytes = M.bytes(event, lang) }, { __index = event }))
end

-- One phrase after the other, of those whose field is there.
local function also(told, event, lang, names)
  for _, name in ipairs(names) do
    local field = name:match("_(%l+)$")
    if event[field] and event[field] ~= 0 then told = told .. say(lang, name, event) end
  end
  return told
end

local function with_error(told, event, lang)
  return event.error and told .. say(lang, "with_error", event) or told
end

-- --- One function for each kind that is more than a phrase of its fields ---------------------

local details = {}

local function by_socket(name)
  return function(event, lang)
    local is_unix = text(event, "peer"):find("^unix:")
    return say(lang, is_unix and name .. "_unix" or name, event)
  end
end

details.accept, details.connect = by_socket "accept", by_socket "connect"

function details.proxy(event, lang)
  return say(lang, event.error and "proxy_refused" or "proxy", event)
end

function details.handshake(event, lang)
  if event.error then return say(lang, "handshake_failed", event) end
  local session = say(lang, "session_" .. text(event, "session"), event)
  local told = say(lang, "handshake", event) .. session
  return also(told, event, lang, { "handshake_name", "handshake_alpn" })
end

function details.arrive(event, lang)
  local told = {}
  if number(event, "arrived") > 0 or not event["end"] then
    told[1] = say(lang, "arrive", event) .. (number(event, "waiting") > number(event, "arrived") and
      say(lang, "arrive_waiting", event) or "")
  end
  if event["end"] then told[#told + 1] = say(lang, "arrive_end", event) end
  return table.concat(told, ", ")
end

function details.data(event, lang)
  local to = text(event, "to")
  return with_bytes(event, lang, (to == "forward" or to == "nobody") and "data_" .. to or "data")
end

function details.message(event, lang) return with_bytes(event, lang, "message") end

function details.recv(event, lang) return with_bytes(event, lang, "recv") end

function details.datagram(event, lang)
  return also(with_bytes(event, lang, "datagram"), event, lang, { "datagram_peer" })
end

function details.sendto(event, lang)
  local told = with_bytes(event, lang, event.error and "sendto_failed" or "sendto")
  return with_error(also(told, event, lang, { "sendto_peer" }), event, lang)
end

function details.handled(event, lang)
  local outcome = text(event, "outcome")
  local is_done = outcome ~= "failed" and outcome ~= "cancelled"
  return also(say(lang, is_done and "handled" or "handled_" .. outcome, event), event, lang,
    { "handled_waits" })
end

function details.stall(event, lang)
  return also(say(lang, event.handler and "stall" or "stall_finalizer", event), event, lang,
    { "stall_call" })
end

local senders = { core = true, forward = true, console = true }

function details.send(event, lang)
  local by = text(event, "by")
  return also(with_bytes(event, lang, senders[by] and "send_" .. by or "send"), event, lang,
    { "send_rest" })
end

function details.flush(event, lang)
  return also(say(lang, "flush", event), event, lang, { "flush_left" }) ..
    (event.when == "later" and say(lang, "flush_later", event) or "")
end

function details.pause(event, lang)
  local told = say(lang, "pause_" .. text(event, "by"), event)
  return told ~= "" and told or say(lang, "pause", event)
end

function details.reset(event, lang)
  local by = text(event, "by")
  local name = (by == "us" or by == "network") and "reset_" .. by or "reset_peer"
  return also(with_error(say(lang, name, event), event, lang), event, lang, { "reset_unread" })
end

function details.close(event, lang)
  local by_script = event.reason == "closed" -- which says no more than that it is
  return say(lang, by_script and "close_plain" or "close", event) ..
    say(lang, "close_" .. text(event, "first"), event)
end

function details.tcp(event, lang)
  local figures = tcp.figures(event)
  local told = also(say(lang, "tcp", figures), figures, lang, { "tcp_unsent" })
  if figures.peer_window then told = told .. say(lang, "tcp_window", figures) end
  return also(told, figures, lang, { "tcp_retransmits" })
end

function details.reload(event, lang)
  local told = say(lang, "reload_" .. text(event, "outcome"), event)
  return with_error(also(told, event, lang, { "reload_version" }), event, lang)
end

function details.fault(event, lang)
  return say(lang, event.fault == "off" and "fault_off" or "fault_on", event)
end

-- One of several workers ended, serves again, or says nothing.
function details.worker(event, lang) return say(lang, "worker_" .. text(event, "state"), event) end

---@return string kind "data", as the server names it
function M.kind(event) return (core.shown(text(event, "event"), KIND_CELLS)) end

---What happened: "on_data ended after 19 µs". Of a kind that nobody has words for, its name.
---@param lang string? "en" or "ko"
---@return string
function M.what(event, lang)
  local kind = M.kind(event)
  local told = details[kind] and details[kind](event, lang) or say(lang, kind, event)
  return told ~= "" and told or kind
end

---@return string place "scripts/echo.lua:9"; "" when no line of a script did it
function M.place(event)
  return event.file and ("%s:%d"):format(core.shown(text(event, "file"), 200),
    number(event, "line")) or ""
end

---@return string "(kernel)", "(inferred)"; "" where the server did it or saw it
function M.source(event, lang)
  local told = say(lang, "source_" .. text(event, "source"), event)
  return told ~= "" and "(" .. told .. ")" or ""
end

return M
