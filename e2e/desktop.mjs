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

// GTK counts clicks by time and place: one within twice its double-click time (400 ms, unless a desktop says otherwise) of the
// last but one, and within its double-click distance, is the third of a triple click. WebKit goes on counting from there, and
// only the second click makes a `dblclick`.
const CLICKS_ARE_COUNTED_FOR = 2 * 400;
const CLICKS_ARE_COUNTED_WITHIN = 5;

const KEYS = { Enter: "Return", Escape: "Escape", Space: "space" };
const xdotool = (...args) => execFileSync("xdotool", args.map(String), { encoding: "utf8" }).trim();

const moveTo = (at) => ["mousemove", "--window", "WINDOW", ...at];

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
  /** Where the mouse was last pressed, and when. */
  #pressed = { at: [-Infinity, -Infinity], time: 0 };

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

  /** Presses the mouse at a place; what was pressed there before does not count as part of it. */
  async press(event, at, ...clicks) {
    const isNear = at.every((place, axis) => Math.abs(place - this.#pressed.at[axis]) <= CLICKS_ARE_COUNTED_WITHIN);
    const passed = performance.now() - this.#pressed.time;
    if (isNear && passed < CLICKS_ARE_COUNTED_FOR) await sleep(CLICKS_ARE_COUNTED_FOR - passed);
    await this.input(event, ...moveTo(at), "click", ...clicks, 1);
    this.#pressed = { at, time: performance.now() };
  }

  get keyboard() {
    return {
      press: (key) => this.input("keydown", "key", KEYS[key] ?? key),
      type: async (text) => void xdotool("windowfocus", await this.#window(), "type", "--delay", 10, text),
    };
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

  /** The middle of the only element. */
  #middle() {
    return this.evaluate((element) => {
      const { x, y, width, height } = element.getBoundingClientRect();
      return [x + width / 2, y + height / 2].map(Math.round);
    });
  }

  async hover() {
    // The pointer may rest there already, which would make no event.
    await this.#window.input("mousemove", ...moveTo([1, 1]), ...moveTo([3, 3]));
    await this.#window.input("mousemove", ...moveTo(await this.#middle()));
  }

  async click() {
    await this.#window.press("click", await this.#middle());
  }

  async dblclick() {
    await this.#window.press("dblclick", await this.#middle(), "--repeat", 2, "--delay", 20);
  }
}

/** A folder of data and the windows that were opened on it, for one test. */
class Desktop {
  #folder = mkdtempSync(join(tmpdir(), "livestore-desktop-"));
  #windows = [];

  get data() {
    return join(this.#folder, "data");
  }

  /** Opens the app; on the test's own data, unless told otherwise, and with more arguments, if there are any. */
  async tab(data = this.data, ...more) {
    const window = new Window("--data", data, ...more);
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
