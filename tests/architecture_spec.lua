-- architecture_spec.lua — what the pages for developers say of the sources is so — judges no prose.

local c_source = require "tests.support.c_source"
local read_file = require "tests.support.read_file"
local tour = require "tests.support.tour"

-- What is of the repository; files that git does not know yet among it, what is built not.
local function read_tree()
  local files = {}
  local listing = assert(io.popen("find . \\( -name .git -o -name build -o -name node_modules \\) "
    .. "-prune -o -type f -size -400k -print"))
  for path in listing:lines() do files[path:sub(3)] = read_file(path) end
  assert(listing:close())
  return files
end

local files = read_tree()
local sources = tour.sources(files)
local page = files["docs/ARCHITECTURE.md"]

local function assert_true(path)
  assert.equal("", table.concat(tour.faults(files[path], sources), "\n"))
end

local function set(list)
  local keys = {}
  for _, key in ipairs(list) do keys[key] = true end
  return keys
end

-- The part of the page between two pieces of text, the first one included.
local function part(from, to)
  local first = assert(page:find(from, 1, true), from)
  return page:sub(first, assert(page:find(to, first, true), to) - 1)
end

-- The files of `folder` in whose bare text `pattern` is, as "net/work.c".
local function files_with(folder, pattern)
  local found = {}
  for path, bare in pairs(sources.bare) do
    if path:find("^src/" .. folder) and path:find("%.c$") and bare:find(pattern) then
      found[path:match("^src/(.*)")] = true
    end
  end
  return found
end

local function files_in(text, pattern)
  local found = {}
  for path in text:gmatch("`(" .. pattern .. ")`") do found[path] = true end
  return found
end

-- Calls visit(name) for each variable of a file that may change, and is there as long as the
-- process.
local function each_global(bare, visit)
  bare = ("\n" .. bare):gsub("__attribute__%s*%b()", ""):gsub("\n#[^\n]*", "\n")
  bare = bare:gsub("(static struct )%b{}", "%1unnamed") -- a type that only this variable has
  local function look(declaration)
    local text = declaration:gsub("%b[]", "")
    local name = text:match("%s([%w_]+)%s*$") or text:match("%*([%w_]+)%s*$")
    local of_name = text:match(".*%*(.*)$") or text
    if name and not of_name:find("%f[%w_]const%f[^%w_]") then visit(name) end
  end
  for declaration in bare:gmatch("%f[%w_]static(%s+[^;{}()]-)%s*[;=]") do look(declaration) end
  bare = bare:gsub("%)%s*%b{}", ")"):gsub("%b{}", "")
  for declaration in bare:gmatch("\n([%a_][^;{}()#\n]-)%s*[;=]") do
    local is_type = declaration:find("^%l+ [%w_]+$") and declaration:find("^[seu]%l+ ")
    if not is_type and not declaration:find("^static") then look(declaration) end
  end
end

