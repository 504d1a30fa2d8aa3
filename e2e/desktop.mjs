// Driving the desktop app: a real window on a virtual screen, with what the tests use of a Playwright page.
//
// Mouse and keyboard are real, by xdotool; where things are, and what they say, is asked of the window's own JavaScript,
// through the pipe that the app's feature `testing` opens: a line of code in, a line of JSON out. `fill` sets the value
// and tells the page, as Playwright's does. Knows nothing of TodoMVC: that is todomvc.mjs.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { eventually } from "./browser.mjs";

const KEYS = { Enter: "Return", Escape: "Escape", Space: "space" };
const xdotool = (...args) => execFileSync("xdotool", args.map(String), { encoding: "utf8" }).trim();

/** Finds elements, in the window: each step narrows what the steps before it found. */
const found = (steps) =>
  steps.reduce(
    (all, { selector, text, nth }) =>
      nth === undefined
        ? all.flatMap((e) => [...e.querySelectorAll(selector)]).filter((e) => !text || e.textContent.includes(text))
        : all.slice(nth, nth + 1),
    [document],
  );

/** Resolves, in the window, with the next event of a type, when its handlers have run. */
const next = (type) => {
  window.nextEvent = new Promise((resolve) => addEventListener(type, () => setTimeout(resolve), { capture: true, once: true }));
};

/** One process of the app and its window. */
export class Window {
  #process;
  #answers = [];
  #complaints = [];
  #id = null;
  #ended;

