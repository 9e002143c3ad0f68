-- hint: A datagram is not a line
-- Takes a datagram for a line.
local timer = require "moonport.timer"

local RESEND_S, FORGET_S = 0.2, 2
local PIECE_BYTES = 400

local sessions = {} -- by their numbers

-- The fields of a datagram; nil when it was cut. No text has a control byte but LF.
local function fields_of(data)
  local fields = {}
  local plain = data:gsub("\\(.)", { ["|"] = "\1", ["\\"] = "\2" })
  for field in plain:gmatch("([^|]*)|") do
    fields[#fields + 1] = field:gsub("[\1\2]", { ["\1"] = "|", ["\2"] = "\\" })
  end
  return plain:sub(-1) == "|" and fields or nil
end

local function escape(text) return (text:gsub("[\\|]", "\\%0")) end

-- Sends all that was not acknowledged yet.
local function push(session)
  for from = session.acknowledged, #session.out - 1, PIECE_BYTES do
    local piece = escape(session.out:sub(from + 1, from + PIECE_BYTES))
    session.sock:send(("text|%s|%d|%s|"):format(session.number, from, piece), session.peer)
  end
end

local function take(session, text)
  session.received = session.received + #text
  local line = text:gsub("\n$", "")
  session.out = session.out .. line:reverse() .. "\n"
end

local kinds = {}

function kinds.text(session, position, text)
  position = tonumber(position) or math.huge
  if text and position <= session.received then
    take(session, text:sub(session.received - position + 1))
  end
  session.sock:send(("got|%s|%d|"):format(session.number, session.received), session.peer)
  push(session)
end

function kinds.got(session, size)
  size = tonumber(size) or 0
  if size <= session.acknowledged or size > #session.out then return end
  session.acknowledged, session.heard = size, timer.now()
end

function kinds.shut(session)
  sessions[session.number] = nil
  session.sock:send(("shut|%s|"):format(session.number), session.peer)
end

timer.every(RESEND_S, function()
  for number, session in pairs(sessions) do
    if session.acknowledged == #session.out then
      session.heard = timer.now()
    elseif timer.now() - session.heard > FORGET_S then
      sessions[number] = nil
    else
      push(session)
    end
  end
end)

return {
  listen = "udp://:12345",
  on_datagram = function(sock, data, peer)
    local fields = fields_of(data)
    if not fields then return end
    local kind, number = fields[1], fields[2]
    if kind == "open" then
      sessions[number] = sessions[number] or { number = number, peer = peer, sock = sock, out = "",
        acknowledged = 0, received = 0, line = "", heard = timer.now() }
      sock:send(("got|%s|%d|"):format(number, sessions[number].received), peer)
    elseif kinds[kind] and sessions[number] then
      kinds[kind](sessions[number], fields[3], fields[4])
    elseif kind == "text" or kind == "got" or kind == "shut" then
      sock:send(("shut|%s|"):format(number), peer)
    end
  end,
}
