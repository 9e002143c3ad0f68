// bytes.js — the bytes of one direction of a connection as they were cut: by arrivals, by reads or
// sends, by messages — knows no screen. Bytes are unpacked when somebody looks, not before.

import { Ring } from "./dom.js";

const CUTS_MAX = 400; // of each kind that are kept
const COLOURS = 6;

// Of what is no base64, as a recording may have, nothing.
function decoded(base64) {
  try {
    return atob(base64 ?? "");
  } catch {
    return "";
  }
}

function unpacked(base64) {
  const text = decoded(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

// A run of bytes, [from, to) in the stream. Of long ones only the beginning is known.
export class Cut {
  constructor(from, to, number, options) {
    this.from = from;
    this.to = to;
    this.number = number; // the how-manieth
    this.colour = number % COLOURS;
    Object.assign(this, options); // n: of its event; base64; isInferred; isRest: it follows another one
  }

  get bytes() {
    this.unpackedBytes ??= unpacked(this.base64);
    this.base64 = null;
    return this.unpackedBytes;
  }
}

export class Stream {
  constructor() {
    this.size = 0; // that passed in all
    this.arrived = new Ring(CUTS_MAX); // came in: what waited in the kernel; went out: what the kernel took
    this.chunks = new Ring(CUTS_MAX); // what the script got with one call, or sent with one
    this.messages = new Ring(CUTS_MAX); // what the frame cut
    this.arrivedTo = 0;
    this.counts = { arrived: 0, chunks: 0, messages: 0 };
    this.placedTo = 0; // up to here messages were found
    this.unplaced = [];
  }

  add(kind, from, to, options) {
    const cut = new Cut(from, to, this.counts[kind]++, options);
    this[kind].push(cut);
    return cut;
  }

  arrive(to, n, options = {}) {
    if (to <= this.arrivedTo) return;
    this.add("arrived", this.arrivedTo, to, { n, ...options });
    this.arrivedTo = to;
  }

  chunk(size, n, base64) {
    this.add("chunks", this.size, this.size + size, { n, base64 });
    this.size += size;
  }

  // Where a message stands is looked up later, in order; `until` is what had passed when it came.
  message(size, n, base64, until = this.size) {
    this.unplaced.push({ size, n, base64, until });
    if (this.unplaced.length > CUTS_MAX) this.unplaced.shift();
  }

  get messageCuts() {
    for (const { size, n, base64, until } of this.unplaced) {
      const bytes = unpacked(base64);
      const at = this.find(bytes, Math.max(this.placedTo, this.oldest), until - size);
      const from = at ?? Math.min(this.placedTo, until);
      const to = at === null ? until : at + size;
      this.add("messages", from, to, { n, isInferred: at === null });
      this.placedTo = to;
    }
    this.unplaced.length = 0;
    return this.messages;
  }

  get oldest() {
    return this.chunks.length > 0 ? this.chunks.at(0).from : 0;
  }

  // The first place from `from` to `last` where these bytes stand; null: none is known.
  find(bytes, from, last) {
    for (let at = from; at <= last; at++) {
      let matched = 0;
      while (matched < bytes.length && this.byteAt(at + matched) === bytes[matched]) matched++;
      if (matched === bytes.length) return at;
      at = this.lastUnknown(at);
    }
    return null;
  }

  // Of a chunk only the beginning is known: where none of its bytes are, there is nothing to find.
  lastUnknown(offset) {
    const chunk = this.chunkAt(offset);
    return chunk && offset - chunk.from >= chunk.bytes.length ? chunk.to - 1 : offset;
  }

  chunkAt(offset) {
    let low = 0;
    let high = this.chunks.length - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      const chunk = this.chunks.at(middle);
      if (offset < chunk.from) high = middle - 1;
      else if (offset >= chunk.to) low = middle + 1;
      else return chunk;
    }
    return null;
  }

  // A byte; undefined: not told, or not kept.
  byteAt(offset) {
    const chunk = this.chunkAt(offset);
    return chunk?.bytes[offset - chunk.from];
  }
}

const hex = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

export const hexOf = (byte) => (byte === undefined ? "··" : hex[byte]);

const SHOWN = { 9: "⇥", 10: "⏎", 13: "␍", 32: "␣", 0: "∅" };

// One cell of the ruler: signs for what has no shape of its own.
export function letterOf(byte) {
  if (byte === undefined) return "·";
  return SHOWN[byte] ?? (byte > 32 && byte < 127 ? String.fromCharCode(byte) : "▯");
}

// One cell of the dump's text, as hexdump -C has it.
export const asciiOf = (byte) => (byte > 31 && byte < 127 ? String.fromCharCode(byte) : ".");
