import {
  forceCollide,
  forceLink,
  forceManyBody,
  forceRadial,
  forceSimulation,
  type SimulationNodeDatum,
} from 'd3-force'

/** A node of the picture. */
export interface GraphNode extends SimulationNodeDatum {
  readonly id: string
  readonly kind: 'self' | 'peer' | 'partner' | 'known'
  /** 0 to 200; undefined where nobody keeps one. */
  readonly score?: number | undefined
  /** Milliseconds of a round trip. */
  readonly distanceMs?: number | undefined
  /** Bytes of messages in both directions. */
  readonly traffic?: number | undefined
  /** Cells that it announces. */
  readonly cells?: number | undefined
}

export interface Placed extends GraphNode {
  readonly x: number
  readonly y: number
  readonly r: number
}

export const GRAPH = { width: 640, height: 420 } as const
/** Rounds of the simulation: it has settled by then, and costs some milliseconds for as many nodes as are shown. */
const ROUNDS = 200
/** Nodes that a picture shows; more are a list's affair. */
export const SHOWN_NODES = 150

/** Further away the longer a round trip takes, in a logarithmic scale; who is not connected stands at the edge. */
export function radiusOf({ kind, distanceMs }: GraphNode): number {
  const edge = Math.min(GRAPH.width, GRAPH.height) / 2 - 24
  if (kind === 'self') return 0
  if (kind === 'known') return edge
  const share = distanceMs === undefined ? 0.5 : Math.min(1, Math.log10(1 + distanceMs) / 3)
  return 70 + share * (edge - 110)
}

/** Where everybody stands: this node in the middle, and the same picture each time for the same peers. */
export function layOut(nodes: readonly GraphNode[]): Placed[] {
  const placed = nodes.slice(0, SHOWN_NODES).map((node) => ({ ...node, r: sizeOf(node) }))
  const self = placed.find(({ kind }) => kind === 'self')
  if (self !== undefined) Object.assign(self, { fx: 0, fy: 0 })
  const links = placed
    .filter((node) => node.kind === 'peer' || node.kind === 'partner')
    .map((node) => ({ source: self?.id ?? node.id, target: node.id }))
  forceSimulation<GraphNode & { r: number }>(placed)
    .force('radius', forceRadial<GraphNode>((node) => radiusOf(node), 0, 0).strength(0.9))
    .force('apart', forceManyBody().strength(-60))
    .force(
      'collide',
      forceCollide<GraphNode & { r: number }>((node) => node.r + 16),
    )
    .force(
      'link',
      forceLink<GraphNode & { r: number }, { source: string; target: string }>(links)
        .id((node) => node.id)
        .strength(0.02),
    )
    .stop()
    .tick(ROUNDS)
  const clamp = (value: number | undefined, edge: number): number =>
    Math.max(16 - edge, Math.min(edge - 16, value ?? 0))
  return placed.map((node) => ({
    ...node,
    x: clamp(node.x, GRAPH.width / 2) + GRAPH.width / 2,
    y: clamp(node.y, GRAPH.height / 2) + GRAPH.height / 2,
  }))
}

/** Width of the line to a peer: a little more for ten times the bytes. */
export const widthOf = ({ traffic = 0 }: GraphNode): number => 1 + Math.min(5, Math.log10(1 + traffic / 1000))

/** Larger the more it offers. */
const sizeOf = ({ kind, cells = 0 }: GraphNode): number =>
  kind === 'self' ? 12 : 5 + Math.min(9, 2 * Math.log10(1 + cells))
