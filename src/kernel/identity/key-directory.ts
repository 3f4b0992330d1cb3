import { existsSync, renameSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type Static, Type } from 'typebox'
import { Base64Url, Milliseconds, ProviderId } from '../../../protocol/fields.ts'
import { LIMITS } from '../../../protocol/limits.ts'
import { RoleCertificate } from '../../../protocol/roles.ts'
import { fromBase64Url, toBase64Url } from '../base/bytes.ts'
import { checkerOf } from '../base/checker.ts'
import type { Clock } from '../base/clock.ts'
import { errorMessage, StartError } from '../base/errors.ts'
import { makeDirectory } from '../base/make-directory.ts'
import { nodeIdOf, providerIdOf } from './ids.ts'
import { type JwtSigner, jwtSigner } from './jwt.ts'
import { ed25519FromSeed, newSeed, SEED_BYTES, type SigningKey } from './keys.ts'
import { createPublisherKeys, loadPublisherKeyFile, type PublisherKeys, publisherKeys } from './manifest-signer.ts'
import {
  checkPrivateDirectory,
  readPrivateJson,
  replacePrivateFile,
  syncDirectory,
  UNFINISHED,
  writeUnfinished,
} from './private-file.ts'
import { issueRoleCertificate } from './role-certificate.ts'

const closed = { additionalProperties: false } as const
const SECOND_MS = 1000
const DAY_MS = 24 * 60 * 60 * 1000
/** Milliseconds that a role certificate is in force. */
const ROLE_LIFETIME_MS = 365 * DAY_MS
/** Milliseconds before its end at which a role key is replaced. */
const ROLE_RENEWAL_MS = 30 * DAY_MS

const IdentityFile = Type.Object({ format: Type.Literal(1), seed: Base64Url, provider_id: ProviderId }, closed)
/** Milliseconds before it is made from which on a proof key is in force. */
const BEFORE_MS = 60_000
/** Retired proof keys that are kept listed, the newest: a hundred years of quarters. */
const MAX_RETIRED = 400

const RoleRecord = Type.Object(
  { seed: Base64Url, serial: Type.Integer({ minimum: 1 }), not_before: Milliseconds, not_after: Milliseconds },
  closed,
)
const RolesFile = Type.Object(
  {
    format: Type.Literal(1),
    wire: RoleRecord,
    log: Type.Optional(RoleRecord),
    token: Type.Optional(RoleRecord),
    witness: Type.Optional(RoleRecord),
    proof: Type.Optional(
      Type.Object(
        { ...RoleRecord.properties, retired: Type.Array(RoleCertificate, { maxItems: MAX_RETIRED }) },
        closed,
      ),
    ),
  },
  closed,
)
type IdentityFile = Static<typeof IdentityFile>
type RoleRecord = Static<typeof RoleRecord>
type RolesFile = Static<typeof RolesFile>

const identitySchema = checkerOf(IdentityFile)
const rolesSchema = checkerOf(RolesFile)

/** The files, in the order in which they get their names when a directory is created: the identity last. */
const FILES = ['publisher.json', 'roles.json', 'identity.json'] as const

/** The keys of a node. The identity signs only role certificates, announcements and the libp2p handshake. */
export interface KeyDirectory {
  readonly identity: SigningKey
  /** 32 bytes, from which libp2p derives the same key. */
  readonly identitySeed: Uint8Array
  readonly providerId: string
  readonly nodeId: string
  /** Signs batches on peer streams. */
  readonly wire: RoleKey
  /** Signs checkpoints of the node's logs, and nothing else. It stays the same for as long as the logs. */
  readonly log: RoleKey
  /** Signs the tokens that this node gives out, and its own words to partners. */
  readonly token: TokenKey
  /** Cosigns the checkpoints of other nodes' logs, and nothing else. */
  readonly witness: RoleKey
  /** Signs the proofs of answers. */
  readonly proof: ProofKeys
  /** The node as a publisher, for those who register without keys of their own. */
  readonly publisher: PublisherKeys
}

