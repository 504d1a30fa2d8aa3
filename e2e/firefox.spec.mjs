// A smoke test in Firefox, which `puppeteer-core` drives over WebDriver BiDi: the store opens on OPFS, keeps what is
// committed, and two tabs share one leader. The thorough tests are those in Chromium.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import puppeteer from "puppeteer-core";
import { eventually } from "./browser.mjs";

const [MILK, BREAD] = ["buy milk", "bake bread"];

const firefox = await puppeteer.launch({ browser: "firefox", executablePath: process.env.FIREFOX, headless: true });
after(() => firefox.close());

const complaints = [];

/** The app in a new tab. */
const open = async () => {
  const page = await firefox.newPage();
  page.on("console", (message) => complaints.push(`${message.type()}: ${message.text()}`));
  page.on("pageerror", (error) => complaints.push(String(error)));
  await page.goto(process.env.E2E_URL);
  await page.waitForSelector(".new-todo");
  return page;
};

const add = async (page, text) => {
  await page.type(".new-todo", text);
  await page.keyboard.press("Enter");
};

const shows = (page, ...expected) =>
  eventually(async () => {
    const texts = await page.$$eval(".todo-list li", (items) =>
      items.map((item) => `${item.classList.contains("completed") ? "[x] " : ""}${item.querySelector("label").textContent}`),
    );
    assert.deepEqual(texts, expected);
  });

const status = (page, name) => page.$eval(".status", (status, name) => status.getAttribute(name), name);

test(`the app works in ${await firefox.version()}`, async (t) => {
  const first = await open();
  t.diagnostic(await firefox.version());
  assert.equal(await status(first, "data-storage"), "opfs");
  await add(first, MILK);
  await add(first, BREAD);
  await first.click(".todo-list li:nth-child(2) .toggle");
  await shows(first, MILK, `[x] ${BREAD}`);
  await eventually(async () => assert.equal(await status(first, "data-pending"), "0"));
  await first.reload();
  await shows(first, MILK, `[x] ${BREAD}`);

  const second = await open();
  await shows(second, MILK, `[x] ${BREAD}`);
  await add(second, "boil eggs");
  await shows(first, MILK, `[x] ${BREAD}`, "boil eggs");
  await first.close();
  await add(second, "after the leader");
  await shows(second, MILK, `[x] ${BREAD}`, "boil eggs", "after the leader");
  await eventually(async () => assert.equal(await status(second, "data-pending"), "0"), 30_000);
  await second.reload();
  await shows(second, MILK, `[x] ${BREAD}`, "boil eggs", "after the leader");
  assert.deepEqual(complaints, [], "the consoles must be empty");
});
