-- moonport.cli.trace — moonport trace: what a running server's sockets and scripts do, while it
-- happens. It ends with --count, --for, a signal, or, which is an error, with the server.

local control = require "moonport.control"
local core = require "moonport.cli.core"
local diagram = require "moonport.cli.diagram"
local events = require "moonport.cli.events"
local out = require "moonport.cli.out"
local recordings = require "moonport.cli.recording"
local task = require "moonport.task"
local timer = require "moonport.timer"

local PREVIEW_BYTES = 64
local PIECE_BYTES = 65536
-- After its close a connection has no more to tell than its last handler.
local AFTER_CLOSE_S = 0.3

-- How many bytes are shown of each event; nil: what was written is no number of them.
local function read_bytes(written)
  if written == "all" then return math.maxinteger end
  return written and core.size(written) or (not written and 0 or nil)
end

-- The command and its filters, as words.
local function request_of(options, bytes)
  local words = { "events" }
  for _, name in ipairs { "conn", "event", "script", "peer" } do
    if options[name] then words[#words + 1] = name .. "=" .. options[name] end
  end
  if options.record then
    words[#words + 1] = "bytes=all"
  elseif options.bytes then -- as asked for, but no less than what a line shows as text
    words[#words + 1] = "bytes=" .. (bytes < PREVIEW_BYTES and PREVIEW_BYTES or options.bytes)
  end
  return words
end

-- A function that shows an event and returns whether it did, and one that tells the diagram's end.
local function view_of(options, bytes)
  if options.json then
    return function(_, line)
      out.line(line)
      return true
    end
  elseif options.diagram then
    local has_bounds = options.script or options.count > 0 or options["for"] > 0
    local drawn = diagram { conn = (options.conn or ""):match("^#?([%d.]+)$"),
      several = has_bounds and not options.conn }
    return function(event) return drawn:show(event) end, function() return drawn:is_over() end
  end
  local before_ns
  return function(event)
    before_ns = events.print(event, before_ns)
    if bytes > 0 then events.print_hex(event, bytes) end
    return true
  end
end

local function why_it_ended(message, has_ended)
  return has_ended and message .. ", and the trace with it" or message
end

-- Shows what comes until there was enough. A message when that was no end to wish for.
local function follow(client, next_event, options, recording, bytes)
  local show, is_over = view_of(options, bytes)
  local shown, closing = 0, false
  local function close() client:close() end
  if options["for"] > 0 then timer.after(options["for"], close) end
  while out.is_read() and (options.count == 0 or shown < options.count) do
    out.flush() -- what was shown is seen before the next wait, also through a pipe
    local event, line, has_ended = next_event()
    if not event then return why_it_ended(line, has_ended) end
    if recording then
      recording:write(line .. "\n")
      if event.event == "dropped" then
        recording.missing = recording.missing + out.number(event, "count")
      end
    end
    if show(event, line) then shown = shown + 1 end
    if is_over and is_over() and not closing then
      closing = true
      timer.after(AFTER_CLOSE_S, close)
    end
  end
end

-- As follow(), of lines that nobody looks into: all that have come go on together. A busy server
-- has a hundred thousand a second.
local function pass_on(client, next_event, options)
  if options["for"] > 0 then timer.after(options["for"], function() client:close() end) end
  local event, rest, has_ended = next_event() -- and so it is a server of ours
  if not event then return why_it_ended(rest, has_ended) end
  local piece = "\n"
  repeat
    local after = piece:match("^.*\n()")
    if after then
      out.put(rest, piece:sub(1, after - 1))
      out.flush()
    end
    rest = after and piece:sub(after) or rest .. piece
    piece = client.conn:recv(PIECE_BYTES)
  until not piece or not out.is_read()
  if not piece then return why_it_ended(select(2, next_event())) end
end

return function(call)
  local options = call.options
  local bytes = read_bytes(options.bytes)
  if not bytes then
    return out.refuse(call, ("--bytes %s: write a number such as 64 or 4K, or all"):format(
      options.bytes))
  end
  local client, fault = control.connect(options.control, { timeout = options.timeout })
  if not client then return out.fail(fault) end
  local ending <close> = core.ending()
  local is_ended = false
  task.spawn(function()
    ending:wait()
    is_ended = true
    client:close()
  end)
  local words = request_of(options, bytes)
  local next_event, recording, lost, sources
  if options.record then
    sources, fault = recordings.sources(client)
    if not sources then return is_ended and 0 or out.fail(fault) end
  end
  next_event, fault = client:stream(words)
  if not next_event then return is_ended and 0 or out.fail(fault) end
  if options.record then
    recording, fault = recordings.create(options.record, options, client.answer,
      table.move(words, 2, #words, 1, {}), sources)
    if not recording then return out.fail(fault) end
  end
  if options.json and options.count == 0 and not recording then
    fault = pass_on(client, next_event, options)
  else
    fault = follow(client, next_event, options, recording, bytes)
  end
  if recording then
    lost = recording:close() or recording.is_full and recording:told_full()
  end
  if fault then out.complain(fault) end
  if lost then out.complain("the recording is not complete: " .. lost) end
  return (fault or lost) and 1 or 0
end