/** A key that the identity certifies for one purpose. The certificate is replaced in time, so that a node may run for years. */
export interface RoleKey {
  readonly key: SigningKey
  readonly certificate: RoleCertificate
}

/** The keys that proofs of answers are signed with, one after the other. */
export interface ProofKeys {
  /** Undefined before the first {@link rotate}. */
  readonly current: RoleKey | undefined
  /** Certificates of those before, the oldest first, each in force until its key was replaced. Their private halves are gone. */
  readonly retired: readonly RoleCertificate[]
  /** Makes a new key, in force from now on for so many days. Durable when it returns. */
  rotate(days: number): RoleKey
}

/** The role key that tokens are signed with. */
export interface TokenKey extends RoleKey {
  readonly jwt: JwtSigner
}

export interface KeyDirectoryOptions {
  readonly network: string
  /** Create keys when there are none. */
  readonly allowCreate: boolean
  readonly clock: Clock
}

/** `present` when `dir` holds any key file. A creation that was interrupted before the first key got its name counts as absent. */
export const keyDirectoryState = (dir: string): 'absent' | 'present' =>
  FILES.some((name) => existsSync(join(dir, name))) ? 'present' : 'absent'

/**
 * Opens the node's keys in `dir` (mode 0700, files 0600), creating them when there are none and that is allowed. A wire key with
 * less than 30 days left is replaced, under the next serial; the others are certified anew. Throws `StartError` for what the operator can mend: keys missing,
 * corrupt, not belonging together, or readable by others.
 */
export function openKeyDirectory(dir: string, { network, allowCreate, clock }: KeyDirectoryOptions): KeyDirectory {
  if (keyDirectoryState(dir) === 'absent') {
    if (!allowCreate) throw new StartError(`${dir} holds no keys`)
    try {
      createKeys(dir, clock.now())
    } catch (error) {
      throw new StartError(`keys cannot be created in ${dir}: ${errorMessage(error)}`)
    }
  }
  checkPrivateDirectory(dir)
  finishCreation(dir)
  const { seed, identity, providerId } = readIdentity(join(dir, 'identity.json'))
  const roles = new RolesOnDisk(join(dir, 'roles.json'), clock)
  return {
    identity,
    identitySeed: seed,
    providerId,
    nodeId: nodeIdOf(identity.publicKey),
    wire: new CertifiedRole('wire', roles, identity, network),
    log: new CertifiedRole('log', roles, identity, network),
    token: new CertifiedTokenKey('token', roles, identity, network),
    witness: new CertifiedRole('witness', roles, identity, network),
    proof: new StoredProofKeys(roles, identity, network),
    publisher: readPublisher(join(dir, 'publisher.json')),
  }
}

/** The role keys in their file. */
class RolesOnDisk {
  readonly path: string
  readonly #clock: Clock
  #file: RolesFile

