// What leaving a page may cost: the browser's question before it, and storage that is full.

import assert from "node:assert/strict";
import { test } from "node:test";
import { eventually, url, withBrowser, withProfile } from "./browser.mjs";
import { StorePage } from "./store.mjs";

const [MILK, BREAD, EGGS] = ["buy milk", "bake bread", "boil eggs"];

/** Reloads; whether the browser asked before. Its question is answered with "leave". */
const asksBeforeReload = async (todo) => {
  let asked = false;
  const answer = async (dialog) => {
    assert.equal(dialog.type(), "beforeunload");
    asked = true;
    await dialog.accept();
  };
  todo.page.on("dialog", answer);
  await todo.page.reload();
  todo.page.off("dialog", answer);
  await todo.ready();
  return asked;
};

/** Keeps the worker of a tab from everything for a while, as a frozen page does. */
const silence = async (todo, milliseconds) => {
  const worker = await todo.worker();
  await worker.evaluate((milliseconds) => {
    setTimeout(() => {
      const end = Date.now() + milliseconds;
      while (Date.now() < end);
    });
  }, milliseconds);
};

/** Adds todos from inside the page; no round trip lies between them. */
const addAtOnce = (todo, texts) =>
  todo.page.evaluate((texts) => {
    const input = document.querySelector(".new-todo");
    for (const text of texts) {
      input.value = text;
      input.dispatchEvent(new Event("input", { bubbles: true }));
      input.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true }));
    }
  }, texts);

const large = (letter) => letter.repeat(700_000);

test("the browser asks before a page is left that holds more than its journal can, and only then", withBrowser(async (browser) => {
  const todo = await StorePage.open(browser);
  await todo.add(MILK);
  assert.equal(await asksBeforeReload(todo), false, "nothing is at risk");

  await silence(todo, 3_000);
  await addAtOnce(todo, [BREAD]);
  assert.equal(await asksBeforeReload(todo), false, "the journal holds it");
  await todo.shows(MILK, BREAD);

  await todo.input.click(); // browsers ask only who has touched the page
  await silence(todo, 3_000);
  await addAtOnce(todo, [large("a"), large("b"), large("c")]);
  await todo.durabilityIs("at-risk");
  let asked = 0;
  const stay = async (dialog) => {
    asked += 1;
    await dialog.dismiss();
  };
  todo.page.on("dialog", stay);
  await todo.page.evaluate(() => void setTimeout(() => location.reload()));
  await eventually(async () => assert.equal(asked, 1));
  todo.page.off("dialog", stay);
  await todo.isPersisted();
  await todo.durabilityIs("safe");
  assert.equal(await asksBeforeReload(todo), false, "the leader has everything");
  await todo.shows(MILK, BREAD, large("a"), large("b"), large("c"));
}));

test("a quota that is used up is told, nothing that was acknowledged is lost, and it goes on when there is room", withProfile(async (browser) => {
  browser.expectConsole(/storage|quota|disk|full|stall|write/i);
  const todo = await StorePage.open(browser);
  await todo.add(MILK);
  await todo.isPersisted();

  const quota = await browser.quota(todo.page);
  await quota.useUp();
  await todo.add(BREAD);
  // Large enough that no room the log has in its files already can hold them.
  await addAtOnce(todo, Array.from({ length: 8 }, (_, n) => `${n}${large("x")}`));
  await todo.waits("can't be written");
  assert.notEqual(await todo.pending(), "0");

  await quota.giveBack();
  await todo.isPersisted();
  await todo.waits("");
  await todo.add(EGGS);
  await todo.isPersisted();
  await todo.reload();
  await eventually(async () => {
    const texts = await todo.texts();
    assert.deepEqual([texts.length, texts[0], texts[1], texts.at(-1)], [11, MILK, BREAD, EGGS]);
  });
}));

test("with the quota used up, a reload keeps what was acknowledged", withProfile(async (browser) => {
  browser.expectConsole(/storage|quota|disk|full|stall|write/i);
  const todo = await StorePage.open(browser);
  await todo.add(MILK, BREAD);
  await todo.isPersisted();
  const quota = await browser.quota(todo.page);
  await quota.useUp();
  await todo.page.reload();
  await todo.ready();
  await quota.giveBack();
  await todo.page.goto(url());
  await todo.ready();
  await todo.shows(MILK, BREAD);
}));
