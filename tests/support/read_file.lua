-- read_file.lua — a file, whole; raises when it cannot be read.

--- @param path string
--- @return string
return function(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read("a")
end
