-- moonport.cli.answers — a server's answers in words, by the name of their command — asks nothing.
--
-- A field may be missing, or of another kind than it should be: out.text() and the others make of
-- it what can be shown.

local called = require "moonport.show.server"
local core = require "moonport.show.core"
local json = require "moonport.json"
local metrics = require "moonport.metrics.text"
local out = require "moonport.cli.out"
local tcp = require "moonport.show.tcp"

local bytes, line, number, shown, text = out.bytes, out.line, out.number, out.shown, out.text
local counted = out.counted

---@type table<string, fun(answer: moonport.ControlAnswer)>
local prints = {}

-- Also shown when the command failed: some of it may have been done.
local even_if_it_failed = { reload = true, eval = true }

local function printf(format, ...)
  local told = format:format(...)
  line(told:find("\n", 1, true) and told or out.wrapped(told, 0))
end

-- --- The server -----------------------------------------------------------------------------

local function print_server(server)
  local used, most = number(server, "descriptors"), number(server, "descriptors_max")
  local descriptors = used >= 0 and most > 0 and (", %d of %d descriptors"):format(used, most) or ""
  printf("moonport %s, pid %d, %s, up %s%s", shown(text(server, "version")), number(server, "pid"),
    shown(text(server, "phase")), core.seconds(out.real(server, "uptime_s")), descriptors)
  if type(server.upgraded_from) == "number" then
    printf("upgraded: it serves in place of process %d", number(server, "upgraded_from"))
  end
  if type(server.allow) == "string" then line("scripts may only: " .. shown(server.allow)) end
  local stalls = number(server, "stalls")
  local workers = number(server, "workers")
  if workers > 0 then line(counted(workers, "worker")) end
  if stalls > 0 then
    printf("the loop was held up %s, for %.1f s at most: see the log", counted(stalls, "time"),
      out.real(server, "stall_max_s"))
  end
  line("")
end

-- "7", or "7 (3 in use)" while connections keep two earlier ones.
local function version_of(script)
  local version, alive = number(script, "version"), number(script, "versions")
  return alive > 1 and ("%d (%d in use)"):format(version, alive) or tostring(version)
end

