---@meta moonport.control

-- control.lua — the module moonport.control, for editors — is never run.

---A running server, asked over its control socket.
---@class moonport.control
local control = {}

---Connects to a server of this user or of root; as root also to another's, if its path is given.
---@param path? string a path or "@name"; without one, the one server at the default places
---@param options? { timeout: number } seconds for connecting, and for each line of an answer; 10
---@return moonport.ControlClient? client
---@return string? message what is wrong, and what to do
function control.connect(path, options) end

---A word as it stands in a command, whatever its bytes are.
---@param word string
---@return string quoted
function control.quote(word) end

---It can be a to-be-closed variable.
---@class moonport.ControlClient
---@field pid integer of the server
---@field path string where its socket is
---@field answer? table the line before the events of stream()
---@field answer_text? string the same as it came
local Client = {}

---Sends a command and waits for all of its answer.
---@param command string|string[] a line, or the words of one
---@param on_line? fun(text: string) called with each line of it as it comes, without its newline
---@return moonport.ControlAnswer? answer
---@return string? message why there is none
function Client:ask(command, on_line) end

---Sends `events` and its filters. The iterator gives each event and the line it came in; at the
---end nil, and a message unless close() ended it, and true when it is that the server has ended.
---@param command string|string[]
---@return (fun(): table?, string?, boolean?)? iterator
---@return string? message what the server has against it
function Client:stream(command) end

---Hangs up. Whoever waits in a call of this client goes on.
function Client:close() end

---Of a server of several workers, ids of connections are texts such as "2.17", lines say in
---`workers` or `worker` whose they are, and `last.unanswered` has a sentence for each worker that
---said nothing.
---@class moonport.ControlAnswer
---@field lines table[] what came before the last line
---@field texts string[] the same as they came
---@field last table with `ok`, and `error` when that is false
---@field pid integer of the server

return control
