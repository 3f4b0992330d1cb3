import { CONTEXTS } from '../../protocol/contexts.ts'
import { LIMITS } from '../../protocol/limits.ts'
import { BatchSignature } from '../../protocol/rpc.ts'
import { fromBase64Url, toBase64Url, toHex } from '../kernel/base/bytes.ts'
import { checkerOf } from '../kernel/base/checker.ts'
import { leafHash, merkleRoot } from '../kernel/base/merkle.ts'
import { parseStrictJson } from '../kernel/base/strict-json.ts'
import type { SigningKey } from '../kernel/identity/keys.ts'
import { signedBytes } from '../kernel/identity/signed.ts'
import type { SignatureVerifier } from '../kernel/identity/verify.ts'
import { FRAME_HEADER_BYTES } from './frames.ts'

/** A batch that is not what its writer signed, or breaks a limit. Nothing of it was acted upon. */
export class BatchError extends Error {
  override readonly name = 'BatchError'
}

/** What a batch is bound to, beside its frames: no batch counts in another network, session or direction. */
export interface BatchBinding {
  readonly network: string
  /** Hexadecimal session id. */
  readonly session: string
  /** Provider id of the writer. */
  readonly from: string
}

/** Bytes of a batch frame at most: five fixed members and one signature. Larger frames need not be parsed to know that they are none. */
const BATCH_FRAME_BYTES = 512

const batchSignature = checkerOf(BatchSignature)

function batchBytes(binding: BatchBinding, sequence: number, leaves: readonly Uint8Array[]): Uint8Array {
  return signedBytes(binding.network, CONTEXTS.batch, {
    session: binding.session,
    from: binding.from,
    sequence,
    count: leaves.length,
    root: toHex(merkleRoot(leaves)),
  })
}

/** Writes the batches of one direction of a stream: one signature for all frames of a batch. */
export class BatchSealer {
  readonly #binding: BatchBinding
  readonly #key: SigningKey
  #sequence = 0

  constructor(binding: BatchBinding, key: SigningKey) {
    this.#binding = binding
    this.#key = key
  }

  /** The bytes to send for `payloads`: their frames, then the batch frame, in one buffer. The caller keeps the limits of a batch. */
  seal(payloads: readonly Uint8Array[]): Uint8Array {
    let length = FRAME_HEADER_BYTES + BATCH_FRAME_BYTES
    for (const payload of payloads) length += FRAME_HEADER_BYTES + payload.byteLength
    const buffer = Buffer.allocUnsafeSlow(length)
    const leaves: Uint8Array[] = []
    let at = 0
    for (const payload of payloads) {
      at = buffer.writeUInt32BE(payload.byteLength, at)
      buffer.set(payload, at)
      at += payload.byteLength
      leaves.push(leafHash(payload))
    }
    const sequence = this.#sequence++
    const signature = toBase64Url(this.#key.sign(batchBytes(this.#binding, sequence, leaves)))
    const text = `{"type":"batch","sequence":${sequence},"count":${leaves.length},"signature":"${signature}"}`
    at = buffer.writeUInt32BE(text.length, at)
    at += buffer.write(text, at, 'latin1')
    return buffer.subarray(0, at)
  }
}

interface HeldFrame {
  readonly payload: Uint8Array
  /** Parsed already, because the frame was small enough to be a batch frame. */
  readonly value: unknown
}

/** Reads the batches of one direction of a stream. Frames are held until the signature over them is verified, and then handed on in order. */
export class BatchOpener {
  readonly #binding: BatchBinding
  readonly #publicKey: Uint8Array
  readonly #verifier: Pick<SignatureVerifier, 'ed25519'>
  readonly #onFrame: (value: unknown) => void
  #held: HeldFrame[] = []
  #leaves: Uint8Array[] = []
  #bytes = 0
  #sequence = 0

  constructor(
    binding: BatchBinding,
    publicKey: Uint8Array,
    verifier: Pick<SignatureVerifier, 'ed25519'>,
    onFrame: (value: unknown) => void,
  ) {
    this.#binding = binding
    this.#publicKey = publicKey
    this.#verifier = verifier
    this.#onFrame = onFrame
  }

  /** Bytes that are kept of a batch that is not complete. */
  get heldBytes(): number {
    return this.#bytes
  }

  /** Takes the next frame's payload. Throws `BatchError`, or `StrictJsonError` for a frame that is no JSON: abort the stream then. */
  push(payload: Uint8Array): void {
    let value: unknown
    if (payload.byteLength <= BATCH_FRAME_BYTES) {
      value = parseStrictJson(payload)
      if (isBatchFrame(value)) {
        this.#release(value)
        return
      }
    }
    this.#bytes += FRAME_HEADER_BYTES + payload.byteLength
    if (this.#held.length >= LIMITS.batchFrames)
      throw new BatchError(`more than ${LIMITS.batchFrames} frames in a batch`)
    if (this.#bytes > LIMITS.batchBytes) throw new BatchError(`more than ${LIMITS.batchBytes} bytes in a batch`)
    this.#held.push({ payload, value })
    this.#leaves.push(leafHash(payload))
  }

  #release(frame: object): void {
    if (!batchSignature.Check(frame)) throw new BatchError('a batch frame has another form than the schema')
    if (frame.sequence !== this.#sequence) {
      throw new BatchError(`batch ${frame.sequence} where ${this.#sequence} was expected`)
    }
    if (frame.count !== this.#held.length) {
      throw new BatchError(`a batch of ${frame.count} frames, but ${this.#held.length} arrived`)
    }
    const message = batchBytes(this.#binding, frame.sequence, this.#leaves)
    if (!this.#verifier.ed25519(this.#publicKey, message, signatureOf(frame))) {
      throw new BatchError(`the signature of batch ${frame.sequence} is wrong`)
    }
    const held = this.#held
    this.#sequence++
    this.#held = []
    this.#leaves = []
    this.#bytes = 0
    for (const { payload, value } of held) this.#onFrame(value ?? parseStrictJson(payload))
  }
}

function isBatchFrame(value: unknown): value is object {
  return typeof value === 'object' && value !== null && 'type' in value && value.type === 'batch'
}

function signatureOf(frame: BatchSignature): Uint8Array {
  try {
    return fromBase64Url(frame.signature)
  } catch (error) {
    throw new BatchError('the signature of a batch is not base64url', { cause: error })
  }
}
