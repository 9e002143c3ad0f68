-- hint: the address that a datagram came from
-- Keeps one text for all: a datagram has no connection, and who sent it is said beside it.
local parts = {}

return {
  listen = "udp://:12345",
  on_datagram = function(sock, data, peer)
    local number, size, part = data:match("^part (%d+) (%d+) (.*)$")
    if number then
      if #part ~= tonumber(size) then return end
      parts[tonumber(number)] = part
      sock:send("got " .. number, peer)
    elseif data == "text" then
      sock:send("text " .. table.concat(parts), peer)
    end
  end,
}
