import { execFileSync } from 'node:child_process'
import type { TestContext } from 'node:test'

/** Bridges of a LAN, as many as it has parts at most: while it is whole, every machine is on the first one. */
const PARTS = ['part0', 'part1', 'part2'] as const

/** A machine of a LAN: a network namespace. */
export interface Machine {
  /** Command that runs a program there. */
  readonly runner: readonly string[]
  /** Its address among the machines, which a partition cuts. */
  readonly address: string
  /** Its address for this process, which nothing cuts. */
  readonly control: string
}

/** Machines with a network of their own, which can be cut in parts. */
export interface Lan {
  readonly machines: readonly Machine[]
  /** Lets machines reach only those of their own part. */
  cut(...parts: readonly (readonly number[])[]): void
  heal(): void
}

const ip = (...args: readonly string[]): string => execFileSync('ip', args, { encoding: 'utf8', stdio: 'pipe' })

/** Why there can be no LAN here; undefined when there can. */
export function lanMissing(): string | undefined {
  const name = `cytoplex-${process.pid}-probe`
  try {
    ip('netns', 'add', name)
    ip('netns', 'del', name)
    return undefined
  } catch (error) {
    const { stderr = '', message } = error as Error & { stderr?: string }
    return `no network namespaces here: ${stderr.trim() || message}`
  }
}

/** Makes a LAN of namespaces, which is gone when the test ends. Two of one process must not be open at once. */
export function openLan(t: TestContext, count: number): Lan {
  const prefix = `cytoplex-${process.pid}`
  const hub = `${prefix}-hub`
  // Subnets by process id, so that test files that run side by side do not meet.
  const subnet = `10.${64 + (process.pid % 128)}`
  const control = `cx${process.pid}`
  const names = Array.from({ length: count }, (_, i) => `${prefix}-${i}`)
  const made: string[] = []
  t.after(() => {
    for (const name of made) ip('netns', 'del', name)
  })
  for (const name of [hub, ...names]) {
    ip('netns', 'add', name)
    made.push(name)
    ip('-n', name, 'link', 'set', 'lo', 'up')
  }
  for (const bridge of [...PARTS, 'control']) {
    ip('-n', hub, 'link', 'add', bridge, 'type', 'bridge')
    ip('-n', hub, 'link', 'set', bridge, 'up')
  }
  ip('link', 'add', control, 'type', 'veth', 'peer', 'name', 'here', 'netns', hub)
  ip('addr', 'add', `${subnet}.1.254/24`, 'dev', control)
  ip('link', 'set', control, 'up')
  attach(hub, 'here', 'control')
  for (const [i, name] of names.entries()) {
    plug({ hub, port: `port${i}`, bridge: PARTS[0], name, device: 'eth0', address: `${subnet}.0.${i + 1}/24` })
    plug({ hub, port: `ctl${i}`, bridge: 'control', name, device: 'ctl0', address: `${subnet}.1.${i + 1}/24` })
  }
  const move = (i: number, part: number): string => ip('-n', hub, 'link', 'set', `port${i}`, 'master', PARTS[part]!)
  return {
    machines: names.map((name, i) => ({
      runner: ['ip', 'netns', 'exec', name],
      address: `${subnet}.0.${i + 1}`,
      control: `${subnet}.1.${i + 1}`,
    })),
    cut(...parts) {
      for (const [part, members] of parts.entries()) for (const i of members) move(i, part)
    },
    heal() {
      for (const i of names.keys()) move(i, 0)
    },
  }
}

/** Connects a machine's new device to a bridge of the hub. */
function plug(cable: {
  readonly hub: string
  readonly port: string
  readonly bridge: string
  readonly name: string
  readonly device: string
  readonly address: string
}): void {
  const { hub, port, bridge, name, device, address } = cable
  ip('-n', hub, 'link', 'add', port, 'type', 'veth', 'peer', 'name', device, 'netns', name)
  ip('-n', name, 'addr', 'add', address, 'dev', device)
  ip('-n', name, 'link', 'set', device, 'up')
  attach(hub, port, bridge)
}

function attach(hub: string, port: string, bridge: string): void {
  ip('-n', hub, 'link', 'set', port, 'master', bridge)
  ip('-n', hub, 'link', 'set', port, 'up')
}
