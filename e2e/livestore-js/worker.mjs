// LiveStore's own sync backend, as its documentation sets one up.
import { makeDurableObject, makeWorker } from '@livestore/sync-cf/cf-worker'

export class SyncBackendDO extends makeDurableObject({ enabledTransports: new Set(['ws', 'http']) }) {}

export default makeWorker({
  syncBackendBinding: 'SYNC_BACKEND_DO',
  validatePayload: (payload) => {
    if (payload?.authToken === 'wrong') throw new Error('this token is wrong')
  },
  enableCORS: true,
})
