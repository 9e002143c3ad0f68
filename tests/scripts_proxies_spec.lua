-- scripts_proxies_spec.lua — the scripts that ask another server: header_proxy.lua and webhook.lua.

local cjson = require "cjson"
local rig = require "tests.support.rig"
local shell = require "tests.support.shell"

describe("scripts/header_proxy.lua", function()
  local moonport = rig.new()

  local function serve(script, env)
    local server = moonport:serve({ "--listen", "127.0.0.1:0", script }, { env = env })
    finally(function() server:signal("sigterm") end) -- kept connections end with it
    return server
  end

  local function proxy_of(upstream)
    local url = "http://127.0.0.1:" .. upstream:port()
    return serve("scripts/header_proxy.lua", { UPSTREAM = url })
  end

  local function curl(server, path, ...)
    local url = "http://127.0.0.1:" .. server:port() .. path
    return shell.run({ "curl", "-sS", "--noproxy", "*", url, ... }).stdout
  end

  it("passes requests on, and answers back with a header more", function()
    local proxy = proxy_of(serve("scripts/http.lua"))
    local text = curl(proxy, "/hello/ada%20b?c=d", "-i")
    assert.matches("^HTTP/1%.1 200 OK\r\n", text)
    assert.matches("\r\nx%-proxied%-by: moonport\r\n", text)
    assert.matches("\r\nx%-served%-by: moonport\r\n", text)
    assert.matches("\r\n\r\nHello, ada b!\n$", text)
    assert.matches("^HTTP/1%.1 404 Not Found\r\n", curl(proxy, "/nowhere", "-i"))
    assert.matches("^HTTP/1%.1 200 OK\r\n.*\r\n\r\n$", curl(proxy, "/", "-I"))
  end)

  it("passes bodies on, both ways, and says for whom", function()
    local upstream = serve(moonport:directory():write("mirror.lua", [[
return { frame = "http", on_request = function(_, request)
  return { headers = { ["set-cookie"] = { "a=1", "b=2" }, ["content-type"] = "x/y" },
    body = request.method .. " " .. request.headers["x-forwarded-for"] .. " " .. request.body }
end }]]))
    local text = curl(proxy_of(upstream), "/", "-i", "-d", "x=1")
    assert.matches("\r\nset%-cookie: a=1\r\nset%-cookie: b=2\r\n", text)
    assert.matches("\r\n\r\nPOST 127%.0%.0%.1 x=1$", text)
  end)

  it("says 502 where nobody answers, and goes on", function()
    local upstream = serve("scripts/http.lua")
    local proxy = proxy_of(upstream)
    upstream:stop()
    proxy:allow_log("connection refused")
    assert.matches("^HTTP/1%.1 502 Bad Gateway\r\n", curl(proxy, "/", "-i"))
    assert.matches("^HTTP/1%.1 502 Bad Gateway\r\n", curl(proxy, "/", "-i"))
  end)
end)

describe("scripts/webhook.lua", function()
  local moonport = rig.new()
  local PUSH = '{"pusher":{"name":"ada"},"repository":{"full_name":"moon/port"}}'

  local function start(chat)
    local server = moonport:serve({ "--listen", "127.0.0.1:0", "scripts/webhook.lua" },
      { env = { SECRET = "moon", CHAT = chat } })
    finally(function() server:signal("sigterm") end)
    return server
  end

  -- The status that a body gets which is signed with `secret`, by OpenSSL.
  local function post(server, body, secret)
    local script = [[sign=$(printf %s "$1" | openssl dgst -sha256 -hmac "$2" -r | cut -d' ' -f1)
      curl -sS -o /dev/null -w '%{http_code}' -H "X-Hub-Signature-256: sha256=$sign" -d "$1" "$3"]]
    return shell.run({ "sh", "-c", script, "sh", body, secret,
      "http://127.0.0.1:" .. server:port() .. "/" }).stdout
  end

  it("tells a chat of a push that is signed, and of no other", function()
    local notes = moonport:serve({ "--listen", "127.0.0.1:0", "scripts/notes.lua" })
    finally(function() notes:signal("sigterm") end)
    local url = "http://127.0.0.1:" .. notes:port() .. "/notes"
    local server = start(url)
    assert.equal("204", post(server, PUSH, "moon"))
    assert.equal("401", post(server, PUSH, "sun"))
    assert.equal("422", post(server, '{"zen":"x"}', "moon"))
    assert.equal("405", shell.run({ "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}",
      "http://127.0.0.1:" .. server:port() .. "/" }).stdout)
    local told = cjson.decode(shell.run({ "curl", "-sS", url }).stdout)
    assert.same({ { id = 1, text = "ada pushed to moon/port" } }, told)
  end)

  it("says 502 where the chat does not take it", function()
    local server = start("http://127.0.0.1:1/")
    server:allow_log("127%.0%.0%.1:1")
    assert.equal("502", post(server, PUSH, "moon"))
  end)
end)
