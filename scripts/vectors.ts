import { writeFile } from 'node:fs/promises'
import { answerVectors } from './vectors/answers.ts'
import { contributionVectors } from './vectors/contribution.ts'
import { ed25519Verdicts } from './vectors/ed25519-verdicts.ts'
import { evaluatorVectors } from './vectors/evaluator.ts'
import { goalVectors } from './vectors/goal.ts'
import { handshakeVectors } from './vectors/handshake.ts'
import { logRecordVectors } from './vectors/log-records.ts'
import { messageVectors } from './vectors/messages.ts'
import { operatorRequestVectors } from './vectors/operator-requests.ts'
import { proofFileVectors } from './vectors/proof-files.ts'
import { keyRecordVectors, manifestSignatureVectors, yankVectors } from './vectors/publishers.ts'
import { quantumSignatureVectors } from './vectors/quantum-signature.ts'
import { questionVectors } from './vectors/questions.ts'
import { receiptVectors } from './vectors/receipts.ts'
import { recordSetVectors } from './vectors/record-sets.ts'
import { signedBytesVectors } from './vectors/signed-bytes.ts'
import { batchRootVectors, chunksRootVectors } from './vectors/trees.ts'
import { webhookVectors } from './vectors/webhooks.ts'

/** Where the vectors are, relative to this file. */
const FOLDER = new URL('../protocol/vectors/', import.meta.url)

/** Every vector file that this project generates: name and text. The same at every run, because all seeds are fixed. */
export async function buildVectors(): Promise<Map<string, string>> {
  const vectors: Record<string, object> = {
    'ed25519-verdicts.json': ed25519Verdicts(),
    'signed-bytes.json': signedBytesVectors(),
    'key-records.json': keyRecordVectors(),
    'manifest-signature.json': manifestSignatureVectors(),
    'yank.json': yankVectors(),
    'receipt.json': receiptVectors(),
    'quantum-signature.json': quantumSignatureVectors(),
    'chunks-root.json': chunksRootVectors(),
    'batch-root.json': batchRootVectors(),
    'handshake.json': handshakeVectors(),
    'messages.json': messageVectors(),
    'contribution.json': contributionVectors(),
    'goal.json': goalVectors(),
    'evaluator.json': await evaluatorVectors(),
    'record-sets.json': await recordSetVectors(),
    'log-records.json': logRecordVectors(),
    'proof-files.json': proofFileVectors(),
    'operator-requests.json': operatorRequestVectors(),
    'answers.json': answerVectors(),
    'webhook.json': webhookVectors(),
    'questions.json': questionVectors(),
  }
  return new Map(Object.entries(vectors).map(([name, value]) => [name, `${JSON.stringify(value, null, 1)}\n`]))
}

if (import.meta.main) {
  for (const [name, text] of await buildVectors()) await writeFile(new URL(name, FOLDER), text)
}
