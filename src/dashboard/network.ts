import { useJson } from './hooks.ts'
import type { ProviderInfo } from '../../protocol/discovery.ts'

/** The network that a node's log names in its certificate; signatures count in one network only. */
export function useNode(): { readonly providerId: string | undefined; readonly info: ProviderInfo | undefined } {
  const { data } = useJson<ProviderInfo>('/api/v1/discovery/info')
  return { providerId: data?.provider_id, info: data }
}
