import type { Command } from 'commander'
import { Check } from 'typebox/value'
import { PeerList } from '../../protocol/discovery.ts'
import { CliError, EXIT } from './exit-codes.ts'
import { printJson, printLine, printTable } from './output.ts'
import { resolveTarget, type TargetOptions, targetOptions } from './target.ts'

interface PeersOptions extends TargetOptions {
  json?: boolean
}

/** `cytoplex peers`: who a node is connected to. */
export function registerPeers(program: Command): void {
  targetOptions(program.command('peers').description('list connected peers and seeds'))
    .addHelpText(
      'after',
      '\nNeeds the key of the administrator.\n\nExample:\n  $ cytoplex peers --data-dir ~/.local/share/cytoplex',
    )
    .action(peers)
}

async function peers(options: PeersOptions): Promise<void> {
  const target = resolveTarget(options)
  const { createClient } = await import('../client/index.ts')
  const client = createClient({ nodes: target.url, ...(target.apiKey === undefined ? {} : { apiKey: target.apiKey }) })
  const list = await client.get('/api/v1/peers')
  if (!Check(PeerList, list)) {
    throw new CliError(`${target.url} answered, but not as a Cytoplex node does`, EXIT.failure, 'BAD_ANSWER')
  }
  if (options.json) printJson(list)
  else printPeers(list)
}

function printPeers({ peers, seeds, known_providers }: PeerList): void {
  if (peers.length === 0) printLine('No peer is connected.')
  else {
    printTable(
      ['PROVIDER', 'DIRECTION', 'CELLS', 'SEED', 'CONNECTED', 'ADDRESS'],
      peers.map((peer) => [
        peer.provider_id,
        peer.direction,
        peer.cells,
        peer.seed ? 'yes' : 'no',
        duration(peer.connected_ms),
        peer.addresses.join(' '),
      ]),
    )
  }
  if (seeds.length > 0) {
    printLine()
    printTable(
      ['SEED', 'CONNECTED', 'ATTEMPTS', 'LAST ERROR'],
      seeds.map((seed) => [seed.address, seed.connected ? 'yes' : 'no', seed.attempts, seed.last_error]),
    )
  }
  printLine()
  printLine(`${known_providers} ${known_providers === 1 ? 'provider' : 'providers'} known, connected or not.`)
}

const UNITS: readonly [string, number][] = [
  ['d', 86_400],
  ['h', 3600],
  ['min', 60],
]

/** The largest unit that fits: `3 h`. */
function duration(milliseconds: number): string {
  const seconds = Math.floor(milliseconds / 1000)
  for (const [unit, length] of UNITS) {
    if (seconds >= length) return `${Math.floor(seconds / length)} ${unit}`
  }
  return `${seconds} s`
}
