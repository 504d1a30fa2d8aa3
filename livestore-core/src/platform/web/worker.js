// The leader's worker: loads the app's own module once more and runs its leader (see scope.rs, worker.rs).
const tell = (kind, text) => self.postMessage({ livestore: kind, text: String(text) });
// What leaves the module's memory as it happened to be; Firefox calls a full stack an InternalError.
const traps = ["RuntimeError", "RangeError", "InternalError"];
const trap = (event, error) => {
  if (traps.includes(error?.name)) {
    event.preventDefault();
    tell("crashed", error);
    self.close();
  }
};
self.addEventListener("error", (event) => trap(event, event.error));
let isImporting = false;
self.addEventListener("unhandledrejection", (event) => {
  trap(event, event.reason);
  // Imported, dx's glue begins to load the module by itself, from an address that means nothing in a Blob's worker.
  if (isImporting && event.reason instanceof TypeError) event.preventDefault();
});
self.addEventListener("message", async ({ data }) => {
  // Held for life: when the page gets it, this worker is gone, however it ended.
  navigator.locks?.request(data.alive, () => (tell("alive", ""), new Promise(() => {})));
  self.livestoreLeader = data.config;
  try {
    isImporting = true;
    const glue = await import(data.glue);
    // Until what it has rejected is told: one timer may overtake that, a second one does not.
    for (const _ of "12") await new Promise((resolve) => setTimeout(resolve));
    isImporting = false;
    await glue.default({ module_or_path: data.module });
    if (self.livestoreLeader) glue.livestore_worker_entry?.();
    if (self.livestoreLeader) throw new Error("neither `main` calls `launch` nor is there a `worker_entry!`");
  } catch (error) {
    // Without memory for the module now, it may have some soon: that of pages that are gone is freed late.
    tell(traps.includes(error?.name) ? "crashed" : "failed", error);
    self.close();
  }
}, { once: true });
tell("hello", "");
