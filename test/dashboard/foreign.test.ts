import assert from 'node:assert/strict'
import { test } from 'node:test'
import { failureText } from '../../src/dashboard/failure-text.ts'
import { outsideLink, visible, visibleLines } from '../../src/dashboard/foreign.ts'

test('control and bidirectional characters are visible, and only in texts of lines do breaks stay', () => {
  assert.equal(visible('a\u202eb\u001b[31mc\u0000\n'), 'a\\u202eb\\u001b[31mc\\u0000\\u000a')
  assert.equal(visibleLines('a\n\tb\r\n\u2066c'), 'a\n\tb\r\n\\u2066c')
  assert.equal(visible(undefined), 'undefined')
})

test('links go to the web only', () => {
  assert.equal(outsideLink('https://example.org/a?b#c'), 'https://example.org/a?b#c')
  assert.equal(outsideLink('http://example.org'), 'http://example.org/')
  for (const text of [
    'javascript:alert(1)',
    ' java\nscript:alert(1)',
    'data:text/html,<script>alert(1)</script>',
    'file:///etc/passwd',
    'https://user:secret@example.org/',
    '/relative',
    '',
    null,
    { href: 'https://example.org' },
  ]) {
    assert.equal(outsideLink(text), undefined, String(text))
  }
})

test('an error says its words, whichever documented shape it has', () => {
  const said: readonly [body: string, words: string][] = [
    ['{"status":"error","error":{"code":"PROV_001","message":"cells"}}', 'cells'],
    ['{"success":false,"data":null,"error":"goals","code":"PROV_013"}', 'goals'],
    ['{"errors":[{"code":"401","message":"assurance","severity":"error"}]}', 'assurance'],
    ['{"status":"error","message":"repository"}', 'repository'],
    ['no JSON', 'no JSON'],
    ['', 'status 502'],
    ['null', 'status 502'],
    ['{}', 'status 502'],
  ]
  for (const [body, words] of said) assert.equal(failureText(502, body), words)
})
