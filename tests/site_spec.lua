-- site_spec.lua — the site that ./dev site makes of the docs, as files and in a real browser —
-- not what the pages say.

local directory = require "tests.support.directory"
local page = require "tests.support.page"
local rig = require "tests.support.rig"
local shell = require "tests.support.shell"

-- Serves what it is told, as any web server would.
local SERVER = [[
local file = require "moonport.file"
local KINDS = { html = "text/html", css = "text/css", js = "text/javascript", svg = "image/svg+xml",
  png = "image/png" }
return {
  frame = "http",
  on_request = function(_, request)
    local path = request.path:gsub("/$", "/index.html")
    local kind = KINDS[path:match("%%w+$")]
    return { headers = { ["content-type"] = kind }, body = file.read("%s" .. path) }
  end,
}
]]

local function has_modules()
  return directory.exists("site/node_modules/markdown-it/package.json")
end

local no_site = not shell.has("node") and "there is no node" or
  not has_modules() and "site has no node_modules: ./dev needs site"
local no_browser = no_site or page.missing()

local function build(...)
  return shell.run({ "node", "site/build.js", ... })
end

describe("the site of the docs", function()
  local browser = page.new() -- ends before the server that it has connections to
  local moonport = rig.new()
  local site -- made once, for all that only look at it

  local function case(name, missing, run)
    it(name, function()
      if missing then return pending(missing) end
      if not site then
        site = directory.new()
        local made = build(site.path)
        assert.equal("", made.stderr)
        assert.equal(0, made.code)
      end
      run()
    end)
  end

  teardown(function() if site then site:remove() end end)

  -- --- The files ------------------------------------------------------------------------------

  case("is the same to the byte when it is made again, also over an old one", no_site, function()
    local again = moonport:directory()
    again:write("index.html", '<meta name="generator" content="moonport site">')
    again:write("gone.html", "of a page that there is no more")
    assert.equal(0, build(again.path).code)
    assert.equal("", shell.run({ "diff", "-r", site.path, again.path }).stdout)
  end)

  case("is not made where other things are", no_site, function()
    local folder = moonport:directory()
    local path = folder:write("thesis.txt", "years of work")
    local made = build(folder.path)
    assert.equal(1, made.code)
    assert.matches("has other things in it", made.stderr)
    assert.is_true(directory.exists(path))
  end)

  -- Each of these was whole: the site is made only when nothing is found.
  case("is checked: links, anchors, pictures, ids, and what is fetched from elsewhere", no_site,
    function()
      local folder = moonport:directory()
      assert(shell.run({ "cp", "-r", site.path .. "/.", folder.path }).code == 0)
      local function change(name, from, to)
        local file = assert(io.open(folder:join(name)))
        local text = file:read("a")
        file:close()
        local at, stop = text:find(from, 1, true)
        assert(at, name .. " has no " .. from)
        folder:write(name, text:sub(1, at - 1) .. to .. text:sub(stop + 1))
      end
      change("scripting.html", 'id="frames"', 'id="frame"')
      change("teaching.ko.html", 'id="준비물"', 'id="준비"')
      change("guide.html", 'src="site.js"', 'src="https://example.org/site.js"')
      change("tls.html", "<h2", '<h2 style="color: red" id="text"')
      change("http.html", "<script", "<script>alert(1)</script><script")
      assert(os.remove(folder:join("pictures/inspector-light.png")))
      assert(os.remove(folder:join("source/scripts/echo.lua.html")))
      folder:write("lost.html", "<!DOCTYPE html><title>lost</title>")
      local checked = shell.run({ "node", "site/check.js", folder.path })
      assert.equal(1, checked.code)
      for _, fault in ipairs {
        "guide.html: links to scripting.html#frames, but there is no such heading",
        "scripting.html: links to #frames, but there is no such heading",
        "teaching.ko.html: links to #%EC%A4%80%EB%B9%84%EB%AC%BC, but there is no such heading",
        "guide.html: asks another host: https://example.org/site.js",
        "tls.html: the id text is there twice",
        "tls.html: <h2> has a style or a script of its own",
        "http.html: there is a script in the page",
        "index.html: links to pictures/inspector-light.png, which is not there",
        "examples.html: links to source/scripts/echo.lua.html, which is not there",
        "lost.html: no page links to it",
      } do
        assert(checked.stderr:find(fault, 1, true), fault .. "\nis not told:\n" .. checked.stderr)
      end
    end)

  -- --- In a browser: as files, without a server -------------------------------------------------

  local function open(name, options)
    return browser:open("file://" .. site.path .. "/" .. name, options)
  end

  local function there(at) return ("document.querySelector(%q) !== null"):format(at) end

  -- Nothing was asked but files, and nothing was complained of.
  local function assert_alone(tab)
    assert.same({ "" }, tab:hosts())
    assert.same({}, tab:told())
  end

  local function look_for(tab, words)
    tab:press { key = "/" }
    tab:insert { text = words }
    tab:wait { code = there("#found li") }
  end

  case("is searched in English, by the keyboard alone", no_browser, function()
    local tab = open("index.html")
    look_for(tab, "backpresure") -- as one types it
    assert.matches("^Writing a service › Backpressure", tab:text { at = "#found li" })
    assert.same({}, tab:axe())
    tab:press { key = "ArrowDown" }
    tab:press { key = "Enter" }
    tab:arrive { at = "/scripting.html#backpressure" }
    look_for(tab, "on_drain")
    tab:press { key = "Escape" }
    tab:wait { code = "document.querySelector('#found').hidden" }
    assert_alone(tab)
  end)

  -- The page has 소켓 with other endings than the one that is asked for.
  case("is searched in Korean, whatever a word's ending is", no_browser, function()
    local tab = open("index.ko.html", { lang = "ko-KR" })
    look_for(tab, "소켓에서")
    assert.matches("소켓", tab:text { at = "#found li mark" })
    tab:fill { at = "#search", text = "하프클로즈" }
    tab:wait { code = "document.querySelector('#found p').textContent === '찾은 것이 없습니다'" }
    tab:fill { at = "#search", text = "교실" }
    tab:wait { code = there "#found li:first-child a[href='teaching.ko.html']" }
    tab:press { key = "Enter" }
    tab:arrive { at = "/teaching.ko.html" }
    assert_alone(tab)
  end)

  case("leads from one language to the other and back", no_browser, function()
    local tab = open("teaching.html")
    tab:click { at = "a.language" }
    tab:arrive { at = "/teaching.ko.html" }
    assert.equal("ko", tab:run { code = "document.documentElement.lang" })
    tab:wait { code = there "#pages a[href='guide.ko.html']" }
    tab:wait { code = there "#pages a[href='operating.html'][lang=en]" }
    tab:click { at = "a.language" }
    tab:arrive { at = "/teaching.html" }
    assert_alone(tab)
  end)

  local COLOUR = "getComputedStyle(document.body).backgroundColor"

  case("is dark where the reader likes it or says so, on the next page too", no_browser, function()
    local tab = open("index.html", { scheme = "dark" })
    local dark = tab:run { code = COLOUR }
    tab:click { at = "#theme" }
    local light = tab:run { code = COLOUR }
    assert.not_equal(dark, light)
    tab:click { at = "#pages a[href='guide.html']" }
    tab:arrive { at = "/guide.html" }
    assert.equal(light, tab:run { code = COLOUR })
    tab:click { at = "#theme" }
    assert.equal(dark, tab:run { code = COLOUR })
    assert_alone(tab)
  end)

  for name, options in pairs {
    dark = { scheme = "dark" },
    narrow = { width = 320, height = 640 },
  } do
    case("has no finding of axe: " .. name, no_browser, function()
      for _, path in ipairs { "index.html", "guide.ko.html", "tls.html",
        "source/scripts/chat.lua.html" } do
        local tab = open(path, options)
        assert.same({}, tab:axe())
        assert_alone(tab)
      end
    end)
  end

  case("has no page that is wider than 320 pixels", no_browser, function()
    local listing = assert(io.popen("cd " .. site.path .. " && ls *.html adr/*.html bench/*.html"))
    local count = 0
    for name in listing:lines() do
      local tab = open(name, { width = 320, height = 640 })
      assert.equal(0, tab:run { code = "document.documentElement.scrollWidth - innerWidth" }, name)
      count = count + 1
    end
    listing:close()
    assert.is_true(count > 40)
  end)

  case("works without scripts, but for the search", no_browser, function()
    local tab = open("guide.html", { width = 320, height = 640, scripts = false })
    assert.equal("none",
      tab:run { code = "getComputedStyle(document.querySelector('search')).display" })
    tab:click { at = "button[popovertarget=pages]" }
    tab:click { at = "#pages a[href='tls.html']" }
    tab:arrive { at = "/tls.html" }
    assert_alone(tab)
  end)

  -- --- In a browser: behind a web server --------------------------------------------------------

  case("is the same in a folder of a web server, and asks nobody else", no_browser, function()
    local server = moonport:start(SERVER:format(site.path:match("^(.*)/")))
    local host = "127.0.0.1:" .. server:port()
    local tab = browser:open(("http://%s/%s/adr/"):format(host, site.path:match("[^/]+$")))
    assert.equal(200, tab.status)
    look_for(tab, "watchdog")
    tab:click { at = "#found a[href$='adr/0005-watchdog-without-a-thread.html']" }
    tab:arrive { at = "/adr/0005-watchdog-without-a-thread.html" }
    assert.same({ host }, tab:hosts())
    assert.same({}, tab:told())
  end)
end)
