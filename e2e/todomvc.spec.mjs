// The TodoMVC specification, behaviour by behaviour. Written against class names only: any implementation can be tested.

import assert from "node:assert/strict";
import { test } from "node:test";
import { eventually, isDesktop, screenshot, withBrowser } from "./browser.mjs";
import { TodoPage } from "./todomvc.mjs";

const [MILK, BREAD, EGGS] = ["buy milk", "bake bread", "boil eggs"];

/** A test that starts at an app with the three todos above. */
const withThree = (body) =>
  withBrowser(async (browser, t) => {
    const todo = await TodoPage.open(browser);
    await todo.add(MILK, BREAD, EGGS);
    await todo.shows(MILK, BREAD, EGGS);
    await body(todo, browser, t);
  });

test("an empty list hides the list and the footer", withBrowser(async (browser) => {
  const todo = await TodoPage.open(browser);
  await todo.isVisible(".new-todo", true);
  await todo.isVisible(".main", false);
  await todo.isVisible(".footer", false);
  await todo.add(MILK);
  await todo.isVisible(".main", true);
  await todo.isVisible(".footer", true);
}));

test("the new-todo input has the focus when the page opens", withBrowser(async (browser) => {
  const todo = await TodoPage.open(browser);
  await eventually(async () => assert.ok(await todo.input.evaluate((input) => input === document.activeElement)));
}));

test("Enter adds a todo at the end and empties the input", withBrowser(async (browser) => {
  const todo = await TodoPage.open(browser);
  await todo.add(MILK);
  await todo.shows(MILK);
  assert.equal(await todo.input.inputValue(), "");
  await todo.add(BREAD);
  await todo.shows(MILK, BREAD);
}));

test("a new todo is trimmed, and a blank one is not added", withBrowser(async (browser) => {
  const todo = await TodoPage.open(browser);
  await todo.add("   buy milk   ", "   ", "");
  await todo.shows(MILK);
}));

test("what is typed in a hurry is all there", withThree(async (todo) => {
  const alphabet = "abcdefghijklmnopqrstuvwxyz";
  const typed = async (input) => {
    await input.focus();
    await todo.page.keyboard.type(alphabet);
    await eventually(async () => assert.equal(await input.inputValue(), alphabet));
    await input.press("Enter");
  };
  await typed(todo.input);
  await todo.shows(MILK, BREAD, EGGS, alphabet);
  const edit = await todo.edit(1);
  await edit.fill("");
  await typed(edit);
  await todo.shows(MILK, alphabet, EGGS, alphabet);
}));

test("text is text: markup is shown, not interpreted", withBrowser(async (browser) => {
  const todo = await TodoPage.open(browser);
  const texts = ["<b>bold</b> & co", `"quotes" and 'more'`, "日本語 🥛", "a'); DROP TABLE todos; --"];
  await todo.add(...texts);
  await todo.shows(...texts);
}));

test("a box completes a todo and takes it back", withThree(async (todo) => {
  await todo.toggle(0);
  await todo.toggle(2);
  await todo.shows(`[x] ${MILK}`, BREAD, `[x] ${EGGS}`);
  await todo.toggle(0);
  await todo.shows(MILK, BREAD, `[x] ${EGGS}`);
}));

test("the toggle-all box completes all and takes all back", withThree(async (todo) => {
  await todo.toggle(1);
  await todo.toggleAll();
  await todo.shows(`[x] ${MILK}`, `[x] ${BREAD}`, `[x] ${EGGS}`);
  await todo.toggleAll();
  await todo.shows(MILK, BREAD, EGGS);
}));

test("the toggle-all box is checked exactly while all are completed", withThree(async (todo) => {
  const all = todo.page.locator(".toggle-all");
  assert.equal(await all.isChecked(), false);
  for (const index of [0, 1, 2]) await todo.toggle(index);
  assert.equal(await all.isChecked(), true);
  await todo.toggle(1);
  assert.equal(await all.isChecked(), false);
  await todo.toggle(1);
  assert.equal(await all.isChecked(), true);
  await todo.add("one more");
  assert.equal(await all.isChecked(), false);
}));

test("the delete button shows on hover and deletes", withThree(async (todo) => {
  const button = todo.item(1).locator(".destroy");
  await todo.input.hover();
  assert.equal(await button.evaluate((element) => getComputedStyle(element).opacity), "0");
  await todo.item(1).hover();
  assert.equal(await button.evaluate((element) => getComputedStyle(element).opacity), "1");
  await button.click();
  await todo.shows(MILK, EGGS);
}));

test("a double click edits: the input has the focus and the text, the rest of the item is hidden", withThree(async (todo) => {
  const input = await todo.edit(1);
  assert.equal(await input.inputValue(), BREAD);
  await eventually(async () => assert.ok(await input.evaluate((element) => element === document.activeElement)));
  assert.ok(await todo.item(1).evaluate((item) => item.classList.contains("editing")));
  assert.equal(await todo.item(1).locator(".toggle").isVisible(), false);
  assert.equal(await todo.item(1).locator("label").isVisible(), false);
  assert.equal(await todo.item(0).locator("label").isVisible(), true);
}));

