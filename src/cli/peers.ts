import type { Command } from 'commander'
import { PeerList } from '../../protocol/peers.ts'
import { askNode } from './ask-node.ts'
import { printJson, printLine, printTable } from './output.ts'
import { registerPeerBans } from './peers-ban.ts'
import { type TargetOptions, targetOptions } from './target.ts'

interface PeersOptions extends TargetOptions {
  json?: boolean
}

/** `cytoplex peers`: who a node is connected to. */
export function registerPeers(program: Command): void {
  const command = program.command('peers').description('list connected peers and seeds; ban a peer')
  targetOptions(command)
    .addHelpText(
      'after',
      '\nNeeds the key of the administrator.\n\nExample:\n  $ cytoplex peers --data-dir ~/.local/share/cytoplex',
    )
    .action(peers)
  registerPeerBans(command)
}

async function peers(options: PeersOptions): Promise<void> {
  const { answer: list } = await askNode(options, '/api/v1/peers', PeerList)
  if (options.json) printJson(list)
  else printPeers(list)
}

function printPeers({ peers, seeds, known_providers, providers, stats }: PeerList): void {
  if (peers.length === 0) printLine('No peer is connected.')
  else {
    printTable(
      ['PROVIDER', 'DIRECTION', 'CELLS', 'SEED', 'SCORE', 'CONNECTED', 'ADDRESS'],
      peers.map((peer) => [
        peer.provider_id,
        peer.direction,
        peer.cells,
        peer.seed ? 'yes' : 'no',
        standing(peer.peer_score),
        duration(peer.connected_ms),
        peer.multiaddrs.join(' '),
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
  const others = providers.filter(({ connected }) => !connected)
  if (others.length > 0) {
    printLine()
    printTable(
      ['KNOWN PROVIDER', 'CELLS', 'REACHABLE', 'LAST SEEN'],
      others.map((one) => [one.provider_id, one.cells, WORDS[String(one.reachable)], one.last_seen]),
    )
  }
  printLine()
  printLine(`${known_providers} ${known_providers === 1 ? 'provider' : 'providers'} known, connected or not.`)
  if (stats.banned > 0) printLine(`${stats.banned} banned; \`cytoplex peers banned\` lists them.`)
}

const standing = ({ score, banned, trusted }: PeerList['peers'][number]['peer_score']): string =>
  `${score}${trusted ? ' trusted' : ''}${banned ? ' banned' : ''}`

const WORDS: Readonly<Record<string, string>> = { true: 'yes', false: 'no', null: 'not known' }

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
