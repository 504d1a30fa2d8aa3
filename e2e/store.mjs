// What a livestore app shows beside its TodoMVC, and what only tests do to it.
//
// The app's contract with these tests: an element `.status` with the attributes `data-storage` (`opfs` or `memory`),
// `data-durability` and `data-pending` (how many events the leader has not acknowledged); in a build with the feature `testing` each worker has a global
// function `livestorePanic` that panics in its wasm.

import assert from "node:assert/strict";
import { eventually } from "./browser.mjs";
import { TodoPage } from "./todomvc.mjs";

export class StorePage extends TodoPage {
  static async open(browser, address) {
    const todo = new StorePage(await browser.tab(address));
    await todo.ready();
    return todo;
  }

  async #status(name) {
    return this.page.locator(".status").getAttribute(name);
  }

  /** Waits until the app says how it stores. */
  async hasStorage(expected) {
    await eventually(async () => assert.equal(await this.#status("data-storage"), expected));
  }

  /** How many events the leader has not acknowledged, as text. */
  async pending() {
    return this.#status("data-pending");
  }

  /** What the app says of its storage. */
  async storage() {
    return this.page.locator(".status .storage-mode").innerText();
  }

  /** Waits until the leader has acknowledged everything. */
  async isPersisted() {
    await eventually(async () => assert.equal(await this.#status("data-pending"), "0"));
  }

  /** Waits until the app's line about its leader contains a text, or, for "", says nothing. */
  async waits(expected) {
    await eventually(async () => {
      const text = await this.page.locator(".status .leader").innerText();
      assert.ok(expected ? text.includes(expected) : text === "", `the status says "${text}", not "${expected}"`);
    }, 20_000);
  }

  /** What the line about the list's other clients says. */
  async syncing() {
    return this.page.locator(".sync").innerText();
  }

  /** Waits until it says this. */
  async syncs(expected) {
    await eventually(async () => assert.equal(await this.syncing(), expected), 40_000);
  }

  /** Waits until exactly these reasons of refusals show. */
  async refuses(...expected) {
    await eventually(async () => {
      const reasons = await this.page.locator(".refused .reason").allInnerTexts();
      assert.equal(reasons.length, expected.length, reasons.join("\n"));
      reasons.forEach((reason, at) => assert.ok(RegExp(expected[at]).test(reason), reason));
    });
  }

  /** Adds a todo from inside the page, and returns at once when the leader has acknowledged it. */
  async addPersisted(text) {
    await this.page.evaluate((text) => {
      const input = document.querySelector(".new-todo");
      input.value = text;
      input.dispatchEvent(new Event("input", { bubbles: true }));
      input.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true }));
      // The todo and the pending event show together; the acknowledgement comes later, from the worker.
      const shows = () => [...document.querySelectorAll(".todo-list label")].some((label) => label.textContent === text);
      const isPersisted = () => shows() && document.querySelector(".status").dataset.pending === "0";
      return new Promise((resolve) => {
        const observer = new MutationObserver(() => isPersisted() && (observer.disconnect(), resolve()));
        observer.observe(document.body, { attributes: true, childList: true, subtree: true, characterData: true });
      });
    }, text);
  }

  /** Waits until the app says that leaving the page is `safe`, or that something is `at-risk`. */
  async durabilityIs(expected) {
    await eventually(async () => assert.equal(await this.#status("data-durability"), expected));
  }

  /** The worker of this tab that may lead; each tab has one. */
  async worker() {
    return eventually(() => {
      const [worker] = this.page.workers();
      assert.ok(worker, "the tab has no worker");
      return worker;
    });
  }

  /**
   * Adds a todo from inside the page and reloads after some milliseconds, or, below zero, in the very task of the commit; no
   * round trip lies between. Returns when the app is there again.
   */
  async addAndReload(text, milliseconds) {
    const loaded = this.page.waitForEvent("load");
    await this.page.evaluate(
      ([text, milliseconds]) => {
        const input = document.querySelector(".new-todo");
        input.value = text;
        input.dispatchEvent(new Event("input", { bubbles: true }));
        input.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true }));
        if (milliseconds < 0) location.reload();
        else setTimeout(() => location.reload(), milliseconds);
      },
      [text, milliseconds],
    );
    await loaded;
    await this.ready();
  }

  /** When a todo with this text first shows in this tab, in milliseconds since 1970; ask before it is added. */
  async watchFor(text) {
    const seen = await this.page.evaluateHandle((text) => {
      const shows = () => [...document.querySelectorAll(".todo-list label")].some((label) => label.textContent === text);
      const seen = new Promise((resolve) => {
        const look = () => shows() && (observer.disconnect(), resolve(performance.timeOrigin + performance.now()));
        const observer = new MutationObserver(look);
        observer.observe(document.body, { childList: true, subtree: true, characterData: true });
      });
      return { seen };
    }, text);
    return () => seen.evaluate(({ seen }) => seen);
  }
}
