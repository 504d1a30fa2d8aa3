// Tabs that can't lead, tabs of another protocol, and the death of the whole browser.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  app, eventually, random, shippedUrl, siteUrl, siteWithOtherProtocol, siteWithWorkerScript, strictPolicy, url, withBrowser, withProfile,
} from "./browser.mjs";
import { StorePage } from "./store.mjs";

/** What the engine warns of where no worker can be started. */
const NO_WORKER = [/this session can't lead/, /the leader died; .*no worker can be started/s];

/** What it warns of where two protocols meet. */
const OTHER_PROTOCOL = [/a session of another version of livestore asks/, /the leader speaks another protocol/];

const [MILK, BREAD, EGGS] = ["buy milk", "bake bread", "boil eggs"];
const WAITING = "waiting for another tab";

/** A page whose browser refuses it the worker that it would lead from. */
const withoutBlobs = async (browser) => {
  const address = siteUrl(app());
  browser.expectConsole(/Content Security Policy/);
  await browser.restrict(address, "worker-src 'self'");
  return address;
};

/** A page whose worker's script is not on the server. */
const withoutScript = async (browser) => {
  browser.expectConsole(/Failed to load resource.*404/);
  return siteWithWorkerScript("no-script", "missing.js");
};

for (const [why, site] of [
  ["may not start a worker", withoutBlobs],
  ["lacks its worker's script", withoutScript],
]) {
  test(`a page that ${why} is an ordinary tab while another one leads, and its commits wait while none does`, withProfile(async (browser) => {
    browser.expectConsole(...NO_WORKER);
    const address = await site(browser);
    const leader = await StorePage.open(browser);
    await leader.add(MILK);
    const tab = await StorePage.open(browser, address);
    await tab.shows(MILK);
    await tab.hasStorage("opfs");
    await tab.add(BREAD);
    await leader.shows(MILK, BREAD);
    await tab.isPersisted();
    await leader.toggle(0);
    await tab.shows(`[x] ${MILK}`, BREAD);

    await leader.page.close();
    await tab.add(EGGS);
    await tab.waits(WAITING);
    await tab.shows(`[x] ${MILK}`, BREAD, EGGS);
    await tab.hasStorage("opfs");
    assert.notEqual(await tab.pending(), "0");

    const next = await StorePage.open(browser);
    await next.shows(`[x] ${MILK}`, BREAD, EGGS);
    await tab.waits("");
    await tab.isPersisted();
    await next.toggle(1);
    await tab.shows(`[x] ${MILK}`, `[x] ${BREAD}`, EGGS);
    await browser.restart();
    await (await StorePage.open(browser)).shows(`[x] ${MILK}`, `[x] ${BREAD}`, EGGS);
  }));

  test(`a page that ${why} and is left while nobody leads leaves its commits to the next tab`, withProfile(async (browser) => {
    browser.expectConsole(...NO_WORKER);
    const address = await site(browser);
    const leader = await StorePage.open(browser);
    const tab = await StorePage.open(browser, address);
    await leader.page.close();
    await tab.add(MILK);
    await tab.page.close({ runBeforeUnload: true });
    const next = await StorePage.open(browser);
    await next.shows(MILK);
    await next.isPersisted();
    await next.reload();
    await next.shows(MILK);
  }));

  test(`a page that ${why} and is alone runs in memory and says so`, withBrowser(async (browser, t) => {
    browser.expectConsole(...NO_WORKER, /nothing can be persisted here/, /the leader runs in the page/);
    const address = await site(browser);
    const start = performance.now();
    const tab = await StorePage.open(browser, address);
    t.diagnostic(`open after ${((performance.now() - start) / 1000).toFixed(1)} s`);
    await tab.hasStorage("memory");
    assert.match(await tab.storage(), /no worker can be started/);
    await tab.add(MILK);
    await tab.shows(MILK);
    await tab.isPersisted();
  }));
}

test("under a strict policy, with a worker's script of its own, everything persists", withProfile(async (browser) => {
  const name = "strict";
  const address = siteWithWorkerScript(name, "livestore-worker.js");
  const restrict = () => browser.restrict(address, strictPolicy(`${app()}--${name}`));
  await restrict();
  const todo = await StorePage.open(browser, address);
  await todo.hasStorage("opfs");
  await todo.add(MILK, BREAD);
  await todo.toggle(0);
  await todo.isPersisted();
  await todo.reload();
  await todo.shows(`[x] ${MILK}`, BREAD);
  await browser.restart();
  await restrict();
  await (await StorePage.open(browser, address)).shows(`[x] ${MILK}`, BREAD);
}));

test("a tab of another protocol says so and waits, while the older one keeps running", withProfile(async (browser) => {
  browser.expectConsole(...OTHER_PROTOCOL);
  const old = await StorePage.open(browser);
  await old.add(MILK);
  const page = await browser.tab(siteWithOtherProtocol());
  await eventually(async () => assert.match(await page.locator(".loading").innerText(), /another tab is of another version/));
  await old.add(BREAD);
  await old.shows(MILK, BREAD);
  await old.isPersisted();
  await old.waits("");
  assert.equal(await page.locator(".new-todo").count(), 0);

  await old.page.close();
  const tab = new StorePage(page);
  await tab.ready();
  await tab.shows(MILK, BREAD);
  await tab.add(EGGS);
  await tab.isPersisted();
}));

test("a tab that another protocol comes to lead keeps its commits until it is led again", withProfile(async (browser) => {
  browser.expectConsole(...OTHER_PROTOCOL);
  const first = await StorePage.open(browser);
  const page = await browser.tab(siteWithOtherProtocol());
  await eventually(async () => assert.match(await page.locator(".loading").innerText(), /another version/));
  const old = await StorePage.open(browser);
  await first.page.close();
  const tab = new StorePage(page);
  await tab.ready();
  await tab.add(MILK);
  await tab.isPersisted();
  await old.add(BREAD);
  await old.waits("another version");
  assert.notEqual(await old.pending(), "0");
  await tab.page.close();
  await old.isPersisted();
  await old.waits("");
  await old.shows(MILK, BREAD);
}));

test("a browser that is killed right after commits were persisted has them when it starts again", withProfile(async (browser, t) => {
  const below = random(t);
  const expected = [];
  for (let round = 0; round < 8; round += 1) {
    const todo = await StorePage.open(browser);
    await todo.shows(...expected);
    for (let commit = 0; commit < 1 + below(4); commit += 1) {
      const text = `todo ${round}.${commit}`;
      await todo.addPersisted(text);
      expected.push(text);
    }
    await browser.killAndRestart();
  }
  await (await StorePage.open(browser)).shows(...expected);
}));

test("the app as users get it persists what is committed in two tabs", withProfile(async (browser) => {
  const todo = await StorePage.open(browser, shippedUrl());
  await todo.hasStorage("opfs");
  await todo.add(MILK);
  const other = await StorePage.open(browser, shippedUrl());
  await other.shows(MILK);
  await other.add(BREAD);
  await todo.shows(MILK, BREAD);
  await todo.isPersisted();
  await todo.page.close();
  await other.toggle(0);
  await other.isPersisted();
  await browser.restart();
  await (await StorePage.open(browser, shippedUrl())).shows(`[x] ${MILK}`, BREAD);
}));
