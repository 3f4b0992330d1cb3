import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { LIMITS } from '../../../protocol/limits.ts'
import { type DirectoryEntry, NameIndex } from '../../../src/domain/federation/name-index.ts'

const entryOf = (provider: string, offered: string): DirectoryEntry => ({
  provider,
  offered,
  cell: { manifest_digest: offered, publisher: 'p', cell_type: 't', version: offered, capabilities: [] },
  announcedAt: 0,
  expiresAt: 1,
})
const versions = (index: NameIndex, provider: string): string[] =>
  [...index.find('name')].filter((entry) => entry.provider === provider).map(({ offered }) => offered)

const { announcedPerProvider, announcedPerName } = LIMITS

describe('a name', () => {
  it('leads to what was added, highest version first, until that is deleted', () => {
    const index = new NameIndex()
    const [low, high] = [entryOf('c', '1.9.0'), entryOf('c', '1.10.0')]
    assert.ok(index.add('name', low))
    assert.ok(index.add('name', high))
    assert.deepEqual(versions(index, 'c'), ['1.10.0', '1.9.0'])
    index.delete('name', high)
    index.delete('name', high)
    index.delete('name', entryOf('c', '1.9.0'))
    assert.deepEqual(versions(index, 'c'), ['1.9.0'])
    index.delete('name', low)
    assert.ok(!index.has('name'))
    assert.deepEqual([...index.find('name')], [])
  })

  it('keeps the highest versions of one provider', () => {
    const index = new NameIndex()
    const entries = Array.from({ length: announcedPerProvider + 10 }, (_, i) => entryOf('c', `1.${i}.0`))
    for (const entry of entries) index.add('name', entry)
    assert.ok(!index.add('name', entryOf('c', '1.3.0')))
    const expected = entries.slice(10).map(({ offered }) => offered)
    assert.deepEqual(versions(index, 'c'), expected.reverse())
    for (const entry of entries) index.delete('name', entry)
    assert.ok(!index.has('name'))
  })

  it('is bounded, and who offers little is not displaced by who offers much', () => {
    const index = new NameIndex()
    index.add('name', entryOf('small', '0.1.0'))
    for (let provider = 0; provider * announcedPerProvider < announcedPerName + announcedPerProvider; provider++) {
      for (let i = 0; i < announcedPerProvider; i++) index.add('name', entryOf(`large-${provider}`, `9.${i}.0`))
    }
    assert.equal([...index.find('name')].length, announcedPerName)
    assert.ok(index.add('name', entryOf('late', '0.0.1')))
    assert.equal([...index.find('name')].length, announcedPerName)
    assert.deepEqual([versions(index, 'small'), versions(index, 'late')], [['0.1.0'], ['0.0.1']])
  })

  it('that a thousand providers offer takes no more of them', () => {
    const index = new NameIndex()
    for (let i = 0; i < announcedPerName; i++) index.add('name', entryOf(`provider-${i}`, '1.0.0'))
    assert.ok(!index.add('name', entryOf('one more', '2.0.0')))
    assert.equal([...index.find('name')].length, announcedPerName)
  })
})
