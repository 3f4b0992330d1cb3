import { randomBytes } from 'node:crypto'
import type { AuditEntry, AuditList, AuditQuery } from '../../../protocol/audit.ts'
import { LIMITS } from '../../../protocol/limits.ts'
import { equalBytes, toBase64Url, toHex, utf8 } from '../../kernel/base/bytes.ts'
import { canonicalJson } from '../../kernel/base/canonical-json.ts'
import type { Clock } from '../../kernel/base/clock.ts'
import { sha256 } from '../../kernel/base/hash.ts'
import type { MerkleLog } from '../../kernel/log/merkle-log.ts'
import { jsonKeyspace, KEYSPACES } from '../../kernel/storage/keyspaces.ts'
import type { Store, Transaction } from '../../kernel/storage/store.ts'

/** What an administrator did. */
export interface AdministrativeAct {
  readonly act:
    | 'key_created'
    | 'key_revoked'
    | 'partner_invited'
    | 'partner_joined'
    | 'partner_added'
    | 'partner_changed'
    | 'partner_removed'
    | 'peer_banned'
    | 'peer_unbanned'
    | 'vulnerability_recorded'
    | 'vulnerability_removed'
    | 'follow_added'
    | 'follow_removed'
    | 'package_pinned'
    | 'package_unpinned'
    | 'copy_dropped'
    | 'goal_created'
    | 'goal_joined'
    | 'goal_left'
    | 'operator_created'
    | 'operator_rotated'
    | 'operator_suspended'
    | 'proof_key_rotated'
    | 'webhook_added'
    | 'webhook_removed'
    | 'source_approved'
    | 'source_disapproved'
    | 'constraint_added'
    | 'constraint_removed'
    | 'backup_taken'
    | 'store_repaired'
    | 'garbage_collected'
    | 'bundle_imported'
  /** `admin`, `key:<id>`, or `node` for what it does by itself. */
  readonly by: string
  readonly at: string
  readonly details: object
}

/** What a leaf commits to. */
type KeptAct = AdministrativeAct & { readonly salt: string }

/** Index of a leaf → what its commitment hides. */
const administration = jsonKeyspace<KeptAct>(KEYSPACES.administration)
const keyOf = (index: number): string => String(index).padStart(16, '0')
const SALT_BYTES = 16

/**
 * Administrative acts in the node's log. A leaf is public, so it only commits to the act, with a salt; what it commits to stays here, for
 * the administrator to show.
 */
export class Administration {
  readonly #log: Pick<MerkleLog, 'append'>
  readonly #clock: Clock

  constructor(log: Pick<MerkleLog, 'append'>, clock: Clock) {
    this.#log = log
    this.#clock = clock
  }

  /** Logs an act in the transaction that does it. */
  add(tx: Transaction, act: Pick<AdministrativeAct, 'act' | 'by' | 'details'>): void {
    const at = new Date(this.#clock.now()).toISOString()
    const kept = { ...act, at, salt: toBase64Url(randomBytes(SALT_BYTES)) }
    const commitment = commitmentTo(kept)
    const index = this.#log.append(tx, utf8(canonicalJson({ act: 'administration', commitment })))
    tx.put(administration, keyOf(index), kept)
  }

  /** A page of the acts, newest first. */
  async list(store: Store, { limit = LIMITS.defaultPage, before }: AuditQuery): Promise<AuditList> {
    const entries: AuditEntry[] = []
    let isLast = true
    const range = { before: before === undefined ? undefined : keyOf(before), reverse: true, limit: limit + 1 }
    for await (const [key, kept] of store.scan(administration, range)) {
      if (entries.length < limit) entries.push({ log_index: Number(key), ...kept, commitment: commitmentTo(kept) })
      else isLast = false
    }
    return { entries, next_before: isLast ? null : (entries.at(-1)?.log_index ?? null) }
  }
}

/** Leaves that commit to acts, with whether they commit to what is kept of them. */
export async function* administrativeLeaves(
  store: Store,
  log: Pick<MerkleLog, 'leaf'>,
): AsyncGenerator<{ readonly index: number; readonly holds: boolean }> {
  for await (const [key, kept] of store.scan(administration)) {
    const leaf = log.leaf(Number(key))
    const expected = utf8(canonicalJson({ act: 'administration', commitment: commitmentTo(kept) }))
    yield { index: Number(key), holds: leaf !== undefined && equalBytes(leaf, expected) }
  }
}

const commitmentTo = (kept: KeptAct): string => toHex(sha256(utf8(canonicalJson(kept))))
