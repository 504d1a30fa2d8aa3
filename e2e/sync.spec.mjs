// Two clients that share a list through a server: two browser profiles with nothing in common but the list's name.

import { test } from "node:test";
import { withBrowsers } from "./browser.mjs";
import { SyncServer } from "./server.mjs";
import { StorePage } from "./store.mjs";

const [MILK, BREAD, EGGS] = ["buy milk", "bake bread", "boil eggs"];

/** Runs a test with two clients of one server. */
const withServer = (test) => withBrowsers(2, async (browsers, t) => {
  const server = await SyncServer.start();
  try {
    await test(server, browsers, t);
  } finally {
    await server.remove();
  }
});

test("what one client does shows in the other", withServer(async (server, [mine, yours]) => {
  const one = await StorePage.open(mine, server.page());
  const other = await StorePage.open(yours, server.page());
  await one.hasStorage("opfs");
  await one.add(MILK);
  await other.shows(MILK);
  await other.add(BREAD);
  await other.toggle(0);
  await one.shows(`[x] ${MILK}`, BREAD);
  await one.syncs("synced");
  await other.syncs("synced");

}));
