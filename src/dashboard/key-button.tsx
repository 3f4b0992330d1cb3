import { useRef, useState } from 'preact/hooks'
import { ApiError, ask } from './api.ts'
import { useKey } from './hooks.ts'
import { Field, Problem, textsOf } from './parts.tsx'
import { setSessionKey } from './session-key.ts'

/** Takes the key that acting needs, and forgets it. */
export function KeyButton() {
  const key = useKey()
  const dialog = useRef<HTMLDialogElement>(null)
  const [failure, setFailure] = useState<string>()
  const close = (): void => dialog.current?.close()
  const submit = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault()
    const form = event.currentTarget as HTMLFormElement
    const { key: entered } = textsOf(form)
    if (entered === undefined) return
    setFailure(undefined)
    try {
      // A wrong key is refused on open routes as well.
      await ask('/api/v1/discovery/info', { headers: { 'X-API-Key': entered } })
      form.reset()
      setSessionKey(entered)
      close()
    } catch (error) {
      setFailure(error instanceof ApiError ? error.message : 'this is no key: it has characters that no key has')
    }
  }
  return (
    <div class="key">
      <button type="button" aria-haspopup="dialog" onClick={() => dialog.current?.showModal()}>
        Key<span class={`status ${key === undefined ? 'fair' : 'good'}`}>{key === undefined ? 'none' : 'set'}</span>
      </button>
      <dialog ref={dialog} aria-labelledby="key-title" onClose={() => setFailure(undefined)}>
        <form onSubmit={submit}>
          <h2 id="key-title">The key that acting needs</h2>
          <p>
            Looking is open as the API is; acting needs a key. It stays in this tab, and goes when the tab is closed.
            The administrator’s is in <code>admin.key</code> of the data directory.
          </p>
          <Field label="Key" name="key" type="password" required />
          {failure !== undefined && <Problem error={failure} />}
          <div class="buttons">
            <button type="submit" class="primary">
              Use it
            </button>
            {key !== undefined && (
              <button
                type="button"
                onClick={() => {
                  setSessionKey(undefined)
                  close()
                }}
              >
                Forget it
              </button>
            )}
            <button type="button" onClick={close}>
              Cancel
            </button>
          </div>
        </form>
      </dialog>
    </div>
  )
}
