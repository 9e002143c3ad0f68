-- moonport.lesson.judge — runs the checks of a lesson against a learner's script — knows no lesson,
-- no terminal.
--
-- check.lua returns a plan:
--
--   return {
--     program = true,        -- the script is run (moonport run); without it, it is served
--     certificate = true,    -- served with judge.certificate, of localhost, and not its own
--     listen = false,        -- served where it says itself; without it, at a free port
--     events = "flush,close", -- watched; without it, all of them with all bytes
--     in_turn = true,        -- one check after the other; without it, all at once
--     hints = { KEY = { en = "…", ko = "…" } },
--     checks = { { en = "name", ko = "…", judge = function(judge) … end }, … },
--   }
--
-- Each check has a process of its own, and all of them go on beside each other. A check passes by
-- returning; judge:fail(KEY, …) ends it with that hint. It judges what must be true whatever the
-- network does, never how bytes were cut. Whatever it waits for is bounded, and everything that it
-- started ends with it, after DEADLINE_S at the latest.

local bounded = require "moonport.bounded"
local certificate = require "moonport.lesson.certificate"
local file = require "moonport.file"
local json = require "moonport.json"
local kernel = require "moonport.lesson.kernel"
local learner = require "moonport.lesson.learner"
local peer = require "moonport.lesson.peer"
local server = require "moonport.lesson.server"
local socket = require "moonport.socket"
local task = require "moonport.task"
local timer = require "moonport.timer"
local words = require "moonport.lesson.words"

local SCRIPT_BYTES_MAX = 1024 * 1024
local DEADLINE_S = 20 -- of all checks together
local LEFT_S_MIN = 1
local ERROR_S = 0.1 -- until an error that was raised is told
local PORT_S = 8
local LOWEST_PORT, HIGHEST_PORT = 15000, 30000
local PORT_RETRY_S = 0.02
local PORT_TRIES = 20 -- before we look where else it listens
local STEPS_MAX = 40
local SAME_STEPS_MAX = 3 -- one after the other

---@class moonport.lesson.Verdict
---@field name string
---@field passed boolean
---@field hint string? why not
---@field steps string[] what the judge did

---@class moonport.lesson.Judge what a check is given
---@field path string of the script
---@field lang string
---@field steps string[]
---@field private plan table
---@field private hide fun(text: string): string
---@field private learners moonport.lesson.Learner[] that it started
---@field private all moonport.lesson.Learner[] that any check of this script started
---@field private servers moonport.lesson.Server[]
---@field private peers integer
---@field private told_step table? the last one, of whom, and how many times in a row
---@field private told_who any
---@field private told_times integer?
local Judge = {}
Judge.__index = Judge

local M = {}

-- What fail() raises; the hint is text already.
local Failure = { __name = "moonport.lesson.Failure" }

local function hint_of(self, key, ...)
  local hint = self.plan.hints and self.plan.hints[key] or words.hints[key]
  if not hint then error(("there is no hint \"%s\""):format(key), 3) end
  return words.say(hint, self.lang, ...)
end

local function fail_with(self, hint) error(setmetatable({ hint = self.hide(hint) }, Failure), 0) end

---Ends the check: it is not passed, and `key` of the plan's hints says why.
---@param key string
---@param ... any for its %s
function Judge:fail(key, ...) fail_with(self, hint_of(self, key, ...)) end

---Fails unless `condition`.
function Judge:expect(condition, key, ...)
  if not condition then self:fail(key, ...) end
end

