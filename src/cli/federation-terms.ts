import type { Command } from 'commander'
import { Check } from 'typebox/value'
import { type FederationPolicies, TrustLevel } from '../../protocol/federation.ts'
import { CliError, EXIT } from './exit-codes.ts'
import type { TargetOptions } from './target.ts'

/** Flags that say what a partner may do. */
export interface TermsOptions extends TargetOptions {
  trust?: string
  autoForward?: boolean
  shareCapabilities?: boolean
  shareAnalytics?: boolean
  json?: boolean
}

export const FEDERATION_PATH = '/api/v1/federation'
const LEVELS = 'trusted, limited, untrusted'

/** Adds the flags; what is not said is left to the node. */
export const termsOptions = (command: Command): Command =>
  command
    .option('--trust <level>', `how far it is trusted: ${LEVELS}`)
    .option('--auto-forward', 'ask it for cells that nobody announces')
    .option('--no-auto-forward', 'do not')
    .option('--share-capabilities', 'tell it which cells are here')
    .option('--no-share-capabilities', 'do not')
    .option('--share-analytics', 'let it read how cells are used here')
    .option('--no-share-analytics', 'do not')

/** What the flags say, as the API takes it. */
export function termsOf({ trust, autoForward, shareCapabilities, shareAnalytics }: TermsOptions): {
  trust_level?: TrustLevel
  federation_policies?: Partial<FederationPolicies>
} {
  if (trust !== undefined && !Check(TrustLevel, trust)) {
    throw new CliError(`--trust: found ${JSON.stringify(trust)}, allowed are ${LEVELS}`, EXIT.usage)
  }
  const policies: Partial<FederationPolicies> = {
    ...(autoForward === undefined ? {} : { auto_forward: autoForward }),
    ...(shareCapabilities === undefined ? {} : { capability_sharing: shareCapabilities }),
    ...(shareAnalytics === undefined ? {} : { analytics_sharing: shareAnalytics }),
  }
  return {
    ...(trust === undefined ? {} : { trust_level: trust }),
    ...(Object.keys(policies).length === 0 ? {} : { federation_policies: policies }),
  }
}
