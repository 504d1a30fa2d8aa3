// `node server.mjs DIRECTORY`: LiveStore's own sync backend under miniflare. Says where it serves, once it does.
import { build } from 'esbuild'
import { Miniflare } from 'miniflare'
import { fileURLToPath } from 'node:url'

const [directory] = process.argv.slice(2)
const { outputFiles } = await build({
  entryPoints: [fileURLToPath(new URL('worker.mjs', import.meta.url))],
  bundle: true,
  write: false,
  format: 'esm',
  target: 'es2022',
  conditions: ['workerd', 'worker', 'browser'],
  external: ['cloudflare:*', 'node:*'],
  logLevel: 'error',
})
const server = new Miniflare({
  modules: [{ type: 'ESModule', path: 'worker.mjs', contents: outputFiles[0].text }],
  compatibilityDate: '2025-11-01',
  compatibilityFlags: ['nodejs_compat', 'enable_request_signal'],
  durableObjects: { SYNC_BACKEND_DO: { className: 'SyncBackendDO', useSQLite: true } },
  durableObjectsPersist: directory,
  host: '127.0.0.1',
  port: 0,
})
const { host } = await server.ready
console.log(`ready on ${host}`)
process.stdin.resume()
// Whoever started this holds its input open; when they go, this goes.
process.stdin.on('end', async () => {
  await server.dispose()
  process.exit(0)
})
