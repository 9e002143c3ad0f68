-- directory.lua — temporary directories and files for one test — does not know what is in them.

local uv = require "luv"

local directory = {}

local Directory = {}
Directory.__index = Directory

--- A new empty directory that everyone may enter, so that a server without privileges can read it.
function directory.new()
  local path = assert(uv.fs_mkdtemp((os.getenv("TMPDIR") or "/tmp") .. "/moonport-test-XXXXXX"))
  assert(uv.fs_chmod(path, tonumber("755", 8)))
  return setmetatable({ path = path }, Directory)
end

--- The full path of `name` in here.
function Directory:join(name)
  return self.path .. "/" .. name
end

--- Writes a file, whole, and returns its path. What is there is written over in place, and where
--- the text is no shorter in one call: who watches does not find it empty in between.
function Directory:write(name, text)
  local path = self:join(name)
  local before = uv.fs_stat(path)
  local is_covered = before and before.type == "file" and before.size <= #text
  local file = assert(io.open(path, is_covered and "r+b" or "wb"))
  assert(file:setvbuf("full", #text + 1))
  assert(file:write(text))
  assert(file:close())
  return path
end

--- Makes a directory in here and returns its path.
function Directory:make(name)
  local path = self:join(name)
  assert(uv.fs_mkdir(path, tonumber("755", 8)))
  return path
end

local function remove_tree(path)
  uv.fs_chmod(path, tonumber("755", 8))
  local entries = uv.fs_scandir(path)
  while entries do
    local name, kind = uv.fs_scandir_next(entries)
    if not name then break end
    local inside = path .. "/" .. name
    if kind == "directory" then remove_tree(inside) else assert(uv.fs_unlink(inside)) end
  end
  assert(uv.fs_rmdir(path))
end

function Directory:remove()
  remove_tree(self.path)
end

--- Whether anything, a file or a socket, is at `path`.
function directory.exists(path)
  return uv.fs_lstat(path) ~= nil
end

return directory
