-- Lesson 11: a text comes in parts, each in a datagram of its own.
--
--   part 2 5 moon    part 2, of 5 bytes: "moon "    -> got 2
--   text             all of them are here           -> text the moon
--
-- This works as long as each datagram arrives once, whole, in order, and from the same sender.

local text = ""

return {
  listen = "udp://:12345",
  on_datagram = function(sock, data, peer)
    local number, size, part = data:match("^part (%d+) (%d+) (.*)$")
    if number then
      text = text .. part
      sock:send("got " .. number, peer)
    elseif data == "text" then
      sock:send("text " .. text, peer)
    end
  end,
}
