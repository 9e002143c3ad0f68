-- ticks.lua — a page that shows the time of the server, and how many look at it, without reloading.
-- Shows: server-sent events: an answer that does not end, to which every browser listens by itself.
-- Try it:  moonport scripts/ticks.lua       and open http://127.0.0.1:8084/ in a browser or two, or
--          curl -N http://127.0.0.1:8084/events

local timer = require "moonport.timer"

local PAGE = [[<!doctype html><meta charset="utf-8"><title>Ticks</title>
<h1 id="time">…</h1><p><b id="watchers">nobody</b> watching</p>
<script>
const events = new EventSource("/events")
events.onmessage = (event) => { document.getElementById("time").textContent = event.data }
events.addEventListener("watchers", (event) => {
  document.getElementById("watchers").textContent = event.data
})
</script>
]]

local watchers, count = {}, 0

local function tell_all(event)
  for events in pairs(watchers) do events:send(event) end
end

timer.every(1, function() tell_all(os.date("%H:%M:%S")) end)

return {
  listen = 8084,
  frame = "http",
  timeouts = { idle = 0 }, -- a browser that listens says nothing

  on_request = function(conn, request)
    if request.path == "/" then
      return { headers = { ["content-type"] = "text/html; charset=utf-8" }, body = PAGE }
    end
    if request.path ~= "/events" then return 404 end
    conn.watcher = conn:events()
    watchers[conn.watcher], count = true, count + 1
    tell_all { event = "watchers", data = tostring(count) }
  end,

  on_close = function(conn)
    if not conn.watcher then return end
    watchers[conn.watcher], count = nil, count - 1
    tell_all { event = "watchers", data = tostring(count) }
  end,
}
