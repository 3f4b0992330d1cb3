import { NotFoundError, PendingError } from '../client/index.ts'
import { CliError, EXIT } from './exit-codes.ts'

/** Throws what failed; where the time is over, what to do; where nothing was found, with the places where the node looked, the cells that do not fit, and names that are close. */
export function explainNotFound(name: string, kind: 'cell type' | 'capability'): (error: unknown) => never {
  return (error) => {
    if (error instanceof PendingError) {
      throw new CliError(`${name}: the search goes on; ask again, or with a longer --wait`, EXIT.failure, error.code)
    }
    if (!(error instanceof NotFoundError)) throw error
    const looked = error.coverage?.sources.map(({ source, outcome }) => `${source} ${outcome.replace('_', ' ')}`)
    const instead = error.alternatives.map(({ capability, cell_type, version, compatibility_notes }) => {
      const isMisfit = name === (kind === 'capability' ? capability : cell_type)
      if (isMisfit && compatibility_notes.startsWith('fits')) return `${cell_type} ${version} ${compatibility_notes}`
      return `${cell_type} ${version} ${isMisfit ? 'does not fit' : 'may be meant'}: ${compatibility_notes}`
    })
    const needed = error.conflicts.map(({ capability, required_by, reason }) => {
      const by = required_by.map((one) => `${one.cell_type} ${one.version} needs ${one.version_constraint}`).join(', ')
      return `dependency ${capability}: ${reason} (${by})`
    })
    // The contract has one code for a name that nobody knows, and its text speaks of capabilities.
    const unknownType = kind === 'cell type' && error.code === 'PROV_003'
    const reason = unknownType ? 'no cell of this type was found' : error.message
    const message = `${name}: ${reason}${looked === undefined ? '' : ` (${looked.join(', ')})`}`
    throw new CliError([message, ...instead, ...needed].join('; '), EXIT.notFound, error.code)
  }
}
