import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { fingerprint, scrub, topFrames } from '../../../src/domain/analytics/scrub.ts'

const JWT = 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.dBjftJeZ4CVPmB92K27uhbUJU1p1rwW1gFWFOEjXk'

describe('scrubbing', () => {
  /** What must not be left, and the line that holds it. */
  const secrets: [string, string][] = [
    ['alice', 'at load (/home/alice/project/index.js:10:5)'],
    ['Smith', 'at load (C:\\Users\\Alice Smith\\My Project\\index.js:10:5)'],
    ['Smith', 'at open (/Users/Alice Smith/Library/x.js:1:2)'],
    ['fileserver', 'at read (\\\\fileserver\\share\\alice.txt)'],
    ['alice', 'at ~/alice/notes.txt'],
    ['alice', 'at run (../alice/run.js:3:1)'],
    ['alice', 'at run (src/alice/run.js:3:1)'],
    ['intranet', 'at fetch (https://alice:pw@intranet.example:8443/a?token=abc#x)'],
    ['alice', 'load@file:///home/alice/index.js:4:1'],
    ['alice', 'at send to alice.b+tag@mail.example.org'],
    ['10.1.2.3', 'at connect 10.1.2.3:5432'],
    ['2001', 'at connect 2001:db8::ff00:42:8329'],
    ['fe80', 'at connect [fe80::1%eth0]:80'],
    ['de:ad', 'at nic de:ad:be:ef:00:01'],
    ['dBjft', `at auth (Bearer ${JWT})`],
    ['AKIA', 'at sign AKIAIOSFODNN7EXAMPLE'],
    ['9f86d081', 'at key 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08'],
    ['550e8400', 'at user 550e8400-e29b-41d4-a716-446655440000'],
    ['c2VjcmV0', 'at body c2VjcmV0LXZhbHVlLTEyMzQ1Ng=='],
    ['hunter2', 'at login password=hunter2'],
    ['hunter2', 'at login {"password": "hunter2"}'],
    ['hunter2', 'at login password:hunter2'],
    ['abc', 'at call Authorization: Bearer abc'],
    ['4915112345678', 'at dial 4915112345678'],
    ['alice', 'at a\u200b (/home/al\u200bice/x.js)'],
  ]
  for (const [secret, line] of secrets) {
    it(`leaves nothing of ${JSON.stringify(secret)} in ${JSON.stringify(line)}`, () => {
      assert.doesNotMatch(scrub(line, 'code'), new RegExp(secret.replace(/[.]/g, '\\.'), 'i'))
      assert.doesNotMatch(scrub(line, 'prose'), new RegExp(secret.replace(/[.]/g, '\\.'), 'i'))
    })
  }

  it('keeps what says where in the program it happened', () => {
    assert.equal(scrub('    at Parser.parse (/home/alice/parser.js:10:5)', 'code'), 'at Parser.parse (<path>)')
    assert.equal(scrub('at com.acme.Store.write(Store.java:42)', 'code'), 'at com.acme.Store.write(Store.java:42)')
    assert.equal(scrub('at wasm-function[12]:0x1a2b', 'code'), 'at wasm-function[12]:0x1a2b')
    assert.equal(scrub('out of memory: 512 MB of 256 MB', 'prose'), 'out of memory: 512 MB of 256 MB')
  })

  it('takes quoted text and hosts out of messages', () => {
    assert.equal(scrub('cannot read "my diary" or \'his\'', 'prose'), 'cannot read <text> or <text>')
    assert.equal(scrub('getaddrinfo ENOTFOUND db.internal.example', 'prose'), 'getaddrinfo ENOTFOUND <address>')
  })

  it('leaves no slash, backslash or at sign of any text', () => {
    const nasty = fc.string({
      unit: fc.constantFrom('/', '\\', '@', '~', '.', ':', ' ', '(', '"', 'a', 'Z', '0', '9', '<', '\u202e'),
    })
    fc.assert(
      fc.property(nasty, fc.constantFrom('code' as const, 'prose' as const), (text, kind) => {
        assert.doesNotMatch(scrub(text, kind), /[/\\@\p{Cf}]/u)
      }),
    )
  })

  it('is done with hostile lines: each is cut before it is looked at', () => {
    for (const unit of ['/', ':', '"', 'a.', '1.', 'a@', '\\', 'a://', '(', '-', 'password=', '0:']) {
      const line = unit.repeat(16_384)
      assert.ok(scrub(line, 'prose').length <= 160)
      assert.ok(topFrames(`at ${line}`).every((frame) => frame.length <= 160))
    }
  })
})

describe('the frames of a stack trace', () => {
  it('are its first eight, without the message and without source code', () => {
    const trace = [
      'Error: hello alice',
      '  more about alice',
      ...Array.from({ length: 20 }, (_, n) => `    at f${n} (/x.js:${n}:1)`),
    ]
    assert.deepEqual(
      topFrames(trace.join('\n')),
      Array.from({ length: 8 }, (_, n) => `at f${n} (<path>)`),
    )
    const python = 'Traceback:\n  File "/home/alice/x.py", line 3, in main\n    call("alice")\nValueError: alice'
    assert.deepEqual(topFrames(python), ['File "<path>", line 3, in main'])
    assert.deepEqual(topFrames('load@https://example.org/a.js:1:2\n'), ['load in <path>'])
    assert.deepEqual(topFrames('nothing that is a frame'), [])
  })

  it('have one fingerprint whatever the machine and the line, and others for other places and errors', () => {
    const of = (trace: string, code = 'E1') => fingerprint('cell', 'execution', code, topFrames(trace))
    const here = of('    at f (/home/alice/x.js:1:2)\n at g (A.java:7)')
    assert.match(here, /^[0-9a-f]{24}$/)
    assert.equal(of('    at f (C:\\Users\\Bob B\\x.js:99:1)\n at g (A.java:8)'), here)
    assert.notEqual(of('    at h (/home/alice/x.js:1:2)\n at g (A.java:7)'), here)
    assert.notEqual(of('    at f (/home/alice/x.js:1:2)\n at g (A.java:7)', 'E2'), here)
  })
})
