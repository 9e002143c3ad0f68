---@meta

-- request.lua — requests and answers of frame = "http", for editors — is never run.

---The headers of a request or a response, by their names in any case: headers["content-type"]. What
---came several times is joined by ", ", of a cookie by "; ". pairs() goes through them in the order
---in which they came, with their names in lower case; each set-cookie for itself.
---@alias moonport.Headers table<string, string>

---One request, whole, or with stream = true its head. It stays what it is after the handler.
---Every name that is not built in is the script's own: request.user = "ada".
---@class moonport.Request
---@field method string as it was sent: "GET"
---@field target string as it was sent: "/a%20b?x=1"
---@field path string of the target, decoded: "/a b". What it encodes is valid, and no NUL
---@field query string? what stands behind "?", as it was sent
---@field parameters table<string, string> of the query, decoded; of one name the last
---@field version "1.0"|"1.1"
---@field headers moonport.Headers
---@field body string "" when there is none. With stream = true and a body this raises
---@field peer string? that of the connection
---@field [string] any
local request = {}

---With stream = true: waits for a piece of the body. What is not read holds the peer up; what is
---left of it at the end is dropped. `for piece in request.read, request do` reads to the end.
---@param max? integer bytes; 65536
---@return string? piece nil: that was all, or the next one is not nil
---@return "eof"|"timeout"|"closed"|"reset"|"malformed"|nil code
---@return string? detail
function request:read(max) end

---Headers of an answer; a list is a field for each of its values.
---@alias moonport.AnswerHeaders table<string, string|number|(string|number)[]>|moonport.Headers

---Sends a piece of a body, and waits while the peer does not take what was sent.
---@alias moonport.Write fun(data: string): true?, "closed"|"timeout"|nil

---@class moonport.Answer
---@field status? integer 200 to 999; 200
---@field headers? moonport.AnswerHeaders how the body is framed, and the date, are the core's
---@field body? string|number|(string|number)[]|fun(write: moonport.Write)

---An answer; or its text (200, text/plain), or its status alone. nil after conn:respond.
---@alias moonport.RequestHandler
---| fun(conn: moonport.Conn, request: moonport.Request): moonport.Answer|string|integer|nil

---One event for a browser's EventSource. Lines of data are sent as they are.
---@class moonport.Event
---@field event? string its name; "message"
---@field id? string|number
---@field data? string|number
---@field retry? integer milliseconds that the browser waits before it connects again

---Server-sent events; they may outlive the handler. The peer's end is told by on_close.
---@class moonport.Events
local events = {}

---Queues an event. Never waits: conn:drain() does.
---@param event string|number|moonport.Event its data, or all of it
---@return true? queued
---@return "closed"? code
function events:send(event) end

---Queues a line that says nothing, so that nobody on the way takes the connection for idle.
---@param text? string
---@return true? queued
---@return "closed"? code
function events:comment(text) end

---Ends the answer, and the connection.
---@return true? closed
---@return "closed"? code
function events:close() end
