import assert from 'node:assert/strict'
import { it } from 'node:test'
import { IncompleteBatches } from '../../src/network/incomplete-batches.ts'

it('when too much waits for signatures, the batch that was begun first is given up', () => {
  const batches = new IncompleteBatches(100)
  const ended: string[] = []
  const holder = (name: string) => {
    const stream = {
      abort: () => {
        ended.push(name)
        batches.set(stream, 0)
      },
    }
    return stream
  }
  const [slow, done, honest] = [holder('slow'), holder('done'), holder('honest')] as const
  batches.set(slow, 10)
  batches.set(done, 80)
  batches.set(done, 0)
  batches.set(slow, 20)
  batches.set(honest, 80)
  assert.deepEqual(ended, [])
  batches.set(honest, 81)
  assert.deepEqual(ended, ['slow'])
  batches.set(done, 20)
  assert.deepEqual(ended, ['slow', 'honest'])
  batches.set(holder('another'), 80)
  assert.deepEqual(ended, ['slow', 'honest'])
})
