import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { promisify } from 'node:util'
import { CYTOPLEX, type NodeProcess } from '../../scripts/nodes.ts'
import { createClient, operatorPublicKey } from '../../src/client/index.ts'
import { toBase64Url } from '../../src/kernel/base/bytes.ts'
import { createPublisherKeys, publisherKeys, savePublisherKeyFile } from '../../src/kernel/identity/manifest-signer.ts'
import { SMALL_MODULE } from '../support/modules.ts'
import { nodeProcess, temporaryFolder } from '../support/processes.ts'
import { runPython, withoutNewPython } from '../support/python.ts'

const skip = withoutNewPython
const METADATA = { cell_type: 'maps', version: '1.2.0', capabilities: [{ name: 'decode', version: '2.1.0' }] }
const SEED = Buffer.alloc(32, 7)
const TERMS = 'Either party may terminate with thirty days notice. Payment is due within fourteen days.\n'

async function withCell(t: TestContext): Promise<{ node: NodeProcess; bytes: Uint8Array; publisher: string }> {
  const node = await nodeProcess(t, { dataDir: join(await temporaryFolder(t), 'node') })
  const bytes = new Uint8Array(await readFile(SMALL_MODULE))
  const client = createClient({ nodes: node.http_url, apiKey: node.adminKey })
  const { publisher } = await client
    .registerCell({ metadata: METADATA, package: bytes })
    .then(() => client.cellDetails('maps'))
  return { node, bytes, publisher }
}

