// A sync server of a test's own: a process on a port of its own, which also serves the app under test, so that the page's
// own server is its backend. Its log is a directory that a test can wipe, copy and put back while the process is stopped.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { app, env, eventually } from "./browser.mjs";

/** A port that nobody has now; a server that is started again keeps it. */
const freePort = async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
};

export class SyncServer {
  #folder = mkdtempSync(join(tmpdir(), "livestore-server-"));
  #program;
  #address;
  #process = null;
  #said = [];

  static async start(program = env("E2E_SERVER")) {
    const server = new SyncServer();
    server.#program = program;
    server.#address = `127.0.0.1:${await freePort()}`;
    await server.start();
    return server;
  }

  get #data() {
    return join(this.#folder, "data");
  }

  /** The files of the site that this server serves. */
  get site() {
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

  async start() {
    const args = ["--listen", this.#address, "--data", this.#data, "--static", this.site];
    this.#process = spawn(this.#program, args, { stdio: ["ignore", "ignore", "pipe"] });
    createInterface({ input: this.#process.stderr }).on("line", (line) => this.#said.push(line));
    const health = `http://${this.#address}/health`;
    await eventually(async () => assert.ok((await fetch(health)).ok, this.#said.join("\n")));
  }

  /** Ends the process in good order. */
  async stop() {
    if (!this.#process) return;
    const ended = once(this.#process, "exit");
    this.#process.kill("SIGTERM");
    const [code] = await ended;
    this.#process = null;
    assert.equal(code, 0, this.#said.join("\n"));
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
    await this.stop();
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 5 });
  }
}
