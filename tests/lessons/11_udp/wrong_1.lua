-- hint: UDP keeps no order
-- Puts the parts together as they arrive.
local texts = {} -- of each peer: its parts, by their numbers

return {
  listen = "udp://:12345",
  on_datagram = function(sock, data, peer)
    local number, size, part = data:match("^part (%d+) (%d+) (.*)$")
    if number then
      if #part ~= tonumber(size) then return end
      texts[peer] = texts[peer] or { seen = {} }
      if not texts[peer].seen[number] then table.insert(texts[peer], part) end
      texts[peer].seen[number] = true
      sock:send("got " .. number, peer)
    elseif data == "text" then
      sock:send("text " .. table.concat(texts[peer] or {}), peer)
    end
  end,
}
