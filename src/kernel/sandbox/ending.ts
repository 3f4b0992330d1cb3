/** Bytes of stderr that are kept: enough for the engine's last words. */
export const STDERR_BYTES = 16 * 1024

/** What the engine, the C++ library and the system say of memory that they did not get. */
const OUT_OF_MEMORY =
  /out of memory|allocation failed|could not allocate|failed to reserve|bad_alloc|ENOMEM|Invalid array buffer length/i

/** How a child ended that nobody here killed. */
export type Failure = { readonly outcome: 'out_of_memory' } | { readonly outcome: 'crashed'; readonly reason: string }

/** Nobody here sent that SIGKILL: the system did, as it does when memory is short. */
export function failure(code: number | null, signal: NodeJS.Signals | null, stderr: string): Failure {
  if (signal === 'SIGKILL' || OUT_OF_MEMORY.test(stderr)) return { outcome: 'out_of_memory' }
  const ending = signal === null ? `exit code ${code}` : signal
  return { outcome: 'crashed', reason: `${ending}: ${lastWords(stderr)}` }
}

/** The line of an uncaught error, or the first line that says anything. */
function lastWords(stderr: string): string {
  const lines = stderr.split('\n').map((line) => line.trim())
  const line = lines.find((text) => /^\w*Error\b/.test(text)) ?? lines.find((text) => text !== '')
  return line?.slice(0, 500) ?? 'it said nothing'
}
