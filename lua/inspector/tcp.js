// tcp.js — the states of a TCP connection: where it stands, how it came there, and how that is
// known — knows no screen. After RFC 9293, figure 5.

export const STATES = [
  "CLOSED",
  "LISTEN",
  "SYN-SENT",
  "SYN-RECEIVED",
  "ESTABLISHED",
  "FIN-WAIT-1",
  "FIN-WAIT-2",
  "CLOSING",
  "TIME-WAIT",
  "CLOSE-WAIT",
  "LAST-ACK",
];

// As the kernel names them (ss(8)), where that is another name.
const KERNEL = { "syn-recv": "SYN-RECEIVED", unconn: "CLOSED", close: "CLOSED", closed: "CLOSED" };

export const stateOf = (name) => KERNEL[name] ?? String(name ?? "").toUpperCase();

const OURS_CLOSES = { ESTABLISHED: "FIN-WAIT-1", "CLOSE-WAIT": "LAST-ACK" };
const PEER_CLOSES = {
  ESTABLISHED: "CLOSE-WAIT",
  "FIN-WAIT-1": "CLOSING",
  "FIN-WAIT-2": "TIME-WAIT",
};

export class Tcp {
  constructor() {
    this.state = null; // not known, or no TCP
    this.source = null;
    this.path = [];
  }

  go(state, source) {
    if (!STATES.includes(state)) return;
    this.source = source;
    if (state === this.state) return;
    this.state = state;
    this.path.push(state);
  }

  // An event that moves it. The kernel's own word wins over what TCP's rules let us expect.
  take(e) {
    if (e.event === "accept")
      ["LISTEN", "SYN-RECEIVED", "ESTABLISHED"].forEach((s) => this.go(s, "inferred"));
    else if (e.event === "connect")
      ["CLOSED", "SYN-SENT", "ESTABLISHED"].forEach((s) => this.go(s, "inferred"));
    else if (e.event === "open" && !this.state) this.go("ESTABLISHED", "inferred");
    else if (e.event === "tcp") this.go(stateOf(e.state), "kernel");
    else if (e.event === "eof") this.peerCloses();
    else if (e.event === "shutdown") this.go(OURS_CLOSES[this.state] ?? this.state, "inferred");
    else if (e.event === "reset") this.go("CLOSED", "inferred");
    else if (e.event === "time_wait") this.go("TIME-WAIT", "kernel");
    else if (e.event === "close") this.close();
  }

  // Its FIN acknowledges ours, but for the rare moment when both cross.
  peerCloses() {
    if (this.state === "FIN-WAIT-1") this.go("FIN-WAIT-2", "inferred");
    this.go(PEER_CLOSES[this.state] ?? this.state, "inferred");
  }

  close() {
    if (this.state === "FIN-WAIT-1" || this.state === "TIME-WAIT" || this.state === "FIN-WAIT-2")
      return;
    this.go("CLOSED", "inferred");
  }
}
