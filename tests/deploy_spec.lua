-- deploy_spec.lua — what deploy/ holds, as far as it can be judged without running it; the
-- container tests run some of it.

local certificates = require "tests.support.certificates"
local cjson = require "cjson"
local metrics = require "tests.support.metrics"
local read = require "tests.support.read_file"
local rig = require "tests.support.rig"
local server = require "tests.support.server"
local shell = require "tests.support.shell"
local supports = require "tests.support.supports"

local EXPOSURE_MAX = 1.5 -- of 10; systemd calls 2 and less "OK" and smiles

-- Every document of a YAML file, as an independent parser reads it.
local function documents(path)
  local code = "import json, sys, yaml; " ..
    "print(json.dumps(list(yaml.safe_load_all(open(sys.argv[1])))))"
  local result = shell.run({ "python3", "-c", code, path })
  assert(result.code == 0, result.stderr)
  return cjson.decode(result.stdout)
end

local function exposed_port()
  return tonumber(read("Dockerfile"):match("\nEXPOSE (%d+)\n"))
end

describe("deploy/systemd", function()
  local moonport = rig.new()

  -- The units as they are, but for where this build's program and script are.
  local function units()
    local made = moonport:directory()
    local program = shell.run({ "realpath", server.program }).stdout:match("%C+")
    local service = read("deploy/systemd/moonport.service")
      :gsub("/usr/bin/moonport", function() return program end)
    return made:write("moonport.service", service),
      made:write("moonport.socket", read("deploy/systemd/moonport.socket"))
  end

  it("has nothing that systemd-analyze verify finds fault with", function()
    local result = shell.run(shell.words("systemd-analyze", "verify", "--man=no", { units() }))
    assert.equal("", result.stderr .. result.stdout)
    assert.equal(0, result.code)
  end)

  it("gives the service next to nothing, as systemd-analyze security counts it", function()
    local service = units()
    local result = shell.run({ "systemd-analyze", "security", "--offline=yes", service })
    local exposure = tonumber(result.stdout:match("Overall exposure level for %S+: ([%d.]+)"))
    assert.is_true(exposure <= EXPOSURE_MAX, result.stdout)
  end)

  it("names only options that the program takes", function()
    local command = read("deploy/systemd/moonport.service"):match("\nExecStart=%S+ ([^\n]+)")
    local help = moonport:run({ command:match("^%S+"), "--help" }).stdout
    for option in command:gmatch("%-%-[%l-]+") do
      assert.is_truthy(help:find(option, 1, true), option)
    end
  end)
end)

describe("deploy/kubernetes", function()
  local moonport = rig.new()
  local of_kind = {}
  for _, document in ipairs(documents("deploy/kubernetes/moonport.yaml")) do
    of_kind[document.kind] = document
  end
  local pod = of_kind.Deployment.spec.template.spec
  local container = pod.containers[1]

  it("holds scripts that are right", function()
    local made = moonport:directory()
    for name, text in pairs(of_kind.ConfigMap.data) do made:write(name, text) end
    local result = moonport:run({ "check", made.path })
    assert.equal("", result.stderr)
    assert.equal(0, result.code)
  end)

  -- A subPath, like the mount of a single file, keeps what it was at the start.
  it("mounts the ConfigMap as a directory, where the image looks for scripts", function()
    assert.equal(of_kind.ConfigMap.metadata.name, pod.volumes[1].configMap.name)
    assert.same({ { name = pod.volumes[1].name, mountPath = "/scripts", readOnly = true } },
      container.volumeMounts)
  end)

  it("asks different questions for readiness and for liveness, and needs no preStop", function()
    assert.same({ "/usr/bin/moonport", "health", "--ready" }, container.readinessProbe.exec.command)
    assert.same({ "/usr/bin/moonport", "health" }, container.livenessProbe.exec.command)
    assert.is_nil(container.lifecycle)
  end)

  it("publishes the port that the image exposes", function()
    assert.equal(exposed_port(), container.ports[1].containerPort)
    assert.equal(container.ports[1].name, of_kind.Service.spec.ports[1].targetPort)
  end)

  it("selects the pods that it makes", function()
    local labels = of_kind.Deployment.spec.template.metadata.labels
    assert.same(of_kind.Service.spec.selector, labels)
    assert.same(of_kind.Deployment.spec.selector.matchLabels, labels)
  end)
end)

