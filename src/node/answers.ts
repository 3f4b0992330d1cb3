import { join } from 'node:path'
import type { Administration } from '../domain/access/administration.ts'
import { Approvals, type Witness } from '../domain/assurance/approvals.ts'
import { readOrder } from '../domain/assurance/constraint.ts'
import { ConstraintBook } from '../domain/assurance/constraint-book.ts'
import { Documents } from '../domain/cells/documents.ts'
import { ProviderError } from '../kernel/base/errors.ts'
import { nativeVerifier } from '../kernel/identity/verify.ts'
import type { Llm } from '../kernel/plugins/packages/llms.ts'
import { PassageIndex } from '../kernel/text/passage-index.ts'
import { AnswerEngine } from './flows/answer-query.ts'
import { DocumentIndexer } from './flows/index-documents.ts'
import type { NodeParts } from './parts.ts'
import type { ConstraintOwner, Sources } from './sources-api.ts'

type Parts = Pick<NodeParts, 'config' | 'clock' | 'logger' | 'store' | 'blobs' | 'index' | 'yanks' | 'publishers'>

/** What answers questions: documents, whose of them are approved, the index over them, constraints, and who composes. */
export class Answers {
  readonly name = 'answers'
  readonly answerer: AnswerEngine
  readonly sources: Sources
  readonly #documents: Documents
  readonly #approvals: Approvals
  readonly #constraints: ConstraintBook
  readonly #passages: PassageIndex
  readonly #indexer: DocumentIndexer
  readonly #llm: Llm

  constructor(parts: Parts, { llm, administration }: { llm: Llm; administration: Administration }) {
    const { config, clock, logger, store, blobs, index } = parts
    this.#llm = llm
    this.#documents = new Documents(store)
    index.watch((cell) => this.#documents.changed(cell))
    this.#approvals = new Approvals(store, clock)
    this.#constraints = new ConstraintBook({ store, clock, network: config.network.name, verifier: nativeVerifier })
    this.#passages = new PassageIndex(join(config.data_dir, 'text', 'passages.sqlite'))
    const documents = { documents: this.#documents, passages: this.#passages }
    this.#indexer = new DocumentIndexer({ ...documents, blobs, logger })
    const judged = { approvals: this.#approvals, constraints: this.#constraints }
    this.answerer = new AnswerEngine({ ...parts, ...documents, ...judged, indexer: this.#indexer, llm })
    this.sources = sourcesOf(this.#approvals, this.#constraints, administration)
  }

  /** Reads what is on disk from before. To be called before cells come or go. */
  async load(): Promise<void> {
    await Promise.all([this.#documents.load(), this.#approvals.load(), this.#constraints.load()])
  }

  start(): void {
    this.#indexer.start()
  }

  async stop(): Promise<void> {
    await Promise.all([this.#indexer.stop(), this.#passages.close(), this.#llm.close()])
  }
}

function sourcesOf(approvals: Approvals, constraints: ConstraintBook, administration: Administration): Sources {
  const logged =
    (act: 'source_approved' | 'source_disapproved' | 'constraint_added' | 'constraint_removed', by: string): Witness =>
    (tx, details) =>
      administration.add(tx, { act, by, details })
  // What operators do with their own is theirs, and would fill the log.
  const ofOwner = (act: 'constraint_added' | 'constraint_removed', { owner, by }: ConstraintOwner): Witness =>
    owner === null ? logged(act, by) : () => undefined
  return {
    approvals: () => ({ approvals: approvals.list() }),
    approve: (order, by) => approvals.put(order, by, logged('source_approved', by)),
    disapprove: (name, by) => approvals.remove(name, logged('source_disapproved', by)),
    constraints: ({ operator_id: named }, from) => ({ constraints: constraints.list(whose(named, from)) }),
    async addConstraint(order, from) {
      const { constraint, operatorId: named } = readOrder(order)
      const whom = { operatorId: whose(named, from), by: from.by }
      return constraints.add(constraint, whom, ofOwner('constraint_added', from))
    },
    removeConstraint: async (id, { operator_id: named }, from) =>
      constraints.remove(id, whose(named, from), ofOwner('constraint_removed', from)),
  }
}

/** Whose constraints are meant: the administrator names an operator or nobody, and an operator itself or nobody. */
function whose(named: string | undefined, { owner }: ConstraintOwner): string | undefined {
  if (owner === null || named === undefined || named === owner) return owner ?? named
  throw new ProviderError('PROV_015', `operator_id: found ${named}, allowed is ${owner}, who signed`)
}
