// The files of a store in the origin's private file system, seen and spoiled from a page that runs no app.
//
// The pool of `sqlite-wasm-vfs` keeps each database in a file of a random name: 4096 bytes of header, which begin with the
// database's name, then the database. Nothing here is used while a worker has the files open.

import { createHash } from "node:crypto";
import { eventually } from "./browser.mjs";

/** Leaves the app for a page of the same origin that runs nothing, so that its worker lets go of the files. */
export const leave = async (page) => {
  const nothing = new URL("/nothing.html", page.url()).href;
  await page.route(nothing, (route) => route.fulfill({ contentType: "text/html", body: '<link rel="icon" href="data:,">' }));
  await page.goto(nothing);
};

/** Runs in the page: calls `visit(name, handle, bytes)` for every file that holds a database, a WAL or a journal. */
const VISIT = `async (visit) => {
  const walk = async (directory) => {
    for await (const handle of directory.values()) {
      if (handle.kind === "directory") {
        await walk(handle);
        continue;
      }
      const bytes = new Uint8Array(await (await handle.getFile()).arrayBuffer());
      const name = new TextDecoder().decode(bytes.subarray(0, 512)).split("\\0")[0];
      if (name) await visit(name, handle, bytes);
    }
  };
  await walk(await navigator.storage.getDirectory());
}`;

/** The databases' names without a leading slash, and a hash of each file, header included. */
export const files = async (page) => {
  const found = await eventually(() =>
    page.evaluate(`(async () => {
      const found = [];
      await (${VISIT})(async (name, _, bytes) => {
        let text = "";
        for (let at = 0; at < bytes.length; at += 32768) text += String.fromCharCode(...bytes.subarray(at, at + 32768));
        found.push([name, btoa(text)]);
      });
      return found;
    })()`),
  );
  const hash = (base64) => createHash("sha256").update(base64, "base64").digest("hex");
  return Object.fromEntries(found.map(([name, base64]) => [name.replace(/^\//, ""), hash(base64)]).sort());
};

/** Changes every file whose database's name begins so; `how`: "garbage", "cut" (half of it is left) or "header". */
export const spoil = async (page, start, how) => {
  // The browser lets go of a worker's files a moment after its page.
  const spoiled = await eventually(() =>
    page.evaluate(`(async () => {
      const spoiled = [];
      await (${VISIT})(async (name, handle, bytes) => {
        if (!name.replace(/^\\//, "").startsWith(${JSON.stringify(start)})) return;
        const how = ${JSON.stringify(how)};
        if (how === "garbage") bytes.fill(0xa5, 4096);
        if (how === "header") bytes.fill(0xa5, 512, 4096);
        const stream = await handle.createWritable();
        await stream.write(how === "cut" ? bytes.subarray(0, 4096 + Math.floor((bytes.length - 4096) / 2) - 100) : bytes);
        await stream.close();
        spoiled.push(name);
      });
      return spoiled;
    })()`),
  );
  if (spoiled.length === 0) throw new Error(`there is no file of ${start}`);
};
