-- moonport.show.server — what a server is called in a sentence: by its process, where the system
-- tells who is at the other end of a socket — does not ask.

---@param pid integer 0 or less: unknown
---@param noun string? "the server that runs"
---@return string
return function(pid, noun)
  noun = noun or "the server"
  return pid > 0 and ("%s (pid %d)"):format(noun, pid) or noun
end
