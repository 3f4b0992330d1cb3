import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { type AddressInfo, connect, createServer } from 'node:net'
import { join } from 'node:path'
import { alternate, compared } from '../measure.ts'
import type { Started } from '../roles/node.ts'
import type { Row, RowContext } from '../row.ts'
import { wasmOf } from '../wasm.ts'

const NGINX = '/usr/sbin/nginx'
const MIB = 1024 * 1024

export const httpDownload: Row = {
  name: 'http-download',
  title: 'package download, 64 MiB, HTTP, one connection',
  async run(context) {
    const size = context.quick ? MIB : 64 * MIB
    const count = context.quick ? 2 : 16
    const node = await context.worker('node')
    const { httpPort } = await node.call<Started>('start', {
      dataDir: await context.folder('http-download'),
      withHttp: true,
    })
    const digest = await node.call<string>('register', { size, number: 1 })
    const directory = await context.folder('http-files')
    const path = join(directory, 'package')
    await writeFile(path, wasmOf(size, 1))

    const load = await context.worker('load')
    const files = await context.worker('file-server')
    const filePort = await files.call<number>('start', { path })
    const nginxPort = existsSync(NGINX) ? await startNginx(context, directory) : undefined
    const download = (port: number, target: string) => () =>
      load.call<number>('download', { port, path: target, count })

    const figures = await alternate(context.rounds, {
      ours: download(httpPort, `/api/v1/cells/packages/${digest}`),
      ...(nginxPort === undefined ? {} : { nginx: download(nginxPort, '/package') }),
      stream: download(filePort, '/'),
    })
    const lines = [
      compared(`${httpDownload.title}, to a file stream with 1 MiB reads`, 'MB/s', figures.ours, figures.stream, 1.4),
    ]
    if (figures.nginx === undefined) return lines
    return [compared(`${httpDownload.title}, to nginx sendfile`, 'MB/s', figures.ours, figures.nginx, 0.9), ...lines]
  },
}

/** Starts nginx with sendfile on a free port. */
async function startNginx(context: RowContext, directory: string): Promise<number> {
  const port = await freePort()
  const configuration = join(directory, 'nginx.conf')
  await writeFile(
    configuration,
    `daemon off; master_process off; worker_processes 1; pid ${directory}/pid; error_log ${directory}/error.log;
events { }
http {
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000;
  client_body_temp_path ${directory}/b; proxy_temp_path ${directory}/p; fastcgi_temp_path ${directory}/f;
  uwsgi_temp_path ${directory}/u; scgi_temp_path ${directory}/s;
  server { listen 127.0.0.1:${port}; root ${directory}; }
}
`,
  )
  const nginx = spawn(NGINX, ['-c', configuration, '-p', directory, '-e', join(directory, 'error.log')], {
    stdio: 'inherit',
  })
  const exited = once(nginx, 'exit')
  context.defer(async () => {
    nginx.kill()
    await exited
  })
  await listening(port)
  return port
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** Resolves when somebody listens. Throws after ten seconds. */
async function listening(port: number): Promise<void> {
  const until = performance.now() + 10_000
  while (performance.now() < until) {
    const socket = connect(port, '127.0.0.1')
    const up = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true))
      socket.once('error', () => resolve(false))
    })
    socket.destroy()
    if (up) return
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  throw new Error(`nobody listens on port ${port}`)
}
