import type { KeyRecord } from '../../../protocol/manifest.ts'
import { errorMessage } from '../../kernel/base/errors.ts'
import { verifyKeyRecords } from '../../kernel/identity/publisher.ts'
import { nativeVerifier } from '../../kernel/identity/verify.ts'
import { decodeYankToken, verifyYank } from '../../kernel/identity/yank-signature.ts'
import { jsonKeyspace, KEYSPACES } from '../../kernel/storage/keyspaces.ts'
import type { CheckedData, Looked } from './fsck.ts'

const yanks = jsonKeyspace<{ readonly token?: string }>(KEYSPACES.yanks)
const publisherKeys = jsonKeyspace<{ readonly records: readonly KeyRecord[] }>(KEYSPACES.publisherKeys)

/** What publishers signed beside their cells: yanks, and the chains of their keys. */
export async function* checkYanks({ store, network }: CheckedData): AsyncGenerator<Looked> {
  for await (const [key, { token }] of store.scan(yanks)) {
    const subject = `yank of ${key.split('!', 1)[0]}`
    try {
      if (token !== undefined) {
        const signed = decodeYankToken(token)
        verifyYank(nativeVerifier, network, signed)
        if (`${signed.record.manifest_digest}!${signed.record.publisher}` !== key)
          throw new Error('it is kept as that of another cell')
      }
      yield { subject }
    } catch (error) {
      yield { subject, problem: `it does not verify: ${errorMessage(error)}` }
    }
  }
  for await (const [publisher, { records }] of store.scan(publisherKeys)) {
    const subject = `keys of publisher ${publisher}`
    try {
      if (verifyKeyRecords(nativeVerifier, network, records).publisher !== publisher)
        throw new Error('they are those of another publisher')
      yield { subject }
    } catch (error) {
      yield { subject, problem: `they do not verify: ${errorMessage(error)}` }
    }
  }
}
