import { NotFoundError } from '../client/index.ts'
import { CliError, EXIT } from './exit-codes.ts'

/** Throws what failed; where nothing was found, with the places where the node looked and the cells that do not fit. */
export function explainNotFound(name: string): (error: unknown) => never {
  return (error) => {
    if (!(error instanceof NotFoundError)) throw error
    const looked = error.coverage?.sources.map(({ source, outcome }) => `${source} ${outcome.replace('_', ' ')}`)
    const instead = error.alternatives.map(
      ({ cell_type, version, compatibility_notes }) => `${cell_type} ${version} does not fit: ${compatibility_notes}`,
    )
    const message = `${name}: ${error.message}${looked === undefined ? '' : ` (${looked.join(', ')})`}`
    throw new CliError([message, ...instead].join('; '), EXIT.notFound, error.code)
  }
}
