-- moonport.cli.man — the table of commands and options as a manual page, in roff for man(7).

local out = require "moonport.cli.out"

local M = {}

---What one line of help leaves out: "debug, info, warn or error; default info; MOONPORT_LOG_LEVEL".
---@param row table an option's
---@return string notes "" when there is nothing to add
function M.notes(row)
  local notes = { row.accepted }
  if row.fallback then notes[#notes + 1] = "default " .. row.fallback end
  if row.name and row.env then notes[#notes + 1] = row.env end
  return table.concat(notes, "; ")
end

-- Text as it is: no backslash starts an escape, and a dash is one that can be copied.
local function plain(text) return (text:gsub("\\", "\\e"):gsub("%-", "\\-")) end

-- A line of text; \& keeps a leading dot or quote from being a request.
local function line(text) out.line((text:find("^[.']") and "\\&" or "") .. plain(text)) end

local function bold(text) return "\\fB" .. plain(text) .. "\\fR" end
local function italic(text) return "\\fI" .. plain(text) .. "\\fR" end

-- "For serve, check."
local function owners(call, row)
  local names = {}
  for _, command in ipairs(call.command_rows) do
    if row.commands[command.name] then names[#names + 1] = bold(command.name) end
  end
  return "For " .. table.concat(names, ", ") .. "."
end

local function print_options(call)
  out.line(".SH OPTIONS\n" ..
    "An option beats its environment variable, which beats the default.")
  for _, row in ipairs(call.option_rows) do
    if row.name then
      out.line((".TP\n%s%s%s"):format(row.letter and bold("-" .. row.letter) .. ", " or "",
        bold("--" .. row.name), row.argument and " " .. italic(row.argument) or ""))
      line(row.help)
      local notes = M.notes(row)
      if notes ~= "" then
        out.line(".br")
        line(notes)
      end
      out.line(".br\n" .. owners(call, row))
    end
  end
end

local function print_environment(call)
  out.line(".SH ENVIRONMENT")
  for _, row in ipairs(call.option_rows) do
    if row.env then
      out.line(".TP\n" .. bold(row.env))
      line(row.help)
    end
  end
end

local HEAD = [[
.TH MOONPORT 1 "" "moonport %s" "User Commands"
.SH NAME
moonport \- a socket server whose behaviour is a Lua script
.SH SYNOPSIS
.B moonport
[\fICOMMAND\fR] [\fIOPTION\fR...] \fIPATH\fR...
.SH DESCRIPTION
moonport listens, accepts, reads and writes; every buffer that arrives goes to a
Lua script, which decides what to log, to reply or to close.
Without a command, \fBserve\fR is meant.
Results go to standard output, the log to standard error.
SIGTERM and SIGINT stop accepting and let connections finish; a second one ends
at once.
.SH COMMANDS]]

local TAIL = [[
.TP
\fBRUNTIME_DIRECTORY\fR, \fBXDG_RUNTIME_DIR\fR
where the control socket is, control.sock or moonport.sock, unless \-\-control says otherwise
.TP
\fBcontainer\fR
what this is a container of; empty: it is none
.TP
\fBSSL_CERT_FILE\fR, \fBSSL_CERT_DIR\fR
whom outgoing TLS trusts, in place of the system's authorities
.TP
\fBSSLKEYLOGFILE\fR
secrets of TLS connections are written there
.TP
\fBNO_COLOR\fR
no colours, when set and not empty
.TP
\fBCOLUMNS\fR
how wide the terminal is, when set
.TP
\fBLUA_PATH\fR, \fBLUA_CPATH\fR
where scripts find modules, behind the script's own directory
.SH EXIT STATUS
.TP
.B 0
done
.TP
.B 1
the script, the address or the server is at fault
.TP
.B 2
the command line is at fault
.SH EXAMPLES
.nf
moonport scripts/echo.lua
moonport check scripts/
moonport cert localhost
moonport serve \-\-listen tcp://[::1]:7000 scripts/echo.lua
moonport status
moonport conns peer=127.0.0.1 state=open
.fi
.SH SEE ALSO
.BR lua (1),
.BR nc (1)]]

---Prints moonport(1).
function M.print(call)
  out.line(HEAD:format(call.version))
  for _, command in ipairs(call.command_rows) do
    out.line((".TP\n%s %s"):format(bold(command.name), italic(command.words)))
    line(command.summary)
  end
  print_options(call)
  print_environment(call)
  out.line(TAIL)
end

return M
