import { visible } from './foreign.ts'
import { milliseconds, number, shortId } from './format.ts'
import { GRAPH, type GraphNode, layOut, widthOf } from './graph-layout.ts'

/** The federation as seen from here. The table beside it says the same in words. */
export function Graph({ nodes }: { nodes: readonly GraphNode[] }) {
  const placed = layOut(nodes)
  const self = placed.find(({ kind }) => kind === 'self')
  const others = placed.length - 1
  return (
    <svg
      class="graph"
      viewBox={`0 0 ${GRAPH.width} ${GRAPH.height}`}
      role="img"
      aria-label={`This node in the middle, and ${others} others around it, the further away the longer a round trip takes`}
    >
      {placed.map(
        (node) =>
          (node.kind === 'peer' || node.kind === 'partner') &&
          self !== undefined && (
            <line key={node.id} x1={self.x} y1={self.y} x2={node.x} y2={node.y} stroke-width={widthOf(node)} />
          ),
      )}
      {placed.map(({ id, kind, x, y, r, score, distanceMs, cells }) => (
        <g key={id}>
          <circle
            cx={x}
            cy={y}
            r={r}
            class={kind === 'peer' && score !== undefined ? (score < 100 ? 'low' : score >= 150 ? 'high' : kind) : kind}
          >
            <title>{`${visible(id)}${cells === undefined ? '' : `, ${number(cells)} cells`}${score === undefined ? '' : `, score ${number(score, 1)}`}`}</title>
          </circle>
          <text x={x} y={y + r + 11}>
            {visible(shortId(id, 4))}
          </text>
          {distanceMs !== undefined && (
            <text class="measure" x={x} y={y + r + 21}>
              {milliseconds(distanceMs)}
              {score === undefined ? '' : `, score ${number(score)}`}
            </text>
          )}
        </g>
      ))}
    </svg>
  )
}
