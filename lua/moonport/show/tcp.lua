-- moonport.show.tcp — the kernel's figures of a TCP connection in words — does not ask for them.

local fields = require "moonport.show.fields"
local words = require "moonport.show.words"

local say = words.say

local M = {}

local FIGURES = { "unread", "in_flight", "unsent", "peer_window", "receive_window", "receive_space",
  "rtt_us", "congestion_window", "unacked", "retransmits", "lost" }

---The same figures, where an older server counted what is in flight as `unsent`, too.
function M.figures(tcp)
  if tcp.in_flight or not tcp.unsent then return tcp end
  return setmetatable({ in_flight = tcp.unsent, unsent = false }, { __index = tcp })
end

---The states are those of RFC 9293, by the names of ss(8).
---@return string text "#1 is established: both sides may send"
function M.state(tcp, lang)
  local meaning = say(lang, "state_" .. fields.text(tcp, "state"):gsub("-", "_"), tcp)
  return say(lang, "is", tcp) .. (meaning ~= "" and ": " .. meaning or "")
end

---Those that the kernel told.
---@return { name: string, label: string, text: string }[]
function M.rows(tcp, lang)
  local rows, figures = {}, M.figures(tcp)
  for _, name in ipairs(FIGURES) do
    if type(figures[name]) == "number" then
      rows[#rows + 1] = { name = name, label = say(lang, "label_" .. name, figures),
        text = say(lang, "figure_" .. name, figures) }
    end
  end
  return rows
end

return M
