// A sync server of a test's own: a process on a port of its own, which also serves the app under test, so that the page's
// own server is its backend. Its log is a directory that a test can wipe, copy and put back while the process is stopped.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer as createPageServer } from "node:http";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { app, env, eventually } from "./browser.mjs";

/**
 * A port that nobody has now, and that no system gives to whoever asks for any: while a server is stopped, nobody else's
 * connection takes it.
 */
const freePort = async () => {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    const server = createServer().listen(port, "127.0.0.1");
    const isFree = await once(server, "listening").then(() => true, () => false);
    if (!isFree) continue;
    server.close();
    await once(server, "close");
    return port;
  }
};

export class SyncServer {
  #folder = mkdtempSync(join(tmpdir(), "livestore-server-"));
  #program;
  #address;
  #process = null;
  #pages = null;
  #more;
  #said = [];

  /** Starts another program than the server itself, if it is named; with more arguments, if there are any. */
  static async start({ program = env("E2E_SERVER"), more = [] } = {}) {
    const server = new SyncServer();
    server.#program = program;
    server.#more = more;
    server.#address = `127.0.0.1:${await freePort()}`;
    await server.start();
    return server;
  }

  get #data() {
    return join(this.#folder, "data");
  }

  get #site() {
    return join(env("E2E_SITES"), app());
  }

  /** The address of the app, with a query. */
  page(query = "?store=shared") {
    return `http://${this.#address}/${query}`;
  }

  /** The address of the backend. */
  get sync() {
    return `ws://${this.#address}/sync`;
  }

  /** Starts the process again; with other arguments beside its own, if there are any. */
  async start(...more) {
    await this.#endPages();
    if (more.length > 0) this.#more = more;
    const args = ["--listen", this.#address, "--data", this.#data, "--static", this.#site, ...this.#more];
    this.#process = spawn(this.#program, args, { stdio: ["ignore", "ignore", "pipe"] });
    createInterface({ input: this.#process.stderr }).on("line", (line) => this.#said.push(line));
    const health = `http://${this.#address}/health`;
    await eventually(async () => assert.ok((await fetch(health)).ok, this.#said.join("\n")));
  }

  /** Ends the process in good order. */
  async stop() {
    if (!this.#process) return;
    const ended = once(this.#process, "exit");
    this.#process.kill("SIGINT");
    const [code] = await ended;
    this.#process = null;
    assert.equal(code, 0, this.#said.join("\n"));
  }

  /** In the place of a server that is stopped: the app's pages, and no backend. */
  async servePages() {
    const types = { html: "text/html", js: "text/javascript", css: "text/css", wasm: "application/wasm" };
    this.#pages = createPageServer((request, response) => {
      const path = new URL(request.url, this.page()).pathname;
      try {
        const file = path.endsWith("/") ? `${path}index.html` : path;
        const body = readFileSync(join(this.#site, file));
        response.writeHead(200, { "content-type": types[file.split(".").at(-1)] }).end(body);
      } catch {
        response.writeHead(404).end();
      }
    });
    const [host, port] = this.#address.split(":");
    this.#pages.listen(port, host);
    await once(this.#pages, "listening");
  }

  async #endPages() {
    if (!this.#pages) return;
    const closed = once(this.#pages, "close");
    this.#pages.close();
    this.#pages.closeAllConnections();
    await closed;
    this.#pages = null;
  }

  /** Ends the process as `kill -9` does. */
  async kill() {
    const ended = once(this.#process, "exit");
    this.#process.kill("SIGKILL");
    await ended;
    this.#process = null;
  }

  /** Copies the log of a server that is stopped. */
  copy(name) {
    cpSync(this.#data, join(this.#folder, name), { recursive: true });
  }

  /** Puts a copy into the place of the log of a server that is stopped; without a name, nothing. */
  replace(name) {
    rmSync(this.#data, { recursive: true });
    if (name) cpSync(join(this.#folder, name), this.#data, { recursive: true });
  }

  /** Ends the process, and removes its files. */
  async remove() {
    await this.#endPages();
    await this.stop();
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 5 });
  }
}
