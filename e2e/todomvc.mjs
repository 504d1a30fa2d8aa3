// What a person does with a TodoMVC page and what they see, by the class names of the TodoMVC specification only, so that
// every implementation can be tested with it.

import assert from "node:assert/strict";
import { eventually } from "./browser.mjs";

/** A TodoMVC app in a tab. */
export class TodoPage {
  constructor(page) {
    this.page = page;
  }

  /** Opens the app in a new tab of a browser and waits until it can be used. */
  static async open(browser, address) {
    const todo = new TodoPage(await browser.tab(address));
    await todo.ready();
    return todo;
  }

  async ready() {
    await this.page.locator(".new-todo").waitFor();
  }

  async reload() {
    await this.page.reload();
    await this.ready();
  }

  get input() {
    return this.page.locator(".new-todo");
  }

  item(index) {
    return this.page.locator(".todo-list li").nth(index);
  }

  /** Types and presses Enter, once per text. */
  async add(...texts) {
    for (const text of texts) {
      await this.input.fill(text);
      await this.input.press("Enter");
    }
  }

  async toggle(index) {
    await this.item(index).locator(".toggle").click();
  }

  async toggleAll() {
    await this.page.locator(".toggle-all").evaluate((box) => box.click()); // the box itself is out of sight by design
  }

  async destroy(index) {
    await this.item(index).hover();
    await this.item(index).locator(".destroy").click();
  }

  async clearCompleted() {
    await this.page.locator(".clear-completed").click();
  }

  async filter(name) {
    await this.page.locator(".filters a", { hasText: name }).click();
  }

  /** Double-clicks a todo and returns the input that appears. */
  async edit(index) {
    await this.item(index).locator("label").dblclick();
    const input = this.item(index).locator(".edit");
    await input.waitFor();
    return input;
  }

  /** The texts that show, in order; `[x]` before a completed one. */
  async texts() {
    return this.page.locator(".todo-list li").evaluateAll((items) =>
      items.map((item) => `${item.classList.contains("completed") ? "[x] " : ""}${item.querySelector("label").textContent}`),
    );
  }

  async count() {
    return (await this.page.locator(".todo-count").innerText()).replace(/\s+/g, " ").trim();
  }

  async selectedFilter() {
    return this.page.locator(".filters a.selected").allInnerTexts();
  }

  // What must hold now, or within moments.

  async shows(...expected) {
    await eventually(async () => assert.deepEqual(await this.texts(), expected));
  }

  async counts(expected) {
    await eventually(async () => assert.equal(await this.count(), expected));
  }

  async hasFilter(expected) {
    await eventually(async () => assert.deepEqual(await this.selectedFilter(), [expected]));
  }

  async isVisible(selector, expected) {
    await eventually(async () => assert.equal(await this.page.locator(selector).first().isVisible(), expected, selector));
  }
}