describe("deploy/compose.yaml", function()
  local service = documents("deploy/compose.yaml")[1].services.moonport

  it("publishes the image's port to this machine only", function()
    assert.same({ ("127.0.0.1:%d:%d"):format(exposed_port(), exposed_port()) }, service.ports)
  end)

  it("mounts a directory that is there", function()
    local source = service.volumes[1]:match("^([^:]+):/scripts:ro$")
    assert.equal(0, shell.run({ "test", "-d", "deploy/" .. source }).code)
  end)

  it("leaves the container without privileges", function()
    assert.is_true(service.read_only)
    assert.same({ "ALL" }, service.cap_drop)
    assert.same({ "no-new-privileges:true" }, service.security_opt)
  end)
end)

describe("deploy/cluster/compose.yaml", function()
  local services = documents("deploy/cluster/compose.yaml")[1].services

  it("has two moonports that are alike, and only HAProxy is reached from this machine", function()
    assert.same(services["moonport-1"], services["moonport-2"])
    assert.is_nil(services["moonport-1"].ports)
    assert.same({ "127.0.0.1:8080:8080" }, services.haproxy.ports)
  end)

  it("mounts directories that are there", function()
    for _, name in ipairs { "moonport-1", "haproxy" } do
      for _, volume in ipairs(services[name].volumes) do
        local source = "deploy/cluster/" .. volume:match("^([^:]+):[^:]+:ro$")
        assert.equal(0, shell.run({ "test", "-d", source }).code, source)
      end
    end
  end)
end)

describe("deploy/prometheus and deploy/grafana", function()
  local moonport = rig.new()

  it("are what promtool finds nothing wrong with", function()
    local result = shell.run({ "promtool", "check", "config",
      "deploy/prometheus/prometheus.yml" })
    assert.equal(0, result.code, result.stdout .. result.stderr)
  end)

  -- Those of histograms have an end that a scrape's family has not.
  local function names_in(text, known)
    local missing = {}
    local function look(name)
      for _, ending in ipairs { "", "_bucket", "_count", "_sum" } do
        if known[name:match("^(.-)" .. ending .. "$") or name] then return end
      end
      missing[#missing + 1] = name
    end
    for name in text:gmatch("[^%w_]moonport_([%l_]+)") do look("moonport_" .. name) end
    for name in text:gmatch("[^%w_]process_([%l_]+)") do look("process_" .. name) end
    return missing
  end

  supports.it("memory-figures", "name no metric that a scrape has not", function()
    local made = moonport:directory()
    certificates.make(made, "localhost")
    local script = made:write("tls.lua", [[
      return { listen = "tls://127.0.0.1:0",
        tls = { cert = "localhost.pem", key = "localhost.key" },
        on_data = function() end, on_open = function() end }
    ]])
    local started = moonport:serve({ "--metrics", "127.0.0.1:0", script })
    shell.run({ "openssl", "s_client", "-connect", "127.0.0.1:" .. started:port() },
      { stdin = "" })
    local known = {}
    for name in metrics.scrape(started):gmatch("# TYPE (%S+)") do known[name] = true end
    for _, path in ipairs { "deploy/grafana/moonport.json",
      "deploy/prometheus/moonport.rules.yml" } do
      local text = read(path)
      assert.is_truthy(text:find("moonport_script_version", 1, true))
      assert.same({}, names_in(text, known), path)
    end
  end)

  it("have a dashboard whose panels lie beside each other, each with a query", function()
    local dashboard = cjson.decode(read("deploy/grafana/moonport.json"))
    local taken = {}
    for _, panel in ipairs(dashboard.panels) do
      local place = panel.gridPos
      for x = place.x, place.x + place.w - 1 do
        for y = place.y, place.y + place.h - 1 do
          assert.is_true(x < 24)
          assert.is_nil(taken[x .. "," .. y], panel.title)
          taken[x .. "," .. y] = true
        end
      end
      assert.is_true(panel.type == "row" or #panel.targets[1].expr > 0, panel.title)
    end
  end)
end)
