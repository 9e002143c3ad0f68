---@meta moonport.log

-- log.lua — the module moonport.log, for editors — is never run.

---Lines in the server's log, with the script's name and the connection that is handled. A format
---and its values are as for string.format; one argument alone is taken as it is.
---@class moonport.log
local log = {}

---@param format any
---@param ... any
function log.debug(format, ...) end

---@param format any
---@param ... any
function log.info(format, ...) end

---@param format any
---@param ... any
function log.warn(format, ...) end

---@param format any
---@param ... any
function log.error(format, ...) end

return log
