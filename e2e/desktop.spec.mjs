// The desktop app: restarts, a killed process, data that can't be had. What it has in common with a page is in
// todomvc.spec.mjs, which runs against its window, too.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { env, eventually, withBrowsers } from "./browser.mjs";
import { withDesktop } from "./desktop.mjs";
import { SyncServer } from "./server.mjs";
import { StorePage } from "./store.mjs";

const [MILK, BREAD, EGGS] = ["buy milk", "bake bread", "boil eggs"];

/** Waits for the view that shows instead of the todos, and returns what it says. */
const problem = async (window) => {
  const view = window.locator(".problems");
  await view.waitFor();
  assert.equal(await window.locator(".new-todo").count(), 0);
  return view.innerText();
};

test("what was added, completed and edited is there after a restart", withDesktop(async (desktop) => {
  const first = await StorePage.open(desktop);
  await first.hasStorage("files");
  await first.add(MILK, BREAD, EGGS, "deleted");
  await first.toggle(1);
  await first.destroy(3);
  const input = await first.edit(2);
  await input.fill("fry eggs");
  await input.press("Enter");
  const expected = [MILK, `[x] ${BREAD}`, "fry eggs"];
  await first.shows(...expected);
  await first.page.close();
  const second = await StorePage.open(desktop);
  await second.shows(...expected);
  await second.counts("2 items left");
  mkdirSync("test-results", { recursive: true });
  await second.page.screenshot({ path: join("test-results", "desktop.png") });
}));

test("a killed process loses nothing that was persisted", withDesktop(async (desktop) => {
  const expected = [];
  for (let round = 0; round < 5; round += 1) {
    const todo = await StorePage.open(desktop);
    await todo.shows(...expected);
    expected.push(`todo ${round}`);
    await todo.add(expected.at(-1));
    await todo.isPersisted();
    await todo.page.kill();
  }
  await (await StorePage.open(desktop)).shows(...expected);
}));

test("what was just committed survives a closed window", withDesktop(async (desktop) => {
  const todo = await StorePage.open(desktop);
  await todo.add(MILK);
  await todo.page.close();
  await (await StorePage.open(desktop)).shows(MILK);
}));

test("a second process on the same data says who holds them, and the first goes on", withDesktop(async (desktop) => {
  const first = await StorePage.open(desktop);
  const second = await desktop.tab();
  assert.match(await problem(second), /another process|in use|held/i);
  await first.add(MILK);
  await first.isPersisted();
  await first.shows(MILK);
  await second.kill();
  await first.page.close();
  await (await StorePage.open(desktop)).shows(MILK);
}));

test("a directory that can't be written is a view that names it", withDesktop(async (desktop) => {
  const file = `${desktop.data}-file`;
  writeFileSync(file, "not a directory");
  const window = await desktop.tab(join(file, "data"));
  const text = await problem(window);
  assert.ok(text.includes(file), text);
  await eventually(async () => assert.equal(await window.evaluate(() => document.readyState), "complete"));
}));

/** Runs the client that has no user interface, and returns what it prints. */
const notes = async (desktop, server, ...args) => {
  const list = ["--dir", join(desktop.data, "notes"), "--server", server.sync, "--store", "shared"];
  const { stdout } = await promisify(execFile)(env("E2E_NOTES"), [...list, ...args]);
  return stdout;
};

test("a window, a page and a program without either edit one list, without the server, too", withDesktop((desktop, t) =>
  withBrowsers(1, async ([browser]) => {
    browser.expectConsole(/WebSocket connection to '.*' failed/);
    const server = await SyncServer.start();
    try {
      const window = new StorePage(await desktop.tab(desktop.data, "--store", "shared", "--server", server.sync));
      await window.ready();
      const page = await StorePage.open(browser, server.page());
      const converge = async (...expected) => {
        for (const client of [window, page]) {
          await client.shows(...expected);
          await client.syncs("synced");
        }
        const list = expected.map((text) => (text.startsWith("[x]") ? text : `[ ] ${text}`));
        assert.deepEqual((await notes(desktop, server, "list")).trim().split("\n"), list);
      };
      await window.add(MILK);
      await page.shows(MILK);
      await page.add(BREAD);
      await window.shows(MILK, BREAD);
      assert.match(await notes(desktop, server, "add", EGGS), /^confirmed/m);
      await converge(MILK, BREAD, EGGS);

      await server.stop();
      await window.toggle(0);
      await window.add("from the window");
      await page.toggle(1);
      await page.add("from the page");
      assert.match(await notes(desktop, server, "--timeout", "1", "add", "from nowhere"), /^pending/m);
      await window.syncs("offline · 2 pending");
      await window.page.screenshot({ path: join("test-results", "desktop-offline.png") });
      await server.start();
      await notes(desktop, server, "--timeout", "30", "status");
      await converge(`[x] ${MILK}`, `[x] ${BREAD}`, EGGS, "from the window", "from the page", "from nowhere");
    } finally {
      await server.remove();
    }
  })(t),
));
