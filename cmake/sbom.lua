-- sbom.lua — writes what a build of moonport has of others, in the words of CycloneDX — not
-- what was found nor where: cmake/Sbom.cmake says that. Run by the program that was built.
--
--   moonport run cmake/sbom.lua LINES PROGRAM OUT

local json = require "moonport.json"
local process = require "moonport.process"

local lines_path, program, out_path = table.unpack(arg, 1, 3)

-- The output of a program, or "" where there is none, or it fails.
local function output_of(...)
  local result = process.run({ ... })
  return result and result.code == 0 and result.stdout or ""
end

local release = { ID = "debian", VERSION_ID = "unstable" } -- os-release(5)
for line in (io.open("/etc/os-release") or io.tmpfile()):lines() do
  local name, value = line:match('^([%u_]+)="?([^"]*)"?$')
  if name then release[name] = value end
end

-- The package that has a file: its name and version. Its list may have the file below / or /usr,
-- which are one directory on most machines. What is linked with is where a name in -dev leads to.
local function package_of(path)
  local real = output_of("realpath", path):match("%C+") or path
  for _, candidate in ipairs { real, path, (real:gsub("^/usr/lib", "/lib")), "/usr" .. path } do
    -- "libc6:amd64: /usr/lib/…", "a, b: /usr/share/…"; before it may come "diversion by a from: …".
    local package = ("\n" .. output_of("dpkg-query", "-S", candidate)):match("\n([%w.+-]+)[:,]")
    if package then
      local told = output_of("dpkg-query", "-W", "-f", "${Version} ${Architecture}\n", package)
      local version, architecture = told:match("^(%S+) (%S+)")
      return package, version, architecture
    end
  end
end

-- https://github.com/package-url/purl-spec: everything but what is in this set is %XX.
local function escaped(text)
  return (text:gsub("[^%w.~_-]", function(char) return ("%%%02X"):format(char:byte()) end))
end

local function package_url(component, path)
  local package, version, architecture = package_of(path)
  if not package then return ("pkg:generic/%s@%s"):format(component.name, component.version) end
  if component.name == "" then component.name, component.version = package, version end
  return ("pkg:deb/%s/%s@%s?arch=%s&distro=%s-%s"):format(release.ID, escaped(package),
    escaped(version), architecture, release.ID, escaped(release.VERSION_ID))
end

-- What it is to the program: compiled in, in its file, or found by the loader.
local function linkage_of(path)
  if path:find("%.js$") then return "embedded" end
  return path:find("%.so[%d.]*$") and "dynamic" or "static"
end

local main
local components, known = {}, {}

local function add(name, version, license, path)
  local component = { type = "library", name = name, version = version }
  if license ~= "" then component.licenses = { { license = { id = license } } } end
  if path == "-" then
    component.type, component.purl = "application", ("pkg:generic/%s@%s"):format(name, version)
    main = component
  else
    component.purl = package_url(component, path)
    component.properties = { { name = "moonport:linkage", value = linkage_of(path) } }
  end
  component["bom-ref"] = component.purl
  if component == main or known[component.purl] then return end
  known[component.purl] = true
  components[#components + 1] = component
end

for line in io.lines(lines_path) do
  add(line:match("^([^\t]*)\t([^\t]*)\t([^\t]*)\t(.*)$"))
end
-- OpenSSL is loaded when it is first needed, so the loader is asked for what that needs, too.
local shared = { program }
for line in io.lines(lines_path) do
  local path = line:match("[^\t]+%.so[%d.]*$")
  if path then shared[#shared + 1] = path end
end
for _, file in ipairs(shared) do
  for path in output_of("ldd", file):gmatch("(/%S+) %(0x") do add("", "", "", path) end
end

table.sort(components, function(a, b) return a.purl < b.purl end)
local needed = {}
for index, component in ipairs(components) do needed[index] = component.purl end

local out = assert(io.open(out_path, "w"))
out:write(json.encode({
  ["$schema"] = "http://cyclonedx.org/schema/bom-1.5.schema.json",
  bomFormat = "CycloneDX",
  specVersion = "1.5",
  version = 1,
  metadata = { component = main },
  components = components,
  dependencies = { { ref = main.purl, dependsOn = needed } },
}), "\n")
assert(out:close())
