/** The key that acting needs: in this tab's session storage, and nowhere else. It goes when the tab is closed. */

const NAME = 'cytoplex-key'
const listeners = new Set<() => void>()

export const sessionKey = (): string | undefined => sessionStorage.getItem(NAME) ?? undefined

export function setSessionKey(key: string | undefined): void {
  if (key === undefined || key === '') sessionStorage.removeItem(NAME)
  else sessionStorage.setItem(NAME, key)
  for (const listener of listeners) listener()
}

/** Calls back when the key changes; the function that is returned stops that. */
export function onSessionKey(listener: () => void): () => void {
  listeners.add(listener)
  return () => listeners.delete(listener)
}
