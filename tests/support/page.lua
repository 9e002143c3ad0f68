-- page.lua — pages in a browser that a test opens and looks at — knows no page. The browser is
-- driven by tests/browser/driver.js; one of it serves all tests of a spec.

local busted = require "busted"
local cjson = require "cjson"
local client = require "tests.support.client"
local directory = require "tests.support.directory"
local loop = require "tests.support.loop"
local shell = require "tests.support.shell"

local page = {}

local CHROMIUM = "/usr/bin/chromium"

--- Why no page can be opened here; nil: it can.
function page.missing()
  if not shell.has("node") then return "there is no node" end
  local modules = io.open("tests/browser/node_modules/playwright-core/package.json")
  if not modules then return "tests/browser has no node_modules: ./dev needs browser" end
  modules:close()
  local chromium = io.open(CHROMIUM)
  if not chromium then return "there is no chromium" end
  chromium:close()
end

local Browser = {}
Browser.__index = Browser

local Tab = {}

--- To be called in a `describe`: a browser that its tests share. What a test opens ends with it.
function page.new()
  local self = setmetatable({ tabs = {}, profiles = {} }, Browser)
  busted.lazy_teardown(function() self:finish() end)
  busted.after_each(function() self:close_tabs() end)
  return self
end

function Browser:start()
  if self.driver then return end
  self.directory = directory.new()
  local path = self.directory:join("driver.sock")
  self.driver = shell.start({ "node", "tests/browser/driver.js", path, CHROMIUM,
    ("%d"):format(loop.deadline_seconds * 800) }) -- so that it is the first to give up
  loop.wait_until(function()
    return "the browser to start; it said:\n" .. self.driver:stderr()
  end, function() return self.driver:stdout():find("ready") or self.driver:has_ended() end)
  self.conn = client.connect("unix://" .. path)
end

function Browser:ask(words)
  self:start()
  self.conn:send(cjson.encode(words) .. "\n")
  local answer = cjson.decode(self.conn:receive_line())
  if answer.error then error(answer.error, 3) end
  if answer.value ~= cjson.null then return answer.value end
end

--- Opens `url` in a new tab. Options: `profile` (whose cookies; default: one for the test),
--- `width`, `height`, `lang`, `scheme`, `scripts` (false: none); they hold for the profile.
--- `status`: that of the answer.
function Browser:open(url, options)
  local words = { ["do"] = "open", url = url, tab = "tab" .. #self.tabs + 1, profile = "default" }
  for name, value in pairs(options or {}) do words[name] = value end
  local tab = setmetatable({ browser = self, name = words.tab }, Tab)
  self.profiles[words.profile] = true
  self.tabs[#self.tabs + 1] = tab
  tab.status = self:ask(words)
  return tab
end

function Browser:close_tabs()
  if not self.conn then return end
  for profile in pairs(self.profiles) do self:ask { ["do"] = "forget", profile = profile } end
  self.tabs, self.profiles = {}, {}
end

function Browser:finish()
  if not self.conn then return end
  self.conn:close()
  self.driver:wait()
  self.directory:remove()
end

-- Each act of the driver is a method: tab:click { at = "#name" }.
function Tab.__index(_, name)
  return Tab[name] or function(tab, words)
    local all = { ["do"] = name, tab = tab.name }
    for key, value in pairs(words or {}) do all[key] = value end
    return tab.browser:ask(all)
  end
end

return page
