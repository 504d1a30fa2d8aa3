// A page that an axum server renders: the fallback first, then the store.

import assert from "node:assert/strict";
import { test } from "node:test";
import { eventually, screenshot, withBrowser } from "./browser.mjs";
import { StorePage } from "./store.mjs";

const address = process.env.E2E_HYDRATE_URL;

test("the server's page holds the fallback and no todos", async () => {
  const html = await (await fetch(address)).text();
  assert.match(html, /Loading/);
  assert.doesNotMatch(html, /todo-list/);
});

test("the page hydrates, opens the store and keeps what is committed", withBrowser(async (browser) => {
  const todo = await StorePage.open(browser, address);
  assert.equal(await todo.page.locator("h1").count(), 1, "the server's elements are taken over, not made again");
  assert.equal(await todo.page.locator(".loading").count(), 0, "the fallback is gone");
  await todo.add("buy milk");
  await todo.shows("buy milk");
  await todo.toggle(0);
  await todo.shows("[x] buy milk");
  await todo.reload();
  await todo.shows("[x] buy milk");
  await screenshot(todo.page, "hydrate");
}));

test("two hydrated tabs share one leader", withBrowser(async (browser) => {
  const first = await StorePage.open(browser, address);
  const second = await StorePage.open(browser, address);
  await first.add("buy bread");
  await second.shows("buy bread");
  await second.toggle(0);
  await first.shows("[x] buy bread");
  await eventually(async () => {
    const status = await first.page.locator(".status").innerText();
    assert.equal(status, "Storage: persisted, pending: 0");
  });
}));
