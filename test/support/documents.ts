import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Operator } from '../../protocol/operators.ts'
import type { PublisherKeys } from '../../src/kernel/identity/manifest-signer.ts'
import type { ProviderNode, Registered } from '../../src/node/api.ts'
import { manifestOf, signedCell, summaryOf } from './cells.ts'
import { registerBytes } from './node-pairs.ts'

/** A document that a publisher signs. */
export interface TestDocument {
  readonly cellType: string
  readonly text: string
  readonly version?: string
  readonly domain?: string
  readonly jurisdiction?: string
  readonly mediaType?: string
}

/** Registers a document of a publisher. */
export function registerDocument(
  node: ProviderNode,
  publisher: PublisherKeys,
  { cellType, text, version = '1.0.0', domain = 'legal', jurisdiction, mediaType = 'text/markdown' }: TestDocument,
): Promise<Registered> {
  const bytes = Buffer.from(text)
  const manifest = manifestOf(publisher.publisher, summaryOf(bytes), {
    cell_type: cellType,
    version,
    capabilities: [{ name: 'document', version: '1.0.0' }],
    packaging_format: 'document',
    media_type: mediaType,
    labels: { domain, ...(jurisdiction === undefined ? {} : { jurisdiction }) },
  })
  const { signature } = signedCell(publisher, manifest)
  const { capabilities, dependencies } = manifest
  return registerBytes(node, bytes, {
    metadata: { cell_type: cellType, version, capabilities, dependencies },
    manifest,
    manifestSignature: signature,
  })
}

/** An operator that may ask everything. */
export const OPERATOR: Operator = {
  operator_id: 'team@example.org',
  algorithm: 'ed25519',
  public_key: 'A'.repeat(43),
  permissions: [{ domain: 'legal', jurisdictions: null }],
  tier: 'enterprise',
  status: 'active',
  created_at: '2026-01-01T00:00:00.000Z',
  rotated_at: null,
}

const MODULES = new URL('../../node_modules/', import.meta.url).pathname

/** Real prose: licences and descriptions that npm packages bring, at most `count`, in order of their paths. */
export function prose(count: number): { readonly name: string; readonly text: string }[] {
  const found: { name: string; text: string }[] = []
  const look = (folder: string, depth: number): void => {
    for (const entry of readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))) {
      if (found.length >= count) return
      const path = join(folder, entry.name)
      if (entry.isDirectory() && depth < 3 && entry.name !== 'node_modules') look(path, depth + 1)
      else if (
        entry.isFile() &&
        /^(?:licen[cs]e|readme|changelog).*$/i.test(entry.name) &&
        !/\.(?:js|ts|json)$/.test(entry.name)
      ) {
        const text = readFileSync(path, 'utf8')
        if (text.length > 200 && text.length < 200_000) found.push({ name: path.slice(MODULES.length), text })
      }
    }
  }
  look(MODULES, 0)
  return found
}
