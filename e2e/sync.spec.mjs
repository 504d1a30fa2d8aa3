// Clients that share a list through a server: browser profiles with nothing in common but the list's name.

import assert from "node:assert/strict";
import { test } from "node:test";
import { env, eventually, screenshot, withBrowsers } from "./browser.mjs";
import { files, leave } from "./files.mjs";
import { SyncServer } from "./server.mjs";
import { StorePage } from "./store.mjs";

const [MILK, BREAD, EGGS, CHEESE] = ["buy milk", "bake bread", "boil eggs", "buy cheese"];

/** What Chromium itself says of a server that is not there. */
const UNREACHABLE = /WebSocket connection to '.*' failed|net::ERR_INTERNET_DISCONNECTED/;

/** Runs a test with two clients of one server. */
const withServer = (test, start = () => SyncServer.start()) => withBrowsers(2, async (browsers, t) => {
  browsers.forEach((browser) => browser.expectConsole(UNREACHABLE));
  const server = await start();
  try {
    await test(server, browsers, t);
  } finally {
    await server.remove();
  }
});

/** The shared list in a tab of each browser. */
const open = (server, browsers, query) =>
  Promise.all(browsers.map((browser) => StorePage.open(browser, server.page(query))));

/** Both show the same todos, and know that the server has them. */
const converge = async (pages, ...expected) => {
  for (const page of pages) {
    await page.shows(...expected);
    await page.syncs("synced");
  }
};

/** The browser says that the network is gone and back, which makes its pages try at once. */
const nudge = async (...browsers) => {
  for (const browser of browsers) {
    await browser.setOffline(true);
    await browser.setOffline(false);
  }
};

test("what one client does shows in the other", withServer(async (server, browsers) => {
  const [one, other] = await open(server, browsers);
  await one.hasStorage("opfs");
  await one.add(MILK);
  await other.shows(MILK);
  await other.add(BREAD);
  await other.toggle(0);
  await converge([one, other], `[x] ${MILK}`, BREAD);
  await screenshot(one.page, "sync");
}));

test("the server's pages are never stale", withServer(async (server) => {
  const page = await fetch(server.page());
  assert.equal(page.headers.get("cache-control"), "no-store");
  const [, script] = /import init from "\.\/(.*)"/.exec(await page.text());
  const module = script.replace(".js", "_bg.wasm");
  for (const [file, type] of [[script, "text/javascript"], [module, "application/wasm"]]) {
    const { headers } = await fetch(new URL(file, server.page()), { method: "HEAD" });
    assert.deepEqual([headers.get("content-type"), headers.get("cache-control")], [type, "no-cache"]);
  }
}));

test("a list of another name, and one that is not shared, stay apart", withServer(async (server, [mine, yours]) => {
  const shared = await StorePage.open(mine, server.page("?store=a"));
  const own = await StorePage.open(mine, server.page(""));
  const another = await StorePage.open(yours, server.page("?store=b"));
  await shared.add(MILK);
  await own.add(BREAD);
  await another.add(EGGS);
  await converge([shared], MILK);
  await converge([another], EGGS);
  await own.shows(BREAD);
  await own.isVisible(".sync", false);
}));

test("a name that no store can have is a message", withServer(async (server, [mine]) => {
  mine.expectConsole(/is not a store id/); // Dioxus tells every error that reaches a boundary
  for (const name of ["", "a%20b", "a/b", "x".repeat(101)]) {
    const page = await mine.tab(server.page(`?store=${name}`));
    await page.locator(".problems").waitFor();
    assert.match(await page.locator(".problems").innerText(), /is not a store id/);
    await page.close();
  }
}));

test("what both did without the server is on both lists when it is back", withServer(async (server, browsers) => {
  const [one, other] = await open(server, browsers);
  await one.add(MILK, BREAD);
  await converge([one, other], MILK, BREAD);
  await server.stop();
  await one.syncs("offline");
  await one.toggle(0);
  await one.add(EGGS);
  await other.destroy(1);
  await one.syncs("offline · 2 pending");
  await other.syncs("offline · 1 pending");
  await one.shows(`[x] ${MILK}`, BREAD, EGGS);
  await other.shows(MILK);
  await server.start(); // nobody tells the pages
  await converge([one, other], `[x] ${MILK}`, EGGS);
}));

