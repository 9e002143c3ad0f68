---@meta moonport.file

-- file.lua — the module moonport.file, for editors — is never run.

---Files beside the loop: each call waits, and meanwhile everything else goes on. What may be read
---and written is what io.open() may. Only regular files are opened: a pipe could hold up whoever
---opens it for ever.
---@class moonport.file
local file = {}

---@param path string
---@param max? integer bytes at most; 16 MiB
---@return string? bytes all of them
---@return string? code "ENOENT", "EACCES", "EISDIR", "EFBIG" (it has more than max), …
---@return string? detail
function file.read(path, max) end

---Puts a file in the place of the one at `path`: whoever reads it sees the old one or the new one,
---and all of it, also after the machine has failed. It keeps the old one's rights, not its owner; a
---link is followed.
---@param path string
---@param data string
---@return true? written
---@return string? code nothing has changed then
---@return string? detail
function file.write(path, data) end

---Adds to the end of a file, or makes it.
---@param path string
---@param data string
---@return true? written
---@return string? code
---@return string? detail
function file.append(path, data) end

---@class moonport.FileStatus
---@field kind "file"|"directory"|"other"
---@field size integer bytes
---@field mode integer the bits of chmod()
---@field modified number seconds since 1970

---A link is followed.
---@param path string
---@return moonport.FileStatus? status
---@return string? code
---@return string? detail
function file.stat(path) end

---@param path string of a directory
---@return string[]? names sorted, without "." and ".."; at most 100000
---@return string? code
---@return string? detail
function file.list(path) end

---@param path string
---@param mode? "r"|"w"|"a"|"r+"|"w+"|"a+" as of io.open(); "r"
---@return moonport.File? file
---@return string? code
---@return string? detail
function file.open(path, mode) end

---For one coroutine at a time. It can be a to-be-closed variable.
---@class moonport.File
local File = {}

---@param max? integer bytes at most; 65536
---@return string? bytes the next ones
---@return string? code "eof" behind the last one, "closed", or why it cannot be read
---@return string? detail
function File:read(max) end

---@param data string
---@return true? written all of it
---@return string? code
---@return string? detail
function File:write(data) end

---@return true
function File:close() end

return file
