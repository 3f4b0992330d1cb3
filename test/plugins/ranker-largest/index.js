import { registerProvider } from 'cytoplex/plugins'

/** Prefers the largest package of at least `least` bytes: whoever packs more has packed all that is needed. */
const createRanker = (_signal, { least }) => {
  const size = (cell) => ((cell.size ?? 0) < least ? 0 : cell.size)
  return { compare: (a, b) => size(b) - size(a) }
}

registerProvider('rankers', 'largest', createRanker, {
  documentation: 'Prefers the largest package.',
  config: { least: { type: 'integer', minimum: 0, default: 0, description: 'Smaller packages count as empty.' } },
})