test("a killed server has what it acknowledged, and the clients go on", withServer(async (server, browsers) => {
  const [one, other] = await open(server, browsers);
  await one.add(MILK);
  await converge([one, other], MILK);
  await server.kill();
  await one.add(BREAD);
  await other.add(EGGS);
  await server.start();
  await nudge(...browsers);
  await eventually(async () => assert.equal((await one.texts()).length, 3));
  await converge([one, other], ...(await one.texts()));
  const late = await StorePage.open(browsers[1], server.page());
  await converge([late], ...(await one.texts()));
}));

test("without a network a page knows at once, and catches up at once when it is back", withServer(async (server, [mine, yours]) => {
  const [one, other] = await open(server, [mine, yours]);
  await one.add(MILK);
  await converge([one, other], MILK);
  await mine.setOffline(true);
  await eventually(async () => assert.equal(await one.syncing(), "offline"), 5_000);
  await one.add(BREAD);
  await other.add(EGGS);
  await one.syncs("offline · 1 pending");
  await converge([other], MILK, EGGS);
  await mine.setOffline(false);
  await eventually(async () => assert.equal((await one.texts()).length, 3), 5_000);
  await converge([one, other], ...(await one.texts()));
}));

test("what was done without the server survives a reload, and is sent when it is back", withServer(async (server, [mine, yours]) => {
  const [one, other] = await open(server, [mine, yours]);
  await one.add(MILK);
  await converge([one, other], MILK);
  await server.stop();
  await one.add(BREAD);
  await one.toggle(0);
  await one.syncs("offline · 2 pending");
  await server.servePages();
  await one.reload();
  await one.shows(`[x] ${MILK}`, BREAD);
  await one.syncs("offline · 2 pending");
  await other.add(EGGS);
  await server.start();
  await nudge(mine, yours);
  await converge([one, other], `[x] ${MILK}`, BREAD, EGGS);
}));

test("of a client's tabs any can talk to the server", withServer(async (server, [mine, yours]) => {
  const [leader, other] = await open(server, [mine, yours]);
  await leader.add(MILK);
  const tab = await StorePage.open(mine, server.page());
  await converge([tab, other], MILK);
  await leader.page.close();
  await tab.add(BREAD);
  await converge([tab, other], MILK, BREAD);
  await other.toggle(1);
  await converge([tab, other], MILK, `[x] ${BREAD}`);
}));

test("a paused client says and hears nothing until it is resumed", withServer(async (server, browsers) => {
  const [one, other] = await open(server, browsers);
  await one.add(MILK);
  await converge([one, other], MILK);
  await one.page.evaluate(() => livestorePause());
  await one.syncs("paused");
  await one.add(BREAD);
  await one.syncs("paused · 1 pending");
  await other.toggle(0);
  await converge([other], `[x] ${MILK}`);
  await one.shows(MILK, BREAD);
  await one.page.evaluate(() => livestoreResume());
  await converge([one, other], `[x] ${MILK}`, BREAD);
}));

test("a list that is deleted here, as by a logout, comes back from the server", withServer(async (server, [mine, yours]) => {
  const [one, other] = await open(server, [mine, yours]);
  await one.add(MILK, BREAD);
  await converge([one, other], MILK, BREAD);
  const logOut = async () => {
    await one.page.evaluate(() => { delete globalThis.livestoreDeleted; livestoreDelete(); });
    return one.page.waitForFunction(() => globalThis.livestoreDeleted).then((answer) => answer.jsonValue());
  };
  await server.stop();
  await one.add(EGGS);
  await one.syncs("offline · 1 pending");
  assert.match(await logOut(), /^1 events are in this client only/);
  await one.shows(MILK, BREAD, EGGS);
  await server.start();
  await nudge(mine, yours);
  await converge([one, other], MILK, BREAD, EGGS);

  assert.equal(await logOut(), "deleted");
  await leave(one.page);
  assert.deepEqual(Object.keys(await files(one.page)).filter((name) => /eventlog|state/.test(name)), []);
  const again = await StorePage.open(mine, server.page());
  await converge([again, other], MILK, BREAD, EGGS);
  await again.toggle(0);
  await converge([again, other], `[x] ${MILK}`, BREAD, EGGS);
}));

