"use strict";
// Seals a finished sheet as facebatch.review.signatures describes it. Needs WebCrypto, which browsers give to pages
// from a file and over https, and not over plain http.

const SEAL_PREFIX = "facebatch review sheet 1\n";

/** Canonical JSON of objects, arrays, text and null. */
function canonicalJson(value) {
  if (Array.isArray(value)) {
    return `[${value.map(canonicalJson).join(",")}]`;
  }
  if (value !== null && typeof value === "object") {
    const members = Object.keys(value).sort().map((key) => `${JSON.stringify(key)}:${canonicalJson(value[key])}`);
    return `{${members.join(",")}}`;
  }
  if (value !== null && typeof value !== "string") {
    throw new TypeError(`a sheet holds text and null, not ${typeof value}`);
  }
  return JSON.stringify(value);
}

/** A note as a sheet may hold it: line feeds only, no other control characters but tabs, no half characters. */
function cleanNote(text) {
  const lines = text.replace(/\r\n?/g, "\n").replace(/[\u0000-\u0008\u000b-\u001f\u007f]/g, "");
  return lines.replace(/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, "\ufffd");
}

/** The text of the file to save. `keyHex` is the key of the assignment, 64 hex digits. */
async function sealSheet(sheet, keyHex) {
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const raw = Uint8Array.from(keyHex.match(/../g), (pair) => parseInt(pair, 16));
  const key = await globalThis.crypto.subtle.importKey("raw", raw, algorithm, false, ["sign"]);
  const told = new TextEncoder().encode(SEAL_PREFIX + canonicalJson(sheet));
  const mac = new Uint8Array(await globalThis.crypto.subtle.sign("HMAC", key, told));
  const seal = Array.from(mac, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return `${JSON.stringify({ sheet, seal }, null, 2)}\n`;
}
