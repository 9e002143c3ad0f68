-- web_chat/page.lua — what the browser shows of the chat — knows no connection.

return [[
<!doctype html>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Chat</title>
<style>
  body { font: 1rem/1.5 system-ui, sans-serif; max-width: 40rem; margin: 2rem auto }
  li { list-style: none } li.said::marker { content: "" } li:not(.said) { color: gray }
  input { font: inherit; width: 100%; box-sizing: border-box }
</style>
<h1>Chat</h1>
<ul id="lines"></ul>
<form><input autofocus autocomplete="off" placeholder="Say something" maxlength="1000"></form>
<script>
const room = decodeURIComponent(location.hash.slice(1))
const given = new URLSearchParams(location.search).get("name")
const name = (given || prompt("Your name?") || "guest").slice(0, 20)
const secure = location.protocol === "https:"
const whoAndWhere = new URLSearchParams({ room, name })
const address = `${secure ? "wss" : "ws"}://${location.host}/?${whoAndWhere}`
const lines = document.getElementById("lines")
const input = document.querySelector("input")
let socket

// As text, never as HTML: others wrote it.
function show(text, from) {
  const line = document.createElement("li")
  line.textContent = from ? `${from}: ${text}` : text
  line.className = from ? "said" : ""
  lines.append(line)
  line.scrollIntoView()
}

function connect() {
  socket = new WebSocket(address)
  socket.onmessage = (event) => {
    const { text, from } = JSON.parse(event.data)
    show(text, from)
  }
  socket.onclose = () => {
    show("the connection is gone; trying again")
    setTimeout(connect, 2000)
  }
}

document.querySelector("form").onsubmit = (event) => {
  event.preventDefault()
  if (input.value && socket.readyState === WebSocket.OPEN) socket.send(input.value)
  input.value = ""
}
connect()
</script>
]]
