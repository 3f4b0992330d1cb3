import { extract as createExtract } from 'tar-stream'
import type { RegistrationProof } from '../../../protocol/cells.ts'
import { BundleHead, type BundleItem, type BundleReport } from '../../../protocol/upkeep.ts'
import type { CellRecord } from '../../domain/cells/records.ts'
import type { YankChange } from '../../domain/cells/yanks.ts'
import { concatBytes } from '../../kernel/base/bytes.ts'
import { checkerOf } from '../../kernel/base/checker.ts'
import { errorMessage, fullDisk, ProviderError } from '../../kernel/base/errors.ts'
import { parseStrictJson } from '../../kernel/base/strict-json.ts'
import { verifyManifest } from '../../kernel/identity/manifest-signature.ts'
import { nativeVerifier } from '../../kernel/identity/verify.ts'
import { decodeYankToken, verifyYank } from '../../kernel/identity/yank-signature.ts'
import { verifyRegistration } from '../../kernel/log/registration-proof.ts'
import { IMPORTED } from '../flows/bring-copies.ts'
import { type StagedBlob, stagePackage } from '../flows/stage-package.ts'
import type { VerifiedOffer } from '../offers.ts'
import type { NodeParts } from '../parts.ts'
import type { PublisherKeySet } from '../sets/publisher-key-set.ts'
import { BundledCell, ENTRY, ENTRY_BYTES, HEAD_FILE, WAITING_CELLS } from './bundle-files.ts'

export type ImportParts = Pick<
  NodeParts,
  'blobs' | 'cache' | 'config' | 'index' | 'offerVerifier' | 'publishers' | 'yanks'
>

/** What an import needs beside the parts, and who hears of what it brings. */
export interface ImportNeeds {
  readonly publisherKeys: Pick<PublisherKeySet, 'accept'>
  readonly onKept: (cell: CellRecord) => void
  readonly onYanked: (change: YankChange) => void
}

const headSchema = checkerOf(BundleHead)
const cellSchema = checkerOf(BundledCell)
/** Who told of what a bundle holds: all bundles share what one provider may fill. */
const SOURCE = 'bundle'
/** Items that a report lists. */
const MAX_ITEMS = 1000

const invalid = (message: string): ProviderError => new ProviderError('PROV_001', message)

/** A cell that was verified, whose package is still to come. */
interface Waiting {
  readonly offer: VerifiedOffer
  readonly name: string
}

/**
 * Takes in a bundle as if a stranger had sent it: signatures, proofs and digests are verified before anything is kept, and what does not hold is
 * refused alone. Cells are kept as copies: names belong to nobody because of a bundle. What is here already stays as it is, so a bundle may be
 * imported again. A dry run verifies the same and keeps nothing. Throws `PROV_001` for what is no bundle, or one of another network.
 */
export class BundleImport {
  readonly #parts: ImportParts
  readonly #needs: ImportNeeds
  readonly #dryRun: boolean
  /** By package digest, in hexadecimal. */
  readonly #waiting = new Map<string, Waiting[]>()
  #waitingCells = 0
  #head: BundleHead | undefined
  #counts = { added: 0, known: 0, refused: 0 }
  readonly #items: BundleItem[] = []

  constructor(parts: ImportParts, needs: ImportNeeds, dryRun: boolean) {
    this.#parts = parts
    this.#needs = needs
    this.#dryRun = dryRun
  }

