import { randomBytes } from 'node:crypto'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

/** As much of Helia as is used here. */
interface Helia {
  readonly libp2p: { dial(address: unknown): Promise<unknown>; getMultiaddrs(): readonly { toString(): string }[] }
  start(): Promise<Helia>
  stop(): Promise<void>
}
interface UnixFs {
  addBytes(bytes: Uint8Array): Promise<{ toString(): string }>
  cat(cid: unknown, options: { signal: AbortSignal }): AsyncIterable<Uint8Array>
}

/** Milliseconds for one fetch. */
const FETCH_MS = 60_000

let helia: Helia
let files: UnixFs
let load: (name: string) => Promise<Record<string, (...args: unknown[]) => unknown>>

/** Starts Helia from `folder` with TCP, TLS, yamux, bitswap and blocks in memory, and returns its address. */
async function start({ folder }: { folder: string }): Promise<string> {
  const { resolve } = createRequire(join(folder, 'package.json'))
  load = (name) => import(pathToFileURL(resolve(name)).href)
  const names = ['helia', '@helia/libp2p', '@helia/bitswap', '@helia/unixfs', '@libp2p/tcp', '@libp2p/tls']
  const [core, libp2p, bitswap, unixfs, tcp, tls] = await Promise.all(names.map(load))
  const { yamux } = await load('@libp2p/yamux')
  const { identify } = await load('@libp2p/identify')
  const options = {
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp!.tcp!()],
    connectionEncrypters: [tls!.tls!()],
    streamMuxers: [yamux!()],
    services: { identify: identify!() },
  }
  const made = bitswap!.withBitswap!(libp2p!.withLibp2pLight!(core!.createHeliaLight!(), options)) as Helia
  helia = await made.start()
  files = unixfs!.unixfs!(helia) as UnixFs
  return String(helia.libp2p.getMultiaddrs()[0])
}

async function connect({ address }: { address: string }): Promise<void> {
  const { multiaddr } = await load('@multiformats/multiaddr')
  await helia.libp2p.dial(multiaddr!(address))
}

/** Adds `size` bytes of chance, and returns their CID. */
const add = async ({ size }: { size: number }): Promise<string> => String(await files.addBytes(randomBytes(size)))

/** Reads a file to its last byte, and returns the milliseconds that took. */
async function fetchFile({ cid, size }: { cid: string; size: number }): Promise<number> {
  const { CID } = (await load('multiformats/cid')) as unknown as { CID: { parse(text: string): unknown } }
  const since = performance.now()
  let left = size
  for await (const part of files.cat(CID.parse(cid), { signal: AbortSignal.timeout(FETCH_MS) })) left -= part.length
  if (left !== 0) throw new Error(`${left} bytes of ${cid} are missing`)
  return performance.now() - since
}

export const commands = { start, connect, add, fetchFile, end: () => helia?.stop() }