async function listening(t: TestContext, listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

test('in Python, a cell is found by capability, verified and downloaded', { skip }, async (t) => {
  const { node, bytes, publisher } = await withCell(t)
  const file = join(await temporaryFolder(t), 'maps.wasm')
  const found = await runPython<Record<string, unknown>>(
    `
from cytoplex import Client, NotFoundError, IntegrityError, InvalidArgumentError
import hashlib, os
def fails(kind, call):
    try:
        call()
    except kind as error:
        return error.code
client = Client(given["url"])
data, cell = client.assemble("decode", "^2.0.0")
told = []
client.download_to(cell, given["file"], lambda done, total: told.append([done, total]))
print(json.dumps({
    "sha256": hashlib.sha256(data).hexdigest(), "cell": [cell.cell_type, cell.version, cell.publisher, list(cell.algorithms)],
    "same": open(given["file"], "rb").read() == data, "beside": os.listdir(os.path.dirname(given["file"])), "told": told[-1],
    "specific": client.request_specific("maps", "1.x").cell_id == cell.cell_id, "held": client.cell("maps").cell_id == cell.cell_id,
    "outside": fails(NotFoundError, lambda: client.request("decode", "^3.0.0")),
    "nowhere": fails(NotFoundError, lambda: client.request("nothing.offers.this")),
    "range": fails(InvalidArgumentError, lambda: client.request("decode", "latest")),
    "untrusted": fails(IntegrityError, lambda: Client(given["url"], publishers=["0" * 64]).request("decode")),
    "network": fails(IntegrityError, lambda: Client(given["url"], network="other").request("decode")),
    "maximum": fails(NotFoundError, lambda: client.request("decode", preferences={"security_level": "maximum"})),
    "digest": fails(NotFoundError, lambda: client.download("sha256:" + "0" * 64)),
}))`,
    { url: node.http_url, file },
  )
  const { digest } = await createClient({ nodes: node.http_url }).request({ capability: 'decode' })
  assert.equal(`sha256:${found.sha256}`, digest)
  assert.deepEqual(found.cell, ['maps', '1.2.0', publisher, ['ed25519']])
  assert.deepEqual([found.same, found.specific, found.held, found.beside], [true, true, true, ['maps.wasm']])
  assert.deepEqual(found.told, [bytes.length, bytes.length])
  assert.deepEqual([found.outside, found.nowhere, found.digest], ['PROV_002', 'PROV_003', 'PROV_002'])
  assert.deepEqual([found.range, found.maximum], ['INVALID_ARGUMENT', 'PROV_002'])
  assert.deepEqual([found.untrusted, found.network], ['INTEGRITY', 'INTEGRITY'])
})

test('in Python, security level maximum needs both halves of the signature, and the proof from the log', {
  skip,
}, async (t) => {
  const folder = await temporaryFolder(t)
  const keys = createPublisherKeys({ kind: 'publisher', hybrid: true })
  savePublisherKeyFile(join(folder, 'publisher.json'), keys)
  const { publisher } = publisherKeys(keys)
  const node = await nodeProcess(t, { dataDir: join(folder, 'node'), env: { CYTOPLEX_PUBLISHERS_PINNED: publisher } })
  const flags = ['--type', 'maps', '--version', '1.2.0', '--capability', 'decode@2.1.0', '--data-dir', node.dataDir]
  await promisify(execFile)(CYTOPLEX, ['cell', 'push', SMALL_MODULE, ...flags, '--key', join(folder, 'publisher.json')])
  const found = await runPython<Record<string, unknown>>(
    `
from cytoplex import Client, IntegrityError
from cytoplex.cells import Expected, verified_cell
from cytoplex.verify_answer import base64url, canonical, parse
from cytoplex.keys import encode
cell = Client(given).request("decode", "^2.0.0", preferences={"security_level": "maximum"})
expected = Expected("capability", "decode", maximum=True)
def reason(**changes):
    try:
        verified_cell("main", "node", {**cell.answer, **changes}, expected)
    except IntegrityError as error:
        return error.message
token = parse(base64url(cell.answer["signature"][4:]))
post = bytearray(base64url(token["signatures"][1]["signature"]))
post[100] ^= 1
token["signatures"][1]["signature"] = encode(bytes(post))
log = json.loads(json.dumps(cell.answer["log"]))
log["evidence"]["inclusion"]["log_index"] += 1
without = {key: value for key, value in cell.answer.items() if key != "log"}
def bare():
    try:
        verified_cell("main", "node", without, expected)
    except IntegrityError as error:
        return error.message
print(json.dumps({"algorithms": list(cell.algorithms), "publisher": cell.publisher, "holds": reason() is None, "log": reason(log=log),
    "post": reason(signature="cs1." + encode(canonical(token).encode())), "bare": bare(),
    "provider": reason(metadata={**cell.answer["metadata"], "provider": "somebody"})}))`,
    node.http_url,
  )
  assert.deepEqual([found.algorithms, found.publisher, found.holds], [['ed25519', 'ml-dsa-65'], publisher, true])
  assert.match(String(found.post), /ml-dsa-65 signature is wrong/)
  assert.match(String(found.log), /is not in the log|leaf outside the log/)
  assert.match(String(found.bare), /KeyError\('log'\)/)
  assert.match(String(found.provider), /another provider's log/)
})

test('in Python, a question is answered as the document shows, and its proof verifies until something is changed', {
  skip,
}, async (t) => {
  const folder = await temporaryFolder(t)
  const node = await nodeProcess(t, { dataDir: join(folder, 'node') })
  const admin = createClient({ nodes: node.http_url, apiKey: node.adminKey })
  await admin.registerCell({
    metadata: {
      cell_type: 'terms',
      version: '2.1.0',
      capabilities: [{ name: 'contract.terms', version: '2.1.0' }],
      packaging_format: 'document',
      media_type: 'text/plain',
      labels: { domain: 'general' },
    },
    package: Buffer.from(TERMS),
  })
  const { publisher } = await admin.cellDetails('terms')
  await admin.send('PUT', '/api/v1/assurance/approvals', { domain: 'general', publisher })
  await admin.operators.create({
    operator_id: 'team@example.org',
    algorithm: 'ed25519',
    public_key: toBase64Url(operatorPublicKey(SEED)),
    permissions: [{ domain: 'general', jurisdictions: null }],
    tier: 'enterprise',
  })
  const key = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), SEED]).toString('base64')
  await writeFile(join(folder, 'key.pem'), `-----BEGIN PRIVATE KEY-----\n${key}\n-----END PRIVATE KEY-----\n`)
  const found = await runPython<Record<string, unknown>>(
    `
from cytoplex import Client, IntegrityError, Proof, UnauthorizedError, load_private_key
client = Client(given["url"], operator_id="team@example.org", private_key=load_private_key(given["pem"]))
response = client.query(
    query="When is payment due?", domain="general", verification_mode="strict", return_proof=True)
forged = json.loads(json.dumps(response.raw))
forged["payload"]["confidence"] = 0.5
def reason(proof):
    try:
        client.check_proof(proof)
    except IntegrityError as error:
        return error.message
def refused(client, **question):
    try:
        client.query("When is payment due?", **question)
    except UnauthorizedError as error:
        return [error.status, error.code]
batch = client.submit_batch([{"query": "When is payment due?", "context": {"domain": "general"}}])
while client.batch_status(batch["batch_id"])["status"] not in ("completed", "complete", "finished"):
    pass
print(json.dumps({
    "status": [response.verification_status, response.result, response.confidence],
    "proof": client.verify_proof(response.proof), "cites": client.verify_proof(response.proof, [given["terms"].encode()]),
    "others": client.verify_proof(response.proof, [b"Another document."]),
    "forged": reason(Proof(forged, response.request)), "none": client.verify_proof(client.query("When is payment due?", "general").proof),
    "question": reason(Proof(response.raw, {**response.request, "payload": {**response.request["payload"], "query": "What else?"}})),
    "domain": refused(client, domain="legal"),
    "stranger": refused(Client(given["url"], operator_id="nobody", private_key=load_private_key(given["pem"])), domain="general"),
    "batch": [one["response"]["payload"]["result"] for one in client.batch_results(batch["batch_id"])],
}))`,
    { url: node.http_url, pem: join(folder, 'key.pem'), terms: TERMS },
  )
  assert.deepEqual(found.status, ['verified', 'Payment is due within fourteen days.', found.status?.[2 as never]])
  assert.deepEqual([found.proof, found.cites, found.others, found.none], [true, true, false, false])
  assert.match(String(found.forged), /^the answer does not hold: the proof is of another result/)
  assert.match(String(found.question), /of another request/)
  assert.deepEqual(
    [found.domain, found.stranger],
    [
      [403, '403'],
      [401, '401'],
    ],
  )
  assert.deepEqual(found.batch, ['Payment is due within fourteen days.'])
})

