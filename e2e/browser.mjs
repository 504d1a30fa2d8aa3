// Driving Chromium for the end-to-end tests: browsers, pages, and what must never appear in a console.
//
// Invariant: every page a test opens is watched, and any console message, page error or crash that the test did not
// announce fails it. Knows nothing of TodoMVC: that is todomvc.mjs.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { chromium } from "playwright-core";

/** What xtask tells the tests. */
export const env = (name) => {
  const value = process.env[name];
  assert.ok(value, `${name} is not set: run these tests with \`cargo xtask e2e\``);
  return value;
};

/** The address of the app under test, with a slash at its end. */
export const url = () => env("E2E_URL");

/** The name of the app under test, which is also that of its folder among the sites. */
export const app = () => env("E2E_APP");

/** The address of the app as users get it, without what only tests need. */
export const shippedUrl = () => siteUrl(env("E2E_SHIPPED"));

/** The address of another site on the same origin, or null if it has not been built. */
export const siteUrl = (name) => {
  try {
    readFileSync(join(env("E2E_SITES"), name, "index.html"));
  } catch {
    return null;
  }
  return new URL(`/site/${name}/`, url()).href;
};

/**
 * A copy of the app whose JavaScript glue starts with the given lines, on the same origin. The page and its worker import
 * the same glue, so this reaches both; a page's init script would miss the worker.
 */
export const alteredSite = (suffix, lines) => {
  const name = `${app()}--${suffix}`;
  const from = join(env("E2E_SITES"), app());
  const to = join(env("E2E_SITES"), name);
  rmSync(to, { recursive: true, force: true });
  cpSync(from, to, { recursive: true });
  const scripts = readdirSync(to).filter((file) => file.endsWith(".js"));
  assert.equal(scripts.length, 1, "a site has one script: the glue");
  const glue = join(to, scripts[0]);
  writeFileSync(glue, `${lines}\n${readFileSync(glue, "utf8")}`);
  return siteUrl(name);
};

/** A profile that behaves like a private window: the origin's private file system is refused. */
export const siteWithoutOpfs = () =>
  alteredSite(
    "no-opfs",
    `StorageManager.prototype.getDirectory = () => Promise.reject(new DOMException("refused", "SecurityError"));`,
  );

/**
 * A copy of the app that starts its worker from a file of its own, of that name; the file is there unless the name says
 * otherwise.
 */
export const siteWithWorkerScript = (suffix, name) => {
  const address = alteredSite(suffix, `globalThis.livestoreWorkerScript = "./${name}";`);
  if (!name.startsWith("missing")) {
    cpSync("../livestore-core/src/platform/web/worker.js", join(env("E2E_SITES"), `${app()}--${suffix}`, name));
  }
  return address;
};

/**
 * A copy of the app that speaks another protocol with its leader: in every frame's header, out and in, the highest bit is
 * the other way around, so that copies understand each other and nobody else.
 */
export const siteWithOtherProtocol = () =>
  alteredSite(
    "protocol",
    `{
  const other = (frame) => (frame = frame.slice(), frame[3] ^= 0x80, frame);
  const channel = BroadcastChannel.prototype;
  const { postMessage } = channel;
  channel.postMessage = function (frame) { postMessage.call(this, other(frame)); };
  const { set } = Object.getOwnPropertyDescriptor(channel, "onmessage");
  Object.defineProperty(channel, "onmessage", {
    set(hear) { set.call(this, hear && (({ data }) => hear(new MessageEvent("message", { data: other(data) })))); },
  });
}`,
  );

/** The strictest policy under which a site of ours can run: nothing from elsewhere, nothing from a Blob, no inline script but its own. */
export const strictPolicy = (site) => {
  const page = readFileSync(join(env("E2E_SITES"), site, "index.html"), "utf8");
  const script = /<script type="module">([^]*?)<\/script>/.exec(page)[1];
  const hash = createHash("sha256").update(script).digest("base64");
  return [
    "default-src 'none'",
    `script-src 'self' 'wasm-unsafe-eval' 'sha256-${hash}'`,
    "worker-src 'self'",
    "connect-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
  ].join("; ");
};

const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

const launchOptions = () => ({ executablePath: env("CHROMIUM"), headless: true, args: FLAGS });
const VIEW = { viewport: { width: 900, height: 700 } };

/** One client: a browser profile with its tabs. */
export class Browser {
  #profile = null;
  #context;
  #complaints = [];
  #expected = [];

  /** A profile on disk: its storage is real and outlives, with `restart`, the browser's process. */
  static async persistent() {
    const browser = new Browser();
    browser.#profile = mkdtempSync(join(tmpdir(), "livestore-e2e-"));
    await browser.restart();
    return browser;
  }

  /** A profile in the memory of a running Chromium: as good for everything that ends with the test, and quicker to start. */
  static async passing(chromium) {
    const browser = new Browser();
    browser.#adopt(await chromium.newContext(VIEW));
    return browser;
  }

  /** The browser's process ends in good order, if it runs, and starts again with the same profile. */
  async restart() {
    await this.#context?.close();
    this.#adopt(await chromium.launchPersistentContext(this.#profile, { ...launchOptions(), ...VIEW }));
  }

  /** Kills all processes of the browser at once, as a system that is out of memory would; then starts a new one with the same profile. */
  async killAndRestart() {
    const own = `--user-data-dir=${this.#profile}`;
    const arguments_ = (pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
      } catch {
        return []; // it has just ended
      }
    };
    const isBrowser = (words) => words.includes(own) && !words.some((word) => word.startsWith("--type="));
    const browser = readdirSync("/proc").find((name) => /^\d+$/.test(name) && isBrowser(arguments_(name)));
    assert.ok(browser, "the browser's process is not to be found");
    const closed = new Promise((resolve) => this.#context.once("close", resolve));
    process.kill(-Number(browser), "SIGKILL"); // playwright starts it as the leader of a process group
    await closed;
    this.#context = null;
    await this.restart();
  }

