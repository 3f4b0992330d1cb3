/** Runs in the sandbox: meters modules, and evaluates with them, one message after another. */
import { errorMessage } from '../../kernel/base/errors.ts'
import { answerMessages } from '../../kernel/sandbox/warm-program.ts'
import { RefusedModule } from './binary.ts'
import { evaluateOnce, Memories } from './evaluate.ts'
import { instrument, type MeteredModule } from './instrument.ts'
import {
  dispatchMessage,
  type EvaluateAnswer,
  type EvaluateMessage,
  type LoadAnswer,
  type LoadMessage,
  MESSAGE_BYTES,
} from './messages.ts'

/** Numbers of pages for which a module is kept compiled: goals that share an evaluator mostly agree. */
const COMPILED = 4

interface Loaded {
  readonly metered: MeteredModule
  /** By pages. */
  readonly compiled: Map<number, WebAssembly.Module>
}

const slots = new Map<number, Loaded>()
const memories = new Memories()

answerMessages(MESSAGE_BYTES, (message) => dispatchMessage(message, { load, evaluate }))

function load({ slot, module }: LoadMessage): LoadAnswer {
  slots.delete(slot)
  const bytes = Uint8Array.from(module)
  try {
    const metered = instrument(bytes)
    new WebAssembly.Module(bytes)
    slots.set(slot, { metered, compiled: new Map() })
    return undefined
  } catch (error) {
    if (error instanceof RefusedModule) return error.message
    if (error instanceof WebAssembly.CompileError)
      return `it is no WebAssembly module: ${error.message.replace(/^.*?\): /, '')}`
    throw error
  }
}

function evaluate({ slot, pages, ...message }: EvaluateMessage): EvaluateAnswer {
  const loaded = slots.get(slot)
  if (loaded === undefined) return unevaluated({ kind: 'undetermined', reason: 'the module was not loaded' })
  if (pages < loaded.metered.pages) {
    const reason = `its memory begins with ${loaded.metered.pages} pages, the goal gives it ${pages}`
    return unevaluated({ kind: 'error', reason })
  }
  try {
    return evaluateOnce(compiledFor(loaded, pages), memories.cleared(pages), message)
  } catch (error) {
    return unevaluated({ kind: 'undetermined', reason: errorMessage(error) })
  }
}

function compiledFor({ metered, compiled }: Loaded, pages: number): WebAssembly.Module {
  const found = compiled.get(pages)
  if (found !== undefined) return found
  const module = new WebAssembly.Module(metered.withPages(pages))
  const [oldest] = compiled.keys()
  if (compiled.size >= COMPILED && oldest !== undefined) compiled.delete(oldest)
  compiled.set(pages, module)
  return module
}

const unevaluated = (evaluation: EvaluateAnswer['evaluation']): EvaluateAnswer => ({ evaluation, used: 0 })
