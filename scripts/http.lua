-- http.lua — an HTTP server that says hello, to whoever asks for /hello/NAME by name.
-- Shows: requests as they come, answers as strings, tables and numbers. Keeping connections alive,
-- requests in a row, HEAD and bodies nobody wants are seen to by `frame = "http"`.
-- Try it:  moonport scripts/http.lua        and in another terminal
--          curl -i http://127.0.0.1:8080/hello/ada
--          wrk -c50 -d5s http://127.0.0.1:8080/

return {
  listen = 8080,
  frame = "http",

  on_request = function(_, request)
    if request.path == "/" then return "Hello from moonport!\n" end
    local name = request.path:match("^/hello/(.+)$")
    if not name then return 404 end
    return {
      headers = { ["content-type"] = "text/plain; charset=utf-8", ["x-served-by"] = "moonport" },
      body = "Hello, " .. name .. "!\n",
    }
  end,
}
