-- moonport.cli.doctor — moonport doctor [PATH...]: what would keep scripts from working here, in
-- words. src/cli/doctor*.c find it out. The exit code is 1 when something will not work.

local called = require "moonport.show.server"
local connect = require("moonport.control").connect
local json = require "moonport.json"
local out = require "moonport.cli.out"

local FINDING_CELLS = 9

local faults

local function head(title) out.line(out.shown(title)) end

-- A line of the report: "ok"; "note", which works, with something to know; "FAULT", which does not.
local function say(finding, text, ...)
  if select("#", ...) > 0 then text = text:format(...) end
  if finding == "FAULT" then faults = faults + 1 end
  out.line(("  %-5s  %s"):format(finding, out.wrapped(out.shown(text), FINDING_CELLS)))
end

local function first_line(path, pattern)
  local file = io.open(path)
  local found
  for line in file and file:lines() or function() end do found = found or line:match(pattern) end
  if file then file:close() end
  return found
end

-- --- Scripts -----------------------------------------------------------------------------------

local ADVICE = {
  EADDRINUSE = "something listens there now: is this server running already?",
  EADDRNOTAVAIL = "no interface of this machine has that address",
  EACCES = "ports below 1024 need CAP_NET_BIND_SERVICE here",
  EEXIST = "there is a file that is no socket: remove it",
  EAFNOSUPPORT = "this machine has no IPv6",
}

-- What the servers that run listen on: { name, script, pid } each.
local function ask_servers(facts)
  local listeners = {}
  for _, path in ipairs(facts.control and facts.control.servers or {}) do
    local client = connect(path)
    local answer = client and client:ask("status")
    if client then client:close() end
    for _, line in ipairs(answer and answer.lines or {}) do
      for _, name in ipairs(line.listeners or {}) do
        table.insert(listeners, { name = name, script = line.script, pid = answer.pid })
      end
    end
  end
  return listeners
end

local function file_of(path) return path:match("[^/]*$") end

-- Without its host: "tcp:12345", or "unix:///run/chat.sock".
local function place_of(name)
  return (name:gsub("^(%w+)://.*(:%d+)$", "%1%2"))
end

-- True when a server that runs has the address, and that is told. Where it serves this script
-- there, but at another host, a reload moves it.
local function say_served(spot, script, listeners)
  for _, listener in ipairs(listeners) do
    local is_same = file_of(listener.script) == file_of(script.path)
    local is_there = place_of(listener.name) == place_of(spot.name)
    if listener.name == spot.name or is_there and is_same then
      local holder = called(listener.pid, "the server that runs")
      if is_same then
        say("ok", "%s: %s serves it at %s", spot.name, holder, listener.name)
      else
        say("FAULT", "%s: %s has it for %s: give one of the two another port", spot.name, holder,
          listener.script)
      end
      return true
    end
  end
  return false
end

local function say_spot(spot, container)
  local name = spot.name
  if type(spot.code) == "string" then
    say("FAULT", "%s cannot be listened on (%s): %s", name, spot.error,
      ADVICE[spot.code] or "see the system's message")
  elseif not spot.has_directory then
    say("FAULT", "%s: the directory is not there, or this user may not write to it", name)
  elseif spot.reach == "file" then
    say("ok", "%s: for processes that may write to that file", name)
  elseif spot.reach == "one" then
    say("ok", "%s: for all who reach that address", name)
  elseif spot.reach == "any" then
    say("ok", "%s: for all who reach this %s, at any of its addresses", name,
      container and "container" or "machine")
  elseif container then
    say("FAULT", "%s: only this container (%s) reaches it, a published port does not: set " ..
      "MOONPORT_HOST=0.0.0.0, or write 0.0.0.0 where listen names a host", name, container)
  else
    say("ok", "%s: only this machine reaches it; with 0.0.0.0 as its host, others would", name)
  end
end

