-- welcome.lua — what `--welcome` serves while the directories hold no script: how to put one there.
-- Try it:  mkdir empty && moonport --welcome deploy/welcome.lua empty     and in another terminal
--          nc 127.0.0.1 12345            or open http://127.0.0.1:12345/ in a browser

local log = require "moonport.log"

local FIRST_LINE_SECONDS = 0.3 -- a browser speaks first, and at once; a person waits to be greeted

-- In an image. What `cmake --install` installs speaks of the place that its service serves.
local place, how = "scripts", [[
and mount its directory (not the file) where the scripts belong:

    docker run --rm -p 127.0.0.1:12345:12345 -v "$PWD/scripts:/scripts:ro" moonport
]]

local text = ([[
This is moonport. It is running, but has no script yet.

Save this as %s/echo.lua:

    return {
      listen = 12345,
      on_data = function(conn, data) conn:send(data) end,
    }

%s
Then:  nc 127.0.0.1 12345

]]):format(place, how)

local page = table.concat({
  "HTTP/1.1 200 OK", "Content-Type: text/plain; charset=utf-8", "Content-Length: " .. #text,
  "Connection: close", "", text,
}, "\r\n")

log.info("no script yet: put one into a served directory; port 12345 says how")

return {
  listen = 12345,
  timeouts = { idle = 60 },

  main = function(conn)
    conn:settimeout(FIRST_LINE_SECONDS)
    local first = conn:recv() or ""
    if first:find("^%u+ /") then
      conn:send(page)
    else
      conn:send(text)
    end
  end,
}
