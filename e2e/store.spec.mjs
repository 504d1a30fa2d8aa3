// What makes it a store: reloads, many tabs, the leader's death, profiles without storage, two versions of the app.

import assert from "node:assert/strict";
import { test } from "node:test";
import { app, eventually, random, siteUrl, siteWithoutOpfs, url, withBrowser, withProfile } from "./browser.mjs";
import { StorePage } from "./store.mjs";

const [MILK, BREAD, EGGS] = ["buy milk", "bake bread", "boil eggs"];

test("a reload keeps everything, and so does a restart of the browser", withProfile(async (browser) => {
  const first = await StorePage.open(browser);
  await first.hasStorage("opfs");
  await first.add(MILK, BREAD, EGGS, "deleted");
  await first.toggle(1);
  await first.destroy(3);
  const input = await first.edit(2);
  await input.fill("fry eggs");
  await input.press("Enter");
  const expected = [MILK, `[x] ${BREAD}`, "fry eggs"];
  await first.shows(...expected);
  await first.reload();
  await first.shows(...expected);
  await first.isPersisted();
  await browser.restart();
  const second = await StorePage.open(browser);
  await second.shows(...expected);
  await second.counts("2 items left");
}));

test("an edit that was not saved is gone after a reload", withBrowser(async (browser) => {
  const todo = await StorePage.open(browser);
  await todo.add(MILK);
  await (await todo.edit(0)).fill("never");
  await todo.reload();
  await todo.shows(MILK);
  await todo.isVisible(".edit", false);
}));

test("the draft of a new todo survives a reload, and another tab has its own", withBrowser(async (browser) => {
  const a = await StorePage.open(browser);
  await a.input.fill("half a thou");
  await a.isPersisted();
  await a.reload();
  await eventually(async () => assert.equal(await a.input.inputValue(), "half a thou"));
  const b = await StorePage.open(browser);
  assert.equal(await b.input.inputValue(), "");
}));

test("200 reloads at random moments right after a commit lose nothing", withProfile(async (browser, t) => {
  const below = random(t);
  const todo = await StorePage.open(browser);
  let expected = [];
  for (let round = 0; round < 200; round += 1) {
    const text = `todo ${round}`;
    expected.push(text);
    await todo.addAndReload(text, below(40) - 10);
    await todo.shows(...expected);
    if (expected.length === 10) {
      await todo.toggleAll();
      await todo.clearCompleted();
      await todo.page.reload();
      await todo.ready();
      await todo.shows();
      await browser.collectGarbage(todo.page);
      expected = [];
    }
  }
}));

test("reloads right after a commit, with another tab open, lose nothing and are not kept waiting", withProfile(async (browser, t) => {
  const below = random(t);
  const todo = await StorePage.open(browser);
  const other = await StorePage.open(browser);
  const expected = [];
  const times = [];
  for (let round = 0; round < 15; round += 1) {
    const text = `todo ${round}`;
    expected.push(text);
    const start = performance.now();
    await (round % 3 === 2 ? other : todo).addAndReload(text, below(40) - 10);
    times.push(performance.now() - start);
    await todo.shows(...expected);
    await other.shows(...expected);
  }
  times.sort((a, b) => a - b);
  t.diagnostic(`from the commit to a page that can be used: median ${times[7].toFixed(0)} ms, longest ${times.at(-1).toFixed(0)} ms`);
}));

test("a tab that closes right after a commit loses nothing", withProfile(async (browser, t) => {
  const below = random(t);
  const expected = [];
  for (let round = 0; round < 20; round += 1) {
    const todo = await StorePage.open(browser);
    await todo.shows(...expected);
    const text = `todo ${round}`;
    expected.push(text);
    await todo.add(text);
    await new Promise((resolve) => setTimeout(resolve, below(20)));
    await todo.page.close({ runBeforeUnload: true });
  }
  await (await StorePage.open(browser)).shows(...expected);
}));

test("two tabs show each other's commits within a frame or two", withBrowser(async (browser, t) => {
  const tabs = [await StorePage.open(browser), await StorePage.open(browser)];
  const times = [];
  const texts = [];
  for (let round = 0; round < 20; round += 1) {
    const [from, to] = round % 2 ? tabs : tabs.toReversed();
    const text = `todo ${round}`;
    texts.push(text);
    const [here, there] = [await from.watchFor(text), await to.watchFor(text)];
    await from.add(text);
    times.push((await there()) - (await here()));
  }
  for (const tab of tabs) await tab.shows(...texts);
  times.sort((a, b) => a - b);
  const median = times[times.length / 2];
  t.diagnostic(`from tab to tab: median ${median.toFixed(1)} ms, longest ${times.at(-1).toFixed(1)} ms`);
  assert.ok(median < 35, `a median of ${median} ms is more than two frames`);
}));

test("two busy tabs converge", withBrowser(async (browser) => {
  const tabs = [await StorePage.open(browser), await StorePage.open(browser)];
  const texts = (name) => Array.from({ length: 25 }, (_, n) => `${name} ${n}`);
  await Promise.all([tabs[0].add(...texts("a")), tabs[1].add(...texts("b"))]);
  await eventually(async () => {
    const [a, b] = await Promise.all(tabs.map((tab) => tab.texts()));
    assert.equal(a.length, 50);
    assert.deepEqual(a, b);
  });
  const before = await tabs[0].texts();
  for (const tab of tabs) {
    await tab.isPersisted();
    await tab.reload();
    await tab.shows(...before);
  }
}));