  async run(bytes: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<BundleReport> {
    const extract = createExtract()
    const feeding = feed(bytes, extract, signal)
    try {
      for await (const entry of extract) {
        signal.throwIfAborted()
        const { name, type, size = 0 } = entry.header
        if (type !== 'file') throw invalid(`the bundle holds a ${type} (${name.slice(0, 80)}), allowed are files`)
        await this.#entry(name, size, entry as unknown as AsyncIterable<Uint8Array>)
        entry.resume()
      }
      await feeding
    } catch (error) {
      throw error instanceof ProviderError ? error : this.#unreadable(error)
    } finally {
      extract.destroy()
      await feeding.catch(() => undefined)
    }
    if (this.#head === undefined) throw invalid('this is no bundle: it is empty')
    for (const waiting of this.#waiting.values())
      for (const { offer, name } of waiting) this.#refused('cell', name, 'its package is not in the bundle', offer)
    return { dry_run: this.#dryRun, bundle: this.#head, ...this.#counts, items: this.#items }
  }

  #unreadable(error: unknown): unknown {
    const full = fullDisk(error)
    if (full instanceof ProviderError) return full
    return /tar|header|Unexpected end|Header exceeds/i.test(errorMessage(error))
      ? invalid(`this is no whole bundle: ${errorMessage(error)}`)
      : error
  }

  async #entry(name: string, size: number, content: AsyncIterable<Uint8Array>): Promise<void> {
    const [isKnown, kind, packages, digest] = ENTRY.exec(name) ?? []
    if (isKnown === undefined)
      throw invalid(`the bundle holds ${JSON.stringify(name.slice(0, 80))}, which no bundle has`)
    if ((name === HEAD_FILE) !== (this.#head === undefined)) throw invalid(`a bundle begins with one ${HEAD_FILE}`)
    if (packages !== undefined) return await this.#package(digest!, content)
    if (size > ENTRY_BYTES) throw invalid(`${name} has ${size} bytes, allowed are ${ENTRY_BYTES}`)
    const text = concatBytes(await Array.fromAsync(content, (piece) => piece.slice()))
    if (name === HEAD_FILE) this.#begin(text)
    else if (kind === 'publishers') await this.#publisher(name, text)
    else if (kind === 'yanks') await this.#yank(name, text)
    else await this.#cell(name, text)
  }

  #begin(text: Uint8Array): void {
    const head = json(HEAD_FILE, text)
    if (!headSchema.Check(head))
      throw invalid(`${HEAD_FILE} has another form: a newer program may have made this bundle`)
    const { name } = this.#parts.config.network
    if (head.network !== name) throw invalid(`the bundle is of the network "${head.network}", this node of "${name}"`)
    this.#head = head
  }

  async #publisher(name: string, text: Uint8Array): Promise<void> {
    if (this.#dryRun) return
    const verdict = await this.#needs.publisherKeys.accept(new TextDecoder().decode(text), SOURCE)
    if (verdict === 'rejected') this.#refused('publisher', name, 'its keys do not verify')
    else this.#took('publisher', name, verdict === 'accepted' ? 'added' : 'known')
  }

  async #yank(name: string, text: Uint8Array): Promise<void> {
    const { config, yanks } = this.#parts
    const token = new TextDecoder().decode(text)
    try {
      const signed = decodeYankToken(token)
      verifyYank(nativeVerifier, config.network.name, signed)
      if (!yanks.isNewer(signed.record, token)) return this.#took('yank', signed.record.manifest_digest, 'known')
      const change = this.#dryRun ? 'would' : await yanks.accept(token, SOURCE)
      if (change !== undefined && change !== 'would') this.#needs.onYanked(change)
      this.#took('yank', signed.record.manifest_digest, change === undefined ? 'known' : 'added')
    } catch (error) {
      const full = fullDisk(error)
      if (full !== error) throw full
      this.#refused('yank', name, errorMessage(error))
    }
  }

  async #cell(file: string, text: Uint8Array): Promise<void> {
    const bundled = json(file, text)
    if (!cellSchema.Check(bundled)) return this.#refused('cell', file, 'it has another form')
    const { cell_type, version } = bundled.cell.manifest
    const name = `${cell_type}@${version}`
    let offer: VerifiedOffer
    try {
      offer = await this.#verified(bundled)
      if (file !== `cells/${offer.id}.json`) throw invalid('it stands under the name of another cell')
    } catch (error) {
      const full = fullDisk(error)
      if (full !== error) throw full
      return this.#refused('cell', name, errorMessage(error))
    }
    const hex = hexOf(offer)
    if (await this.#isHere(offer, hex)) return this.#took('cell', name, 'known', offer)
    if (++this.#waitingCells > WAITING_CELLS) {
      throw invalid(`${WAITING_CELLS} cells of the bundle wait for their packages, which belong right behind them`)
    }
    this.#waiting.set(hex, [...(this.#waiting.get(hex) ?? []), { offer, name }])
    // Another cell here has the same bytes, so the bundle's are not needed.
    if (this.#parts.index.package(hex) !== undefined && (await this.#hasBytes(hex))) await this.#settle(hex, undefined)
  }

  async #verified({ cell, registration }: BundledCell): Promise<VerifiedOffer> {
    const { config, offerVerifier, publishers } = this.#parts
    const offer = await offerVerifier.verify(cell)
    // What the verifier remembers may be older than what is known of the publisher's keys.
    publishers.assess(offer.manifest.publisher, offer.signature)
    verifyManifest(nativeVerifier, config.network.name, offer.manifest, offer.signature)
    if (registration !== undefined) this.#verifyRegistration(registration, offer.id)
    return offer
  }

  /** That the certificate has expired since does not matter: what a key has signed stays signed. */
  #verifyRegistration(proof: RegistrationProof, id: string): void {
    const { name } = this.#parts.config.network
    verifyRegistration(nativeVerifier, name, proof, { id, now: proof.certificate.not_before })
  }

  async #isHere({ id }: VerifiedOffer, hex: string): Promise<boolean> {
    return this.#parts.index.has(id) && (await this.#hasBytes(hex))
  }

