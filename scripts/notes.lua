-- notes.lua — notes behind a JSON API, which outlive a change of this script but not the server.
-- Shows: JSON in and out; method and path choose what to do; state that a new version takes over.
-- Try it:  moonport scripts/notes.lua       and in another terminal
--          curl -d '{"text":"buy milk"}' http://127.0.0.1:8081/notes   then change this file, and
--          curl http://127.0.0.1:8081/notes
--          curl -X DELETE http://127.0.0.1:8081/notes/1

local json = require "moonport.json"

local state = { last = 0, notes = {} }

local function answer(status, value)
  local headers = { ["content-type"] = "application/json" }
  return { status = status, headers = headers, body = json.encode(value) .. "\n" }
end

local function list()
  local notes = json.array {}
  for _, note in pairs(state.notes) do notes[#notes + 1] = note end
  table.sort(notes, function(a, b) return a.id < b.id end)
  return answer(200, notes)
end

local function add(request)
  local note, fault = json.decode(request.body)
  if not note then return answer(400, { error = fault }) end
  if type(note) ~= "table" or type(note.text) ~= "string" then
    return answer(422, { error = 'write {"text": "…"}' })
  end
  state.last = state.last + 1
  state.notes[state.last] = { id = state.last, text = note.text }
  return answer(201, state.notes[state.last])
end

return {
  listen = 8081,
  frame = "http",
  limits = { message = "64K" },

  on_request = function(_, request)
    local method, id = request.method, tonumber(request.path:match("^/notes/(%d+)$"))
    if request.path == "/notes" and method == "GET" then return list() end
    if request.path == "/notes" and method == "POST" then return add(request) end
    if not state.notes[id] then return answer(404, { error = "there is no such thing" }) end
    if method == "DELETE" then state.notes[id] = nil return 204 end
    return answer(200, state.notes[id])
  end,

  on_load = function(previous) state = previous and previous.state or state end,
  on_unload = function() return state end,
}