-- "2 timers, 1 task, 3 connections ending", or nil while nothing is left to itself.
local function running(script)
  local pieces = {}
  for field, noun in pairs { timers = "timer", tasks = "task", ending = "connection" } do
    local count = number(script, field)
    if count > 0 then
      pieces[#pieces + 1] = counted(count, noun) .. (field == "ending" and " ending" or "")
    end
  end
  table.sort(pieces, function(one, other) return one:match("%a+") > other:match("%a+") end)
  return pieces[1] and table.concat(pieces, ", ")
end

-- "localhost.pem: for localhost, ::1, ends in 12 days", one after the other.
local function print_certificates(script)
  local list = type(script.certificates) == "table" and script.certificates or {}
  for _, certificate in ipairs(list) do
    local names, days = {}, number(certificate, "days_left")
    for index in ipairs(type(certificate.names) == "table" and certificate.names or {}) do
      names[index] = text(certificate.names, index)
    end
    printf("%s: %s: for %s, %s", shown(text(script, "script")), shown(text(certificate, "file")),
      names[1] and shown(table.concat(names, ", ")) or "no host",
      days < 0 and "has ended: clients refuse it" or
        counted(days, "day") .. " left")
  end
end

-- Whose fault it is, since when, and what; a message mostly begins with the file by itself.
local function print_fault(script)
  local path, fault = text(script, "script"), script.reload_error
  if type(fault) ~= "table" then return end
  local message = text(fault, "message")
  local who = message:sub(1, #path) == path and "" or shown(path) .. ": "
  printf("\n%s %s: %s%s", number(script, "version") > 0 and "last reload failed at"
    or "not served: last load failed at", shown(text(fault, "time")), who, out.shown_lines(message))
end

-- Who was reset before the script heard of him, by the reason.
local REFUSALS = { { "refused_per_address", "beyond limits.per_address" },
  { "refused_denied", "not let in by allow and deny" },
  { "refused_proxy", "not in proxy_protocol" }, { "refused_header", "without a PROXY header" } }

local function print_refused(script, path)
  local parts = {}
  for _, refusal in ipairs(REFUSALS) do
    local count = number(script, refusal[1])
    if count > 0 then parts[#parts + 1] = ("%d %s"):format(count, refusal[2]) end
  end
  if #parts > 0 then
    printf("%s: %s refused so far: %s", path, counted(number(script, "refused"), "connection"),
      table.concat(parts, ", "))
  end
  local slowed = number(script, "accept_slowed")
  if slowed > 0 then printf("%s: limits.accept_rate reached %s", path, counted(slowed, "time")) end
  local denied = number(script, "datagrams_denied")
  if denied > 0 then
    printf("%s: %s dropped by allow and deny", path, counted(denied, "datagram"))
  end
end

-- "bus: redis://127.0.0.1:6379, connected since 2026-…, 2 subscriptions, 5 dropped so far"
local function print_bus(bus)
  local pieces = { shown(text(bus, "bus")) }
  if type(bus.connected) == "boolean" then
    pieces[2] = (bus.connected and "connected since " or "NOT connected since ") ..
      text(bus, "since")
  end
  pieces[#pieces + 1] = counted(number(bus, "subscriptions"), "subscription")
  for _, field in ipairs { "queued", "dropped" } do
    local count = number(bus, field)
    if count > 0 then pieces[#pieces + 1] = ("%d %s"):format(count, field) end
  end
  printf("bus: %s", table.concat(pieces, ", "))
end

-- Each once, as one process tells of it, or several that share it.
local function print_stores(stores)
  local rows = {}
  for index, store in ipairs(stores) do
    rows[index] = { text(store, "store"), core.bytes(number(store, "bytes")),
      core.bytes(number(store, "bytes_max")), tostring(number(store, "entries")) }
  end
  if not rows[1] then return end
  line("")
  out.table({ "STORE", ">USED", ">OF", ">ENTRIES" }, rows)
end

-- The lines of scripts, of workers, of which a single process has none, of buses and of stores.
local function split(lines)
  local scripts, workers, buses, stores, seen = {}, {}, {}, {}, {}
  for _, each in ipairs(lines) do
    local store = text(each, "store")
    if store == "" then
      table.insert(each.worker and workers or each.bus and buses or scripts, each)
    elseif not seen[store] then
      seen[store] = true
      stores[#stores + 1] = each
    end
  end
  return scripts, workers, buses, stores
end

-- Where a script is, of several workers: "2", or "1-4", or "1,3".
local function places_of(script)
  local list, pieces = type(script.workers) == "table" and script.workers or {}, {}
  local index = 1
  while math.tointeger(list[index]) do
    local last = index
    while list[last + 1] == list[last] + 1 do last = last + 1 end
    pieces[#pieces + 1] = ("%d"):format(list[index]) ..
      (last > index and ("-%d"):format(list[last]) or "")
    index = last + 1
  end
  return table.concat(pieces, ",")
end

local function print_workers(workers)
  local rows = {}
  for index, worker in ipairs(workers) do
    local answers = worker.uptime_s ~= nil and worker.uptime_s ~= json.null
    local function told(field, show)
      return answers and show(out.real(worker, field)) or "?"
    end
    local function whole(count) return ("%d"):format(count) end
    rows[index] = { tostring(number(worker, "worker")), tostring(number(worker, "pid")),
      text(worker, "phase"), told("connections", whole), told("memory_bytes", function(amount)
        return core.bytes(math.tointeger(amount) or 0)
      end), tostring(number(worker, "restarts")), told("uptime_s", core.seconds),
      core.seconds(out.real(worker, "heard_s")) }
  end
  line("")
  out.table({ ">WORKER", ">PID", "STATE", ">CONNS", ">MEMORY", ">RESTARTS", ">UP", ">HEARD" }, rows)
end

function prints.status(answer)
  local rows = {}
  print_server(answer.last)
  local scripts, workers, buses, stores = split(answer.lines)
  local has_workers = #workers > 0
  for _, script in ipairs(scripts) do
    local listeners = type(script.listeners) == "table" and script.listeners or {}
    rows[#rows + 1] = { text(script, "script"), version_of(script), text(script, "state"),
      tostring(number(script, "connections")), core.bytes(number(script, "memory_bytes")),
      type(listeners[1]) == "string" and listeners[1] or "nothing" }
    if has_workers then table.insert(rows[#rows], 6, places_of(script)) end
    for index = 2, #listeners do
      rows[#rows + 1] = { "", "", "", "", "", text(listeners, index) }
      if has_workers then table.insert(rows[#rows], 6, "") end
    end
  end
  local titles = { "SCRIPT", ">VERSION", "STATE", ">CONNS", ">MEMORY", "LISTENS ON" }
  if has_workers then table.insert(titles, 6, "WORKERS") end
  out.table(titles, rows)
  if has_workers then print_workers(workers) end
  for _, told in ipairs(buses) do print_bus(told) end
  for _, script in ipairs(scripts) do
    local runs, path = running(script), shown(text(script, "script"))
    if runs then printf("%s: %s", path, runs) end
    print_refused(script, path)
    local failed = number(script, "failed_handshakes")
    if failed > 0 then printf("%s: %s failed so far", path, counted(failed, "TLS handshake")) end
    local lost = number(script, "datagrams_lost")
    if lost > 0 then printf("%s: %s dropped by the kernel", path, counted(lost, "datagram")) end
    print_certificates(script)
  end
  print_stores(stores)
  for _, script in ipairs(scripts) do print_fault(script) end
end

function prints.health(answer)
  printf("%s, %s", answer.last.ready == true and "ready" or "alive",
    shown(text(answer.last, "phase")))
end

function prints.metrics(answer)
  line((metrics.render(answer.lines):gsub("\n$", "")))
end

function prints.ping(answer) line(called(answer.pid) .. " answers") end

function prints.reload(answer)
  for _, result in ipairs(answer.lines) do
    local version, fault = number(result, "version"), text(result, "error")
    printf("%s: %s%s%s", shown(text(result, "script")), shown(text(result, "outcome")),
      version > 0 and (", version %d is in force"):format(version) or "",
      fault ~= "" and ": " .. out.shown_lines(fault) or "")
  end
end

function prints.scripts(answer)
  local rows = {}
  for index, script in ipairs(answer.lines) do
    rows[index] = { text(script, "name"), text(script, "state"),
      tostring(number(script, "version")), tostring(number(script, "connections")),
      text(script, "script") }
  end
  out.table({ "NAME", "STATE", ">VERSION", ">CONNS", "FILE" }, rows)
end

function prints.versions(answer)
  local rows = {}
  for index, version in ipairs(answer.lines) do
    rows[index] = { text(version, "script"), tostring(number(version, "version")),
      version.in_force == true and "in force" or "finishes",
      tostring(number(version, "connections")), tostring(number(version, "tasks")),
      tostring(number(version, "files")) }
  end
  out.table({ "SCRIPT", ">VERSION", "STATE", ">CONNS", ">TASKS", ">FILES" }, rows)
end

-- Each file under its name, as a comment of Lua, so that what is printed is Lua still.
function prints.source(answer)
  for _, file in ipairs(answer.lines) do
    printf("-- %s, version %d", shown(text(file, "file")), number(answer.last, "version"))
    local source = file.text or type(file.base64) == "string" and core.unbase64(file.base64)
    if type(source) == "string" then
      line(out.shown_lines(source:gsub("\n$", ""), "\n", "\t"))
    else
      printf("-- its %s are too many to show", bytes(file, "size"))
    end
  end
end

-- As the lua prompt shows it: what was printed, then the values of the expression in one line.
function prints.eval(answer)
  local results = {}
  for _, told in ipairs(answer.lines) do
    local shown_text = out.shown_lines(text(told, told.result and "result" or "print"), "\n", "\t")
    if told.size then
      shown_text = ("%s... (%s)"):format(shown_text, counted(number(told, "size"), "byte"))
    end
    if told.result then results[#results + 1] = shown_text else line(shown_text) end
  end
  if #results > 0 then line(table.concat(results, "\t")) end
  local left_out = number(answer.last, "left_out")
  if left_out > 0 then printf("(and %d more, not shown)", left_out) end
end

-- --- Connections ----------------------------------------------------------------------------

-- "open", that it speaks TLS where its listener does not say so, and what somebody at a console did
-- to it.
local function state_of(conn)
  local state = text(conn, "state")
  local is_known = text(conn, "listener"):find("^tls:") or text(conn, "tls") == ""
  if not is_known then state = state .. ", " .. text(conn, "tls") end
  if conn.held_by == "console" then state = state .. ", paused" end
  return text(conn, "fault") ~= "" and state .. ", " .. text(conn, "fault") or state
end

-- Those of several workers come as each of them answers.
local function by_worker(conns)
  local function key(conn)
    local worker, id = out.id(conn, "id"):match("^(%d+)%.(%d+)$")
    return tonumber(worker), tonumber(id)
  end
  local sorted = table.move(conns, 1, #conns, 1, {})
  if not sorted[1] or not key(sorted[1]) then return sorted end
  table.sort(sorted, function(one, other)
    local worker, id = key(one)
    local other_worker, other_id = key(other)
    if worker ~= other_worker then return worker < other_worker end
    return id < other_id
  end)
  return sorted
end

function prints.conns(answer)
  local rows = {}
  local function size(conn, name) return core.bytes(number(conn, name)) end
  for index, conn in ipairs(by_worker(answer.lines)) do
    rows[index] = { out.id(conn, "id"), text(conn, "script"), text(conn, "peer"),
      type(conn.listener) == "string" and conn.listener or "(outgoing)", state_of(conn),
      core.seconds(out.real(conn, "age_s")), size(conn, "bytes_in"), size(conn, "bytes_out"),
      size(conn, "queue_bytes") }
  end
  out.table({ ">ID", "SCRIPT", "PEER", "LISTENER", "STATE", ">AGE", ">IN", ">OUT", ">QUEUE" }, rows)
end

function prints.kick(answer)
  printf("connection %s %s", out.id(answer.last, "id"),
    answer.last.at_once == true and "is closed at once" or "closes")
end

-- Of one connection: its number, and what became of it.
local function of_conn(format, name)
  return function(answer)
    printf("#%s" .. format, out.id(answer.last, "id"), name and bytes(answer.last, name))
  end
end

prints.pause = of_conn(" is not read any more; %s wait in the kernel", "unread_bytes")
prints.resume = of_conn(" is read again; %s waited in the kernel", "unread_bytes")
prints.reset = of_conn(" is reset")
local finish = of_conn(": FIN is sent; what the peer sends is still read")
local step = of_conn(": one chunk goes to its handler, of %s that waited in the kernel",
  "unread_bytes")
local step_later = of_conn(": nothing waits; the next chunk that comes goes to its handler")

function prints.step(answer)
  local is_there = number(answer.last, "unread_bytes") > 0
  return (is_there and step or step_later)(answer)
end

function prints.shutdown(answer)
  if answer.last.id then return finish(answer) end
  printf("the server is %s", shown(text(answer.last, "phase")))
end

function prints.upgrade(answer)
  printf("process %d serves now; the one before lets its connections end",
    number(answer.last, "pid"))
end

function prints.send(answer)
  local queued = number(answer.last, "queue_bytes") > 0
  printf("#%s: %s sent%s", out.id(answer.last, "id"), bytes(answer.last, "size"), queued and
    ("; %s are queued, for the peer does not read"):format(bytes(answer.last, "queue_bytes")) or "")
end

function prints.fault(answer)
  local last, how = answer.last, {}
  if number(last, "split_bytes") > 0 then
    how[1] = " in pieces of " .. bytes(last, "split_bytes")
  end
  if number(last, "delay_ms") > 0 then
    how[#how + 1] = (" %d ms late"):format(number(last, "delay_ms"))
  end
  printf("#%s: input is delivered%s", out.id(last, "id"),
    how[1] and table.concat(how, ", each") or " as it arrives")
end

function prints.tcp(answer)
  line(tcp.state(answer.last))
  for _, row in ipairs(tcp.rows(answer.last)) do
    line(("  %-18s %s"):format(row.label, out.wrapped(row.text, 21)))
  end
end

-- --- The rest -------------------------------------------------------------------------------

local HELP_COLUMN = 24

function prints.help(answer)
  for _, command in ipairs(answer.lines) do
    local left = shown(text(command, "command") .. " " .. text(command, "usage"))
    local gap = out.cells(left) > HELP_COLUMN - 2 and "\n" .. (" "):rep(HELP_COLUMN)
      or (" "):rep(HELP_COLUMN - out.cells(left))
    line(left .. gap .. out.wrapped(shown(text(command, "summary")), HELP_COLUMN))
  end
end

-- An answer that nobody has words for, of a newer server for example, field by field.
local function print_fields(object)
  local fields = {}
  for name, value in pairs(object) do
    if name ~= "ok" then fields[#fields + 1] = name .. "=" .. (json.encode(value) or "") end
  end
  table.sort(fields)
  if #fields > 0 then line(shown(table.concat(fields, "  "))) end
end

-- Workers that said nothing: what was printed is of the others.
local function complain_of_silent(answer)
  local silent = type(answer.last.unanswered) == "table" and answer.last.unanswered or {}
  for index in ipairs(silent) do out.complain(text(silent, index)) end
end

---Prints the answer to the command `name`, unless it failed.
return function(name, answer)
  if answer.last.ok ~= true and not even_if_it_failed[name] then return end
  if prints[name] then
    prints[name](answer)
  else
    for _, object in ipairs(answer.lines) do print_fields(object) end
    print_fields(answer.last)
  end
  if answer.last.ok == true then complain_of_silent(answer) end
end