test('in Python, a session remembers, awaited as the document shows and blocking', { skip }, async (t) => {
  const node = await nodeProcess(t, { dataDir: join(await temporaryFolder(t), 'node') })
  const found = await runPython<Record<string, unknown>>(
    `
import asyncio
from cytoplex import CCCMemoryClient, CytoplexError, InvalidArgumentError, MemoryClient, NotFoundError, UnauthorizedError
async def main():
    client = CCCMemoryClient(base_url=given["url"], api_version='v2')
    session = await client.create_session(memory_retention_days=30, context_depth=10)
    first = await client.start_conversation("Payment is due within fourteen days.")
    await client.add_turn(first["conversation_id"], "beatrice", "The supplier delivers on Mondays.")
    response = await client.enhanced_chat_completion(
        session_id=session['session_id'],
        messages=[{"role": "user", "content": "When is payment due?"}],
        memory_options={"use_context": True, "include_agent_state": True})
    said = ""
    chunks = [chunk async for chunk in client.stream_chat_completion([{"role": "user", "content": "When is payment due?"}])]
    for chunk in chunks:
        for choice in chunk["choices"]:
            said += choice["delta"].get("content") or ""
    return session, first, response, said
session, first, response, said = asyncio.run(main())
client = MemoryClient(given["url"], session=session)
turns = client.conversation(first["conversation_id"])["turns"]
hits = client.search_context("supplier Mondays", max_results=3)
state = client.agent_state("beatrice")
changed = client.update_agent_state("beatrice", {"tone": "calm"}, if_match=state["etag"])
def fails(kind, call):
    try:
        call()
    except kind as error:
        return error.code
stale = fails(CytoplexError, lambda: client.update_agent_state("beatrice", {"tone": "loud"}, if_match=state["etag"]))
wrong = MemoryClient(given["url"], session={**session, "token": session["token"][:-8] + "AAAAAAAA"})
client.archive_session()
archived = fails(CytoplexError, lambda: client.start_conversation("More."))
client.delete_session()
print(json.dumps({
    "preferences": session["status"], "answer": response["choices"][0]["message"]["content"], "streamed": said,
    "turns": [turn["content"] for turn in turns], "hit": hits["results"][0]["snippet"], "stale": stale, "archived": archived,
    "wrong": fails(UnauthorizedError, wrong.context), "gone": fails(InvalidArgumentError, client.context),
    "version": fails(InvalidArgumentError, lambda: MemoryClient(given["url"], "v1")),
}))`,
    { url: node.http_url },
  )
  assert.match(String(found.answer), /Payment is due within fourteen days/)
  assert.match(String(found.streamed), /Payment is due within fourteen days/)
  assert.deepEqual(found.turns, ['Payment is due within fourteen days.', 'The supplier delivers on Mondays.'])
  assert.match(String(found.hit), /supplier/)
  assert.deepEqual([found.stale, found.archived], ['PRECONDITION_FAILED', 'SESSION_ARCHIVED'])
  assert.equal(found.wrong, 'INVALID_SESSION_TOKEN')
  assert.deepEqual([found.gone, found.version], ['INVALID_ARGUMENT', 'INVALID_ARGUMENT'])
})

