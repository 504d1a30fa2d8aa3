// Files that are damaged while nobody uses them: a state is folded anew, a log is refused and left as it is.

import assert from "node:assert/strict";
import { test } from "node:test";
import { eventually, url, withProfile } from "./browser.mjs";
import { files, leave, spoil } from "./files.mjs";
import { StorePage } from "./store.mjs";

const [MILK, BREAD, EGGS] = ["buy milk", "bake bread", "boil eggs"];

/** What makes SQLite write its WAL, of some megabytes, into the database. */
const large = Array.from({ length: 12 }, (_, n) => `${n}${"x".repeat(700_000)}`);

/** A store of some todos that nobody has open; the page shows no app. What is `cut` should have something in it. */
const written = async (browser, how) => {
  const todo = await StorePage.open(browser);
  await todo.add(MILK, BREAD);
  await todo.toggle(1);
  const more = how === "cut" ? large : [];
  for (const text of more) await todo.addPersisted(text);
  await leave(todo.page);
  return { todo, more };
};

for (const how of ["garbage", "cut"]) {
  test(`a state that is damaged (${how}) is folded from the log again, and everything is there`, withProfile(async (browser) => {
    const { todo, more } = await written(browser, how);
    browser.expectConsole(/rebuilding the state from the log/);
    await spoil(todo.page, "state-", how);
    const before = await files(todo.page);
    await todo.page.goto(url());
    await todo.ready();
    await todo.hasStorage("opfs");
    await todo.shows(MILK, `[x] ${BREAD}`, ...more);
    await todo.add(EGGS);
    await todo.isPersisted();
    await todo.reload();
    await todo.shows(MILK, `[x] ${BREAD}`, ...more, EGGS);
    await leave(todo.page);
    const after = await files(todo.page);
    for (const name of Object.keys(before).filter((name) => /^state-.*\.db$/.test(name))) {
      assert.notEqual(after[name], before[name], `${name} is as damaged as it was`);
    }
  }));
}

for (const [how, names] of [
  ["garbage", /eventlog\.db/],
  ["cut", /eventlog\.db/],
  ["header", /invalid header in OPFS file/],
]) {
  test(`a log that is damaged (${how}) is an error that names it, and not a byte is changed`, withProfile(async (browser) => {
    const { todo } = await written(browser, how);
    // The second is Dioxus's own word for it.
    browser.expectConsole(/the leader can't serve/, /Error while rendering component .*can't be opened/s);
    await spoil(todo.page, "eventlog.db", how);
    const before = await files(todo.page);
    for (let attempt = 1; attempt <= 2; attempt += 1) {
      await todo.page.goto(url());
      await eventually(async () => {
        const problems = await todo.page.locator(".problems li").allInnerTexts();
        assert.equal(problems.length, 1);
        assert.match(problems[0], names);
      });
      assert.equal(await todo.page.locator(".new-todo").count(), 0, "no empty store in its place");
      await leave(todo.page);
      const after = await files(todo.page);
      for (const [name, hash] of Object.entries(before)) {
        assert.equal(after[name], hash, `${name} was changed by attempt ${attempt}`);
      }
    }
  }));
}