  /** Reads the file. A wire key with little time left, or from the future, is replaced; another that is missing is made. */
  constructor(path: string, clock: Clock) {
    this.path = path
    this.#clock = clock
    this.#file = readPrivateJson(path, rolesSchema)
    const now = clock.now()
    const { wire } = this.#file
    if (wire.not_after - now < ROLE_RENEWAL_MS || wire.not_before > now + LIMITS.clockSkewMs) {
      this.#write({ wire: newRole(wire.serial + 1, now) })
    }
    if (this.#file.log === undefined) this.#write({ log: newRole(1, now) })
    if (this.#file.token === undefined) this.#write({ token: newRole(1, now) })
    if (this.#file.witness === undefined) this.#write({ witness: newRole(1, now) })
  }

  /** The record of a role, certified anew in time with the same key. */
  current(role: StoredRole): RoleRecord {
    const record = this.#file[role]!
    const now = this.#clock.now()
    if (record.not_after - now >= ROLE_RENEWAL_MS && record.not_before <= now + LIMITS.clockSkewMs) return record
    const renewed = { seed: record.seed, serial: record.serial + 1, ...inForce(now) }
    this.#write({ [role]: renewed })
    return renewed
  }

  get now(): number {
    return this.#clock.now()
  }

  get proof(): RolesFile['proof'] {
    return this.#file.proof
  }

  replaceProof(proof: NonNullable<RolesFile['proof']>): void {
    this.#write({ proof })
  }

  #write(change: Partial<RolesFile>): void {
    const changed = { ...this.#file, ...change }
    replacePrivateFile(this.path, toText(changed))
    this.#file = changed
  }
}

type StoredRole = 'wire' | 'log' | 'token' | 'witness'

class CertifiedRole implements RoleKey {
  readonly key: SigningKey
  readonly #role: StoredRole
  readonly #roles: RolesOnDisk
  readonly #identity: SigningKey
  readonly #network: string
  #record: RoleRecord
  #certificate: RoleCertificate

  constructor(role: StoredRole, roles: RolesOnDisk, identity: SigningKey, network: string) {
    this.#role = role
    this.#roles = roles
    this.#identity = identity
    this.#network = network
    this.#record = roles.current(role)
    this.key = ed25519FromSeed(readSeed(roles.path, this.#record.seed))
    this.#certificate = this.#issue()
  }

  get certificate(): RoleCertificate {
    const record = this.#roles.current(this.#role)
    if (record !== this.#record) {
      this.#record = record
      this.#certificate = this.#issue()
    }
    return this.#certificate
  }

  #issue(): RoleCertificate {
    return issueRoleCertificate({
      identity: this.#identity,
      network: this.#network,
      role: this.#role,
      publicKey: this.key.publicKey,
      serial: this.#record.serial,
      notBefore: this.#record.not_before,
      notAfter: this.#record.not_after,
    })
  }
}

class StoredProofKeys implements ProofKeys {
  readonly #roles: RolesOnDisk
  readonly #identity: SigningKey
  readonly #network: string
  #current: RoleKey | undefined

  constructor(roles: RolesOnDisk, identity: SigningKey, network: string) {
    this.#roles = roles
    this.#identity = identity
    this.#network = network
    if (roles.proof !== undefined) this.#current = this.#certified(roles.proof)
  }

  get current(): RoleKey | undefined {
    return this.#current
  }

  get retired(): readonly RoleCertificate[] {
    return this.#roles.proof?.retired ?? []
  }

  rotate(days: number): RoleKey {
    const { now, proof } = this.#roles
    // Whole seconds, in which JWKs say how long a key is in force.
    const second = Math.floor(now / SECOND_MS) * SECOND_MS
    const retired = [...this.retired]
    let serial = 0
    if (proof !== undefined && this.#current !== undefined) {
      serial = proof.serial + 1
      // A proof that is just being made may be a few milliseconds ahead.
      const end = Math.max(Math.min(proof.not_after, second + 2 * SECOND_MS), proof.not_before)
      retired.push(this.#issue(this.#current.key, { ...proof, serial, not_after: end }))
    }
    const record = {
      seed: toBase64Url(newSeed()),
      serial: serial + 1,
      // The records of a proof are dated before it.
      not_before: second - BEFORE_MS,
      not_after: second + days * DAY_MS,
    }
    this.#roles.replaceProof({ ...record, retired: retired.slice(-MAX_RETIRED) })
    this.#current = this.#certified(record)
    return this.#current
  }

  #certified(record: RoleRecord): RoleKey {
    const key = ed25519FromSeed(readSeed(this.#roles.path, record.seed))
    return { key, certificate: this.#issue(key, record) }
  }

  #issue(key: SigningKey, { serial, not_before, not_after }: Omit<RoleRecord, 'seed'>): RoleCertificate {
    return issueRoleCertificate({
      identity: this.#identity,
      network: this.#network,
      role: 'proof',
      publicKey: key.publicKey,
      serial,
      notBefore: not_before,
      notAfter: not_after,
    })
  }
}

class CertifiedTokenKey extends CertifiedRole implements TokenKey {
  readonly jwt: JwtSigner

  constructor(role: 'token', roles: RolesOnDisk, identity: SigningKey, network: string) {
    super(role, roles, identity, network)
    this.jwt = jwtSigner(readSeed(roles.path, roles.current(role).seed))
  }
}

/**
 * Creates all three files or none: first each is written whole under an unfinished name, then they get their names. After a crash
 * in between, either no name is taken, or the rest can take theirs ({@link finishCreation}).
 */
function createKeys(dir: string, now: number): void {
  makeDirectory(dir)
  checkPrivateDirectory(dir)
  syncDirectory(dirname(dir))
  const seed = newSeed()
  const identity: IdentityFile = {
    format: 1,
    seed: toBase64Url(seed),
    provider_id: providerIdOf(ed25519FromSeed(seed).publicKey),
  }
  writeUnfinished(join(dir, 'identity.json'), toText(identity))
  writeUnfinished(
    join(dir, 'roles.json'),
    toText({
      format: 1,
      wire: newRole(1, now),
      log: newRole(1, now),
      token: newRole(1, now),
      witness: newRole(1, now),
    } satisfies RolesFile),
  )
  writeUnfinished(join(dir, 'publisher.json'), toText(createPublisherKeys({ kind: 'provider' })))
  syncDirectory(dir)
  nameFiles(dir)
}

/** Completes a creation that was interrupted while the files got their names; then, and only then, is the identity unfinished. */
function finishCreation(dir: string): void {
  if (!existsSync(join(dir, 'identity.json')) && existsSync(join(dir, `identity.json${UNFINISHED}`))) nameFiles(dir)
  for (const name of FILES) {
    if (existsSync(join(dir, name))) continue
    throw new StartError(
      `${join(dir, name)} is missing; restore it from a backup, or remove ${dir} to start with a new identity`,
    )
  }
}

function nameFiles(dir: string): void {
  for (const name of FILES) {
    const unfinished = join(dir, name + UNFINISHED)
    if (existsSync(unfinished)) renameSync(unfinished, join(dir, name))
  }
  syncDirectory(dir)
}

function readIdentity(path: string): { seed: Uint8Array; identity: SigningKey; providerId: string } {
  const file = readPrivateJson(path, identitySchema)
  const seed = readSeed(path, file.seed)
  const identity = ed25519FromSeed(seed)
  const providerId = providerIdOf(identity.publicKey)
  if (providerId !== file.provider_id) {
    throw new StartError(`${path} names the provider ${file.provider_id}, but its seed is that of ${providerId}`)
  }
  return { seed, identity, providerId }
}

function readPublisher(path: string): PublisherKeys {
  const publisher = publisherKeys(loadPublisherKeyFile(path))
  if (publisher.record.kind === 'provider') return publisher
  throw new StartError(`${path} holds the keys of a publisher; those of a provider are expected here`)
}

const inForce = (now: number): Pick<RoleRecord, 'not_before' | 'not_after'> => ({
  not_before: now,
  not_after: now + ROLE_LIFETIME_MS,
})

const newRole = (serial: number, now: number): RoleRecord => ({
  seed: toBase64Url(newSeed()),
  serial,
  ...inForce(now),
})

function readSeed(path: string, text: string): Uint8Array {
  let seed: Uint8Array
  try {
    seed = fromBase64Url(text)
  } catch (error) {
    throw new StartError(`${path} is corrupt: its seed is ${errorMessage(error)}`)
  }
  if (seed.length !== SEED_BYTES) {
    throw new StartError(`${path} is corrupt: its seed has ${seed.length} bytes, expected ${SEED_BYTES}`)
  }
  return seed
}

const toText = (value: object): string => `${JSON.stringify(value, null, 2)}\n`