test('in Python, a node tells how it is, and one that is silent is named', { skip }, async (t) => {
  const { node } = await withCell(t)
  const silent = await listening(t, () => {})
  const found = await runPython<Record<string, unknown>>(
    `
from cytoplex import Client, UnreachableError
client = Client(given["url"])
alone = Client(given["silent"], timeout=0.2, retries=0)
both = Client([given["silent"], given["url"]], timeout=0.2, retries=0)
def attempts(call):
    try:
        call()
    except UnreachableError as error:
        return error.attempts
print(json.dumps({"info": client.info(), "checks": list(client.status()["checks"]), "health": client.health()["status"],
    "provider": client.provider_info()["provider_id"], "ready": [client.is_ready(), alone.is_ready()],
    "attempts": attempts(alone.info), "failover": both.info()["node_id"] == client.info()["node_id"]}))`,
    { url: node.http_url, silent },
  )
  assert.equal(found.provider, node.provider_id)
  assert.deepEqual(found.checks, ['sync', 'peers', 'consensus'])
  assert.deepEqual(found.ready, [true, false])
  assert.deepEqual(found.attempts, [[silent, 'no answer in time']])
  assert.equal(found.failover, true)
})

test('in Python, what a lying node sends is refused, and what broke off goes on elsewhere', { skip }, async (t) => {
  const { node, bytes } = await withCell(t)
  const answer = (path: string, init: RequestInit) => fetch(`${node.http_url}${path}`, init)
  const asked: string[] = []
  /** Answers as the real node does, with other bytes or another cell. */
  const liar = await listening(t, async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    asked.push(request.url!)
    if (request.url!.startsWith('/api/v1/cells/packages/')) {
      response.setHeader('Content-Length', bytes.length)
      response.end(Buffer.alloc(bytes.length, 1))
      return
    }
    const real = await answer(request.url!, {
      method: 'POST',
      body: Buffer.concat(chunks),
      headers: { 'Content-Type': 'application/json' },
    })
    const body = (await real.json()) as { cell: { manifest: { version: string }; version: string } }
    body.cell.version = body.cell.manifest.version = '1.9.0'
    response.setHeader('Content-Type', 'application/json')
    response.end(JSON.stringify(body))
  })
  const ranges: (string | undefined)[] = []
  /** Breaks off again and again. */
  const broken = await listening(t, (request, response) => {
    ranges.push(request.headers.range)
    const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0)
    response.statusCode = from === 0 ? 200 : 206
    if (from > 0) response.setHeader('Content-Range', `bytes ${from}-${bytes.length - 1}/${bytes.length}`)
    response.setHeader('Content-Length', bytes.length - from)
    response.write(bytes.subarray(from, from + 100), () => response.destroy())
  })
  /** Breaks off once. */
  const shaky = await listening(t, (request, response) => {
    const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0)
    const end = from === 0 ? bytes.length / 2 : bytes.length
    response.statusCode = from === 0 ? 200 : 206
    if (from > 0) response.setHeader('Content-Range', `bytes ${from}-${bytes.length - 1}/${bytes.length}`)
    response.setHeader('Content-Length', bytes.length - from)
    response.write(bytes.subarray(from, end), () => (from === 0 ? response.destroy() : response.end()))
  })
  const redirecting = await listening(t, (_request, response) => {
    response.writeHead(302, { Location: node.http_url }).end()
  })
  const found = await runPython<Record<string, unknown>>(
    `
from cytoplex import Client, CytoplexError, IntegrityError
def fails(call):
    try:
        call()
    except CytoplexError as error:
        return [type(error).__name__, error.code, error.message]
honest = Client(given["node"]).request("decode")
liar = Client(given["liar"], retries=0)
data = Client([given["liar"], given["node"]]).download(honest.digest)
two = Client([given["liar"], given["node"]]).request("decode")
broken = fails(lambda: Client(given["broken"]).download(honest))
resumed = Client(given["shaky"]).download(honest) == data
print(json.dumps({"cell": fails(lambda: liar.request("decode")), "bytes": fails(lambda: liar.download(honest.digest)),
    "size": len(data), "node": two.node, "broken": broken, "resumed": resumed, "redirect": fails(lambda: Client(given["redirecting"]).info())}))`,
    { node: node.http_url, liar, broken, shaky, redirecting },
  )
  assert.deepEqual((found.cell as string[]).slice(0, 2), ['IntegrityError', 'INTEGRITY'])
  assert.match((found.cell as string[])[2]!, /signature is wrong/)
  assert.match((found.bytes as string[])[2]!, /the bytes that .* sent are not sha256:/)
  assert.equal(found.size, bytes.length)
  assert.equal(found.node, node.http_url)
  assert.ok(asked.length > 3)
  assert.equal(found.resumed, true)
  // Single bytes keep no download alive.
  assert.equal((found.broken as string[])[0], 'UnreachableError')
  assert.deepEqual(ranges, [undefined, 'bytes=100-', 'bytes=200-'])
  assert.equal((found.redirect as string[])[1], 'HTTP_302')
})

