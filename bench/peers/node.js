// peers/node.js — what the bench asks of servers, on Node. Knows no moonport.
// node.js MODE [BODY BYTES], of echo, lines, broadcast, udp, http, json, and with npm's ws
// websocket and websocket-broadcast.
"use strict";

const [mode, bodyBytes] = process.argv.slice(2);
const conns = new Set();

const say = (scheme, { port }) =>
  process.stderr.write(`listening on ${scheme}://127.0.0.1:${port}\n`);

const onLine = (line) => line + "\n";

// What is left of the last piece belongs in front of the next one.
function splitter(conn) {
  let rest = "";
  return (data) => {
    const lines = (rest + data.latin1Slice()).split("\n");
    let replies = "";
    rest = lines.pop();
    for (const line of lines) replies += onLine(line);
    if (replies) conn.write(replies, "latin1");
  };
}

function broadcast(data) {
  for (const conn of conns) conn.write(data);
}

function handler(conn) {
  if (mode === "lines") return splitter(conn);
  return mode === "broadcast" ? broadcast : (data) => conn.write(data);
}

function serve() {
  const server = require("net").createServer({ noDelay: true }, (conn) => {
    conns.add(conn);
    if (mode === "broadcast") conn.write("+");
    conn.on("data", handler(conn));
    conn.on("error", () => {});
    conn.on("close", () => conns.delete(conn));
  });
  server.listen({ port: 0, host: "127.0.0.1", backlog: 511 }, () => say("tcp", server.address()));
}

function serveDatagrams() {
  const socket = require("dgram").createSocket("udp4");
  socket.on("message", (data, peer) => socket.send(data, peer.port, peer.address));
  socket.bind(0, "127.0.0.1", () => say("udp", socket.address()));
}

function serveHttp() {
  const body = "x".repeat(Number(bodyBytes));
  const headers = { "Content-Type": "text/plain", "Content-Length": body.length };
  const server = require("http").createServer((_, response) => {
    response.writeHead(200, headers);
    response.end(body);
  });
  server.keepAliveTimeout = 0;
  server.listen({ port: 0, host: "127.0.0.1", backlog: 511 }, () => say("tcp", server.address()));
}

const things = () => Array.from({ length: 12 }, (_, at) => ({ id: at + 1,
  name: "thing number " + (at + 1), price: at + 1.5, tags: ["a", "b"], available: at % 2 === 1 }));

function serveJson() {
  const server = require("http").createServer((_, response) => {
    const body = JSON.stringify(things());
    response.writeHead(200, { "Content-Type": "application/json",
      "Content-Length": Buffer.byteLength(body) });
    response.end(body);
  });
  server.keepAliveTimeout = 0;
  server.listen({ port: 0, host: "127.0.0.1", backlog: 511 }, () => say("tcp", server.address()));
}

function serveWebSockets() {
  const { WebSocketServer } = require(process.env.WS_MODULE || "ws");
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0, backlog: 511,
    perMessageDeflate: false, maxPayload: 2 ** 30 }, () => say("tcp", server.address()));
  server.on("connection", (conn) => {
    conn.on("error", () => {});
    if (mode === "websocket") {
      conn.on("message", (data, binary) => conn.send(data, { binary }));
      return;
    }
    conn.send("+");
    conn.on("message", (data, binary) => {
      for (const each of server.clients) each.send(data, { binary });
    });
  });
}

if (mode === "udp") serveDatagrams();
else if (mode === "http") serveHttp();
else if (mode === "json") serveJson();
else if (mode.startsWith("websocket")) serveWebSockets();
else serve();
