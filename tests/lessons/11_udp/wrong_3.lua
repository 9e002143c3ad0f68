-- hint: A part without all of its bytes counts as lost
-- Takes a part that was cut on the way for a whole one.
local texts = {} -- of each peer: its parts, by their numbers

return {
  listen = "udp://:12345",
  on_datagram = function(sock, data, peer)
    local number, _, part = data:match("^part (%d+) (%d+) (.*)$")
    if number then
      texts[peer] = texts[peer] or {}
      texts[peer][tonumber(number)] = part
      sock:send("got " .. number, peer)
    elseif data == "text" then
      sock:send("text " .. table.concat(texts[peer] or {}), peer)
    end
  end,
}