const guarded = () => SyncServer.start({ program: env("E2E_GUARDED"), more: ["--word", "cheese"] });

test("what the server refuses is taken back and says why, until it is dismissed or taken after all", withServer(async (server, browsers) => {
  const [one, other] = await open(server, browsers);
  await one.add(MILK, CHEESE, BREAD);
  await converge([one, other], MILK, BREAD);
  await one.refuses("no cheese on this list");
  await other.refuses();
  await screenshot(one.page, "sync-refused");
  await one.page.locator(".refused .retry").click();
  await one.refuses("no cheese on this list"); // again, as another commit
  await converge([one, other], MILK, BREAD);
  await one.reload();
  await one.refuses("no cheese on this list");

  await server.stop();
  await server.start("--word", "beer");
  await nudge(...browsers);
  await one.syncs("synced");
  await one.page.locator(".refused .retry").click();
  await converge([one, other], MILK, CHEESE, BREAD);
  await one.refuses();
  await one.add("buy beer");
  await one.refuses("no beer on this list");
  await one.page.locator(".refused .dismiss").click();
  await one.refuses();
  await converge([one, other], MILK, CHEESE, BREAD);
}, guarded));

// What becomes of a list whose server has lost what it had confirmed. Its three policies are three lists on one server.

/** What stands on the server when it comes back, what it then shows, and what of it the client's list had. */
const LOSSES = [
  ["wiped", async () => {}, []],
  ["restored from an older copy", async () => {}, [MILK]],
  ["replaced by another log", async (page) => page.add("write a letter", "post it"), ["write a letter", "post it"]],
];

for (const [how, fill, left] of LOSSES) {
  test(`a server that was ${how} is followed as the app's policy says`, withServer(async (server, [mine, yours]) => {
    const policies = ["reset", "keep", "fail"];
    const query = (policy) => `?store=${policy}&policy=${policy}`;
    const lists = {};
    for (const policy of policies) {
      lists[policy] = await StorePage.open(mine, server.page(query(policy)));
      await lists[policy].add(MILK);
      await converge([lists[policy]], MILK);
    }
    await server.stop();
    server.copy("older");
    await server.start();
    await nudge(mine);
    for (const policy of policies) {
      await lists[policy].add(BREAD);
      await converge([lists[policy]], MILK, BREAD);
    }
    await server.stop();
    await mine.setOffline(true);
    for (const policy of policies) {
      await lists[policy].add(EGGS);
      await lists[policy].syncs("offline · 1 pending");
    }
    server.replace(left.includes(MILK) ? "older" : null);
    await server.start();
    const others = {};
    for (const policy of policies) {
      others[policy] = await StorePage.open(yours, server.page(query(policy)));
      await fill(others[policy]);
      await converge([others[policy]], ...left);
    }
    await mine.setOffline(false);

    const { reset, keep, fail } = lists;
    await converge([reset, others.reset], ...left);
    await reset.refuses(/./);
    await reset.page.locator(".refused .retry").click();
    const taken = left.filter((text) => text === MILK);
    await converge([reset, others.reset], ...taken, EGGS, ...left.filter((text) => !taken.includes(text))); // by their age
    await reset.refuses();

    const kept = [MILK, BREAD, EGGS];
    await eventually(async () => {
      const texts = await keep.texts();
      assert.deepEqual(texts.toSorted(), [...new Set([...left, ...kept])].toSorted());
    });
    await converge([keep, others.keep], ...(await keep.texts()));

    await fail.syncs("stopped: the backend has lost events · 1 pending");
    await fail.shows(...kept);
    await fail.add("goes on here");
    await fail.shows(...kept, "goes on here");
    await others.fail.shows(...left);
  }));
}
