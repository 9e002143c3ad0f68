---@meta moonport.task

-- task.lua — the module moonport.task, for editors — is never run.

---Functions that run beside each other.
---@class moonport.task
local task = {}

---Runs f(...) from the next turn of the loop on. When it raises, that is logged.
---@param f fun(...: any): ... may wait
---@param ... any
---@return moonport.Task
function task.spawn(f, ...) end

---@class moonport.Task
local Task = {}

---Waits for its end.
---@param seconds? number how long; nil: as long as it takes
---@return true? ended
---@return any code "error", "cancelled" or "timeout"; or the first of what f returned
---@return any ... the message of the error; or the rest of what f returned
function Task:join(seconds) end

---Ends it where it waits; its to-be-closed variables are closed.
---@return boolean cancelled whether it had not ended yet
function Task:cancel() end

---@return "ready"|"running"|"done"|"failed"|"cancelled"
function Task:status() end

return task
