/**
 * The child's side: a program calls this once, at its top level, with what it does. `input` are the bytes that it was given, and `argument`
 * the value that came with them. What `work` returns is the answer, as JSON; what it throws ends the process, and the caller sees a crash.
 */
export async function answerSandbox(
  work: (input: AsyncIterable<Uint8Array>, argument: unknown) => Promise<unknown>,
): Promise<void> {
  const answer = await work(process.stdin, JSON.parse(process.argv[2] ?? 'null'))
  process.stdout.write(JSON.stringify(answer))
  // Bytes that the work left unread would keep the process alive.
  process.stdin.destroy()
}