---Notes what the judge does, for the learner. What goes on like that is counted.
---@param step { en: string, ko: string }
---@param who any
function Judge:tell(step, who, ...)
  local steps, is_same = self.steps, step == self.told_step and who == self.told_who
  self.told_step, self.told_who, self.told_times = step, who, is_same and self.told_times + 1 or 1
  local more = self.told_times - SAME_STEPS_MAX
  if more > 1 then steps[#steps] = nil elseif #steps >= STEPS_MAX then return end
  if more > 0 then step, who = words.steps.more, more end
  steps[#steps + 1] = words.say(step, self.lang, who, ...)
end

---Bytes as a hint shows them: "hello\n".
function Judge.shown(_, bytes) return peer.quoted(bytes) end

-- Why a script that should go on has ended.
local function ending_of(self, process)
  local complaint = process:complaint()
  if complaint then return hint_of(self, "raised", complaint) end
  return hint_of(self, "ended", process.code, process:last_words())
end

---Ends the check: the script has ended, and could have gone on.
---@param process moonport.lesson.Learner
function Judge:fail_for_end(process) fail_with(self, ending_of(self, process)) end

-- Whatever was started ends with the check, or with the judge.
local function keep(self, started)
  self.learners[#self.learners + 1] = started
  self.all[#self.all + 1] = started
end

---Serves the script. What keeps it from listening ends the check with its hint.
---@param options { listen: string|false|nil, events: string?, env: table? }?
---@return moonport.lesson.Server
function Judge:serve(options)
  options = options or {}
  if options.listen == nil then options.listen = self.plan.listen end
  options.events = options.events or self.plan.events
  if self.certificate then
    options.args = { "--tls-cert", self.certificate.cert, "--tls-key", self.certificate.key }
  end
  local started, fault, process = server.start(self.path, options)
  keep(self, process)
  if fault == "ended" then self:fail_for_end(process) end
  if fault then self:fail(fault, server.start_s) end
  self.servers[#self.servers + 1] = started
  self:tell(words.steps.serve, table.concat(started.addresses, ", "))
  return started
end

---Starts the script as a program, as moonport run does.
---@param ... string|integer its arguments
---@return moonport.lesson.Learner
function Judge:run(...)
  local arguments = { ... }
  local started = learner.start({ "run", bounded.with_parent, "--allow", learner.allow, "--",
    self.path, table.unpack(arguments) })
  keep(self, started)
  self:tell(words.steps.run, self.hide(table.concat({ self.path, ... }, " ")))
  return started
end

---Starts any other program that a check needs; it ends with the check.
---@param command string
---@param arguments string[]
---@param options { env: table?, cwd: string? }?
---@return moonport.lesson.Learner
function Judge:start(command, arguments, options)
  local started = learner.start(arguments, { command = command, env = options and options.env,
    cwd = options and options.cwd })
  keep(self, started)
  return started
end

---A port of 127.0.0.1 that nobody has at the moment, and that the kernel gives to nobody who asks
---for any: it may be long until the script takes it, or never.
---@return integer
function Judge.free_port()
  local taken = socket.tcp()
  local port
  repeat port = math.random(LOWEST_PORT, HIGHEST_PORT) until taken:bind("127.0.0.1", port)
  taken:close()
  return port
end

local function next_peer(self)
  self.peers = self.peers + 1
  return words.say(words.nouns.peer, self.lang, self.peers)
end

---Connects to a server, or to an address. The check fails when nobody takes the connection.
---@param to moonport.lesson.Server|string
---@return moonport.lesson.Peer
function Judge:connect(to)
  local address = type(to) == "table" and to.address or to
  local made, code = peer.connect(address, { name = next_peer(self), lang = self.lang,
    tell = function(...) self:tell(...) end })
  if not made then self:fail("refused", address, code) end
  return made
end

---Connects to a program as soon as it listens at this port of 127.0.0.1. When it listens nowhere,
---the check fails, with `key` if it is given.
---@param program moonport.lesson.Learner
---@param port integer
---@param key string?
---@return moonport.lesson.Peer
function Judge:connect_when_listening(program, port, key)
  local name, ends = next_peer(self), timer.now() + PORT_S
  local made
  local elsewhere
  repeat
    for _ = 1, PORT_TRIES do
      made = peer.connect("127.0.0.1:" .. port, { name = name, lang = self.lang,
        tell = function(...) self:tell(...) end, timeout = 1 })
      if made then return made end
      program:wait(PORT_RETRY_S)
    end
    elsewhere = kernel.listening(program.process.id)[1]
    if elsewhere and elsewhere:match(":(%d+)$") == tostring(port) then elsewhere = nil end
  until elsewhere or program.code or timer.now() > ends
  if elsewhere then self:fail("elsewhere", elsewhere, port) end
  if key then self:fail(key) end
  if program.code then self:fail_for_end(program) end
  self:fail("no_port", port, PORT_S)
end

-- --- Judging --------------------------------------------------------------------------------

local function new_judge(context)
  return setmetatable({ path = context.path, lang = context.lang, plan = context.plan,
    hide = context.hide, all = context.all, certificate = context.certificate,
    steps = json.array(), learners = {}, servers = {}, peers = 0 }, Judge)
end

-- What went wrong on the script's side while a check was under way, as a hint: this explains why it
-- failed.
local function trouble_of(self)
  for _, started in ipairs(self.learners) do
    if started.excess == "memory" then
      return hint_of(self, "memory", learner.memory_bytes_max // 1000000)
    elseif started.excess == "output" then
      return hint_of(self, "output", learner.output_bytes_max // 1024)
    end
  end
  for _, started in ipairs(self.servers) do
    -- Asked first: when it answers, what kept it busy has ended, and is told.
    local answers = started:ask("ping")
    local raised = started:wait_event({ event = "error" }, answers and ERROR_S or 0)
    if raised then return hint_of(self, "raised", raised.message) end
    if started.learner.code then return ending_of(self, started.learner) end
    if not answers then return hint_of(self, "busy") end
  end
  for _, started in ipairs(self.learners) do
    local complaint = started.code and started.code ~= 0 and started:complaint()
    if complaint then return hint_of(self, "raised", complaint) end
  end
end

-- The hint of a check that has ended: nil where it passed.
local function hint_from(self, ok, failure, ended)
  if not ended then return hint_of(self, "deadline", DEADLINE_S) end
  if ok then return nil end
  if getmetatable(failure) ~= Failure then error(failure, 0) end
  return failure.hint
end

local function judge_one(self, check, seconds)
  local ok, failure
  local running = task.spawn(function() ok, failure = pcall(check.judge, self) end)
  local ended = running:join(seconds)
  if not ended then running:cancel() end
  local passed, hint = pcall(hint_from, self, ok, failure, ended)
  local trouble = (hint or not passed) and trouble_of(self)
  for _, started in ipairs(self.learners) do started:stop() end
  if not passed then error(hint, 0) end -- a fault of the check, not of the learner
  if trouble and not hint:find(trouble, 1, true) then hint = hint .. "\n" .. self.hide(trouble) end
  return { name = check[self.lang], passed = hint == nil, hint = hint, steps = self.steps }
end

local function judge_all(context, checks)
  local tasks, verdicts = {}, {}
  for index, check in ipairs(checks) do
    local left = math.max(context.ends - timer.now(), LEFT_S_MIN)
    tasks[index] = task.spawn(judge_one, new_judge(context), check, left)
    if context.plan.in_turn then tasks[index]:join() end
  end
  for index, running in ipairs(tasks) do
    local ended, verdict, fault = running:join()
    if not ended then error(fault or verdict, 0) end
    verdicts[index] = verdict
  end
  return verdicts
end

-- A check of a script's file alone, as the function of a check.
local function check_reads(source)
  return function(self)
    local text = source.text
    if not text then
      local code, detail
      text, code, detail = file.read(source.path, SCRIPT_BYTES_MAX)
      if code == "EFBIG" then self:fail("large") end
      self:expect(text, "unreadable", detail)
    end
    if #text > SCRIPT_BYTES_MAX then self:fail("large") end
    local code = text:gsub("^#[^\n]*", "")
    local loaded, fault = load(code, "@" .. self.path, "t")
    if not loaded then self:fail("syntax", fault) end
  end
end

-- Where the text of a script is put while it is judged, and what removes it.
local function file_for(text)
  local path = os.tmpname()
  local ok, _, detail = file.write(path, text)
  if not ok then error(detail, 0) end
  return path
end

local function judge_file(context, source)
  local verdicts = {}
  local first = { { en = words.checks.reads.en, ko = words.checks.reads.ko,
    judge = check_reads(source) } }
  if not context.plan.program and context.plan.listen ~= false then
    first[2] = { en = words.checks.starts.en, ko = words.checks.starts.ko,
      judge = function(self) self:serve() end }
  end
  for _, check in ipairs(first) do
    verdicts[#verdicts + 1] = judge_one(new_judge(context), check, DEADLINE_S)
    if not verdicts[#verdicts].passed then return verdicts end
  end
  table.move(judge_all(context, context.plan.checks), 1, #context.plan.checks, #verdicts + 1,
    verdicts)
  return verdicts
end

-- What is left when the judge has ended, or was told to.
local Remains = {}
Remains.__index = Remains

function Remains:__close()
  for _, started in ipairs(self.all) do started:kill() end
  if self.is_temporary then os.remove(self.path) end
end

---Judges a script. Raises only for what is wrong with the lesson, or this machine.
---@param lesson moonport.lesson.Lesson
---@param plan table what its check.lua returns
---@param source { text: string?, path: string? }
---@param lang "en"|"ko"
function M.run(lesson, plan, source, lang)
  local began, passed = timer.now(), true
  local made <close> = plan.certificate and certificate.new() or nil
  local context <close> = setmetatable({ plan = plan, lang = lang, all = {}, certificate = made,
    ends = began + DEADLINE_S,
    path = source.path or file_for(source.text), is_temporary = not source.path }, Remains)
  function context.hide(text)
    if source.path then return text end
    return (text:gsub(context.path:gsub("%p", "%%%0"), (lesson.file:gsub("%%", "%%%%"))))
  end
  local verdicts = judge_file(context, source)
  for _, verdict in ipairs(verdicts) do passed = passed and verdict.passed end
  return { lesson = lesson.name, passed = passed, checks = verdicts,
    seconds = timer.now() - began }
end

return M