test('in Python, what a node refuses for now is tried again, and nothing is done twice', { skip }, async (t) => {
  let gets = 0
  let posts = 0
  const url = await listening(t, (request, response) => {
    response.setHeader('Content-Type', 'application/json')
    if (request.method === 'POST') {
      posts++
      // It may have done it: nobody knows.
      request.socket.destroy()
      return
    }
    gets++
    if (gets < 3) response.writeHead(503, { 'Retry-After': '0' }).end('{"code":"BUSY","message":"later"}')
    else response.end(request.url === '/info' ? '{"a":1}' : '{"a":1,"a":2}')
  })
  const found = await runPython<Record<string, unknown>>(
    `
from cytoplex import Client, CytoplexError, MemoryClient, UnreachableError
def fails(call):
    try:
        call()
    except CytoplexError as error:
        return error.code
client = Client(given)
print(json.dumps({"info": client.info(), "twice": fails(lambda: client.get("/two")),
    "created": fails(lambda: MemoryClient(given).create_session())}))`,
    url,
  )
  assert.deepEqual(found, { info: { a: 1 }, twice: 'BAD_ANSWER', created: 'UNREACHABLE' })
  assert.deepEqual([gets, posts], [4, 1])
})

test('the examples of the client for Python run as printed', { skip }, async (t) => {
  const { node } = await withCell(t)
  const home = await temporaryFolder(t)
  const page = await readFile(join(import.meta.dirname, '../../protocol/clients/python/README.md'), 'utf8')
  const examples = [...page.matchAll(/<!-- run -->\n```python\n([\s\S]*?)```/g)].map(([, code]) => code!)
  assert.ok(examples.length >= 3)
  await mkdir(join(home, 'out'))
  for (const example of examples) {
    const program = `import os\nos.chdir(given["home"])\nimport contextlib, io\nsaid = io.StringIO()\nwith contextlib.redirect_stdout(said):\n    exec(given["code"], {"__name__": "__main__"})\nprint(json.dumps(said.getvalue()))`
    const code = example.replaceAll('http://127.0.0.1:8000', node.http_url)
    assert.notEqual(await runPython<string>(program, { home, code }), '', example)
  }
})
