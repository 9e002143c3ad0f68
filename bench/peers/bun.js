// peers/bun.js — what the bench asks of servers, on Bun's own sockets. Knows no moonport.
// bun.js MODE [BODY BYTES], of echo, lines, broadcast, udp, http, json, static, which Bun answers,
// websocket and websocket-broadcast.
const [mode, bodyBytes] = process.argv.slice(2);
const conns = new Set();

const say = (scheme, port) => process.stderr.write(`listening on ${scheme}://127.0.0.1:${port}\n`);

// What the socket did not take waits in conn.data.unsent.
function send(conn, bytes) {
  if (conn.data.unsent) {
    conn.data.unsent = Buffer.concat([conn.data.unsent, bytes]);
    return;
  }
  const written = conn.write(bytes);
  if (written < bytes.length) conn.data.unsent = Buffer.from(bytes.subarray(Math.max(written, 0)));
}

function drain(conn) {
  const bytes = conn.data.unsent;
  conn.data.unsent = null;
  if (bytes) send(conn, bytes);
}

const onLine = (line) => line + "\n";

function split(conn, data) {
  const lines = (conn.data.rest + data.latin1Slice()).split("\n");
  let replies = "";
  conn.data.rest = lines.pop();
  for (const line of lines) replies += onLine(line);
  if (replies) send(conn, Buffer.from(replies, "latin1"));
}

function broadcast(_, data) {
  for (const conn of conns) send(conn, data);
}

function serve() {
  const data = mode === "lines" ? split : mode === "broadcast" ? broadcast : send;
  const server = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      open(conn) {
        conn.data = { unsent: null, rest: "" };
        conns.add(conn);
        if (mode === "broadcast") send(conn, Buffer.from("+"));
      },
      data,
      drain,
      close: (conn) => conns.delete(conn),
    },
  });
  say("tcp", server.port);
}

async function serveDatagrams() {
  const socket = await Bun.udpSocket({
    hostname: "127.0.0.1",
    port: 0,
    socket: { data: (self, bytes, port, address) => self.send(bytes, port, address) },
  });
  say("udp", socket.port);
}

function serveHttp() {
  const body = "x".repeat(Number(bodyBytes));
  const answer = mode === "static"
    ? { routes: { "/": new Response(body) }, fetch: () => new Response("", { status: 404 }) }
    : { fetch: () => new Response(body) };
  say("tcp", Bun.serve({ hostname: "127.0.0.1", port: 0, ...answer }).port);
}

const things = () => Array.from({ length: 12 }, (_, at) => ({ id: at + 1,
  name: "thing number " + (at + 1), price: at + 1.5, tags: ["a", "b"], available: at % 2 === 1 }));

function serveJson() {
  const fetch = () => Response.json(things());
  say("tcp", Bun.serve({ hostname: "127.0.0.1", port: 0, fetch }).port);
}

function serveWebSockets() {
  const echo = { message: (conn, data) => conn.send(data) };
  const all = {
    open(conn) {
      conn.subscribe("all");
      conn.send("+");
    },
    message: (conn, data) => server.publish("all", data),
  };
  const websocket = mode === "websocket" ? echo : all;
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: (request, server) => server.upgrade(request) ? undefined : new Response("", { status: 400 }),
    websocket: { ...websocket, perMessageDeflate: false, maxPayloadLength: 2 ** 30, idleTimeout: 0 },
  });
  say("tcp", server.port);
}

if (mode === "udp") await serveDatagrams();
else if (mode.startsWith("websocket")) serveWebSockets();
else if (mode === "json") serveJson();
else if (mode === "http" || mode === "static") serveHttp();
else serve();
