-- moonport.test.replay — `moonport replay`: a recording against a script, and what differs — plays
-- nothing itself.

local difference = require "moonport.test.difference"
local recording = require "moonport.test.recording"
local rerun = require "moonport.test.rerun"

local SEEDS = 100 -- that are tried where none is given

local counted = recording.counted

local function joined(list)
  local pieces = {}
  for index, each in ipairs(list) do pieces[index] = each.bytes end
  return table.concat(pieces)
end

-- The send that has the byte at `offset`, or the last one.
local function send_at(list, offset)
  local before = 0
  for _, each in ipairs(list) do
    before = before + #each.bytes
    if offset < before then return each end
  end
end

local function title_of(conn)
  return ("connection #%s (%s %s)"):format(conn.name, conn.outgoing and "to" or "from", conn.peer)
end

local function say(...) io.write(string.format(...), "\n") end

-- One side of a difference.
local function say_side(name, bytes, offset, by)
  say("  %s, %s%s:\n%s", name, counted(#bytes, "byte"), by and ", here sent by " .. by or "",
    difference.hexdump(bytes, offset))
end

-- Says where two lists of sends differ; false when they do not.
---@return integer? offset
local function say_difference(title, names, wanted, got)
  local wanted_bytes, got_bytes = joined(wanted), joined(got)
  local offset = difference.first(wanted_bytes, got_bytes)
  if not offset then return nil end
  local one, other = send_at(wanted, offset), send_at(got, offset)
  say("%s: the answers differ from byte %d on", title, offset)
  say_side(names[1], wanted_bytes, offset, one and (one.by or one.at))
  say_side(names[2], got_bytes, offset,
    other and ("%s, after %s had come"):format(other.by, counted(other.after, "byte")))
  return offset
end

local function as_sends(datagrams)
  local list = {}
  for index, data in ipairs(datagrams) do list[index] = { bytes = data } end
  return list
end

local function sorted_keys(set)
  local list = {}
  for key in pairs(set) do list[#list + 1] = key end
  table.sort(list)
  return list
end

-- --- Against the recording -----------------------------------------------------------------

local function say_errors(errors)
  for _, failure in ipairs(errors) do
    say("a handler raised%s: %s", failure.conn and (" (connection #%d)"):format(failure.conn) or "",
      failure.message)
  end
end

local NAMES = { "recorded", "replayed" }

local function compare_with_recording(recorded, result)
  local count = #result.missing
  for _, conn in ipairs(recorded.conns) do
    if say_difference(title_of(conn), NAMES, conn.sent, result.answers[conn]) then
      count = count + 1
    end
  end
  for _, peer in ipairs(sorted_keys(recorded.datagrams)) do
    local wanted, got = as_sends(recorded.datagrams[peer]), as_sends(result.datagrams[peer])
    for _, each in ipairs(got) do each.by, each.after = "on_datagram", 0 end
    if say_difference("datagrams to " .. peer, NAMES, wanted, got) then count = count + 1 end
  end
  for _, conn in ipairs(result.missing) do
    say("connection #%s: the script did not connect to %s", conn.name, conn.peer)
  end
  if count > 0 then say_errors(result.errors) end
  return count == 0
end

local function summary_of(recorded)
  local bytes_in, bytes_out = 0, 0
  for _, conn in ipairs(recorded.conns) do
    bytes_in, bytes_out = bytes_in + conn.bytes_in, bytes_out + #joined(conn.sent)
  end
  local datagrams = 0
  for _, step in ipairs(recorded.steps) do
    if step.kind == "datagram" then datagrams = datagrams + 1 end
  end
  return ("%s, %s in, %s out%s"):format(counted(#recorded.conns, "connection"),
    counted(bytes_in, "byte"), counted(bytes_out, "byte"),
    datagrams > 0 and ", " .. counted(datagrams, "datagram") .. " in" or "")
end

-- --- Two plays -----------------------------------------------------------------------------

-- What differs between two plays: connections, the handlers to look at, and errors that only the
-- other one had. Nil when nothing does.
local function differences_of(recorded, one, other)
  local conns, blamed = {}, {}
  for _, conn in ipairs(recorded.conns) do
    local wanted, got = one.answers[conn], other.answers[conn]
    local offset = difference.first(joined(wanted), joined(got))
    if offset or one.reasons[conn] ~= other.reasons[conn] then conns[#conns + 1] = conn end
    for _, send in ipairs(offset and { send_at(wanted, offset) or {}, send_at(got, offset) or {} }
      or {}) do
      if send.by then blamed[send.by] = true end
    end
  end
  local errors = table.move(other.errors, #one.errors + 1, #other.errors, 1, {})
  if #conns + #errors == 0 then return nil end
  return { conns = conns, errors = errors, blamed = sorted_keys(blamed) }
end

local function say_differences(differences, one, other, names)
  for _, conn in ipairs(differences.conns) do
    say_difference(title_of(conn), names, one.answers[conn], other.answers[conn])
    if one.reasons[conn] ~= other.reasons[conn] then
      say("%s: it ends with %s %s, and with %s %s", title_of(conn), one.reasons[conn] or "nothing",
        names[1], other.reasons[conn] or "nothing", names[2])
    end
  end
  say_errors(differences.errors)
end

-- Plays the same once more. True, and says so, when the script answers otherwise: then nothing else
-- that differs means anything.
local function is_unsteady(recorded, path, play, how)
  local again = rerun.play(recorded, path, how)
  local differences = differences_of(recorded, play, again)
    or differences_of(recorded, again, play)
  if not differences then return false end
  say_differences(differences, play, again, { "the first time", "the second time" })
  local names = table.concat(differences.blamed, ", ")
  say("the script does not give the same answers twice, to the same bytes in the same pieces: " ..
    "look %sfor what changes by itself, such as math.random or os.clock",
    #names > 0 and "at " .. names .. " " or "")
  return true
end

-- --- Under other cuts ----------------------------------------------------------------------

local function replay_cut(recorded, path, plain, how, cut_name)
  local cut = rerun.play(recorded, path, how)
  local differences = differences_of(recorded, plain, cut)
  if not differences then return true end
  if is_unsteady(recorded, path, plain) or is_unsteady(recorded, path, cut, how) then
    return false
  end
  say_differences(differences, plain, cut, { "as recorded", cut_name })
  if #differences.blamed > 0 then
    say("the answers change with the cuts of the network: look at %s",
      table.concat(differences.blamed, ", "))
  end
  return false
end

-- Cuts change nothing. Whether that is all, and says so.
local function finish_cut(recorded, plain, under)
  local same = compare_with_recording(recorded, plain)
  say("%s: %s: the same%s%s", recorded.path, summary_of(recorded), under,
    same and "" or ", but not as recorded: see above")
  return same
end

local function replay_random(recorded, path, plain, seed)
  local first, last = seed or 1, seed or SEEDS
  for each = first, last do
    local cut_name = "cut at random with --seed " .. each
    if not replay_cut(recorded, path, plain, { seed = each }, cut_name) then return false end
  end
  local seeds = first == last and "seed " .. first or ("seeds %d to %d"):format(first, last)
  return finish_cut(recorded, plain, " under the cuts of " .. seeds)
end

-- --- The command ---------------------------------------------------------------------------

local function replay(recorded, path, cut, seed)
  local plain = rerun.play(recorded, path)
  if cut == "recorded" then
    local same = compare_with_recording(recorded, plain)
    if same then
      say("%s: %s: the same", recorded.path, summary_of(recorded))
    else
      is_unsteady(recorded, path, plain)
    end
    return same
  end
  if cut == "random" then return replay_random(recorded, path, plain, seed) end
  return replay_cut(recorded, path, plain, "every", "cut at every byte")
    and finish_cut(recorded, plain, ", cut at every byte")
end

local M = {}

-- What `moonport replay` does, and its exit code; `seed` 0: none.
function M.run(recording_path, script_path, cut, seed)
  local recorded, fault = recording.read(recording_path, script_path:match("[^/]*$"))
  if not recorded then
    io.stderr:write("moonport: ", fault, "\n")
    return 1
  end
  for _, id in ipairs(recorded.skipped) do
    io.stderr:write(("moonport: connection #%s was open before the recording began, and is left " ..
      "out\n"):format(id))
  end
  local ok, same = pcall(replay, recorded, script_path, cut, seed > 0 and seed or nil)
  if not ok then
    io.stderr:write("moonport: ", tostring(same), "\n")
    return 1
  end
  return same and 0 or 1
end

return M