  async #hasBytes(hex: string): Promise<boolean> {
    const reader = await this.#parts.blobs.open(hex)
    await reader?.close()
    return reader !== undefined
  }

  async #package(hex: string, content: AsyncIterable<Uint8Array>): Promise<void> {
    const { blobs, config } = this.#parts
    // Not waited for: the cell is here, or was refused.
    if (!this.#waiting.has(hex)) return
    const staged = await stagePackage(blobs, content, config.cells.max_package_bytes)
    try {
      await this.#settle(hex, staged)
    } finally {
      await staged.discard()
    }
  }

  /** Keeps the cells that wait for a package, which was received or is here. */
  async #settle(hex: string, staged: StagedBlob | undefined): Promise<void> {
    const waiting = this.#waiting.get(hex) ?? []
    this.#waiting.delete(hex)
    this.#waitingCells -= waiting.length
    for (const { offer, name } of waiting) {
      const problem = staged === undefined ? undefined : mismatch(offer, staged)
      if (problem !== undefined) {
        this.#refused('cell', name, problem, offer)
        continue
      }
      if (!this.#dryRun) await this.#keep(hex, offer, staged)
      this.#took('cell', name, 'added', offer)
    }
  }

  async #keep(hex: string, offer: VerifiedOffer, staged: StagedBlob | undefined): Promise<void> {
    const { cache, publishers } = this.#parts
    const from = this.#head!.provider_id
    await publishers.admit(offer.manifest.publisher, offer.signature)
    if (staged === undefined) {
      const record = await cache.keepHeld(offer, from, offer.createdAt, IMPORTED)
      if (record !== undefined) this.#needs.onKept(record)
      return
    }
    cache.claim(hex, IMPORTED)
    try {
      await staged.writer.finish()
      const { record } = await cache.keep(offer, from, offer.createdAt, staged.writer)
      this.#needs.onKept(record)
    } finally {
      cache.unclaim(hex)
    }
  }

  #refused(kind: BundleItem['kind'], name: string, reason: string, offer?: VerifiedOffer): void {
    this.#took(kind, name, 'refused', offer, reason)
  }

  #took(
    kind: BundleItem['kind'],
    name: string,
    outcome: BundleItem['outcome'],
    offer?: VerifiedOffer,
    reason?: string,
  ): void {
    this.#counts[outcome]++
    if (outcome === 'known' || this.#items.length >= MAX_ITEMS) return
    const digest = offer?.manifest.package.digest
    this.#items.push({
      kind,
      name,
      ...(digest === undefined ? {} : { digest }),
      outcome,
      ...(reason === undefined ? {} : { reason }),
    })
  }
}

const hexOf = ({ manifest }: VerifiedOffer): string => manifest.package.digest.slice('sha256:'.length)

/** Why bytes are not the package that a publisher signed; undefined when they are. */
function mismatch({ manifest }: VerifiedOffer, { digest, size, writer }: StagedBlob): string | undefined {
  const { package: signed } = manifest
  if (digest !== signed.digest) return `its package has the digest ${digest}`
  if (size !== signed.size) return `its package has ${size} bytes, its manifest says ${signed.size}`
  return writer.summary.chunksRoot === signed.chunks_root
    ? undefined
    : 'its chunks are not those that its publisher signed'
}

function json(name: string, text: Uint8Array): unknown {
  try {
    return parseStrictJson(text)
  } catch (error) {
    throw invalid(`${name} of the bundle cannot be read: ${errorMessage(error)}`)
  }
}

/** Hands an archive to who reads its entries, no faster than they are read. */
async function feed(
  bytes: AsyncIterable<Uint8Array>,
  extract: ReturnType<typeof createExtract>,
  signal: AbortSignal,
): Promise<void> {
  try {
    for await (const piece of bytes) {
      signal.throwIfAborted()
      if (extract.destroying) return
      if (extract.write(piece)) continue
      const { promise, resolve } = Promise.withResolvers<void>()
      extract.once('drain', resolve)
      extract.once('close', resolve)
      await promise
    }
    extract.end(null)
  } catch (error) {
    extract.destroy(error instanceof Error ? error : new Error(errorMessage(error)))
  }
}
