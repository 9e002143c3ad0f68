---@meta moonport.worker
-- worker.lua — definitions of moonport.worker, for editors — is never run.

---The process that this copy of the script is in: `--workers` says how many there are. Without it,
---and in moonport.test, there is one.
---@class moonport.worker
---@field id integer from 1; a worker that is started again has the same
---@field count integer of all of them
local worker = {}

return worker
