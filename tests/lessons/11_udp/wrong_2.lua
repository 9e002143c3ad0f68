-- hint: is acknowledged again
-- Says nothing to a part that it has already: its first "got" may be lost.
local texts = {} -- of each peer: its parts, by their numbers

return {
  listen = "udp://:12345",
  on_datagram = function(sock, data, peer)
    local number, size, part = data:match("^part (%d+) (%d+) (.*)$")
    if number then
      if #part ~= tonumber(size) then return end
      texts[peer] = texts[peer] or {}
      if texts[peer][tonumber(number)] then return end
      texts[peer][tonumber(number)] = part
      sock:send("got " .. number, peer)
    elseif data == "text" then
      sock:send("text " .. table.concat(texts[peer] or {}), peer)
    end
  end,
}
