// A page that an axum server renders: the fallback first, then the store.

import assert from "node:assert/strict";
import { test } from "node:test";
import { withBrowser } from "./browser.mjs";
import { StorePage } from "./store.mjs";

const address = process.env.E2E_HYDRATE_URL;
const options = { skip: address ? false : "E2E_HYDRATE_URL is not set" };

test("the server's page holds the fallback and no todos", options, async () => {
  const html = await (await fetch(address)).text();
  assert.match(html, /Loading/);
  assert.doesNotMatch(html, /todo-list/);
});

test("the page hydrates, opens the store and keeps what is committed", options, withBrowser(async (browser) => {
  const todo = await StorePage.open(browser, address);
  await todo.add("buy milk");
  await todo.shows("buy milk");
  await todo.reload();
  await todo.shows("buy milk");
}));
