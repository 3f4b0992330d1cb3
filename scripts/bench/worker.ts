import { errorMessage, hasCode } from '../../src/kernel/base/errors.ts'
import type { Command, Commands, Reply, Role } from './worker-process.ts'

/** Loaded when played, so that a process holds nothing that its role does not need. */
const ROLES: Readonly<Record<Role, () => Promise<{ readonly commands: Commands }>>> = {
  node: () => import('./roles/node.ts'),
  'goal-node': () => import('./roles/goal-node.ts'),
  fixture: () => import('./roles/fixture.ts'),
  echo: () => import('./roles/echo.ts'),
  'file-server': () => import('./roles/file-server.ts'),
  load: () => import('./roles/load.ts'),
  signer: () => import('./roles/signer.ts'),
  usage: () => import('./roles/usage.ts'),
  archive: () => import('./roles/archive.ts'),
  crowd: () => import('./roles/crowd.ts'),
  addresses: () => import('./roles/addresses.ts'),
  'raw-stream': () => import('./roles/raw-stream.ts'),
  helia: () => import('./roles/helia.ts'),
  disk: () => import('./roles/disk.ts'),
  recall: () => import('./roles/recall.ts'),
  dht: () => import('./roles/dht.ts'),
}

/** Share of a core that this process used since the last call, 0 to 1 and more with threads. */
function usage(): () => number {
  let before = process.cpuUsage()
  let since = performance.now()
  return () => {
    const { user, system } = process.cpuUsage(before)
    const busy = (user + system) / 1000 / (performance.now() - since)
    before = process.cpuUsage()
    since = performance.now()
    return busy
  }
}

/** Nobody waits for a reply once the coordinator has gone. */
function unlessGone(error: Error | null): void {
  if (error !== null && !hasCode(error, 'ERR_IPC_CHANNEL_CLOSED') && !hasCode(error, 'EPIPE')) throw error
}

const { commands } = await ROLES[process.argv[2] as Role]()
const common: Commands = { ready: () => undefined, busy: usage() }

process.on('message', async ({ id, name, argument }: Command) => {
  const reply = (message: Omit<Reply, 'id'>): void => {
    if (process.connected) process.send?.({ id, ...message }, undefined, undefined, unlessGone)
  }
  try {
    const command = (commands[name] ?? common[name]) as ((argument: unknown) => unknown) | undefined
    if (command === undefined && name !== 'end') throw new Error(`no command ${name}`)
    reply({ result: await command?.(argument) })
  } catch (error) {
    reply({ error: errorMessage(error) })
  }
})
process.on('disconnect', () => process.exit())
