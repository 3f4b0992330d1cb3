import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { endWhenSilent, LOOK_MS, SILENT_LOOKS } from '../../src/network/silence.ts'

class FakeConnection extends EventTarget {
  readonly reasons: string[] = []
  abort(error: Error): void {
    this.reasons.push(error.message)
    this.dispatchEvent(new Event('close'))
  }
}

function watched(t: TestContext) {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const connection = new FakeConnection()
  endWhenSilent(connection)
  return { connection, look: (times: number) => t.mock.timers.tick(times * LOOK_MS) }
}

for (const event of ['message', 'drain']) {
  test(`a connection lives on while there is a ${event}, and ends when there was none for half a minute`, (t) => {
    const { connection, look } = watched(t)
    for (let i = 0; i < 5; i++) {
      look(SILENT_LOOKS)
      connection.dispatchEvent(new Event(event))
    }
    look(SILENT_LOOKS)
    assert.deepEqual(connection.reasons, [])
    look(1)
    assert.deepEqual(connection.reasons, ['nothing came from the peer for 30 s'])
    look(SILENT_LOOKS)
    assert.equal(connection.reasons.length, 1)
  })
}

test('a connection that was closed is left alone', (t) => {
  const { connection, look } = watched(t)
  connection.dispatchEvent(new Event('close'))
  look(2 * SILENT_LOOKS)
  assert.deepEqual(connection.reasons, [])
})