describe("docs/ARCHITECTURE.md", function()
  it("names files, functions, calls, assertions and figures as they are", function()
    assert_true("docs/ARCHITECTURE.md")
  end)

  it("walks from file to file", function()
    local _, rows = page:gsub("\n[%w_/]+%.[ch] +[%l_]+ ", "")
    assert.is_true(rows > 100, rows .. " lines")
  end)

  it("has each folder of src/ in its picture", function()
    local named, there = set({ "main" }), set({ "main" })
    local picture = part("              main.c", "\n```\n\nIncludes")
    for name in picture:gmatch("%f[%w]([%l]+)/") do named[name] = true end
    for path in pairs(sources.bare) do
      for name in path:match("^src/(.*)"):gmatch("([^/]+)/") do there[name] = true end
    end
    assert.same(there, named)
  end)

  it("names each header for one folder that others include, too", function()
    local there = {}
    for path in pairs(sources.bare) do
      for header in files[path]:gmatch('#include "([%w_/]+state%.h)"') do
        local folder = header:match("^.*/")
        if path:sub(5, 4 + #folder) ~= folder then
          there[#there + 1] = ("`%s` also for `%s`"):format(header, path:sub(5))
        end
      end
    end
    assert.equal(table.concat(there, "; "), part("`server/reload/state.h` also", ")"))
  end)

  it("lists each variable of the process that may change", function()
    local named, there = {}, {}
    local list = part("The exceptions are", "\n\n"):gsub("%s+", " ")
    for name, path in list:gmatch("`([%w_]+)` in `([^`]+)`") do
      named[path .. " " .. name] = true
    end
    for path, bare in pairs(sources.bare) do
      each_global(bare, function(name) there[path:match("^src/(.*)") .. " " .. name] = true end)
    end
    assert.same(there, named)
  end)

  it("lists each field that holds a reference into Lua's registry", function()
    local named, there, names = {}, {}, {}
    local list = part("by one field each", "\n\nOne more")
    for name in list:gmatch("`([^`]+)`") do
      if not name:find("%.c$") then
        if names.is_over then names = {} end
        names[#names + 1] = name
      else
        names.is_over = true
        for _, each in ipairs(names) do named[name .. " " .. each] = true end
      end
    end
    for path, bare in pairs(sources.bare) do
      bare = bare:gsub("new_table_reference%(", "luaL_ref("):gsub("= luaL_ref%(lua_State", "")
      for name in bare:gmatch("([%w_]+)%f[^%w_]%[?[%w_]*%]? = luaL_ref%(") do
        there[path:match("^src/(.*)") .. " " .. name] = true
      end
    end
    assert.same(there, named)
  end)

  it("lists each file that begins a thread", function()
    local there = files_with("", "pthread_create%(")
    for path in pairs(files_with("", "uv_queue_work%(")) do there[path] = true end
    for path in pairs(files_with("", "uv_thread_create%(")) do there[path] = true end
    assert.same(there, files_in(part("Threads beside", "\n\n"), "[%w_/]+%.c"))
  end)

  it("lists each kind of transport", function()
    local named = files_in(part("What is under a connection", "\n\n"), "net/transport/[%w_]+%.c")
    assert.same(files_with("net/transport/", "const struct transport_ops [%w_]+ = {"), named)
  end)

  it("lists each receiver", function()
    local named = files_in(part("| receiver |", "\n\n"), "api/receive_[%w_]+%.c")
    assert.same(files_with("api/", "\nconst struct receiver "), named)
  end)
end)

describe("The other pages for developers", function()
  local pages = { "CONTRIBUTING.md", "docs/reliability.md", "docs/simulation.md" }
  for path in pairs(files) do
    if path:find("^docs/adr/") then pages[#pages + 1] = path end
  end
  table.sort(pages)
  for _, path in ipairs(pages) do
    it("name what there is: " .. path, function() assert_true(path) end)
  end

  it("tell of each command of ./dev, and of no other", function()
    local named, there = {}, {}
    for name in files["CONTRIBUTING.md"]:gmatch("\n| `%./dev (%l+)") do named[name] = true end
    for name in files["dev"]:gmatch("\n  (%l+)%) %l+_command") do there[name] = true end
    assert.same(there, named)
  end)
end)

describe("The check of pages", function()
  local function faults_of(text)
    local tree = {
      ["src/net/conn.c"] = table.concat({
        "enum { TICK_MS = 25 * 2 };",
        "static void inner(struct conn *conn) {\n  conn_free(conn);\n}",
        "static void conn_on_closed(struct conn *conn) {",
        "  /* tells conn_begin() nothing */",
        "  assert(!conn->output);\n  inner(conn);\n  conn->events->on_close(conn);\n}",
      }, "\n"),
      ["src/net/stack.c"] = "void conn_free(struct conn *conn) {\n  free(conn);\n}\n",
      ["src/api/events.c"] = "static void told(struct conn *conn) {\n  (void)conn;\n}\n"
        .. "const struct conn_events events = {.on_close = told};\n"
        .. "void conn_begin(void) {\n  free(0);\n}\n",
    }
    return table.concat(tour.faults(text, tour.sources(tree)), "\n")
  end

  local function walk(...) return "```\n" .. table.concat({ ... }, "\n") .. "\n```\n" end

  it("has nothing against what is so", function()
    assert.equal("", faults_of("`conn_free()` in `net/stack.c` is called by `conn_on_closed()`, "
      .. "and\n`conn_on_closed()` calls `conn_free()`. Every 50 ms (`TICK_MS`). "
      .. "`conn_on_closed()` in `net/conn.c`\nasserts `!conn->output`."))
    assert.equal("", faults_of(walk("net/conn.c    conn_on_closed   the end",
      "net/stack.c     conn_free", "api/events.c    told")))
  end)

  it("names a file, a function, a place that there is not", function()
    assert.equal("1: there is no net/con.c", faults_of("Look into `net/con.c`."))
    assert.equal("1: nothing is called conn_fre", faults_of("It is `conn_fre()`."))
    assert.equal("1: src/net/conn.c does not define conn_begin()",
      faults_of("`conn_begin()` in `net/conn.c`"))
    assert.equal("1: src/net/stack.c does not define told()", faults_of("`told()` (`net/stack.c`)"))
    assert.equal("1: there is no struct con", faults_of("a `struct con`"))
  end)

  it("names a call that is not made, or only in a comment", function()
    assert.equal("1: conn_on_closed does not call conn_begin",
      faults_of("`conn_on_closed()` calls `conn_begin()`"))
    assert.equal("3: conn_on_closed does not call conn_begin of src/api/events.c",
      faults_of(walk("net/conn.c    conn_on_closed", "api/events.c    conn_begin")))
  end)

  it("names calls that are made in another order", function()
    assert.equal("4: conn_on_closed calls conn_free before what stands above it",
      faults_of(walk("net/conn.c    conn_on_closed", "api/events.c    told",
        "net/stack.c     conn_free")))
  end)

  it("names an assertion that is not made, or not said", function()
    assert.equal("1: conn_free does not assert conn",
      faults_of("`conn_free()` in `net/stack.c` asserts `conn`."))
    assert.truthy(faults_of("It asserts that all is well."):find("say which function", 1, true))
  end)

  it("names a figure that is another", function()
    assert.equal("1: TICK_MS is not 40 ms", faults_of("every 40 ms (`TICK_MS`)"))
  end)

  it("finds variables that may change, and no others", function()
    local found = {}
    each_global(c_source.bare([[
static const char *const names[] = {"one"};
static const struct vm *watched;
static struct {
  int field;
} unnamed_one = {1};
struct thing;
struct thing { int field; };
int counted = 1;
static int f(int argument) {
  static bool is_known;
  int local = argument;
  return local + is_known;
}
]]), function(name) found[#found + 1] = name end)
    table.sort(found)
    assert.same({ "counted", "is_known", "unnamed_one", "watched" }, found)
  end)
end)
