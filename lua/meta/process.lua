---@meta moonport.process

-- process.lua — the module moonport.process, for editors — is never run.

---Programs that a script starts. No shell reads the arguments, so nothing in them is special; for
---one, write { "sh", "-c", "…" }.
---@class moonport.process
local process = {}

---What both functions take: the program, looked for in PATH, and its arguments; and by name:
---@class moonport.ProcessOptions
---@field [integer] string|number
---@field cwd? string its directory; ours
---@field env? table<string, string|number|false> what is other than in our environment

---@class moonport.SpawnOptions: moonport.ProcessOptions
---@field stdin? "pipe"|"null"|"inherit" "pipe"
---@field stdout? "pipe"|"null"|"inherit" "pipe"
---@field stderr? "pipe"|"null"|"inherit"|"stdout" "inherit"

---Starts a program, which runs beside the loop. It ends with the version of the script that began
---it, and so does all that it started itself. 256 may run at a time.
---@param options moonport.SpawnOptions
---@return moonport.Process? process
---@return string? code "ENOENT", "EACCES" (or it is not allowed here), "limit", …
---@return string? detail
function process.spawn(options) end

---@class moonport.RunOptions: moonport.ProcessOptions
---@field input? string what it reads; nothing
---@field timeout? number seconds, after which it is killed; none
---@field max_output? integer bytes that it may say, after which it is killed; 16 MiB

---@class moonport.RunResult
---@field code integer 0 to 255; with a signal 128 and its number, as shells have it
---@field signal string? that ended it: "SIGKILL"
---@field stdout string
---@field stderr string

---Starts a program and waits for its end.
---@param options moonport.RunOptions
---@return moonport.RunResult? result
---@return string? code as of spawn(); "timeout", "limit"
---@return string? detail
function process.run(options) end

---Each stream that is a pipe is a connection: recv_line(), send(), drain(), shutdown() (the program
---reads to its end), forward(). One that is not read holds the program up. As a to-be-closed
---variable it is killed at the end of the block.
---@class moonport.Process
---@field id integer of the process
---@field stdin moonport.Conn?
---@field stdout moonport.Conn?
---@field stderr moonport.Conn?
local Process = {}

---Waits for its end.
---@param seconds? number how long; nil: as long as it takes
---@return integer? code 0 to 255; with a signal 128 and its number
---@return string? signal that ended it; or "timeout", "closed" (its version has ended)
function Process:wait(seconds) end

---Sends a signal to it and to all that it started.
---@param signal? string|integer "SIGTERM"
---@return true? sent
---@return string? code "closed": it has ended
---@return string? detail
function Process:kill(signal) end

return process