local function say_scripts(facts, options, container)
  local scripts = facts.scripts or {}
  local listeners = #scripts > 0 and ask_servers(facts) or {}
  for _, script in ipairs(scripts) do
    head(script.path)
    if not script.listens then say("FAULT", "it cannot listen: standard error says why") end
    for _, address in ipairs(script.addresses) do
      if address.error then say("FAULT", "%s: %s", address.text, address.error) end
      for _, spot in ipairs(address.spots or {}) do
        local is_served = spot.code == "EADDRINUSE" and say_served(spot, script, listeners)
        if not is_served then say_spot(spot, container) end
      end
    end
    for _, trait in ipairs(script.tls or {}) do say(trait.finding, "%s", trait.text) end
  end
  local found = faults
  head("what scripts may do")
  if type(facts.grants) == "string" then
    say("ok", "only what --allow names: %s", facts.grants)
  elseif options.unsafe then
    say("note", "everything that this process may, and break it (--unsafe)")
  else
    say("ok", "files, programs, networks, C modules, as this user may; --allow names less")
  end
  if not facts.all_load and found == 0 then
    head("scripts")
    say("FAULT", "not all of them load: standard error says why")
  end
  if #scripts > 1 and options.listen then
    say("FAULT", "--listen is for a single script, and there are %d", #scripts)
  end
end

local function say_mounts(mounts)
  head("changes of files")
  if not mounts then
    say("note", "/proc/self/mountinfo cannot be read, so it is not known whether they will be seen")
  end
  for _, mount in ipairs(mounts or {}) do
    for _, trait in ipairs(mount.traits) do say(trait.finding, "%s", trait.text) end
    if #mount.traits == 0 then say("ok", "%s: they will be seen", mount.path) end
  end
end

-- --- The machine -------------------------------------------------------------------------------

local function say_networks(facts, container)
  if container then
    say("ok", "this is a container (%s): loopback is its own", container)
  else
    say("ok", "this is no container, as far as shows")
  end
  if not facts.networks then say("note", "its addresses cannot be listed") end
  for _, network in ipairs(facts.networks or {}) do
    say("ok", "it has the address %s (%s)", network.ip, network.name)
  end
end

local function say_descriptors(facts)
  local needed = facts.connections + facts.reserve
  if #(facts.scripts or {}) == 0 then
    say("ok", "a process may have %d descriptors, one a connection", facts.descriptors)
  elseif facts.descriptors >= needed then
    say("ok", "%d descriptors are enough for limits.connections = %d", facts.descriptors,
      facts.connections)
  else
    say("note", "%d descriptors are fewer than limits.connections = %d need: from there on " ..
      "connections wait; ulimit -n %d, LimitNOFILE= or --ulimit nofile= raise it",
      facts.descriptors, facts.connections, needed)
  end
end

local function say_backlog(backlog)
  local most = tonumber(first_line("/proc/sys/net/core/somaxconn", "^%d+"))
  if not most then
    say("note", "net.core.somaxconn cannot be read: is /proc there?")
  elseif most < backlog then
    say("note", "net.core.somaxconn is %d, so a backlog of %d is one of %d: sysctl -w " ..
      "net.core.somaxconn=%d raises it", most, backlog, most, backlog)
  else
    say("ok", "net.core.somaxconn is %d, a backlog of %d fits", most, backlog)
  end
end

-- Names are looked up in /etc/hosts and by asking name servers, whatever else there may be.
local function say_names()
  local sources = first_line("/etc/nsswitch.conf", "^hosts:([^#]*)") or ""
  local others = {}
  for word in sources:gsub("%b[]", ""):gmatch("%S+") do
    if word ~= "files" and word ~= "dns" then others[#others + 1] = word end
  end
  if #others == 0 then return say("ok", "names are looked up in /etc/hosts and by DNS") end
  say("note", "names are looked up in /etc/hosts and by DNS only: /etc/nsswitch.conf names %s " ..
    "too, and what only those know is not found", table.concat(others, ", "))
end

local function say_control(control)
  if not control then
    say("note", "no control socket: moonport status, health and reload will not work")
  elseif control.error then
    say("FAULT", "%s", control.error)
  elseif control.may then
    say("ok", "the control socket is %s", control.path)
  else
    say("note", "the control socket cannot be made at %s: name a path that this user may write " ..
      "to with --control, or @NAME", control.path)
  end
end

-- --- Libraries ---------------------------------------------------------------------------------

-- What a Lua 5.4.x below the first number gets wrong, of what a script can meet:
-- https://www.lua.org/bugs.html, and what was tried out: the first one with 5.4.4 (crashes) and
-- 5.4.7 (does not), the last one with 5.4.4 and 5.4.7 (both do). Debian's 5.4.4 has the patches for
-- its security issues, and none of these.
local RISKS = {
  { 6, "a __concat metamethod that needs much stack can crash the process: call nothing deep " ..
    "in it" },
  { 6, 'collectgarbage("generational") sets a wrong pause: leave the mode as it is' },
  { 8, "t[x > 0], where t is a local of an outer function, is compiled wrong: write local " ..
    "positive = x > 0, then t[positive]" },
}

-- Of libuv, what older versions get wrong is worked around in the program, so there is nothing that
-- its user could do.
local function say_libraries(facts)
  head("libraries")
  local release, told = tonumber(facts.lua:match("^5%.4%.(%d+)")), 0
  if not release then say("note", "Lua %s: nothing is known of it here", facts.lua) end
  for _, risk in ipairs(release and RISKS or {}) do
    if release < risk[1] then
      told = told + 1
      say("note", "Lua %s (mended in 5.4.%d): %s", facts.lua, risk[1], risk[2])
    end
  end
  if release and told == 0 then
    say("ok", "Lua %s: no fault is known that scripts meet", facts.lua)
  end
  say("ok", "libuv %s: what is known of it is worked around", facts.libuv)
  say("ok", "OpenSSL %s: the system's own, for its security updates", facts.openssl)
end

---@param call moonport.cli.Call
---@return integer code
return function(call)
  local facts = assert(json.decode(call.facts))
  local container = type(facts.container) == "string" and facts.container
  faults = 0
  if #call.words > 0 then
    say_scripts(facts, call.options, container)
    say_mounts(facts.mounts)
  end
  head(container and "this container" or "this machine")
  say_networks(facts, container)
  say_descriptors(facts)
  say_backlog(call.options.backlog)
  say_names()
  say_control(facts.control)
  say_libraries(facts)
  return faults > 0 and 1 or 0
end
