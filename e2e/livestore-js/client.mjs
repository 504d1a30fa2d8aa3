// `node client.mjs URL STORE CLIENT`: a LiveStore store that does what its input says, line by line, and prints its rows
// (`id:text`, by id) whenever they change. Lines: `add ID TEXT`. It ends with its input.
import { createInterface } from 'node:readline'
import { makeAdapter } from '@livestore/adapter-node'
import { createStorePromise, Events, makeSchema, queryDb, Schema, State } from '@livestore/livestore'
import { makeWsSync } from '@livestore/sync-cf/client'
import WebSocket from 'ws'

globalThis.WebSocket = WebSocket

const [url, storeId, clientId] = process.argv.slice(2)
const notes = State.SQLite.table({
  name: 'notes',
  columns: { id: State.SQLite.text({ primaryKey: true }), text: State.SQLite.text() },
})
const events = {
  noted: Events.synced({ name: 'v1.Noted', schema: Schema.Struct({ id: Schema.String, text: Schema.String }) }),
}
const materializers = State.SQLite.materializers(events, {
  'v1.Noted': ({ id, text }) => notes.insert({ id, text }).onConflict('id', 'replace'),
})
const schema = makeSchema({ events, state: State.SQLite.makeState({ tables: { notes }, materializers }) })

const store = await createStorePromise({
  adapter: makeAdapter({
    storage: { type: 'in-memory' },
    clientId,
    sync: { backend: makeWsSync({ url, ping: { requestTimeout: 1000, requestInterval: 1000 } }) },
  }),
  schema,
  storeId,
  disableDevtools: true,
})
store.subscribe(queryDb(notes.orderBy('id', 'asc')), (rows) =>
  console.log(`rows ${rows.map(({ id, text }) => `${id}:${text}`).join(' ')}`),
)
for await (const line of createInterface({ input: process.stdin })) {
  const [, id, text] = line.split(' ')
  store.commit(events.noted({ id, text }))
}
process.exit(0)