  constructor(...args) {
    this.#process = spawn(process.env.E2E_DESKTOP, args, {
      env: { ...process.env, WEBKIT_DISABLE_DMABUF_RENDERER: "1" },
    });
    createInterface({ input: this.#process.stdout }).on("line", (line) => this.#answers.shift()?.(JSON.parse(line)));
    createInterface({ input: this.#process.stderr }).on("line", (line) => this.#complaints.push(line));
    this.#ended = new Promise((resolve) => this.#process.on("exit", (code, signal) => resolve({ code, signal })));
  }

  /** Runs a function in the window with arguments that JSON can hold, and returns what it returns. */
  async evaluate(body, ...args) {
    const call = `(${body})(...${JSON.stringify(args)})`;
    const answer = new Promise((resolve) => this.#answers.push(resolve));
    // On one line, whatever the function's text is.
    this.#process.stdin.write(`(0, eval)(${JSON.stringify(call)})\n`);
    const gone = this.#ended.then(({ code, signal }) => ({ error: `the app has ended: ${code ?? signal}` }));
    const silent = sleep(60_000, { error: `no answer to ${call}` }, { ref: false });
    const { value, error } = await Promise.race([answer, gone, silent]);
    assert.equal(error, undefined, [error, ...this.#complaints].join("\n"));
    return value;
  }

  /** The window's number, once it shows. */
  async #window() {
    this.#id ??= await eventually(() => xdotool("search", "--onlyvisible", "--pid", this.#process.pid).split("\n")[0]);
    return this.#id;
  }

  /** Does something with the mouse or the keyboard, and waits until the window has taken it in. */
  async input(event, ...args) {
    const id = await this.#window();
    await this.evaluate(`${next}`, event);
    xdotool("windowfocus", id, ...args.map((arg) => (arg === "WINDOW" ? id : arg)));
    await this.evaluate(() => window.nextEvent);
  }

  get keyboard() {
    return { press: (key) => this.input("keydown", "key", KEYS[key] ?? key) };
  }

  locator(selector, { hasText: text } = {}) {
    return new Locator(this, [{ selector, text }]);
  }

  /** What the screen shows, as a picture. */
  async screenshot({ path }) {
    execFileSync("import", ["-window", await this.#window(), path]);
  }

  /** What the app has written to standard error. */
  get complaints() {
    return this.#complaints;
  }

  /** Ends the process as `kill -9` does: nothing of it runs any more. */
  async kill() {
    this.#process.kill("SIGKILL");
    await this.#ended;
  }

  /** Closes the window; the app ends in good order. */
  async close() {
    this.#process.stdin.end();
    assert.deepEqual(await this.#ended, { code: 0, signal: null });
  }
}

/** Elements of a window, found anew whenever they are used. */
class Locator {
  #window;
  #steps;

  constructor(window, steps) {
    this.#window = window;
    this.#steps = steps;
  }

  #narrowed(step) {
    return new Locator(this.#window, [...this.#steps, step]);
  }

  locator(selector, { hasText: text } = {}) {
    return this.#narrowed({ selector, text });
  }

  nth(nth) {
    return this.#narrowed({ nth });
  }

  first() {
    return this.nth(0);
  }

  /** Runs a function on all elements. */
  evaluateAll(body, ...args) {
    return this.#window.evaluate(`(steps, ...args) => (${body})((${found})(steps), ...args)`, this.#steps, ...args);
  }

  /** Runs a function on the only element, once it is there. */
  async evaluate(body, ...args) {
    await this.waitFor();
    return this.evaluateAll(`([element], ...args) => (${body})(element, ...args)`, ...args);
  }

  waitFor() {
    return eventually(async () => assert.equal(await this.count(), 1, JSON.stringify(this.#steps)), 30_000);
  }

  count() {
    return this.evaluateAll((elements) => elements.length);
  }

  isVisible() {
    return this.evaluateAll(([element]) => !!element && element.getClientRects().length > 0);
  }

  isChecked() {
    return this.evaluate((element) => element.checked);
  }

  inputValue() {
    return this.evaluate((element) => element.value);
  }

  getAttribute(name) {
    return this.evaluate((element, name) => element.getAttribute(name), name);
  }

  innerText() {
    return this.evaluate((element) => element.innerText);
  }

  allInnerTexts() {
    return this.evaluateAll((elements) => elements.map((element) => element.innerText));
  }

  focus() {
    return this.evaluate((element) => element.focus());
  }

  blur() {
    return this.evaluate((element) => element.blur());
  }

  async fill(text) {
    await this.evaluate((element, text) => {
      element.focus();
      element.value = text;
      element.dispatchEvent(new Event("input", { bubbles: true }));
    }, text);
  }

  async press(key) {
    await this.focus();
    await this.#window.keyboard.press(key);
  }

  async #mouse(event, ...args) {
    const at = await this.evaluate((element) => {
      const { x, y, width, height } = element.getBoundingClientRect();
      return [x + width / 2, y + height / 2].map(Math.round);
    });
    await this.#window.input(event, "mousemove", "--window", "WINDOW", ...at, ...args);
  }

  async hover() {
    // The pointer may rest there already, which would make no event.
    await this.#window.input("mousemove", "mousemove", "--window", "WINDOW", 1, 1, "mousemove", "--window", "WINDOW", 3, 3);
    await this.#mouse("mousemove");
  }

  async click() {
    await this.#mouse("click", "click", 1);
  }

  async dblclick() {
    await this.#mouse("dblclick", "click", "--repeat", 2, "--delay", 20, 1);
  }
}

/** A folder of data and the windows that were opened on it, for one test. */
class Desktop {
  #folder = mkdtempSync(join(tmpdir(), "livestore-desktop-"));
  #windows = [];

  get data() {
    return join(this.#folder, "data");
  }

  /** Opens the app; on the test's own data, unless told otherwise. */
  async tab(data = this.data) {
    const window = new Window("--data", data);
    this.#windows.push(window);
    return window;
  }

  assertQuiet() {
    assert.deepEqual(this.#windows.flatMap((window) => window.complaints), [], "the apps must not complain");
  }

  async stop() {
    await Promise.all(this.#windows.map((window) => window.kill()));
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Runs a test with a desktop of its own; afterwards the apps must not have complained. */
export const withDesktop = (test) => async (t) => {
  const desktop = new Desktop();
  try {
    await test(desktop, t);
    desktop.assertQuiet();
  } finally {
    await desktop.stop();
  }
};