for (const [how, end] of [
  ["closes", async (_browser, tab) => tab.page.close()],
  ["is killed", async (browser, tab) => browser.crash(tab.page)],
]) {
  test(`the leader's tab ${how}: the other goes on and persists`, withProfile(async (browser) => {
    const leader = await StorePage.open(browser);
    await leader.add(MILK);
    const other = await StorePage.open(browser);
    await other.shows(MILK);
    await leader.isPersisted();
    await end(browser, leader);
    await other.add(BREAD);
    await other.isPersisted();
    await other.reload();
    await other.shows(MILK, BREAD);
    await browser.restart();
    await (await StorePage.open(browser)).shows(MILK, BREAD);
  }));
}

test("hand-overs with commits in flight lose nothing", withProfile(async (browser) => {
  let old = await StorePage.open(browser);
  const expected = [];
  for (let round = 0; round < 10; round += 1) {
    const next = await StorePage.open(browser);
    await next.shows(...expected);
    const text = `todo ${round}`;
    expected.push(text);
    await Promise.all([next.add(text), old.page.close()]);
    await next.shows(...expected);
    await next.isPersisted();
    old = next;
  }
  await old.reload();
  await old.shows(...expected);
}));

for (const [how, end] of [
  ["panics", (worker) => worker.evaluate(() => void setTimeout(() => globalThis.livestorePanic()))],
  ["is terminated", (worker) => worker.evaluate(() => globalThis.close())],
]) {
  test(`a worker that ${how} is replaced without a lost commit`, withProfile(async (browser) => {
    browser.expectConsole(/panicked|RuntimeError|unreachable/, /the leader died; .*it ended without a word/s);
    const todo = await StorePage.open(browser);
    await todo.add(MILK);
    await todo.isPersisted();
    await end(await todo.worker()).catch(() => {}); // a worker that is gone can't answer
    await todo.add(BREAD);
    await todo.shows(MILK, BREAD);
    await todo.isPersisted();
    await todo.reload();
    await todo.shows(MILK, BREAD);
  }));
}

test("a duplicated tab gets its own session", withBrowser(async (browser) => {
  const original = await StorePage.open(browser);
  await original.add(MILK);
  await original.input.fill("half a thou");
  await original.isPersisted();
  const copy = new StorePage(await browser.duplicate(original.page));
  await copy.ready();
  await copy.shows(MILK);
  assert.equal(await copy.input.inputValue(), "", "a draft belongs to the tab, and this is another one");
  await copy.input.fill("an afterthou");
  await copy.isPersisted();
  assert.equal(await original.input.inputValue(), "half a thou");
  for (const tab of [original, copy]) await tab.input.fill("");
  await original.add(BREAD);
  await copy.shows(MILK, BREAD);
  await copy.add(EGGS);
  await original.shows(MILK, BREAD, EGGS);
  await Promise.all([original.reload(), copy.reload()]);
  for (const tab of [original, copy]) await tab.shows(MILK, BREAD, EGGS);
}));

test("a profile without OPFS runs in memory and says so", withBrowser(async (browser) => {
  browser.expectConsole(/the leader can't serve/, /nothing can be persisted here/);
  const todo = await StorePage.open(browser, siteWithoutOpfs());
  await todo.hasStorage("memory");
  await todo.add(MILK, BREAD);
  await todo.toggle(0);
  await todo.shows(`[x] ${MILK}`, BREAD);
  // Nothing lasts, and nothing comes back in parts either.
  await todo.reload();
  await todo.hasStorage("memory");
  await todo.shows();
}));

test("without a network everything goes on", withBrowser(async (browser) => {
  const todo = await StorePage.open(browser);
  await browser.setOffline(true);
  await todo.add(MILK);
  await todo.toggle(0);
  await todo.isPersisted();
  await browser.setOffline(false);
  await todo.reload();
  await todo.shows(`[x] ${MILK}`);
}));

const next = () => siteUrl(`${app()}-next`) ?? assert.fail("the next version of the app is not built");

for (const [name, first, second] of [
  ["an old version leads, a new one joins, and takes over", url, next],
  ["a new version leads, an old one joins, and takes over", next, url],
]) {
  test(name, withProfile(async (browser) => {
    browser.expectConsole(/rebuilding the state from the log .*there is no state yet/s);
    const a = await StorePage.open(browser, first());
    await a.add(MILK);
    const b = await StorePage.open(browser, second());
    await b.shows(MILK);
    await b.add(BREAD);
    await a.shows(MILK, BREAD);
    await a.isPersisted();
    await b.isPersisted();
    await a.page.close();
    await b.add(EGGS);
    await b.isPersisted();
    await b.reload();
    await b.shows(MILK, BREAD, EGGS);
    const c = await StorePage.open(browser, first());
    await c.shows(MILK, BREAD, EGGS);
    await c.toggle(0);
    await b.shows(`[x] ${MILK}`, BREAD, EGGS);
  }));
}

test("a new version with another column has everything the old one wrote", withProfile(async (browser) => {
  browser.expectConsole(/rebuilding the state from the log .*there is no state yet/s);
  const old = await StorePage.open(browser, url());
  await old.add(MILK, BREAD);
  await old.toggle(1);
  await old.isPersisted();
  await old.page.close();
  const todo = await StorePage.open(browser, next());
  await todo.shows(MILK, `[x] ${BREAD}`);
  await todo.reload();
  await todo.shows(MILK, `[x] ${BREAD}`);
}));
