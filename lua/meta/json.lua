---@meta moonport.json

-- json.lua — the module moonport.json, for editors — is never run.

---Values as JSON text, and back.
---@class moonport.json
---@field null lightuserdata JSON's null; not nil, and true where a condition asks
local json = {}

---Numbers become integers where they are written as such; arrays are marked, see is_array().
---@param text string at most 4 MiB, nested at most 100 levels deep, no name twice in an object
---@return any? value
---@return string? message where it is no JSON, and why
function json.decode(text) end

---An array is what is marked as one, and a table with the keys 1, 2, 3 and so on; every other
---table, the empty one too, is an object.
---@param value any tables, strings of UTF-8, finite numbers, booleans, json.null
---@return string? text without newlines, the names in order; at most 4 MiB
---@return string? message what has no form in JSON
function json.encode(value) end

---Marks a table, or a new one, as an array, also while it is empty.
---@param table? table
---@return table table
function json.array(table) end

---@param value any
---@return boolean is_array whether decode() or array() marked it
function json.is_array(value) end

return json
