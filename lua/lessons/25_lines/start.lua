-- Task 25: lines over datagrams; each is to be sent back reversed.

local timer = require "moonport.timer"

local RESEND_S, FORGET_S = 0.2, 2
local PIECE_BYTES = 400 -- of text in one datagram

local sessions = {} -- by their numbers

return {
  listen = "udp://:12345",
  on_datagram = function(sock, data, peer)
    local kind, session = data:match("^(%a+)|(%d+)|")
    if kind == "open" then
      sessions[session] = {}
      sock:send(("got|%s|0|"):format(session), peer)
    end
  end,
}
