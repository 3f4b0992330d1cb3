/** Writes into a text index until it is killed, and tells what it has written. */
import { TextIndex } from '../../../src/kernel/text/text-index.ts'

const text = new TextIndex(process.argv[2]!)
for (let number = 0; ; number++) {
  await text.write('names', [{ id: String(number), name: `entry-${number}-of-it` }], String(number))
  process.stdout.write(`${number}\n`)
}
