import { type AnnouncedCell, Announcement } from '../../../protocol/announcement.ts'
import { CONTEXTS } from '../../../protocol/contexts.ts'
import { LIMITS } from '../../../protocol/limits.ts'
import { checkerOf } from '../../kernel/base/checker.ts'
import { parseStrictJson } from '../../kernel/base/strict-json.ts'
import { publicKeyOf } from '../../kernel/identity/ids.ts'
import { type SigningKey, signObject } from '../../kernel/identity/keys.ts'
import { verifyObject } from '../../kernel/identity/signed.ts'
import type { SignatureVerifier } from '../../kernel/identity/verify-pure.ts'

const schema = checkerOf(Announcement)

/** One page of what this node offers, signed by its identity. */
export function signAnnouncement(
  identity: SigningKey,
  network: string,
  page: Omit<Announcement, 'type' | 'signature'> & { readonly cells: AnnouncedCell[] },
): Announcement {
  const unsigned = { type: 'announcement' as const, ...page }
  return { ...unsigned, signature: signObject(identity, network, CONTEXTS.announcement, unsigned) }
}

/** Why an announcement is refused. `reject` is what every honest node would say, `ignore` may differ between clocks and histories. */
export type Refusal = {
  readonly verdict: 'reject' | 'ignore'
  readonly reason: 'size' | 'schema' | 'future' | 'expired' | 'lifetime' | 'signature' | 'author'
}

/** Reads an announcement from a peer: size, form, times, signature, in that order. Whether it is news is for the directory to say. */
export function readAnnouncement(
  bytes: Uint8Array,
  options: { readonly network: string; readonly verifier: SignatureVerifier; readonly now: number },
): Announcement | Refusal {
  if (bytes.length > LIMITS.announcementBytes) return { verdict: 'reject', reason: 'size' }
  let parsed: unknown
  try {
    parsed = parseStrictJson(bytes)
  } catch {
    return { verdict: 'reject', reason: 'schema' }
  }
  if (!schema.Check(parsed)) return { verdict: 'reject', reason: 'schema' }
  return checkAnnouncement(parsed, options)
}

/** The same for an announcement that was parsed already. */
export function checkAnnouncement(
  announcement: Announcement,
  options: { readonly network: string; readonly verifier: SignatureVerifier; readonly now: number },
): Announcement | Refusal {
  const { sequence, expires_at: expiresAt, provider_id: provider } = announcement
  if (expiresAt <= sequence || expiresAt - sequence > LIMITS.announcementLifetimeMs)
    return { verdict: 'reject', reason: 'lifetime' }
  if (sequence > options.now + LIMITS.clockSkewMs) return { verdict: 'ignore', reason: 'future' }
  if (expiresAt <= options.now) return { verdict: 'ignore', reason: 'expired' }
  return isSigned(announcement, provider, options) ? announcement : { verdict: 'reject', reason: 'signature' }
}

function isSigned(
  announcement: Announcement,
  provider: string,
  { network, verifier }: { readonly network: string; readonly verifier: SignatureVerifier },
): boolean {
  let key: Uint8Array
  try {
    key = publicKeyOf(provider)
  } catch {
    return false
  }
  return verifyObject(verifier, key, network, CONTEXTS.announcement, announcement, announcement.signature)
}