test("Enter saves an edit", withThree(async (todo) => {
  const input = await todo.edit(1);
  await input.fill("bake a cake");
  await input.press("Enter");
  await todo.shows(MILK, "bake a cake", EGGS);
  await todo.isVisible(".edit", false);
}));

test("leaving the input saves an edit", withThree(async (todo) => {
  const input = await todo.edit(1);
  await input.fill("bake a cake");
  await input.blur();
  await todo.shows(MILK, "bake a cake", EGGS);
  await todo.isVisible(".edit", false);
}));

test("an edited text is trimmed", withThree(async (todo) => {
  const input = await todo.edit(1);
  await input.fill("   bake a cake  ");
  await input.press("Enter");
  await todo.shows(MILK, "bake a cake", EGGS);
}));

test("an edit to nothing deletes", withThree(async (todo) => {
  const first = await todo.edit(1);
  await first.fill("   ");
  await first.press("Enter");
  await todo.shows(MILK, EGGS);
  const second = await todo.edit(0);
  await second.fill("");
  await second.blur();
  await todo.shows(EGGS);
}));

test("Escape drops an edit", withThree(async (todo) => {
  const input = await todo.edit(1);
  await input.fill("never");
  await input.press("Escape");
  await todo.isVisible(".edit", false);
  await todo.shows(MILK, BREAD, EGGS);
  assert.equal(await (await todo.edit(1)).inputValue(), BREAD);
}));

test("an edit keeps what is completed completed", withThree(async (todo) => {
  await todo.toggle(1);
  const input = await todo.edit(1);
  await input.fill("bake a cake");
  await input.press("Enter");
  await todo.shows(MILK, `[x] bake a cake`, EGGS);
}));

test("the counter counts what is left and knows the singular", withBrowser(async (browser) => {
  const todo = await TodoPage.open(browser);
  await todo.add(MILK);
  await todo.counts("1 item left");
  await todo.add(BREAD);
  await todo.counts("2 items left");
  await todo.toggleAll();
  await todo.counts("0 items left");
  assert.equal(await todo.page.locator(".todo-count strong").innerText(), "0");
}));

test("the clear button shows only while something is completed, and deletes just that", withThree(async (todo) => {
  await todo.isVisible(".clear-completed", false);
  await todo.toggle(1);
  await todo.isVisible(".clear-completed", true);
  await todo.clearCompleted();
  await todo.shows(MILK, EGGS);
  await todo.isVisible(".clear-completed", false);
}));

test("deleting the last todo hides the list and the footer again", withBrowser(async (browser) => {
  const todo = await TodoPage.open(browser);
  await todo.add(MILK);
  await todo.destroy(0);
  await todo.isVisible(".main", false);
  await todo.isVisible(".footer", false);
}));

test("the filters show what they say and mark the one that is on", withThree(async (todo) => {
  await todo.toggle(1);
  await todo.hasFilter("All");
  await todo.filter("Active");
  await todo.shows(MILK, EGGS);
  await todo.hasFilter("Active");
  await todo.filter("Completed");
  await todo.shows(`[x] ${BREAD}`);
  await todo.hasFilter("Completed");
  await todo.counts("2 items left");
  await todo.filter("All");
  await todo.shows(MILK, `[x] ${BREAD}`, EGGS);
  await todo.hasFilter("All");
}));

test("a todo leaves a filter's list the moment it no longer belongs there", withThree(async (todo) => {
  await todo.filter("Active");
  await todo.toggle(0);
  await todo.shows(BREAD, EGGS);
  await todo.filter("Completed");
  await todo.toggle(0);
  await todo.shows();
  await todo.isVisible(".footer", true);
}));

const hasAddress = { skip: isDesktop() && "a window has no address" };

test("the filter is in the address: links, the back button and reload keep it", hasAddress, withThree(async (todo) => {
  await todo.filter("Active");
  assert.ok(todo.page.url().endsWith("#/active"));
  await todo.filter("Completed");
  assert.ok(todo.page.url().endsWith("#/completed"));
  await todo.page.goBack();
  await todo.hasFilter("Active");
  await todo.page.goBack();
  await todo.hasFilter("All");
  await todo.page.goForward();
  await todo.hasFilter("Active");
}));

test("everything can be reached by keyboard and has a name for a screen reader", withThree(async (todo) => {
  const nameless = await todo.page.evaluate(() => {
    const named = (e) => e.getAttribute("aria-label") || e.labels?.length || e.textContent.trim();
    return [...document.querySelectorAll("input, button, a")].filter((e) => !named(e)).map((e) => e.outerHTML);
  });
  assert.deepEqual(nameless, []);
  await todo.item(0).locator(".toggle").focus();
  await todo.page.keyboard.press("Space");
  await todo.shows(`[x] ${MILK}`, BREAD, EGGS);
}));

test("a picture of the usual look", withThree(async (todo) => {
  await todo.toggle(1);
  await todo.shows(MILK, `[x] ${BREAD}`, EGGS);
  await screenshot(todo.page, "todomvc");
}));