  #adopt(context) {
    this.#context = context;
    context.setDefaultTimeout(15_000);
    context.on("page", (page) => this.#watch(page));
    context.pages().forEach((page) => this.#watch(page));
  }

  #watch(page) {
    page.on("console", (message) => this.#complain(`console.${message.type()}: ${message.text()}`));
    page.on("pageerror", (error) => this.#complain(`page error: ${error.stack ?? error}`));
    page.on("crash", () => this.#complain("crash"));
  }

  #complain(text) {
    if (!this.#expected.some((pattern) => pattern.test(text))) {
      this.#complaints.push(text);
    }
  }

  /** Console messages that a test causes on purpose; everything else still fails it. */
  expectConsole(...patterns) {
    this.#expected.push(...patterns);
  }

  /** Fails if any page said anything that was not expected. */
  assertQuiet() {
    assert.deepEqual(this.#complaints, [], "the consoles must be empty");
  }

  /** A new tab at an address: a session of its own, in the same client. */
  async tab(address = url()) {
    const page = await this.#context.newPage();
    await page.goto(address);
    return page;
  }

  /** A tab that the browser made by duplicating another: its sessionStorage starts as a copy. */
  async duplicate(page) {
    const [copy] = await Promise.all([
      this.#context.waitForEvent("page"),
      page.evaluate(() => void window.open(location.href, "_blank", "popup=no")),
    ]);
    await copy.waitForLoadState();
    return copy;
  }

  /** Answers for everything below this address with a content security policy, as a stricter server would. */
  async restrict(address, policy) {
    await this.#context.route(`${address}**`, async (route) => {
      const response = await route.fetch();
      const headers = { ...response.headers(), "content-security-policy": policy };
      await route.fulfill({ response, headers });
    });
  }

  /** Cuts every page of this browser from the network, or joins them again. */
  async setOffline(offline) {
    await this.#context.setOffline(offline);
  }

  /**
   * Lets go of what earlier pages of this tab held, as time does between a person's reloads. V8 has room for about a hundred
   * wasm memories in a process, and a worker that finds none can't make the page collect its garbage.
   */
  async collectGarbage(page) {
    const session = await this.#context.newCDPSession(page);
    await session.send("HeapProfiler.collectGarbage");
    await session.detach();
  }

  /** Kills a tab's renderer process, with everything in it; no handler of the page runs. */
  async crash(page) {
    this.expectConsole(/^crash$/);
    const session = await this.#context.newCDPSession(page);
    const crashed = page.waitForEvent("crash");
    session.send("Page.crash").catch(() => {}); // never answered: the process is gone
    await crashed;
    await page.close();
  }

  /** The quota of a page's origin: used up by what is stored already, and as it was. */
  async quota(page) {
    const session = await this.#context.newCDPSession(page);
    const { origin } = new URL(page.url());
    return {
      useUp: () => session.send("Storage.overrideQuotaForOrigin", { origin, quotaSize: 1 }),
      giveBack: () => session.send("Storage.overrideQuotaForOrigin", { origin }),
    };
  }

  async stop() {
    await this.#context.close();
    if (this.#profile) rmSync(this.#profile, { recursive: true, force: true, maxRetries: 5 });
  }
}

const quietly = async (browser, test, t) => {
  try {
    await test(browser, t);
    browser.assertQuiet();
  } finally {
    await browser.stop();
  }
};

/** Runs a test with a profile on disk; afterwards the consoles must have been silent. */
export const withProfile = (test) => async (t) => quietly(await Browser.persistent(), test, t);

let shared = null;

/** Whether the app under test is not a page in a browser, but a window of its own. */
export const isDesktop = () => "E2E_DESKTOP" in process.env;

/**
 * Runs a test with a profile in memory, in a Chromium that the tests of a file share; or, where the app is a window, with
 * one that has no data yet.
 */
export const withBrowser = (test) => async (t) => {
  if (isDesktop()) {
    const { withDesktop } = await import("./desktop.mjs");
    return withDesktop(test)(t);
  }
  shared ??= await chromium.launch(launchOptions());
  await quietly(await Browser.passing(shared), test, t);
};

/** Runs a test with several profiles in memory: clients that have nothing in common. */
export const withBrowsers = (count, test) => async (t) => {
  shared ??= await chromium.launch(launchOptions());
  const browsers = await Promise.all(Array.from({ length: count }, () => Browser.passing(shared)));
  try {
    await test(browsers, t);
    browsers.forEach((browser) => browser.assertQuiet());
  } finally {
    await Promise.all(browsers.map((browser) => browser.stop()));
  }
};

after(() => shared?.close());

/** Writes a picture of a page into e2e/test-results, for a person to look at. */
export const screenshot = async (page, name) => {
  mkdirSync("test-results", { recursive: true });
  await page.screenshot({ path: join("test-results", `${name}.png`) });
};

/** Asks again until a check holds; its last failure is the test's. */
export const eventually = async (check, milliseconds = 10_000) => {
  const end = Date.now() + milliseconds;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (Date.now() > end) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
};

/** A small seeded generator (mulberry32), so that a failing run can be repeated: set E2E_SEED to the printed seed. */
export const random = (t) => {
  const seed = Number(process.env.E2E_SEED ?? Date.now() % 2 ** 32);
  t.diagnostic(`E2E_SEED=${seed}`);
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let x = Math.imul(state ^ (state >>> 15), state | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return ((x ^ (x >>> 14)) >>> 0) % below;
  };
};
