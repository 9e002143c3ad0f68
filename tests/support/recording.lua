-- recording.lua — recordings as `moonport trace --record` writes them, made by hand — plays none.

local cjson = require "cjson"

local recording = {}

local Recording = {}
Recording.__index = Recording

local ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

local function base64(bytes)
  local text = bytes:gsub("..?.?", function(group)
    local a, b, c = group:byte(1, 3)
    local bits = a << 16 | (b or 0) << 8 | (c or 0)
    local digits = {}
    for index = 0, 3 do
      local digit = bits >> (18 - 6 * index) & 63
      digits[index + 1] = index <= #group and ALPHABET:sub(digit + 1, digit + 1) or "="
    end
    return table.concat(digits)
  end)
  return text
end

--- An empty recording of one script; `header` changes its first line.
function recording.new(script, header)
  local head = { moonport_recording = 1, version = "0.1.0", pid = 1, time_ns = 1000000000,
    unix_ns = 1700000000000000000, filters = {} }
  for name, value in pairs(header or {}) do head[name] = value end
  return setmetatable({ script = script, now_ns = 1000000000, seq = 0,
    lines = { cjson.encode(head) } }, Recording)
end

--- Adds an event; 1 ms after the one before.
function Recording:event(name, fields)
  self.seq, self.now_ns = self.seq + 1, self.now_ns + 1000000
  local event = { seq = self.seq, time_ns = self.now_ns, event = name, source = "observed",
    script = self.script }
  for key, value in pairs(fields) do event[key] = value end
  table.insert(self.lines, cjson.encode(event))
  return self
end

local function with_bytes(fields, bytes)
  fields.size, fields.text, fields.base64 = #bytes, "(bytes)", base64(bytes)
  return fields
end

function Recording:pass(seconds)
  self.now_ns = self.now_ns + math.floor(seconds * 1e9)
  return self
end

function Recording:accept(conn)
  return self:event("accept", { conn = conn, peer = "127.0.0.1:" .. 40000 + conn,
    ["local"] = "127.0.0.1:12345" })
end

function Recording:connect(conn, peer)
  return self:event("connect", { conn = conn, peer = peer, ["local"] = "127.0.0.1:41000" })
end

function Recording:data(conn, bytes)
  return self:event("data", with_bytes({ conn = conn, to = "script" }, bytes))
end

function Recording:send(conn, bytes)
  return self:event("send", with_bytes({ conn = conn, by = "script", file = self.script, line = 1 },
    bytes))
end

function Recording:eof(conn) return self:event("eof", { conn = conn }) end
function Recording:reset(conn) return self:event("reset", { conn = conn, by = "peer" }) end

function Recording:datagram(peer, bytes)
  return self:event("datagram", with_bytes({ peer = peer }, bytes))
end

function Recording:sendto(peer, bytes)
  return self:event("sendto", with_bytes({ peer = peer }, bytes))
end

--- The text of the file.
function Recording:text() return table.concat(self.lines, "\n") .. "\n" end

return recording
